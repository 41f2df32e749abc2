"""Regions cut out of images as a network's batches, and points of these crops back in the images.

The transform is `models.data.crop`'s, that of training: on a CPU OpenCV cuts, on a GPU the same is computed
there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data.crop import (
    DoubleArray,
    compute_region_areas,
    crop_image,
    fit_boxes,
    invert_matrices,
    make_crop_matrices,
    transform_points,
)
from posetrack.frame import FloatArray, ImageArray, from_pixel_indices, to_pixel_indices
from posetrack.images.batches import split_by_image, to_batch
from posetrack.images.on_device import DeviceImages, warp_crops


@dataclass(frozen=True)
class CropCutter:
    """Cuts regions of one size out of images.

    Attributes:
        device: Where the crops go.
        device_images: Takes images to the device, for crops to be cut there; None cuts with OpenCV.
    """

    device: torch.device
    device_images: DeviceImages | None = None

    def __call__(
        self, images: Sequence[ImageArray], matrices: Sequence[DoubleArray], size_wh: tuple[int, int]
    ) -> Tensor:
        """Cut regions out of images.

        Args:
            images: (H, W, 3) uint8, of any sizes.
            matrices: For each image the maps (N, 2, 3) from it to its crops, both in indices of pixels.
            size_wh: Width and height of the crops in pixels.

        Returns:
            (B, 3, height, width) uint8, channels last in memory: all crops of the first image, then those of
            the second and so on.
        """
        # An image without people stays where it is.
        pairs = [(image, maps) for image, maps in zip(images, matrices, strict=True) if len(maps)]
        if self.device_images is not None:
            uploaded = self.device_images.upload([image for image, _ in pairs])
            return warp_crops(uploaded, [maps for _, maps in pairs], size_wh)
        crops = [crop_image(image, matrix, size_wh) for image, maps in pairs for matrix in maps]
        none = np.zeros((0, size_wh[1], size_wh[0], 3), np.uint8)
        return to_batch(np.stack(crops) if crops else none, self.device)


@dataclass(frozen=True)
class BoxCrops:
    """How boxes become crops.

    Attributes:
        size_wh: Width and height of the crops in pixels.
        padding: Factor by which a box grows, after it has the crops' aspect ratio.
        is_unbiased: Whether crops are measured from the first pixel to the last (UDP); see
            `models.data.crop.make_crop_matrices`.
        batch_crops: Most boxes in one call of the network.
        scales: Factors by which the regions of a box are larger than with its padding alone; one crop each.
    """

    size_wh: tuple[int, int]
    padding: float = 1.25
    is_unbiased: bool = False
    batch_crops: int = 8
    scales: tuple[float, ...] = (1.0,)

    def make_matrices(self, boxes_xyxy: FloatArray, scale: float = 1.0) -> DoubleArray:
        """The maps (N, 2, 3) from image to crop, both in indices of pixels, for boxes (N, 4)."""
        centres, widths = fit_boxes(to_pixel_indices(boxes_xyxy), self.size_wh, self.padding * scale)
        return make_crop_matrices(centres, widths, self.size_wh, is_unbiased=self.is_unbiased)

    def measure_regions(self, boxes_xyxy: FloatArray) -> FloatArray:
        """The areas (N,) in px^2 of the parts of an image that are cut out for boxes (N, 4)."""
        return compute_region_areas(boxes_xyxy, self.size_wh, self.padding)


def estimate_in_crops(
    predict: Callable[[Tensor], tuple[FloatArray, FloatArray]],
    images: Sequence[ImageArray],
    boxes_xyxy: Sequence[FloatArray],
    *,
    crops: BoxCrops,
    cut: CropCutter,
    num_keypoints: int,
) -> list[tuple[FloatArray, FloatArray]]:
    """Estimate the pose in each box; crops of all images share batches.

    Args:
        predict: From crops (S B, 3, H, W) uint8, all B of the first of S scales, then those of the second and
            so on, to keypoints (B, K, 2), in indices of pixels of the crops at scale 1, and their scores
            (B, K).
        images: (H, W, 3) uint8 RGB, of any sizes.
        boxes_xyxy: For each image its boxes (N, 4), continuous pixels.
        crops: How boxes become crops.
        cut: Cuts them.
        num_keypoints: K.

    Returns:
        For each image keypoints (N, K, 2) in its continuous pixels, and their scores (N, K).
    """
    matrices = [crops.make_matrices(boxes) for boxes in boxes_xyxy]
    counts = [len(maps) for maps in matrices]
    cut_out = [
        cut(images, [crops.make_matrices(boxes, scale) for boxes in boxes_xyxy], crops.size_wh)
        for scale in crops.scales
    ]
    points = [np.zeros((0, num_keypoints, 2), np.float32)]
    scores = [np.zeros((0, num_keypoints), np.float32)]
    for start in range(0, sum(counts), crops.batch_crops):
        batches = [each[start : start + crops.batch_crops] for each in cut_out]
        batch_points, batch_scores = predict(torch.cat(batches) if len(batches) > 1 else batches[0])
        points.append(batch_points)
        scores.append(batch_scores)
    inverse = invert_matrices(np.concatenate([np.zeros((0, 2, 3)), *matrices]))
    found = from_pixel_indices(transform_points(np.concatenate(points), inverse))
    rows = split_by_image(found, counts), split_by_image(np.concatenate(scores), counts)
    return list(zip(*rows, strict=True))
