"""Decoding and fitting by OpenCV: a reduced decode where the picture is large, then area averaging. Shared by the tuned peers."""

import cv2
import numpy as np
import simplejpeg

SHORT_SIDE, CROP = 256, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# The smallest shorter side that a reduction by 8, 4 or 2 is used for: what is left is at least the short side.
REDUCTIONS = ((8 * SHORT_SIDE, cv2.IMREAD_REDUCED_COLOR_8), (4 * SHORT_SIDE, cv2.IMREAD_REDUCED_COLOR_4), (2 * SHORT_SIDE, cv2.IMREAD_REDUCED_COLOR_2))
cv2.setNumThreads(1)


def read_picture(data):
    """(224, 224, 3) 8-bit RGB. Raises ValueError on what is no JPEG."""
    shorter = min(simplejpeg.decode_jpeg_header(data)[:2])
    flag = next((flag for least, flag in REDUCTIONS if shorter >= least), cv2.IMREAD_COLOR)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if image is None:
        raise ValueError("not an image")
    height, width = image.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    if scale != 1:
        size = (max(SHORT_SIDE, round(width * scale)), max(SHORT_SIDE, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    height, width = image.shape[:2]
    top, left = (height - CROP) // 2, (width - CROP) // 2
    return cv2.cvtColor(image[top : top + CROP, left : left + CROP], cv2.COLOR_BGR2RGB)
