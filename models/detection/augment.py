"""Augmentation for detectors: random placement on the canvas, mosaics, parts without people."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.data.letterbox import Placement, compute_fit
from models.data.mosaic import Window
from models.data.samples import FloatArray
from models.settings import check_range

# Distance of an empty part from people, as fraction of the image's sides.
_EMPTY_MARGIN = 0.05
# Least sides of an empty part, as fraction of the image's.
_LEAST_EMPTY = 0.2


@dataclass(frozen=True)
class DetectionAugment:
    """Ranges and probabilities of the augmentation.

    Attributes:
        scale_range: Smallest and greatest scale of an image; 1 fits it to the canvas.
        aspect_factor: Greatest change of the aspect ratio, as factor; 1 keeps it. Some published data sets have
            images of distorted aspect.
        flip_fraction: Fraction of the images that is mirrored.
        rotation_deg: Greatest rotation of an image, to either side; nothing of it is cut off.
        mosaic_fraction: Fraction of the samples that are mosaics of four images, with many and small people.
        mosaic_scale_range: As `scale_range`, for the images of a mosaic.
        empty_fraction: Fraction of the samples that show only a part of the image without people, where there
            is one: for data in which every image shows people.
        hue_deg: Greatest change of the hue, to either side.
        saturation: Greatest relative change of the saturation.
        brightness: Greatest relative change of the brightness.
        grey_fraction: Fraction of the images converted to grey.
        min_visible_fraction: People of whose boxes less lies on the canvas become ignored regions.
        min_side_px: People with smaller boxes on the canvas become ignored regions.
    """

    scale_range: tuple[float, float] = (1.0, 1.0)
    aspect_factor: float = 1.0
    flip_fraction: float = 0.5
    rotation_deg: float = 0.0
    mosaic_fraction: float = 0.0
    mosaic_scale_range: tuple[float, float] = (0.4, 1.0)
    empty_fraction: float = 0.0
    hue_deg: float = 0.0
    saturation: float = 0.0
    brightness: float = 0.0
    grey_fraction: float = 0.0
    min_visible_fraction: float = 0.3
    min_side_px: float = 2.0

    def __post_init__(self) -> None:
        check_range(self, 0, 1, "flip_fraction", "mosaic_fraction", "saturation", "brightness", "grey_fraction")
        check_range(self, 0, 1, "min_visible_fraction", "empty_fraction")
        check_range(self, 0, 180, "hue_deg", "rotation_deg")
        check_range(self, 1, 4, "aspect_factor")
        check_range(self, 0, 1e3, "min_side_px")
        for name in ("scale_range", "mosaic_scale_range"):
            low, high = getattr(self, name)
            if not 0.05 <= low <= high <= 10:
                raise ValueError(f"{name}: expected two rising numbers from 0.05 to 10, got {[low, high]}")


def place_at_random(
    image_wh: tuple[int, int],
    canvas_wh: tuple[int, int],
    window: Window,
    scale_range: tuple[float, float],
    config: DetectionAugment,
    rng: np.random.Generator,
) -> Placement:
    """Draw a random placement of an image in a window of the canvas.

    A smaller image lies anywhere within the window; a larger one covers it, with a random part visible.

    Args:
        image_wh: Width and height of the image.
        canvas_wh: Width and height of the canvas, which a scale of 1 fits.
        window: The part of the canvas that the image is pasted into.
        scale_range: Smallest and greatest scale.
        config: Aspect and flips.
        rng: The sample's generator.
    """
    # All numbers are always drawn, so that one option does not change the draws of another.
    size, stretch, flip, *shift_xy = rng.random(5)
    low, high = (math.log(scale) for scale in scale_range)
    scale = math.exp(low + (high - low) * size)
    scale *= compute_fit(image_wh, canvas_wh)
    # Each side changes by the root of the aspect, so that the area stays.
    aspect = math.exp((2 * stretch - 1) * math.log(config.aspect_factor) / 2)
    width = max(1, round(image_wh[0] * scale * aspect))
    height = max(1, round(image_wh[1] * scale / aspect))
    left = window[0] + math.floor((window[2] - window[0] - width) * shift_xy[0] + 0.5)
    top = window[1] + math.floor((window[3] - window[1] - height) * shift_xy[1] + 0.5)
    return Placement(image_wh, (width, height), (left, top), bool(flip < config.flip_fraction))


def find_empty_part(boxes_xyxy: FloatArray, image_wh: tuple[int, int]) -> Window | None:
    """Find the largest strip along one side of an image that contains no boxes; None if all are narrow.

    Args:
        boxes_xyxy: (N, 4), pixels of the image.
        image_wh: Width and height of the image.
    """
    width, height = image_wh
    if not len(boxes_xyxy):
        return 0, 0, width, height
    margin = _EMPTY_MARGIN * np.array(image_wh)
    left, top = np.floor(boxes_xyxy[:, :2].min(axis=0) - margin).astype(int).tolist()
    right, bottom = np.ceil(boxes_xyxy[:, 2:].max(axis=0) + margin).astype(int).tolist()
    strips = (0, 0, left, height), (right, 0, width, height), (0, 0, width, top), (0, bottom, width, height)
    wide = [
        (x1, y1, x2, y2)
        for x1, y1, x2, y2 in strips
        if x2 - x1 >= _LEAST_EMPTY * width and y2 - y1 >= _LEAST_EMPTY * height
    ]
    return max(wide, key=lambda strip: (strip[2] - strip[0]) * (strip[3] - strip[1]), default=None)


def place_part(
    part: Window,
    image_wh: tuple[int, int],
    canvas_wh: tuple[int, int],
    *,
    most_scale: float,
    is_flipped: bool,
) -> tuple[Placement, Window]:
    """Place an image so that a part of it lies in the middle of a canvas.

    Args:
        part: Of the image.
        image_wh: Width and height of the image.
        canvas_wh: Width and height of the canvas.
        most_scale: Limit of the image's scale, where 1 fits the image; below it the part fills the canvas.
        is_flipped: Whether the image is mirrored.

    Returns:
        The image's placement, and the window of the canvas that contains the part alone.
    """
    part_wh = part[2] - part[0], part[3] - part[1]
    scale = min(compute_fit(part_wh, canvas_wh), most_scale * compute_fit(image_wh, canvas_wh))
    size_wh = round(image_wh[0] * scale), round(image_wh[1] * scale)
    width, height = (max(1, math.floor(side * scale)) for side in part_wh)
    left, top = (canvas_wh[0] - width) // 2, (canvas_wh[1] - height) // 2
    part_left = image_wh[0] - part[2] if is_flipped else part[0]
    corner = left - math.ceil(part_left * scale), top - math.ceil(part[1] * scale)
    return Placement(image_wh, size_wh, corner, is_flipped), (left, top, left + width, top + height)
