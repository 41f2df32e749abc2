"""Images as browsers take them."""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.frame import ImageArray


def encode_jpeg(image: ImageArray, max_side_px: int, quality: int) -> bytes:
    """Encode an image as JPEG.

    Args:
        image: (H, W, 3) uint8 RGB.
        max_side_px: A larger image is scaled down.
        quality: 1 to 100.
    """
    height, width = image.shape[:2]
    scale = max_side_px / max(height, width)
    if scale < 1:
        size_wh = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    _, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality)
    )
    return bytes(encoded)
