"""export_model.py --precision int8: what it writes, and when it refuses."""

import json
import pathlib

import numpy as np
import pytest
import torch
from PIL import Image

import export_script
from exporting import accuracy, quantizing  # export_script knows its folder

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SUPPORT = pathlib.Path(__file__).parents[1] / "support"
TINY = ["--factory", "tiny_model:tiny", "--layer", "4", "--input-size", "32", "--batches", "1,2", "--threads", "2"]
FIGURES = {"auroc": 0.95, "false_alarm_rate": 0.05, "images_per_second": 100.0}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Forty pictures of waves with grain, and a file that is none."""
    folder = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(11)
    y, x = np.mgrid[0:40, 0:48] / 40
    for i in range(40):
        waves = [np.sin(random.uniform(3, 20) * x + random.uniform(3, 20) * y + random.uniform(0, 6)) for _ in range(3)]
        pixels = 128 + 60 * np.stack(waves, 2) + random.normal(0, 6, (40, 48, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    (folder / "broken.png").write_bytes(b"not a picture")
    return folder


@pytest.fixture
def export(monkeypatch, capfd):
    monkeypatch.chdir(SUPPORT)
    monkeypatch.syspath_prepend(str(SUPPORT))
    return export_script.runner(capfd)


def test_an_int8_bundle_reproduces_its_golden_embeddings_and_tells_what_it_costs(export, photographs, tmp_path):
    out = tmp_path / "int8"
    done = export("--out", out, *TINY, "--precision", "int8", "--calibrate-on", photographs, "--accept-loss")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((out / "model.json").read_text())
    assert manifest["precision"] == "int8"
    assert [(w["file"], w["batch"]) for w in manifest["weights"]] == [("model-b1.pt2", 1), ("model-b2.pt2", 2)]
    assert "1 files in" in done.stderr and "are left out" in done.stderr
    figures = manifest["quantization"]
    assert figures["images"] == 40 and figures["against"] == "corruptions"
    for precision in ("fp32", "int8"):
        assert 0 <= figures[precision]["false_alarm_rate"] <= 1 and 0.5 < figures[precision]["auroc"] <= 1
        assert figures[precision]["images_per_second"] > 0
    assert f"AUROC {figures['int8']['auroc']:.4f} against {figures['fp32']['auroc']:.4f}" in done.stderr
    inputs = torch.from_numpy(np.fromfile(out / "golden_input.u8", np.uint8).reshape(-1, 32, 32, 3))
    expected = torch.from_numpy(np.fromfile(out / "golden_output.f32", "<f4").reshape(len(inputs), -1))
    compiled = torch._inductor.aoti_load_package(str(out / "model-b2.pt2"))
    assert (compiled(inputs) - expected).abs().max() <= manifest["golden"]["tolerance"]
    assert len(np.unique(np.round(expected.numpy(), 6))) > 10, "embeddings that vary"


def test_the_constants_of_int8_programs_have_names_of_their_own_so_that_batch_sizes_share_them(export, photographs, tmp_path):
    done = export("--out", tmp_path / "int8", *TINY, "--precision", "int8", "--calibrate-on", photographs, "--accept-loss")
    assert done.returncode == 0, done.stderr
    names = [torch._inductor.aoti_load_package(str(tmp_path / f"int8/model-b{batch}.pt2")).loader.get_constant_fqns() for batch in (1, 2)]
    assert len(names[0]) > 4 and len(set(names[0])) == len(names[0])
    assert set(names[0]) == set(names[1])


def test_a_loss_beyond_the_limit_is_refused_with_its_figures():
    figures = {"fp32": FIGURES, "int8": FIGURES | {"auroc": 0.944, "images_per_second": 200.0}}
    with pytest.raises(accuracy.ExportError) as refusal:
        accuracy.check_loss(figures, accepted=False)
    assert "int8 loses 0.0060 of AUROC" in str(refusal.value) and "0.9440 against 0.9500" in str(refusal.value)
    assert "2.0 times as fast" in str(refusal.value) and "--accept-loss" in str(refusal.value)
    accuracy.check_loss(figures, accepted=True)
    accuracy.check_loss(figures | {"int8": FIGURES | {"auroc": 0.946}}, accepted=False)
    accuracy.check_loss(figures | {"int8": FIGURES | {"auroc": 0.99}}, accepted=False)


def test_auroc_and_scores_are_those_of_their_definitions():
    random = np.random.default_rng(3)
    inside, outside = np.round(random.normal(0, 1, 60), 1), np.round(random.normal(1, 1, 50), 1)  # with ties
    pairs = [(o > i) + 0.5 * (o == i) for i in inside for o in outside]
    assert accuracy.auroc(inside, outside) == pytest.approx(np.mean(pairs))
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert accuracy.scores(points, torch.tensor([[0.0]])) == pytest.approx([(0 + 1 + 3) / 3])
    assert accuracy.scores(points, points, 1)[0] == pytest.approx((1 + 3 + 7) / 3)


BAD_REQUESTS = {
    "no images to calibrate on": (["--precision", "int8"], 2, "--calibrate-on"),
    "a folder that is not there": (["--precision", "int8", "--calibrate-on", "absent"], 2, "there is no folder absent"),
    "a folder of too few images": (["--precision", "int8", "--calibrate-on", "."], 1, "holds 0 readable images"),
    "calibration for another precision": (["--calibrate-on", "."], 2, "go with --precision int8 only"),
    "int8 as TorchScript": (["--precision", "int8", "--calibrate-on", ".", "--formats", "torchscript"], 2, "leave --formats out"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_for_int8_is_answered_in_one_line_and_leaves_nothing(export, tmp_path, name):
    arguments, code, message = BAD_REQUESTS[name]
    done = export("--out", tmp_path / "out", *TINY, *arguments)
    assert done.returncode == code and done.stdout == ""
    assert message in done.stderr and done.stderr.splitlines()[-1].startswith("export_model: ")
    assert list(tmp_path.iterdir()) == []


def test_quantised_weights_have_names_that_the_compiler_gives_to_none():
    torch.manual_seed(5)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3)).eval()
    quantized = quantizing.quantize(module, torch.randn(32, 3, 16, 16))
    names = {node.target for node in quantized.graph.nodes if node.op == "get_attr"}
    assert {"quantized_weight0", "quantized_weight1"} <= names
    assert not any(name.startswith("_frozen_param") for name in names)
    assert torch.isfinite(quantized(torch.randn(2, 3, 16, 16))).all()
