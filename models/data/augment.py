"""The augmentation of top-down pose: which region of the image a training sample shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.settings import check_range

# From the public code: half bodies are cut from people with more known keypoints than this, out of halves with
# more than that, and shown 1.5 times as wide as they are.
_HALF_BODY_MIN_KEYPOINTS = 8
_HALF_MIN_KEYPOINTS = 2
_HALF_BODY_PADDING = 1.5


@dataclass(frozen=True)
class AugmentConfig:
    """How samples vary. The defaults are HRNet's (section 4.1, "Training").

    Attributes:
        rotation_deg: Greatest angle to either side.
        rotation_fraction: Fraction of the samples that are turned at all; the public code's 0.6.
        scale_range: Smallest and greatest factor of the region's size.
        flip_fraction: Share that is mirrored.
        half_body_fraction: Share that shows only the upper or the lower half, where enough keypoints are known.
        shift: Greatest shift of the centre in x and in y, as fraction of the region's size. 0 in the paper; the
            boxes of a detector are not as well placed as drawn ones.
    """

    rotation_deg: float = 45.0
    rotation_fraction: float = 0.6
    scale_range: tuple[float, float] = (0.65, 1.35)
    flip_fraction: float = 0.5
    half_body_fraction: float = 0.3
    shift: float = 0.0

    def __post_init__(self) -> None:
        check_range(self, 0, 180, "rotation_deg")
        check_range(self, 0, 1, "rotation_fraction", "flip_fraction", "half_body_fraction", "shift")
        if not 0 < self.scale_range[0] <= self.scale_range[1]:
            raise ValueError(f"scale_range: expected two rising numbers above 0, got {list(self.scale_range)}")


@dataclass(frozen=True)
class Region:
    """What a crop shows: centre (2,) and width in the image's pixels, the angle, whether it is mirrored."""

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
    """Draw a region about a person at random (HRNet, section 4.1; half bodies: Wang et al., 2018).

    Differs from the public code: angle and scale are uniform over the paper's ranges, not a normal distribution
    that is cut off (at twice the paper's angle): the ranges are what the paper states.

    Args:
        region: About the whole person.
        keypoints_xy: (K, 2), pixels of the image.
        weights: (K,), 0 where unknown.
        config: How much.
        upper_body: Positions of the upper body's keypoints; empty cuts no half bodies.
        aspect_wh: The crop's width over its height.
        rng: Of this sample.

    Returns:
        The region to cut out.
    """
    # All numbers are drawn whatever is made of them, so that one option does not change the draws of another.
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


def _cut_half_body(
    region: Region,
    keypoints_xy: npt.NDArray[np.floating],
    known: npt.NDArray[np.bool_],
    upper_body: tuple[int, ...],
    aspect_wh: float,
    *,
    is_upper: bool,
) -> Region:
    """About the upper or lower half where that can be told, else the region as it was."""
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
