"""Images of a folder as the exported model reads them, and what becomes of them when a camera goes bad."""

import io
import pathlib

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from exporting.errors import ExportError, progress, usage_error

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
FEWEST = 32  # images that say anything about a model


def read_images(folder, most):
    """Up to `most` images of the folder and those below it, in a fixed random order, as RGB."""
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise usage_error(f"there is no folder {folder}")
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    images, unreadable = [], 0
    for index in np.random.default_rng(20260102).permutation(len(paths)):
        if len(images) == most:
            break
        try:
            images.append(ImageOps.exif_transpose(Image.open(paths[index])).convert("RGB"))
        except Exception:  # a damaged image raises anything
            unreadable += 1
    if unreadable:
        progress(f"{unreadable} files in {folder} are no readable images and are left out")
    if len(images) < FEWEST:
        raise ExportError(f"{folder} holds {len(images)} readable images; at least {FEWEST} are needed")
    return images


def prepare(images, preprocess):
    """Pixels, bytes (N, height, width, 3): what driftd makes of the images."""
    return torch.from_numpy(np.stack([np.asarray(fit(image, preprocess)) for image in images]))


def fit(image, preprocess):
    height, width, kind = preprocess["height"], preprocess["width"], FILTERS[preprocess["filter"]]
    if preprocess["mode"] == "stretch":
        return image.resize((width, height), kind)
    short = preprocess["short_side"]
    if image.width <= image.height:
        size = (short, int(short * image.height / image.width))
    else:
        size = (int(short * image.width / image.height), short)
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    return image.resize(size, kind).crop((left, top, left + width, top + height))


def corrupt(images):
    """Each image gone bad in one way, the ways and three severities in turn. Sizes of blur and grain scale with it."""
    random = np.random.default_rng(20260103)
    return [CORRUPTIONS[i % 5](image, (i // 5) % 3, random) for i, image in enumerate(images)]


def noise(image, severity, random):
    deviation = (8, 16, 32)[severity]
    pixels = np.asarray(image, np.float32) + random.normal(0, deviation, (image.height, image.width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def blur(image, severity, _):
    return image.filter(ImageFilter.GaussianBlur((0.5, 1.0, 2.0)[severity] * min(image.size) / 224))


def darkness(image, severity, _):
    return ImageEnhance.Brightness(image).enhance((0.8, 0.6, 0.4)[severity])


def contrast(image, severity, _):
    return ImageEnhance.Contrast(image).enhance((0.8, 0.6, 0.4)[severity])


def jpeg(image, severity, _):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=(40, 20, 10)[severity])
    return Image.open(buffer).convert("RGB")


CORRUPTIONS = (noise, blur, darkness, contrast, jpeg)
