"""Augmentation of colours, and erased rectangles."""

from __future__ import annotations

import math
from typing import Protocol

import cv2
import numpy as np

from models.data.image_files import ImageArray

# OpenCV encodes the hue of 8-bit images in steps of two degrees.
_HUES = 180
# Narrowest and widest rectangle, as width over height (Random Erasing, Zhong et al., 2020).
_ASPECTS = (0.3, 3.3)


class ColorRanges(Protocol):
    """Settings with ranges of colour changes."""

    @property
    def hue_deg(self) -> float:
        """Greatest change of the hue, to either side."""

    @property
    def saturation(self) -> float:
        """Greatest relative change of the saturation."""

    @property
    def brightness(self) -> float:
        """Greatest relative change of the brightness."""

    @property
    def grey_fraction(self) -> float:
        """Fraction of the images converted to grey."""


def jitter_colors(image: ImageArray, config: ColorRanges, rng: np.random.Generator) -> ImageArray:
    """Change an image's hue, saturation and brightness at random.

    Args:
        image: (H, W, 3) RGB.
        config: Ranges of the changes.
        rng: The image's generator.

    Returns:
        (H, W, 3).
    """
    hue, saturation, brightness, grey = rng.random(4)
    if grey < config.grey_fraction:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
    if not (config.hue_deg or config.saturation or config.brightness):
        return image
    levels = np.arange(256)
    turn = (2 * hue - 1) * config.hue_deg * _HUES / 360
    gains = (1 + (2 * saturation - 1) * config.saturation, 1 + (2 * brightness - 1) * config.brightness)
    tables = [(levels + turn) % _HUES, *(np.clip(levels * gain, 0, 255) for gain in gains)]
    table = np.stack(tables, axis=-1).astype(np.uint8)[None]
    hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def erase_rectangle(image: ImageArray, area_range: tuple[float, float], rng: np.random.Generator) -> ImageArray:
    """Fill a random rectangle of an image with a random colour, as if something stood before it.

    Args:
        image: (H, W, 3).
        area_range: Smallest and largest area, as a fraction of the image's.
        rng: The image's generator.

    Returns:
        (H, W, 3), a copy.
    """
    H, W = image.shape[:2]
    area, aspect, left, top, *color = rng.random(7)
    low, high = area_range
    pixels = (low + (high - low) * area) * H * W
    ratio = math.exp(np.interp(aspect, (0, 1), np.log(_ASPECTS)))
    width, height = min(round(math.sqrt(pixels * ratio)), W), min(round(math.sqrt(pixels / ratio)), H)
    x, y = round(left * (W - width)), round(top * (H - height))
    image = image.copy()
    image[y : y + height, x : x + width] = np.array(color) * 256
    return image
