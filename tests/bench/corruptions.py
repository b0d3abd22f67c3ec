"""Six ways in which a camera's images go bad, each at three severities, for 8-bit grey images (n, height, width).

The kinds are those of ImageNet-C (Hendrycks and Dietterich, 2019). Its parameters are meant for 224 x 224 photographs, so ours
are milder and spaced by doubling; lengths are given for an image 224 pixels wide and scale with the width, so that the picture
that the model sees, resized to 224 x 224, is corrupted alike whatever its original size.
"""

import io

import numpy as np
from PIL import Image

REFERENCE_WIDTH = 224
SEVERITIES = (1, 2, 3)
PARAMETERS = {
    "noise": (0.05, 0.10, 0.20),  # standard deviation of Gaussian noise, pixels being 0 to 1
    "blur": (1.0, 2.0, 4.0),  # standard deviation of a Gaussian kernel, in pixels of an image 224 wide
    "brightness": (0.1, 0.2, 0.4),  # added
    "darkness": (0.8, 0.6, 0.4),  # multiplied
    "contrast": (0.8, 0.6, 0.4),  # deviation from the image's mean, multiplied
    "jpeg": (50, 25, 10),  # quality
}


def corrupt(images, kind, severity, random):
    """The corrupted images; random is a numpy Generator, which only noise uses."""
    value = PARAMETERS[kind][severity - 1]
    if kind == "jpeg":
        return np.stack([jpeg(image, value) for image in images])
    pixels = images.astype(np.float32) / 255
    if kind == "noise":
        pixels += random.normal(0, value, pixels.shape)
    elif kind == "blur":
        pixels = gaussian_blur(pixels, value * images.shape[2] / REFERENCE_WIDTH)
    elif kind == "brightness":
        pixels += value
    elif kind == "darkness":
        pixels *= value
    elif kind == "contrast":
        mean = pixels.mean(axis=(1, 2), keepdims=True)
        pixels = mean + value * (pixels - mean)
    return np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)


def jpeg(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def gaussian_blur(pixels, deviation):
    """Separable Gaussian blur of (n, height, width); the border pixels continue outwards."""
    radius = max(1, int(np.ceil(4 * deviation)))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    for axis in (1, 2):
        around = [(0, 0)] * 3
        around[axis] = (radius, radius)
        padded = np.pad(pixels, around, "edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis)
        pixels = windows @ kernel
    return pixels
