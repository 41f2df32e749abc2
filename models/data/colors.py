"""Augmentation of colours, and erased rectangles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True)
class ColorChange:
    """A change of an image's colours.

    Attributes:
        is_grey: Whether it is converted to grey first.
        table: (256, 3) uint8, the new hue, saturation and value for each old one; None leaves them.
    """

    is_grey: bool
    table: npt.NDArray[np.uint8] | None


@dataclass(frozen=True)
class FilledRectangle:
    """A rectangle of an image, x1, y1, x2, y2 in pixels, and the colour (3,) that it is filled with."""

    box_xyxy: tuple[int, int, int, int]
    color: npt.NDArray[np.uint8]


def draw_color_change(config: ColorRanges, rng: np.random.Generator) -> ColorChange:
    """Draw a random change of colours."""
    hue, saturation, brightness, grey = rng.random(4)
    is_grey = bool(grey < config.grey_fraction)
    if not has_color_table(config):
        return ColorChange(is_grey, None)
    levels = np.arange(256)
    turn = (2 * hue - 1) * config.hue_deg * _HUES / 360
    gains = (1 + (2 * saturation - 1) * config.saturation, 1 + (2 * brightness - 1) * config.brightness)
    tables = [(levels + turn) % _HUES, *(np.clip(levels * gain, 0, 255) for gain in gains)]
    return ColorChange(is_grey, np.stack(tables, axis=-1).astype(np.uint8))


def has_color_table(config: ColorRanges) -> bool:
    """Whether changes of colours have a table."""
    return bool(config.hue_deg or config.saturation or config.brightness)


def change_colors(image: ImageArray, change: ColorChange) -> ImageArray:
    """Change the colours of an image (H, W, 3), RGB."""
    if change.is_grey:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
    if change.table is None:
        return image
    hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), change.table[None])
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def draw_rectangle(
    size_wh: tuple[int, int], area_range: tuple[float, float], rng: np.random.Generator
) -> FilledRectangle:
    """Draw a random rectangle of an image of a size, and its colour."""
    W, H = size_wh
    area, aspect, left, top, *color = rng.random(7)
    low, high = area_range
    pixels = (low + (high - low) * area) * H * W
    ratio = math.exp(np.interp(aspect, (0, 1), np.log(_ASPECTS)))
    width, height = min(round(math.sqrt(pixels * ratio)), W), min(round(math.sqrt(pixels / ratio)), H)
    x, y = round(left * (W - width)), round(top * (H - height))
    return FilledRectangle((x, y, x + width, y + height), (np.array(color) * 256).astype(np.uint8))


def fill_rectangle(image: ImageArray, rectangle: FilledRectangle) -> ImageArray:
    """A copy of an image (H, W, 3) with a filled rectangle."""
    left, top, right, bottom = rectangle.box_xyxy
    image = image.copy()
    image[top:bottom, left:right] = rectangle.color
    return image
