"""The affine transform between images and crops of boxes, for training and inference.

It is that of HRNet's public code. A box is extended to the crop's aspect ratio and by the padding; its centre
is mapped to the crop's (W / 2, H / 2). Coordinates are used as OpenCV's indices of pixels, as in the training
of the published weights.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from models.data.image_files import ImageArray
from models.data.samples import FloatArray

DoubleArray = npt.NDArray[np.float64]


def fit_boxes(
    boxes_xyxy: npt.ArrayLike, size_wh: tuple[int, int], padding: float = 1.25
) -> tuple[DoubleArray, DoubleArray]:
    """Extend boxes to an aspect ratio, then by a factor (HRNet, section 4.1, "Training").

    Args:
        boxes_xyxy: (N, 4), pixels.
        size_wh: Width and height of the crop.
        padding: Factor by which both sides are extended after that.

    Returns:
        Centres (N, 2) and widths (N,) of the regions to cut out, in pixels.
    """
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    widths = np.maximum(sizes[:, 0], sizes[:, 1] * size_wh[0] / size_wh[1])
    return (boxes[:, :2] + boxes[:, 2:]) / 2, widths * padding


def compute_region_areas(
    boxes_xyxy: npt.ArrayLike, size_wh: tuple[int, int], padding: float = 1.25
) -> npt.NDArray[np.float32]:
    """Compute the areas (N,) in px^2 of the regions that `fit_boxes` cuts out: a person's size in OKS-NMS."""
    _, widths = fit_boxes(boxes_xyxy, size_wh, padding)
    return np.asarray(widths**2 * size_wh[1] / size_wh[0], np.float32)


def make_crop_matrices(
    centres_xy: npt.ArrayLike,
    widths_px: npt.ArrayLike,
    size_wh: tuple[int, int],
    *,
    rotations_deg: npt.ArrayLike = 0.0,
    is_flipped: npt.ArrayLike = False,
    is_unbiased: bool = False,
) -> DoubleArray:
    """Make the affine maps from image to crop, `crop = A @ (x, y, 1)`.

    Args:
        centres_xy: (N, 2), centres of the regions, pixels of the image.
        widths_px: (N,), widths of the regions, pixels of the image.
        size_wh: Width and height of the crop.
        rotations_deg: (N,) or one: clockwise rotation of the region; its content is rotated the other way.
        is_flipped: (N,) or one: whether the crop is mirrored about its centre.
        is_unbiased: Measure the crop from its first pixel to its last, W - 1, instead of by their number W
            (UDP, Huang et al., CVPR 2020, section 3.2). Flipping then maps pixels onto pixels.

    Returns:
        (N, 2, 3).
    """
    centres = np.asarray(centres_xy, np.float64).reshape(-1, 2)
    extent_wh = np.asarray(size_wh, np.float64) - is_unbiased
    scales = extent_wh[0] / np.asarray(widths_px, np.float64)
    angles = np.broadcast_to(np.deg2rad(rotations_deg), scales.shape)
    sines, cosines = scales * np.sin(angles), scales * np.cos(angles)
    matrices = np.empty((len(centres), 2, 3))
    matrices[:, 0, 0], matrices[:, 0, 1] = cosines, sines
    matrices[:, 1, 0], matrices[:, 1, 1] = -sines, cosines
    matrices[:, 0] *= np.where(is_flipped, -1.0, 1.0).reshape(-1, 1)
    matrices[:, :, 2] = extent_wh / 2 - np.einsum("nij,nj->ni", matrices[:, :, :2], centres)
    return matrices


def invert_matrices(matrices: DoubleArray) -> DoubleArray:
    """Invert affine maps, from crop to image, (N, 2, 3)."""
    inverse = np.linalg.inv(matrices[:, :, :2])
    shift = -np.einsum("nij,nj->ni", inverse, matrices[:, :, 2])
    return np.concatenate([inverse, shift[:, :, None]], axis=2)


def transform_points(points_xy: npt.ArrayLike, matrices: DoubleArray) -> FloatArray:
    """Map points by affine maps.

    Args:
        points_xy: (N, K, 2).
        matrices: (N, 2, 3).

    Returns:
        (N, K, 2).
    """
    points = np.asarray(points_xy, np.float64)
    moved: DoubleArray = np.einsum("nij,nkj->nki", matrices[:, :, :2], points) + matrices[:, None, :, 2]
    points_32: FloatArray = moved.astype(np.float32)
    return points_32


def crop_image(image: ImageArray, matrix: DoubleArray, size_wh: tuple[int, int]) -> ImageArray:
    """Cut a region out of an image with bilinear interpolation, black outside of the image.

    Args:
        image: (H, W, 3).
        matrix: (2, 3), image to crop.
        size_wh: Width and height of the crop.

    Returns:
        (height, width, 3).
    """
    return np.asarray(cv2.warpAffine(image, matrix, size_wh, flags=cv2.INTER_LINEAR), np.uint8)
