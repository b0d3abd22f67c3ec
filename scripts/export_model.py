#!/usr/bin/env python3
"""Turns an image classifier into a driftd bundle: a directory with model.json and weights that embed images.

The exported program reads pixels, bytes (N, height, width, 3), normalises them with the mean and deviation in model.json,
and returns float32 embeddings (N, dimension): average pools of feature maps, each of unit L2 norm, side by side.

  TorchScript   model.pt      any CPU, any batch size
  AOTInductor   model-bN.pt2  faster; compiled for the CPU of this machine and batch size N only, needs a C++ compiler

Before the bundle gets its name, every weights file is loaded again and must reproduce the golden embeddings, which
eager float32 PyTorch computed. The largest difference of a component measured on the default model is 7e-7 for fp32
(tolerance 5e-4) and 1.3e-2 for bf16 (tolerance 3e-2): other CPUs and batch sizes sum in another order. For int8 it is
4e-3 (tolerance 3e-2) from the quantised model, whose embeddings are the golden ones.

int8 needs images of the kind that the model will see (--calibrate-on, a folder): they set the scales of its integers, and
tell what it costs. The drift scores of the int8 and of the float32 model are compared on them, by AUROC against the same
images corrupted, or against those of --outliers; model.json keeps the figures. A loss above 0.005 ends the export.

Trust: a factory, a TorchScript file and a .pt2 file are programs. Export from, and load, only what you trust.

examples:
  export_model.py --out models/default --default
  export_model.py --out models/mine --factory my_package.models:resnet18 --weights resnet18.pth --layer avgpool
  export_model.py --out models/mine --torchscript classifier.pt --layer avgpool --precision bf16
  export_model.py --out models/fast --default --precision int8 --calibrate-on train/

exit codes: 0 the bundle is there, 1 the export failed, 2 the command line asks for something that does not exist
"""

import argparse
import contextlib
import datetime
import hashlib
import json
import math
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings

import numpy as np
import torch

from exporting import accuracy, sources
from exporting.embedding import Embedding, FeatureMaps, Normalise
from exporting.errors import ExportError, brief, progress, usage_error
from exporting.folding import fold
from exporting.images import FEWEST, prepare, read_images
from exporting.quantizing import quantize
from exporting.taps import Tap, find_taps
from exporting.torchscript import CutModel
from exporting.weights import check_weights, need_compiler, write_lone, write_weights

DTYPE = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.float32}  # of what is not quantised
# Largest accepted |difference| per component between a weights file and the golden embeddings.
TOLERANCE = {"fp32": 5e-4, "bf16": 3e-2, "int8": 3e-2}
GOLDEN_COUNT = 2
# A lone image and what a core gets of a few that wait together, two or four: three are two and one. What LibTorch does once
# for each layer of a batch is shared by four, most of what eight would gain; and four maps still stay in the cache, eight in
# float32 do not.
BATCHES = [1, 2, 4]
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
# What the weights of the default model were trained with, (pixel - 127) / 128. Nine photographs got a mean
# log-likelihood of -1.94 with it, and of -2.07 with the ImageNet values that the package's text names.
DEFAULT_MODEL = {"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}
DEFAULT_POOLS = "s8,s16,s32,head"


def golden_pixels(preprocess):
    """Smooth synthetic pictures plus noise from a fixed seed: bytes (count, height, width, 3)."""
    height, width = preprocess["height"], preprocess["width"]
    random = np.random.default_rng(20260101)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    planes = []
    for _ in range(GOLDEN_COUNT * 3):
        (fx, fy), (px, py) = random.uniform(1, 6, 2), random.uniform(0, 2 * math.pi, 2)
        wave = np.sin(2 * math.pi * fx * x + px) * np.cos(2 * math.pi * fy * y + py)
        planes.append(0.5 + 0.35 * wave + random.normal(0, 0.05, (height, width)))
    pixels = np.round(255 * np.clip(np.stack(planes), 0, 1)).astype(np.uint8).reshape(GOLDEN_COUNT, 3, height, width)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)))


def feature_maps(options, images):
    """The module that computes the feature maps of normalised images, and for each its tap."""
    if options.torchscript:
        model = sources.torchscript_model(options.torchscript).eval()
        maps = CutModel(model, options.layer)
        return maps, [Tap(options.layer, options.layer, "output", 0, maps(images)[0].shape[1])]
    model = sources.default_model() if options.default else sources.factory_model(options.factory, options.weights)
    model.float().eval().requires_grad_(False)
    taps = find_taps(model, options.pools, options.layer, options.input_size)
    return FeatureMaps(model, taps), taps


def write_bundle(options, directory):
    """Writes every file of the bundle. Returns what is in model.json."""
    preprocess = {
        "mode": options.resize_mode, "short_side": options.short_side,
        "height": options.input_size, "width": options.input_size,
        "filter": options.filter, "mean": list(options.mean), "std": list(options.std),
    }  # fmt: skip
    tolerance = TOLERANCE[options.precision]
    pixels = golden_pixels(preprocess)
    normalise = Normalise(options.mean, options.std, options.input_size)
    images = normalise(pixels)
    with torch.no_grad():
        maps, taps = feature_maps(options, images)
        expected = Embedding(normalise, maps)(pixels)
    for tap in taps:
        progress(f"pool {tap.pool}: {tap.channels} values, the {tap.side} of layer {tap.layer}")
    if not options.torchscript:
        maps = fold(maps, images)
    module = Embedding(normalise, maps.to(memory_format=torch.channels_last), DTYPE[options.precision]).eval()
    quantization = None
    if options.precision == "int8":
        module, weights, constants, expected, quantization = write_int8(options, module, pixels, preprocess, directory)
    else:
        weights, constants = write_weights(module, pixels, options.formats, options.batches, directory)
    check_weights(directory, weights, constants, pixels, expected, tolerance)
    lone = write_lone(module, weights, pixels, expected, tolerance, directory)
    pixels.numpy().tofile(directory / "golden_input.u8")
    expected.numpy().astype("<f4").tofile(directory / "golden_output.f32")
    manifest = {
        "format": 2, "name": options.name, "created": created(), "dimension": expected.shape[1],
        "pools": [{"name": tap.pool, "dimension": tap.channels} for tap in taps],
        "preprocess": preprocess, "precision": options.precision, "weights": weights,
        "golden": {
            "input": "golden_input.u8", "output": "golden_output.f32", "count": GOLDEN_COUNT, "tolerance": tolerance,
        },
        "files": {path.name: describe(path) for path in sorted(directory.iterdir())},
    }  # fmt: skip
    if lone:
        manifest["lone"] = lone
    if quantization:
        manifest["quantization"] = quantization
    (directory / "model.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def write_int8(options, module, pixels, preprocess, directory):
    """Returns the quantised model, the weights' entries and constants, the golden embeddings, and what int8 costs and gains.

    Golden are the embeddings of the quantised model, computed in float32: how far they are from those of the float32
    model is not a matter of tolerance but of the figures that measure() finds.
    """
    photographs = read_images(options.calibrate_on, options.calibration_images)
    quantized = quantize(module, prepare(photographs, preprocess))
    with torch.no_grad():
        expected = quantized(pixels)
    weights, constants = write_weights(quantized, pixels, options.formats, options.batches, directory)
    largest = max(weights, key=lambda entry: entry["batch"])
    figures = accuracy.measure(options, preprocess, photographs, module, directory / largest["file"], largest["batch"])
    progress(accuracy.summary(figures))
    accuracy.check_loss(figures, options.accept_loss)
    return quantized, weights, constants, expected, figures


def created():
    """Now, or the time that a reproducible build asks for."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe(path):
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": path.stat().st_size}


def check_place(out, force):
    if not out.exists():
        return
    if not force:
        raise usage_error(f"{out} exists: choose another --out, or replace it with --force")
    if not (out / "model.json").is_file():
        raise usage_error(f"{out} is not a bundle, so --force will not replace it: choose another --out")


def export(options):
    """Writes the bundle beside its place and renames it when it is whole and on disk: nobody ever sees half of one."""
    out = pathlib.Path(options.out).resolve()
    check_place(out, options.force)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as staging:
        new, old = pathlib.Path(staging, "new"), pathlib.Path(staging, "old")
        new.mkdir()
        manifest = write_bundle(options, new)
        for path in [*new.iterdir(), new]:
            sync(path)
        if out.exists():
            out.rename(old)
        new.rename(out)
        sync(out.parent)
    return manifest


def sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def whole(low, high):
    def parse(text):
        value = int(text) if re.fullmatch(r"\d{1,9}", text) else -1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {low} to {high}")
        return value

    return parse


def listed(one):
    """A comma-separated list of what `one` reads, without repetition."""

    def parse(text):
        values = [one(part) for part in text.split(",")]
        if len(set(values)) != len(values):
            raise argparse.ArgumentTypeError(f"'{text}' names something twice")
        return values

    return parse


def matching(pattern, wanted):
    def parse(text):
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"'{text}' is not {wanted}")
        return text

    return parse


def three_floats(low):
    def parse(text):
        with contextlib.suppress(ValueError):
            values = tuple(float(part) for part in text.split(","))
            if len(values) == 3 and all(low < value < 1000 for value in values):
                return values
        raise argparse.ArgumentTypeError(f"'{text}' is not three numbers, R,G,B, above {low:g}")

    return parse


class Parser(argparse.ArgumentParser):
    def error(self, message):  # one line; the usage text would bury it
        self.exit(2, f"export_model: {message} (see --help)\n")


def make_parser():
    parser = Parser(prog="export_model.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", required=True, metavar="DIR", help="the bundle to write")
    add("--force", action="store_true", help="replace the bundle that is there")
    add("--name", type=matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "a name of letters, digits and . _ -"),
        help="the model's name (default: that of its source)")  # fmt: skip
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--default", action="store_true", help="EfficientNet-Lite0, trained on ImageNet")
    source.add_argument("--factory", metavar="MODULE:FUNCTION", help="returns the classifier, an nn.Module")
    source.add_argument("--torchscript", metavar="FILE", help="a traced or scripted classifier that is not frozen")
    add("--weights", metavar="FILE", help="a state dict for the factory's classifier")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--layer", help="embed with this layer's output, flattened or average-pooled (default: avgpool)")
    place.add_argument("--pools", type=listed(matching(r"head|s[1-9]\d{0,2}", "a pool: sN or head")), metavar="P,P",
                       help="embed with several pools: sN, the last map of stride N; head, what enters the average "
                            f"pool (default of --default: {DEFAULT_POOLS})")  # fmt: skip
    add("--precision", choices=list(DTYPE), default="fp32", help="of weights and feature maps (default: fp32)")
    add("--calibrate-on", metavar="DIR", help="for int8: a folder of images of the kind that the model will see")
    add("--calibration-images", type=whole(FEWEST, 10_000), default=256, metavar="N", help="for int8 (default: 256)")
    add("--outliers", metavar="DIR", help="for int8: images to be told from those (default: those, corrupted)")
    add("--accept-loss", action="store_true", help="for int8: export it even when it tells drift less well")
    add("--formats", type=listed(matching("torchscript|aotinductor", "a format: torchscript or aotinductor")),
        metavar="F,F", help="default: torchscript,aotinductor")  # fmt: skip
    add("--batches", type=listed(whole(1, 512)), default=BATCHES, metavar="N,N",
        help="batch sizes for aotinductor (default: 1,2,4)")  # fmt: skip
    add("--input-size", type=whole(32, 2048), default=224, metavar="N", help="height and width (default: 224)")
    add("--resize-mode", choices=["stretch", "short_side"], default="stretch",
        help="stretch the whole image, or resize its shorter side and crop (default: stretch)")  # fmt: skip
    add("--short-side", type=whole(32, 4096), default=256, metavar="N", help="for short_side (default: 256)")
    add("--filter", choices=["bilinear", "bicubic"], default="bilinear", help="default: bilinear")
    add("--mean", type=three_floats(-1000), metavar="R,G,B",
        help="of pixels in [0, 1] (default: the default model's, else ImageNet's)")  # fmt: skip
    add("--std", type=three_floats(0), metavar="R,G,B", help="likewise")
    add("--threads", type=whole(1, 1024), metavar="N", help="for PyTorch (default: one a core)")
    add("--verbose", action="store_true", help="show the warnings of PyTorch, and the stack of an error")
    return parser


def parse(arguments):
    """The command line with every default filled in."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.weights and not options.factory:
        parser.error("--weights goes with --factory only")
    if options.torchscript and options.pools:
        parser.error("--pools needs the model's Python code: use --factory, or --layer")
    if options.torchscript and "aotinductor" in (options.formats or []):
        parser.error("aotinductor cannot be made from a TorchScript file: use --factory, or --formats torchscript")
    if options.resize_mode == "short_side" and options.short_side < options.input_size:
        parser.error("--short-side is smaller than --input-size")
    check_int8(parser, options)
    if options.torchscript and not options.formats:
        progress("only the format torchscript: AOTInductor needs the model's Python code (--factory)")
    options.formats = options.formats or (["torchscript"] if options.torchscript else ["torchscript", "aotinductor"])
    if options.default and not options.layer:
        options.pools = options.pools or DEFAULT_POOLS.split(",")
    options.layer = options.layer or "avgpool"
    normalisation = DEFAULT_MODEL if options.default else IMAGENET
    options.mean = options.mean or normalisation["mean"]
    options.std = options.std or normalisation["std"]
    options.name = options.name or default_name(options)
    return options


def check_int8(parser, options):
    if options.precision != "int8":
        if options.calibrate_on or options.outliers or options.accept_loss:
            parser.error("--calibrate-on, --outliers and --accept-loss go with --precision int8 only")
        return
    if options.torchscript:
        parser.error("int8 needs the model's Python code: use --factory, or --precision bf16")
    if not options.calibrate_on:
        parser.error("int8 needs --calibrate-on DIR: images of the kind that the model will see")
    if "torchscript" in (options.formats or []):
        parser.error("int8 is for the format aotinductor only: leave --formats out")
    options.formats = ["aotinductor"]


def default_name(options):
    if options.default:
        return "efficientnet-lite0"
    source = options.factory.rpartition(":")[2] if options.factory else pathlib.Path(options.torchscript).stem
    return re.sub(r"[^A-Za-z0-9._-]", "-", source)[:64].lstrip("._-") or "model"


def main(arguments):
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the staging directory is removed
    if not options.verbose:
        warnings.simplefilter("ignore")
    try:
        if options.threads:
            torch.set_num_threads(options.threads)
        if "aotinductor" in options.formats:
            need_compiler()
        start = time.monotonic()
        with contextlib.redirect_stdout(sys.stderr):  # a user's model may print
            manifest = export(options)
    except Exception as error:  # the last resort is one line too
        if options.verbose:
            traceback.print_exc()
        known = isinstance(error, (ExportError, OSError))
        text = error if known else f"{type(error).__name__}: {brief(error)} (--verbose shows where)"
        progress(f"error: {text}")
        return error.code if isinstance(error, ExportError) else 1
    files = ", ".join(entry["file"] for entry in manifest["weights"])
    size, seconds = manifest["dimension"], time.monotonic() - start
    print(f"{options.out}: {options.name}, {size} floats, {options.precision}, {files} ({seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
