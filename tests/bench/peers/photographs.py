"""Writes the JPEG files that both stacks are shown: crops of the photographs that scikit-image and scikit-learn ship.

usage: python photographs.py OUT      makes OUT/224x224, OUT/640x480, OUT/4000x3000 and OUT/audit (640x480, many)
Each file is encoded for a wanted size in bytes, as cameras and web sites do; grain keeps enlarged photographs from being
unnaturally easy to decode.
"""

import io
import pathlib
import sys

import numpy as np
import skimage
import sklearn.datasets
from PIL import Image

SMALLEST_SIDE = 300
# folder, pixels, KiB a file, files
SETS = (
    ("224x224", (224, 224), 15, 16),
    ("640x480", (640, 480), 80, 16),
    ("4000x3000", (4000, 3000), 3000, 8),
    ("audit", (640, 480), 50, 512),
)


def photographs():
    folders = [pathlib.Path(skimage.__file__).parent / "data", pathlib.Path(sklearn.datasets.__file__).parent / "images"]
    images = [Image.open(path) for folder in folders for path in sorted(folder.glob("*")) if path.suffix in (".png", ".jpg")]
    return [image for image in images if image.mode == "RGB" and min(image.size) >= SMALLEST_SIDE]


def crop(image, size, random):
    """A random crop of at least half the image, resized, perhaps mirrored, brighter or darker, with grain."""
    width, height = size
    side = min(image.width / width, image.height / height) * random.uniform(0.5, 1)
    left = random.uniform(0, image.width - side * width)
    top = random.uniform(0, image.height - side * height)
    image = image.resize(size, Image.BICUBIC, box=(left, top, left + side * width, top + side * height))
    if random.random() < 0.5:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    grain = random.normal(0, random.uniform(1.5, 4), (height, width, 1))
    pixels = np.asarray(image, np.float32) * random.uniform(0.7, 1.2) + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encode(image, kibibytes):
    """The JPEG of the best quality that fits."""
    low, high, best = 30, 97, None
    while low <= high:
        quality = (low + high) // 2
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        if best is None or buffer.tell() <= kibibytes * 1024:
            best = buffer.getvalue()
            low = quality + 1
        else:
            high = quality - 1
    return best


def main(out):
    random = np.random.default_rng(0)
    sources = photographs()
    for name, size, kibibytes, count in SETS:
        folder = pathlib.Path(out, name)
        folder.mkdir(parents=True)
        for i in range(count):
            image = crop(sources[random.integers(len(sources))], size, random)
            (folder / f"{i:03}.jpg").write_bytes(encode(image, kibibytes))


if __name__ == "__main__":
    main(sys.argv[1])
