"""Fashion-MNIST as Debian packages it (dataset-fashion-mnist): 70,000 grey images of 28 x 28 pixels in ten classes."""

import gzip
import pathlib

import numpy

FOLDER = pathlib.Path("/usr/share/datasets/fashion-mnist")
LABELS = ("tshirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


def read_idx(path):
    """An array in LeCun's IDX format: two zero bytes, the type (8: unsigned byte), the number of dimensions, their sizes."""
    data = gzip.decompress(path.read_bytes())
    if data[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is not an IDX file of bytes")
    dimensions = data[3]
    shape = numpy.frombuffer(data, ">i4", dimensions, offset=4)
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * dimensions).reshape(shape)


def read(part):
    """The images (n, 28, 28) and labels (n) of "train" (60,000) or "t10k" (10,000)."""
    if not FOLDER.is_dir():
        raise SystemExit(f"{FOLDER} is missing: install the package dataset-fashion-mnist")
    return read_idx(FOLDER / f"{part}-images-idx3-ubyte.gz"), read_idx(FOLDER / f"{part}-labels-idx1-ubyte.gz")
