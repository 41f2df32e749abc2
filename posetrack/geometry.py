"""Box <-> crop transforms and flips, in the continuous pixels of `posetrack.frame`."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.frame import FloatArray, ImageArray, IntArray
from trackers.shrink import shrink_image

_FAR_PX = 2.0**40


def expand_boxes(boxes_xyxy: FloatArray, margin: float, aspect_wh: float | None = None) -> FloatArray:
    """Widen boxes about their centres, and to a fixed aspect ratio when one is given.

    Args:
        boxes_xyxy: (N, 4), pixels.
        margin: Fraction of width and height added in all, half of it on each side: 0.25 makes a box 1.25 times
            as wide and high.
        aspect_wh: Width over height; the shorter side grows until the box has it.

    Returns:
        (N, 4) boxes that may reach beyond the image.
    """
    boxes = np.asarray(boxes_xyxy, np.float32).reshape(-1, 4)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3) * (1 + margin)
    if aspect_wh is not None:
        width = np.maximum(sizes[:, 0], sizes[:, 1] * aspect_wh)
        sizes = np.stack([width, width / aspect_wh], axis=1)
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).astype(np.float32)


@dataclass(frozen=True)
class CropPlan:
    """How boxes are cut out of an image: a part of it, reduced by an area average, then resampled bilinearly.

    Attributes:
        parts_xyxy: (N, 4), whole pixels, the box and a pixel around it as far as the image goes. A part
            without a width or height lies outside; its crop is black.
        factors: (N,), by which the part is reduced first, from 1.
        reduced_wh: (N, 2), pixels of the reduced part.
        zoom_xy: (N, 2), pixels of the crop a pixel of the reduced part.
        shift_xy: (N, 2), where in the crop the reduced part's first pixel comes. Both count centres of pixels
            from 0, as OpenCV does.
    """

    parts_xyxy: IntArray
    factors: IntArray
    reduced_wh: IntArray
    zoom_xy: npt.NDArray[np.float64]
    shift_xy: npt.NDArray[np.float64]


def plan_crops(image_wh: tuple[int, int], boxes_xyxy: FloatArray, size_wh: tuple[int, int]) -> CropPlan:
    """Say how boxes are cut out of an image and resampled to one size.

    Args:
        image_wh: Width and height of the image in pixels.
        boxes_xyxy: (N, 4), pixels.
        size_wh: Width and height of the crops in pixels.
    """
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
    scales_xy = np.asarray(size_wh) / np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    corners = np.clip(np.floor(boxes[:, :2]) - 1, 0, image_wh).astype(np.int64)
    ends = np.clip(np.ceil(boxes[:, 2:]) + 1, 0, image_wh).astype(np.int64)
    part_wh = np.maximum(ends - corners, 0)
    factors = np.clip(1 / scales_xy.max(axis=1), 1, _FAR_PX).astype(np.int64)
    reduced_wh = np.maximum(part_wh // factors[:, None], 1)
    # Reduced part to crop: u -> (u / reduction + origin - box corner) * scale. OpenCV puts pixel centres
    # at whole numbers, so half a pixel is added before and taken off after.
    zoom_xy = scales_xy / (reduced_wh / np.maximum(part_wh, 1))
    shift_xy = (corners - boxes[:, :2]) * scales_xy + 0.5 * zoom_xy - 0.5
    return CropPlan(
        np.concatenate([corners, corners + part_wh], axis=1), factors, reduced_wh, zoom_xy, shift_xy
    )


def crop_boxes(image: ImageArray, boxes_xyxy: FloatArray, size_wh: tuple[int, int]) -> ImageArray:
    """Cut boxes out of an image, each resampled to one size; black outside the image.

    Large boxes are reduced with an area average first, so that no detail aliases.

    Args:
        image: (H, W, 3) uint8.
        boxes_xyxy: (N, 4), pixels, of the aspect ratio of `size_wh` if nothing is to be squashed.
        size_wh: Width and height of the crops in pixels.

    Returns:
        (N, height, width, 3) uint8.
    """
    crops = np.zeros((len(boxes_xyxy), size_wh[1], size_wh[0], 3), np.uint8)
    plan = plan_crops((image.shape[1], image.shape[0]), boxes_xyxy, size_wh)
    for i, (left, top, right, bottom) in enumerate(plan.parts_xyxy):
        part = image[top:bottom, left:right]
        if part.size == 0:
            continue
        if plan.factors[i] > 1:
            reduced_wh = plan.reduced_wh[i].tolist()
            part = cv2.resize(part, reduced_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        (zoom_x, zoom_y), (shift_x, shift_y) = plan.zoom_xy[i], plan.shift_xy[i]
        matrix = np.array([[zoom_x, 0, shift_x], [0, zoom_y, shift_y]])
        cv2.warpAffine(part, matrix, size_wh, dst=crops[i], flags=cv2.INTER_LINEAR)
    return crops


def uncrop_points(points_xy: FloatArray, boxes_xyxy: FloatArray) -> FloatArray:
    """Map points in crops back to the image that `crop_boxes` cut them from.

    Args:
        points_xy: (N, K, 2), relative to each crop's size: 0 is its left or top edge, 1 its right or bottom.
        boxes_xyxy: (N, 4), pixels, the boxes that were cut out.

    Returns:
        (N, K, 2), pixels of the image.
    """
    sizes = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    return (boxes_xyxy[:, None, :2] + points_xy * sizes[:, None]).astype(np.float32)


def fit_to_multiple(
    image_wh: tuple[int, int], longest_side_px: int, multiple_px: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Sizes of an image scaled to a longest side, before and after padding to a multiple.

    Args:
        image_wh: Width and height of the image in pixels.
        longest_side_px: Longest side of the result, a multiple of `multiple_px`.
        multiple_px: Both padded sides are multiples of it.

    Returns:
        Width and height in pixels without the padding, and with it.
    """
    scale = longest_side_px / max(image_wh)
    width, height = (max(round(side * scale), 1) for side in image_wh)
    return (width, height), (width + -width % multiple_px, height + -height % multiple_px)


def resize_to_multiple(
    image: ImageArray, longest_side_px: int, multiple_px: int, *, fill: int = 0
) -> tuple[ImageArray, tuple[float, float]]:
    """Scale an image to a longest side and pad it right and below; never squash it.

    Args:
        image: (H, W, 3) uint8.
        longest_side_px: Longest side of the result, a multiple of `multiple_px`.
        multiple_px: Both sides of the result are multiples of it.
        fill: Grey level of the padding; 0 is black.

    Returns:
        The image, and its width and height in pixels inside the padding: a point of the result divided by
        this size and multiplied by the original's is the same point of the original.
    """
    image_wh = (image.shape[1], image.shape[0])
    new_wh, padded_wh = fit_to_multiple(image_wh, longest_side_px, multiple_px)
    if longest_side_px < max(image_wh):
        resized = shrink_image(image, new_wh)
    else:
        resized = np.asarray(cv2.resize(image, new_wh, interpolation=cv2.INTER_LINEAR), np.uint8)
    pad_right, pad_below = padded_wh[0] - new_wh[0], padded_wh[1] - new_wh[1]
    padded = cv2.copyMakeBorder(
        resized, 0, pad_below, 0, pad_right, cv2.BORDER_CONSTANT, value=(fill, fill, fill)
    )
    return padded.astype(np.uint8, copy=False), (float(new_wh[0]), float(new_wh[1]))


def flip_points(points_xy: FloatArray, flip_index: tuple[int, ...], width: float) -> FloatArray:
    """Mirror keypoints left to right, swapping left and right names.

    Args:
        points_xy: (N, K, 2), pixels.
        flip_index: K positions, each keypoint's mirror image (`Skeleton.flip_index`).
        width: Width of the image in pixels.

    Returns:
        (N, K, 2).
    """
    flipped = points_xy[:, list(flip_index)].copy()
    flipped[..., 0] = width - flipped[..., 0]
    return flipped
