"""Rotation of images with their people, before they are placed on a canvas.

Coordinates are continuous, as for boxes: pixel i extends from i to i + 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as mask_api

from models.data.crop import DoubleArray
from models.data.image_files import ImageArray
from models.data.instances import Outline
from models.data.letterbox import CANVAS_COLOR
from models.data.run_lengths import decode_run_lengths
from models.data.samples import FloatArray


@dataclass(frozen=True)
class Rotation:
    """A rotation of an image onto a larger one that holds all of it.

    Attributes:
        image_wh: Width and height of the image in pixels.
        angle_deg: Clockwise.
    """

    image_wh: tuple[int, int]
    angle_deg: float

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the rotated image."""
        width, height = np.abs(self._turn()) @ np.array(self.image_wh, np.float64)
        return math.ceil(width - 1e-6), math.ceil(height - 1e-6)

    @property
    def matrix(self) -> DoubleArray:
        """The affine map (2, 3) from the image to the rotated one, middle to middle."""
        turn = self._turn()
        shift = np.array(self.size_wh) / 2 - turn @ (np.array(self.image_wh) / 2)
        return np.concatenate([turn, shift[:, None]], axis=1)

    def place_points(self, points_xy: npt.ArrayLike) -> DoubleArray:
        """Map points (..., 2) of the image to the rotated one."""
        matrix = self.matrix
        return np.asarray(np.asarray(points_xy, np.float64) @ matrix[:, :2].T + matrix[:, 2])

    def place_box(self, box_xyxy: FloatArray, extent_xy: npt.NDArray[np.floating]) -> FloatArray:
        """Find the box of a person in the rotated image.

        Args:
            box_xyxy: (4,) of the image.
            extent_xy: (P, 2), points about what the box is drawn around: an outline, or the box's own corners.

        Returns:
            (4,), as far from what it is drawn around as the box was.
        """
        return np.asarray(box_xyxy + _bound(self.place_points(extent_xy)) - _bound(extent_xy), np.float32)

    def draw_image(self, image: ImageArray) -> ImageArray:
        """Rotate an image (H, W, 3); its surroundings are those of a canvas."""
        return self._draw(image, cv2.INTER_LINEAR, CANVAS_COLOR)

    def place_outline(self, outline: Outline) -> Outline:
        """Rotate a mask in COCO's encoding: polygons, or run lengths."""
        if isinstance(outline, Mapping):
            drawn = self._draw(_decode(outline), cv2.INTER_NEAREST, 0)
            encoded: Outline = mask_api.encode(np.asfortranarray(drawn))
            return encoded
        return [self.place_points(np.reshape(part, (-1, 2))).ravel().tolist() for part in outline]

    def _draw(self, image: ImageArray, flags: int, fill: int) -> ImageArray:
        matrix = self.matrix
        # To OpenCV the middle of a pixel is a whole number.
        matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
        drawn = cv2.warpAffine(image, matrix, self.size_wh, flags=flags, borderValue=(fill, fill, fill))
        return np.asarray(drawn, np.uint8)

    def _turn(self) -> DoubleArray:
        angle = math.radians(self.angle_deg)
        return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def list_box_corners(box_xyxy: FloatArray) -> npt.NDArray[np.floating]:
    """The corners (4, 2) of a box (4,)."""
    x1, y1, x2, y2 = box_xyxy
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


def list_outline_corners(outline: Outline) -> DoubleArray:
    """Points (P, 2) about a mask in COCO's encoding; none about an empty one."""
    if isinstance(outline, Mapping):
        return list_mask_corners(_decode(outline))
    return np.concatenate([np.reshape(np.asarray(part, np.float64), (-1, 2)) for part in outline])


def list_mask_corners(mask: npt.NDArray[np.generic]) -> DoubleArray:
    """The corners (P, 2) of the first and the last pixel in each row of a mask (H, W)."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = (mask[rows] != 0).argmax(axis=1)
    last = mask.shape[1] - (mask[rows, ::-1] != 0).argmax(axis=1)
    corners = [np.stack([x, y], axis=1) for x in (first, last) for y in (rows, rows + 1)]
    return np.concatenate(corners).astype(np.float64)


def _bound(points_xy: npt.NDArray[np.floating]) -> DoubleArray:
    return np.concatenate([points_xy.min(axis=0), points_xy.max(axis=0)]).astype(np.float64)


def _decode(lengths: Mapping[str, object]) -> npt.NDArray[np.uint8]:
    """Decode run lengths as text or as a list."""
    is_plain = isinstance(lengths["counts"], list)
    return decode_run_lengths(mask_api.frPyObjects(dict(lengths), *lengths["size"]) if is_plain else lengths)  # type: ignore[misc]
