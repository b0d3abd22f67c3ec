#!/usr/bin/env python3
"""Real images as driftd sees them, embedded once: what drift_bench draws its streams from. Prints the folder.

usage: streams.py BUNDLE FEATURES_PROGRAM [CACHE]

Each kind is a folder of the cache: `train` (what references are drawn from), `calm` (held-out images of the same classes), `strange`
(of other classes) and the six corruptions of `calm` at severity 1. The cache's name is a hash of the bundle and of the choice of images.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

import corruptions

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import fashion_mnist  # noqa: E402: its folder must be known first

INSIDE = (0, 1, 2, 3, 4)
OUTSIDE = (5, 6, 7, 8, 9)
SEED = 1
SIZES = {"train": 6000, "calm": 1000, "strange": 200, "corrupted": 100}  # of each class


def draw(labels, classes, per_class, random):
    return np.concatenate([random.permutation(np.flatnonzero(labels == c))[:per_class] for c in classes])


def kinds():
    """The images (n, 28, 28) of each kind, by name."""
    random = np.random.default_rng(SEED)
    images, labels = fashion_mnist.read("train")
    yield "train", images[draw(labels, INSIDE, SIZES["train"], random)]
    images, labels = fashion_mnist.read("t10k")
    calm = draw(labels, INSIDE, SIZES["calm"], random)
    strange = draw(labels, OUTSIDE, SIZES["strange"], random)
    corrupted = images[draw(labels, INSIDE, SIZES["corrupted"], random)]
    for kind in corruptions.PARAMETERS:
        yield kind, corruptions.corrupt(corrupted, kind, 1, random)
    yield "strange", images[strange]
    yield "calm", images[calm]


def prepared(cache, program, bundle):
    """The folder with a NAME.npy for every kind; program is the built `features`."""
    model = json.loads((bundle / "model.json").read_text(encoding="utf-8"))
    key = json.dumps([model, SIZES, SEED, corruptions.PARAMETERS], sort_keys=True)
    folder = cache / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for name, images in kinds():
        if (folder / f"{name}.npy").exists():
            continue
        print(f"embedding {len(images)} images: {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as work:
            for row, image in enumerate(images):
                Image.fromarray(image).save(pathlib.Path(work, f"{row:06}.png"), compress_level=1)
            subprocess.run([program, bundle, work, folder / "unfinished"], check=True)
        (folder / "unfinished.npy").rename(folder / f"{name}.npy")
    return folder


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: streams.py BUNDLE FEATURES_PROGRAM [CACHE]")
    default = pathlib.Path(os.environ.get("DRIFTD_CACHE") or "~/.cache/driftd").expanduser() / "streams"
    print(prepared(pathlib.Path(sys.argv[3]) if len(sys.argv) == 4 else default, sys.argv[2], pathlib.Path(sys.argv[1])))
