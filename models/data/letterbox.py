"""Placement of whole images on a canvas (letterboxing), for detectors, and back.

Images lie at the top left of their canvas, in inference and evaluation of the smallest one that the network
takes (`fit_to_sides`): movenet-person has a dev box AP of 0.331 there, 0.325 with images centred in that canvas
and 0.330 centred in a square. Augmentation places them anywhere.

Coordinates are continuous, as for boxes: pixel i extends from i to i + 1. A placement scales and translates,
and may mirror, but does not rotate.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.data.crop import DoubleArray
from models.data.image_files import ImageArray
from models.data.samples import FloatArray

CANVAS_COLOR = 114
"""Fill value of an empty canvas: grey, near the mean of images."""


@dataclass(frozen=True)
class Placement:
    """Size and position of an image on a canvas.

    Attributes:
        image_wh: Width and height of the image in pixels.
        size_wh: Its width and height on the canvas.
        corner_xy: Position of its upper left corner, which may be outside the canvas.
        is_flipped: Whether it is mirrored left to right.
    """

    image_wh: tuple[int, int]
    size_wh: tuple[int, int]
    corner_xy: tuple[int, int]
    is_flipped: bool = False

    @property
    def matrix(self) -> DoubleArray:
        """The affine map (2, 3) from the image to the canvas, in continuous coordinates."""
        scale_x, scale_y = (self.size_wh[i] / self.image_wh[i] for i in (0, 1))
        x, y = self.corner_xy
        if self.is_flipped:
            return np.array([[-scale_x, 0, x + self.size_wh[0]], [0, scale_y, y]], np.float64)
        return np.array([[scale_x, 0, x], [0, scale_y, y]], np.float64)


def compute_fit(image_wh: tuple[int, int], canvas_wh: tuple[int, int]) -> float:
    """Compute the largest scale at which an image fits into a canvas."""
    return min(canvas_wh[0] / image_wh[0], canvas_wh[1] / image_wh[1])


def fit_to_sides(
    image_wh: tuple[int, int], longest_side_px: int, shorter_side_px: int = 0, *, multiple_px: int = 32
) -> tuple[Placement, tuple[int, int]]:
    """Scale an image to given sides and place it at the top left of the smallest canvas that holds it.

    Args:
        image_wh: Width and height in pixels.
        longest_side_px: Length of the image's longer side; with `shorter_side_px`, the most that it may have.
        shorter_side_px: Length of its shorter side; 0 leaves this to the longer one.
        multiple_px: Both sides of the canvas are multiples of it.

    Returns:
        Where the image lies, and the canvas's width and height.
    """
    scale = longest_side_px / max(image_wh)
    if shorter_side_px:
        scale = min(scale, shorter_side_px / min(image_wh))
    width, height = (max(1, round(side * scale)) for side in image_wh)
    canvas_wh = (width + -width % multiple_px, height + -height % multiple_px)
    return Placement(image_wh, (width, height), (0, 0)), canvas_wh


def fit_image(image_wh: tuple[int, int], canvas_wh: tuple[int, int]) -> Placement:
    """Place an image at the top left of a canvas, as large as possible, keeping its aspect ratio.

    Args:
        image_wh: Width and height in pixels.
        canvas_wh: Likewise.
    """
    scale = compute_fit(image_wh, canvas_wh)
    width, height = (max(1, round(side * scale)) for side in image_wh)
    return Placement(image_wh, (width, height), (0, 0))


def make_canvas(canvas_wh: tuple[int, int]) -> ImageArray:
    """Make an empty canvas, (H, W, 3) uint8."""
    return np.full((canvas_wh[1], canvas_wh[0], 3), CANVAS_COLOR, np.uint8)


def resize_image(image: ImageArray, size_wh: tuple[int, int]) -> ImageArray:
    """Resize an image: area averages where it becomes smaller, so that nothing aliases; else linear.

    Args:
        image: (H, W, 3).
        size_wh: Width and height of the result.

    Returns:
        (height, width, 3).
    """
    is_smaller = size_wh[0] * size_wh[1] < image.shape[0] * image.shape[1]
    interpolation = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_wh, interpolation=interpolation), np.uint8)


def paste_image(
    canvas: ImageArray, image: ImageArray, placement: Placement, window_xyxy: tuple[int, int, int, int]
) -> None:
    """Draw an image onto a canvas.

    Args:
        canvas: (H, W, 3), changed in place.
        image: (H', W', 3), resized to the placement's `size_wh`.
        placement: The placement of the image.
        window_xyxy: The part of the canvas to draw on.
    """
    resized = resize_image(image, placement.size_wh)
    if placement.is_flipped:
        resized = resized[:, ::-1]
    x, y = placement.corner_xy
    left, top = max(x, window_xyxy[0]), max(y, window_xyxy[1])
    right = min(x + placement.size_wh[0], window_xyxy[2])
    bottom = min(y + placement.size_wh[1], window_xyxy[3])
    if left < right and top < bottom:
        canvas[top:bottom, left:right] = resized[top - y : bottom - y, left - x : right - x]


def place_boxes(boxes_xyxy: npt.ArrayLike, placement: Placement) -> FloatArray:
    """Map boxes (N, 4) of an image to its canvas."""
    matrix = placement.matrix
    corners = np.asarray(boxes_xyxy, np.float64).reshape(-1, 2, 2) * matrix.diagonal() + matrix[:, 2]
    placed = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return np.asarray(placed, np.float32)


def unplace_boxes(boxes_xyxy: npt.ArrayLike, placement: Placement, *, is_cut: bool = True) -> FloatArray:
    """Map boxes (N, 4) of a canvas back to the image, and clip them to it unless told not to."""
    matrix = placement.matrix
    corners = (np.asarray(boxes_xyxy, np.float64).reshape(-1, 2, 2) - matrix[:, 2]) / matrix.diagonal()
    if is_cut:
        corners = np.clip(corners, 0, placement.image_wh)
    return np.asarray(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1), np.float32)


def place_points(points_xy: npt.ArrayLike, placement: Placement) -> FloatArray:
    """Map points (..., 2) of an image to its canvas."""
    matrix = placement.matrix
    return np.asarray(np.asarray(points_xy, np.float64) * matrix.diagonal() + matrix[:, 2], np.float32)


def unplace_points(points_xy: npt.ArrayLike, placement: Placement) -> FloatArray:
    """Map points (..., 2) of a canvas back to the image."""
    matrix = placement.matrix
    return np.asarray((np.asarray(points_xy, np.float64) - matrix[:, 2]) / matrix.diagonal(), np.float32)


def cut_boxes(
    boxes_xyxy: FloatArray, window_xyxy: tuple[int, int, int, int]
) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """Clip boxes to a window.

    Args:
        boxes_xyxy: (N, 4).
        window_xyxy: The window, in the same coordinates.

    Returns:
        The boxes (N, 4), and the remaining fraction (N,) of each one's area.
    """
    low, high = np.array(window_xyxy[:2], np.float32), np.array(window_xyxy[2:], np.float32)
    corners = np.clip(boxes_xyxy.reshape(-1, 2, 2), low, high)
    cut = corners.reshape(-1, 4)
    area = np.prod(np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 1e-6), axis=1, dtype=np.float64)
    return cut, np.prod(cut[:, 2:] - cut[:, :2], axis=1, dtype=np.float64) / area
