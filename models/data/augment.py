"""Augmentation for top-down pose estimation: random regions about a person, colours, erased rectangles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.data.colors import (
    ColorChange,
    FilledRectangle,
    change_colors,
    draw_color_change,
    draw_rectangle,
    fill_rectangle,
)
from models.data.image_files import ImageArray
from models.settings import check_fraction, check_range

# From the public code: half bodies are cut from people with more known keypoints than the first number, if the
# half has more than the second, and shown in a region 1.5 times as wide.
_HALF_BODY_MIN_KEYPOINTS = 8
_HALF_MIN_KEYPOINTS = 2
_HALF_BODY_PADDING = 1.5


@dataclass(frozen=True)
class AugmentConfig:
    """Settings of the augmentation. The defaults are HRNet's (section 4.1, "Training").

    Attributes:
        rotation_deg: Largest angle to either side.
        rotation_fraction: Fraction of the samples that are rotated at all; 0.6 as in the public code.
        scale_range: Smallest and largest factor of the region's size.
        flip_fraction: Fraction of the samples that are mirrored.
        half_body_fraction: Fraction of the samples that show only the upper or the lower half of the body, if
            enough keypoints are known.
        shift: Largest shift of the centre in x and in y, as a fraction of the region's size. 0 in the paper;
            boxes of a detector are less accurate than annotated ones.
        hue_deg: Greatest change of the hue, to either side. No colours change in the paper.
        saturation: Greatest relative change of the saturation.
        brightness: Greatest relative change of the brightness.
        grey_fraction: Fraction of the samples converted to grey.
        erase_fraction: Fraction of the samples in which a rectangle is filled with one colour; keypoints in it
            stay known.
        erase_range: Smallest and largest area of that rectangle, as a fraction of the crop's.
    """

    rotation_deg: float = 45.0
    rotation_fraction: float = 0.6
    scale_range: tuple[float, float] = (0.65, 1.35)
    flip_fraction: float = 0.5
    half_body_fraction: float = 0.3
    shift: float = 0.0
    hue_deg: float = 0.0
    saturation: float = 0.0
    brightness: float = 0.0
    grey_fraction: float = 0.0
    erase_fraction: float = 0.0
    erase_range: tuple[float, float] = (0.02, 0.2)

    def __post_init__(self) -> None:
        check_range(self, 0, 180, "rotation_deg", "hue_deg")
        check_fraction(self, "rotation_fraction", "flip_fraction", "half_body_fraction", "shift")
        check_fraction(self, "saturation", "brightness", "grey_fraction", "erase_fraction")
        if not 0 < self.erase_range[0] <= self.erase_range[1] <= 1:
            raise ValueError(f"erase_range: expected ascending numbers up to 1, got {list(self.erase_range)}")
        if not 0 < self.scale_range[0] <= self.scale_range[1]:
            raise ValueError(f"scale_range: expected ascending numbers above 0, got {list(self.scale_range)}")


@dataclass(frozen=True)
class Region:
    """The region of a crop: centre (2,) and width in the image's pixels, angle, whether it is mirrored."""

    centre_xy: npt.NDArray[np.float64]
    width_px: float
    rotation_deg: float = 0.0
    is_flipped: bool = False


def augment_region(
    region: Region,
    keypoints_xy: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating],
    *,
    config: AugmentConfig,
    upper_body: tuple[int, ...],
    aspect_wh: float,
    rng: np.random.Generator,
) -> Region:
    """Draw a random region about a person (HRNet, section 4.1; half bodies: Wang et al., 2018).

    Differs from the public code: angle and scale are uniform over the ranges that the paper states, not
    normally distributed and clipped (at twice the paper's angle).

    Args:
        region: The region of the whole person.
        keypoints_xy: (K, 2), pixels of the image.
        weights: (K,), 0 where unknown.
        config: Settings of the augmentation.
        upper_body: Indices of the upper body's keypoints; empty for no half bodies.
        aspect_wh: Width of the crop over its height.
        rng: Random generator of this sample.

    Returns:
        The region to cut out.
    """
    # All numbers are always drawn, so that one setting does not change the random numbers of another.
    half, side, turn, angle, scale, flip, *shift_xy = rng.random(8)
    if upper_body and half < config.half_body_fraction:
        region = _cut_half_body(region, keypoints_xy, weights > 0, upper_body, aspect_wh, is_upper=side < 0.5)
    low, high = config.scale_range
    size_wh = region.width_px * np.array([1, 1 / aspect_wh])
    return replace(
        region,
        centre_xy=region.centre_xy + (2 * np.array(shift_xy) - 1) * config.shift * size_wh,
        width_px=region.width_px * (low + (high - low) * scale),
        rotation_deg=(2 * angle - 1) * config.rotation_deg if turn < config.rotation_fraction else 0.0,
        is_flipped=bool(flip < config.flip_fraction),
    )


def augment_colors(crop: ImageArray, config: AugmentConfig, rng: np.random.Generator) -> ImageArray:
    """Change the colours of a crop, and erase a rectangle of it, at random.

    Args:
        crop: (H, W, 3) RGB.
        config: Settings of the augmentation.
        rng: Random generator of this sample.

    Returns:
        (H, W, 3).
    """
    change, erased = draw_colors((crop.shape[1], crop.shape[0]), config, rng)
    crop = change_colors(crop, change)
    return crop if erased is None else fill_rectangle(crop, erased)


def draw_colors(
    size_wh: tuple[int, int], config: AugmentConfig, rng: np.random.Generator
) -> tuple[ColorChange, FilledRectangle | None]:
    """Draw a random change of a crop's colours, and a rectangle to erase, if one is.

    Args:
        size_wh: Width and height of the crop.
        config: Settings of the augmentation.
        rng: Random generator of this sample.
    """
    change = draw_color_change(config, rng)
    is_erased = rng.random() < config.erase_fraction
    return change, draw_rectangle(size_wh, config.erase_range, rng) if is_erased else None


def _cut_half_body(
    region: Region,
    keypoints_xy: npt.NDArray[np.floating],
    known: npt.NDArray[np.bool_],
    upper_body: tuple[int, ...],
    aspect_wh: float,
    *,
    is_upper: bool,
) -> Region:
    """Make the region of the upper or lower half, or return the whole region if too few are known."""
    if known.sum() <= _HALF_BODY_MIN_KEYPOINTS:
        return region
    in_upper = np.zeros_like(known)
    in_upper[list(upper_body)] = True
    halves = (known & in_upper, known & ~in_upper)
    chosen = halves[0 if is_upper else 1]
    if chosen.sum() <= _HALF_MIN_KEYPOINTS:
        chosen = halves[1 if is_upper else 0]
    points = keypoints_xy[chosen].astype(np.float64)
    width, height = points.max(axis=0) - points.min(axis=0)
    width_px = max(width, height * aspect_wh, 1.0) * _HALF_BODY_PADDING
    return replace(region, centre_xy=points.mean(axis=0), width_px=float(width_px))
