"""export_model.py: bundles of the default model, of a factory and of TorchScript files, and bad requests."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import export_script
from exporting import folding, weights  # export_script knows its folder

SCRIPT = export_script.SCRIPTS / "export_model.py"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's advice against TorchScript
SMALL = ["--input-size", "64", "--threads", "2"]
TORCHSCRIPT = [*SMALL, "--formats", "torchscript"]

# Strides 4 (8 channels), 8 (16) and 16 (24, after a block with batch norm); a classifier like any other.
FACTORY = '''
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.pad = nn.ZeroPad2d(1)
        self.conv = nn.Conv2d(inputs, outputs, 3, 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.norm(self.conv(self.pad(x))))

class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 4, padding=1)
        self.layers = nn.Sequential(Block(8, 16), Block(16, 24))
        self.widen = nn.Conv2d(24, 48, 1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(48, 5)

    def forward(self, x):
        return self.fc(torch.flatten(self.avgpool(self.widen(self.layers(self.stem(x)))), 1))

def tiny():
    torch.manual_seed(7)
    model = Tiny()
    for block in model.layers:  # as after training: a fold that forgets one of these gives other numbers
        for tensor in (block.norm.running_mean, block.norm.bias):
            nn.init.normal_(tensor, 0, 0.3)
        for tensor in (block.norm.running_var, block.norm.weight):
            nn.init.uniform_(tensor, 0.5, 2)
    return model

def broken():
    raise ValueError("no such checkpoint")
'''


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A directory with a factory, its state dict, and its classifier traced and scripted."""
    directory = tmp_path_factory.mktemp("workshop")
    (directory / "tiny_model.py").write_text(FACTORY)
    sys.path.insert(0, str(directory))
    import tiny_model

    model = tiny_model.tiny().eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False).mul_(1.5)  # so that a state dict that is not loaded is noticed
    torch.save(model.state_dict(), directory / "tiny.pth")
    torch.jit.trace(model, torch.rand(1, 3, 64, 64)).save(directory / "traced.pt")
    torch.jit.script(model).save(directory / "scripted.pt")
    directory.joinpath("model.txt").write_text("this is not a model")
    return directory, model


@pytest.fixture
def export(workshop, monkeypatch, capfd):
    """Runs the script in this process, from the workshop: importing PyTorch takes longer than a small export."""
    monkeypatch.chdir(workshop[0])
    return export_script.runner(capfd)


def bundle(run, out, *arguments):
    done = run("--out", out, *arguments)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1, "one line sums the export up"
    return json.loads((out / "model.json").read_text())


def run_script(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def golden(out, manifest):
    height, width = manifest["preprocess"]["height"], manifest["preprocess"]["width"]
    pixels = np.fromfile(out / "golden_input.u8", np.uint8).reshape(-1, height, width, 3)
    outputs = np.fromfile(out / "golden_output.f32", "<f4").reshape(-1, manifest["dimension"])
    assert len(pixels) == len(outputs) == manifest["golden"]["count"]
    return torch.from_numpy(pixels), torch.from_numpy(outputs)


def normalised(pixels, manifest):
    """As torchvision's ToTensor and Normalize do it, by NumPy."""
    mean, std = (np.float32(manifest["preprocess"][key]) for key in ("mean", "std"))
    images = (pixels.numpy().astype(np.float32) / np.float32(255) - mean) / std
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def unit(features):
    pool = features.mean((2, 3)) if features.dim() == 4 else features
    return pool / pool.norm(dim=1, keepdim=True)


def assert_hashes_cover_the_bundle(out, manifest):
    assert {path.name for path in out.iterdir()} == {"model.json", *manifest["files"]}
    for name, expected in manifest["files"].items():
        content = (out / name).read_bytes()
        assert expected == {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def test_the_default_model_gives_four_pools_of_unit_norm(tmp_path):
    out = tmp_path / "default"
    manifest = bundle(run_script, out, "--default", "--formats", "torchscript", "--threads", "2")
    sizes = {pool["name"]: pool["dimension"] for pool in manifest["pools"]}
    assert sizes == {"s8": 40, "s16": 112, "s32": 320, "head": 1280} and manifest["dimension"] == 1752
    pixels, expected = golden(out, manifest)
    embeddings = torch.jit.load(str(out / "model.pt"))(pixels)
    assert (embeddings - expected).abs().max() <= manifest["golden"]["tolerance"]
    for pool in embeddings.split(list(sizes.values()), dim=1):
        assert torch.allclose(pool.norm(dim=1), torch.ones(len(pool)), atol=1e-5)
    assert_hashes_cover_the_bundle(out, manifest)


def test_a_factory_and_its_state_dict_give_the_eager_pools_in_both_formats(workshop, export, tmp_path):
    model = workshop[1]
    out, wanted = tmp_path / "tiny", ("--pools", "s4,s8,s16,head", "--batches", "1", *SMALL)
    manifest = bundle(export, out, "--factory", "tiny_model:tiny", "--weights", "tiny.pth", *wanted)
    pixels, expected = golden(out, manifest)
    stem = model.stem(normalised(pixels, manifest))
    maps = [stem, model.layers[0](stem), model.layers(stem), model.widen(model.layers(stem))]
    eager = torch.cat([unit(features) for features in maps], 1)
    assert [pool["dimension"] for pool in manifest["pools"]] == [8, 16, 24, 48]
    assert torch.allclose(expected, eager, atol=1e-6)
    assert [(w["file"], w["batch"]) for w in manifest["weights"]] == [("model.pt", 0), ("model-b1.pt2", 1)]
    assert torch.allclose(torch.jit.load(str(out / "model.pt"))(pixels), eager, atol=1e-5)
    compiled = torch._inductor.aoti_load_package(str(out / "model-b1.pt2"))
    assert torch.allclose(compiled(pixels[:1]), eager[:1], atol=1e-5)
    assert_hashes_cover_the_bundle(out, manifest)


@pytest.mark.parametrize("file", ["traced.pt", "scripted.pt"])
@pytest.mark.parametrize("layer", ["avgpool", "layers.1", "layers.0.norm"])
def test_a_torchscript_classifier_is_cut_at_the_layer(workshop, export, tmp_path, file, layer):
    model = workshop[1]
    out, seen = tmp_path / "cut", []
    manifest = bundle(export, out, "--torchscript", file, "--layer", layer, *TORCHSCRIPT)
    pixels, expected = golden(out, manifest)
    handle = model.get_submodule(layer).register_forward_hook(lambda _, __, output: seen.append(output.clone()))
    model(normalised(pixels, manifest))
    handle.remove()
    assert torch.allclose(expected, unit(seen[0]), atol=1e-6)
    five = torch.jit.load(str(out / "model.pt"))(pixels[:1].repeat(5, 1, 1, 1))
    assert torch.allclose(five, expected[:1].expand(5, -1), atol=1e-5)


def test_bfloat16_stays_within_its_tolerance_and_takes_less_space(export, tmp_path):
    source = ("--factory", "tiny_model:tiny", *TORCHSCRIPT)
    full = bundle(export, tmp_path / "fp32", *source)
    half = bundle(export, tmp_path / "bf16", *source, "--precision", "bf16")
    pixels, expected = golden(tmp_path / "bf16", half)
    embeddings = torch.jit.load(str(tmp_path / "bf16" / "model.pt"))(pixels)
    assert embeddings.dtype == torch.float32
    assert 0 < (embeddings - expected).abs().max() <= half["golden"]["tolerance"]
    assert half["files"]["model.pt"]["size"] < full["files"]["model.pt"]["size"]


def test_the_preprocessing_asked_for_is_recorded(export, tmp_path):
    asked = ["--resize-mode", "short_side", "--short-side", "72", "--filter", "bicubic"]
    asked += ["--mean=0.1,0.2,0.3", "--std=1,2,3"]
    manifest = bundle(export, tmp_path / "b", "--factory", "tiny_model:tiny", "--name", "mine", *asked, *TORCHSCRIPT)
    assert manifest["name"] == "mine" and manifest["format"] == 2
    assert manifest["preprocess"] == {
        "mode": "short_side", "short_side": 72, "height": 64, "width": 64, "filter": "bicubic",
        "mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 3.0],
    }  # fmt: skip


TINY = ["--factory", "tiny_model:tiny"]


def test_programs_are_compiled_for_one_image_two_and_four_unless_told_otherwise():
    parse = export_script.export_model.parse
    assert parse(["--out", "x", *TINY]).batches == [1, 2, 4]
    assert parse(["--out", "x", *TINY, "--batches", "2,16"]).batches == [2, 16]


def test_a_lone_image_has_a_program_of_its_own_where_threads_together_gain_by_one(tmp_path):
    """Whether they do is the processor's and the model's affair: times are made up here."""
    module, pixels = torch.nn.Flatten(), torch.rand(2, 3, 4, 4)
    programs = [{"file": "model-b1.pt2", "format": "aotinductor", "batch": 1, "milliseconds": 1e6, "milliseconds_together": 9e6}]

    def write():
        with weights.threads(2):
            return weights.write_lone(module, programs, pixels, module(pixels), 1e-6, tmp_path)

    entry = write()
    assert entry["threads"] == 2 and 0 < entry["milliseconds"] < 1e6
    assert (tmp_path / entry["file"]).is_file()
    programs[0] |= {"milliseconds": 1e-6, "milliseconds_together": 9e-6}
    assert write() is None and not list(tmp_path.iterdir()), "slower than one thread"
    programs[0] |= {"milliseconds": 1, "milliseconds_together": 0.6}
    assert write() is None, "weights are not packed at each run"


BAD_REQUESTS = {
    "an unknown layer": ([*TINY, "--layer", "pool5"], 2, "it calls: stem, layers, "),
    "a layer that a TorchScript file lacks": (["--torchscript", "traced.pt", "--layer", "layers.9"], 2, "calls: stem"),
    "a stride that the model lacks": ([*TINY, "--pools", "s32"], 2, "it has s4, s8, s16"),
    "a pool that is none": ([*TINY, "--pools", "s8,tail"], 2, "'tail' is not a pool"),
    "an unknown precision": ([*TINY, "--precision", "int4"], 2, "invalid choice: 'int4'"),
    "two sources": ([*TINY, "--default"], 2, "not allowed with"),
    "no source": ([], 2, "one of the arguments"),
    "a module that is missing": (["--factory", "absent:tiny"], 2, "cannot import 'absent'"),
    "a function that is missing": (["--factory", "tiny_model:huge"], 2, "cannot find 'huge'"),
    "a factory that fails": (["--factory", "tiny_model:broken"], 1, "no such checkpoint"),
    "a factory that gives no module": (["--factory", "os:getcwd"], 1, "not a torch.nn.Module"),
    "weights that are missing": ([*TINY, "--weights", "absent.pth"], 2, "cannot read the weights absent.pth"),
    "weights that are damaged": ([*TINY, "--weights", "model.txt"], 1, "not a state dict"),
    "a TorchScript file that is missing": (["--torchscript", "absent.pt"], 2, "no TorchScript file absent.pt"),
    "a TorchScript file that is damaged": (["--torchscript", "model.txt"], 1, "not a TorchScript file"),
    "a size of zero": ([*TINY, "--input-size", "0"], 2, "'0' is not a whole number from 32"),
    "a deviation of zero": ([*TINY, "--std", "1,0,1"], 2, "not three numbers"),
}


@pytest.mark.parametrize("request_name", BAD_REQUESTS)
def test_a_bad_request_is_answered_in_one_line_and_leaves_nothing(export, tmp_path, request_name):
    arguments, code, message = BAD_REQUESTS[request_name]
    formats = [] if "--input-size" in arguments else TORCHSCRIPT
    done = export("--out", tmp_path / "out", *arguments, *formats)
    assert done.returncode == code and done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("export_model: ") and message in lines[0], done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_compiled_torchscript_file_is_refused_before_any_work(export, tmp_path):
    done = export("--out", tmp_path / "out", "--torchscript", "traced.pt", "--formats", "aotinductor")
    assert done.returncode == 2 and "cannot be made from a TorchScript file" in done.stderr


def test_a_missing_compiler_is_named_before_any_work(export, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = export("--out", tmp_path / "out", *TINY, *SMALL)
    assert done.returncode == 1 and "'no-such-compiler' is not there" in done.stderr
    assert "--formats torchscript" in done.stderr and list(tmp_path.iterdir()) == []


def test_only_a_bundle_is_replaced_and_only_by_force(export, tmp_path):
    out = tmp_path / "out"
    bundle(export, out, *TINY, *TORCHSCRIPT, "--name", "first")
    refused = export("--out", out, *TINY, *TORCHSCRIPT)
    assert refused.returncode == 2 and "--force" in refused.stderr
    assert json.loads((out / "model.json").read_text())["name"] == "first"
    assert bundle(export, out, *TINY, *TORCHSCRIPT, "--name", "second", "--force")["name"] == "second"
    (out / "model.json").unlink()
    assert "is not a bundle" in export("--out", out, *TINY, *TORCHSCRIPT, "--force").stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "no staging directory stays"


@pytest.mark.parametrize("sides", [(1, 1, 1, 1), (0, 1, 0, 1), (1, 0, 2, 1), (2, 1, 0, 3)])
@pytest.mark.parametrize(("kernel", "groups"), [(3, 1), (5, 4)])
def test_padding_of_any_sides_goes_into_the_convolution(sides, kernel, groups):
    torch.manual_seed(3)
    conv = torch.nn.Conv2d(4, 8, kernel, stride=2, padding=1, groups=groups)
    module = torch.nn.Sequential(torch.nn.ZeroPad2d(sides), conv, torch.nn.ReLU()).eval()
    images = torch.randn(2, 4, 21, 24)
    folded = folding.fold(module, images)
    assert not any(node.target == torch.ops.aten.pad.default for node in folded.graph.nodes)
    with torch.no_grad():
        expected, found = module(images), folded(images)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5
