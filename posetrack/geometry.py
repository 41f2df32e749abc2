"""Box <-> crop transforms and flips, in the continuous pixels of `posetrack.frame`."""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.frame import FloatArray, ImageArray


def expand_boxes(boxes_xyxy: FloatArray, margin: float, aspect_wh: float | None = None) -> FloatArray:
    """Widen boxes about their centres, and to a fixed aspect ratio when one is given.

    Args:
        boxes_xyxy: (N, 4), pixels.
        margin: Share of width and height added in all, half of it on each side: 0.25 makes a box 1.25 times
            as wide and high.
        aspect_wh: Width over height; the shorter side grows until the box has it.

    Returns:
        (N, 4) boxes that may reach beyond the picture.
    """
    boxes = np.asarray(boxes_xyxy, np.float32).reshape(-1, 4)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3) * (1 + margin)
    if aspect_wh is not None:
        width = np.maximum(sizes[:, 0], sizes[:, 1] * aspect_wh)
        sizes = np.stack([width, width / aspect_wh], axis=1)
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).astype(np.float32)


def crop_boxes(image: ImageArray, boxes_xyxy: FloatArray, size_wh: tuple[int, int]) -> ImageArray:
    """Cut boxes out of a picture, each resampled to one size; black outside the picture.

    Large boxes are reduced with an area average first, so that no detail aliases.

    Args:
        image: (H, W, 3) uint8.
        boxes_xyxy: (N, 4), pixels, of the aspect ratio of `size_wh` if nothing is to be squashed.
        size_wh: Width and height of the crops in pixels.

    Returns:
        (N, height, width, 3) uint8.
    """
    crops = np.zeros((len(boxes_xyxy), size_wh[1], size_wh[0], 3), np.uint8)
    for crop, box in zip(crops, np.asarray(boxes_xyxy, np.float64), strict=True):
        scale_xy = np.asarray(size_wh) / np.maximum(box[2:] - box[:2], 1e-6)
        left, top = np.maximum(np.floor(box[:2]).astype(int) - 1, 0)
        right, bottom = np.maximum(np.ceil(box[2:]).astype(int) + 1, 0)
        part = image[top:bottom, left:right]
        if part.size == 0:
            continue
        reduced = _reduce(part, int(1 / scale_xy.max()))
        # Reduced part to crop: u -> (u / reduction + origin - box corner) * scale. OpenCV puts pixel centres
        # at whole numbers, so half a pixel is added before and taken off after.
        reduction_xy = np.array([reduced.shape[1] / part.shape[1], reduced.shape[0] / part.shape[0]])
        zoom_xy = scale_xy / reduction_xy
        shift_xy = (np.array([left, top]) - box[:2]) * scale_xy + 0.5 * zoom_xy - 0.5
        matrix = np.array([[zoom_xy[0], 0, shift_xy[0]], [0, zoom_xy[1], shift_xy[1]]])
        cv2.warpAffine(reduced, matrix, size_wh, dst=crop, flags=cv2.INTER_LINEAR)
    return crops


def _reduce(image: ImageArray, factor: int) -> ImageArray:
    if factor < 2:
        return image
    new_wh = (max(image.shape[1] // factor, 1), max(image.shape[0] // factor, 1))
    return cv2.resize(image, new_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def uncrop_points(points_xy: FloatArray, boxes_xyxy: FloatArray) -> FloatArray:
    """Map points in crops back to the picture that `crop_boxes` cut them from.

    Args:
        points_xy: (N, K, 2), relative to each crop's size: 0 is its left or top edge, 1 its right or bottom.
        boxes_xyxy: (N, 4), pixels, the boxes that were cut out.

    Returns:
        (N, K, 2), pixels of the picture.
    """
    sizes = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    return (boxes_xyxy[:, None, :2] + points_xy * sizes[:, None]).astype(np.float32)


def resize_to_multiple(
    image: ImageArray, longest_side_px: int, multiple_px: int
) -> tuple[ImageArray, tuple[float, float]]:
    """Scale a picture to a longest side and pad it right and below with black; never squash it.

    Args:
        image: (H, W, 3) uint8.
        longest_side_px: Longest side of the result, a multiple of `multiple_px`.
        multiple_px: Both sides of the result are multiples of it.

    Returns:
        The picture, and its width and height in pixels inside the padding: a point of the result divided by
        this size and multiplied by the original's is the same point of the original.
    """
    height, width = image.shape[:2]
    scale = longest_side_px / max(height, width)
    new_wh = (max(round(width * scale), 1), max(round(height * scale), 1))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, new_wh, interpolation=method)
    pad_right, pad_below = (-new_wh[0]) % multiple_px, (-new_wh[1]) % multiple_px
    padded = cv2.copyMakeBorder(resized, 0, pad_below, 0, pad_right, cv2.BORDER_CONSTANT)
    return padded.astype(np.uint8, copy=False), (float(new_wh[0]), float(new_wh[1]))


def flip_points(points_xy: FloatArray, flip_index: tuple[int, ...], width: float) -> FloatArray:
    """Mirror keypoints left to right, swapping left and right names.

    Args:
        points_xy: (N, K, 2), pixels.
        flip_index: K positions, each keypoint's mirror image (`Skeleton.flip_index`).
        width: Width of the picture in pixels.

    Returns:
        (N, K, 2).
    """
    flipped = points_xy[:, list(flip_index)].copy()
    flipped[..., 0] = width - flipped[..., 0]
    return flipped
