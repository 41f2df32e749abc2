"""HRNet and SimpleBaseline behind images: the pose of one person a box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from models.backbones.imagenet import ImageNetwork
from models.data.crop import (
    DoubleArray,
    compute_region_areas,
    crop_image,
    fit_boxes,
    invert_matrices,
    make_crop_matrices,
    transform_points,
)
from models.hrnet.codec import HeatmapCoding, average_flipped, decode_heatmaps
from models.hrnet.network import HEATMAP_STRIDE
from posetrack.compute import Compute
from posetrack.frame import FloatArray, ImageArray, from_pixel_indices, to_pixel_indices
from posetrack.predictors.crops import join_poses, split_batches, split_by_image, to_batch
from posetrack.predictors.device_images import DeviceImages, take_images
from posetrack.predictors.device_warp import warp_crops
from posetrack.predictors.settings import TopDownSettings
from posetrack.skeleton import Skeleton


class HRNetPredictor:
    """The pose of one person a box, from heatmaps.

    Args:
        network: From crops to heatmaps, in evaluation mode and with its weights; it is copied.
        settings: What the network was trained for, and how it is asked.
        skeleton: The keypoints that it was trained for.
        compute: What it runs on.
        device_images: Takes images to the device, for crops to be cut there; predictors may share it. Without,
            a GPU gets one of its own, and on a CPU OpenCV cuts.

    Raises:
        PoseTrackError: The engine cannot take the network.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: TopDownSettings,
        skeleton: Skeleton,
        compute: Compute,
        device_images: DeviceImages | None = None,
    ) -> None:
        self._coding = HeatmapCoding(
            input_wh=(settings.width_px, settings.height_px),
            sigma_cells=settings.sigma_cells,
            kind=settings.coding,  # type: ignore[arg-type]
            stride=HEATMAP_STRIDE << settings.heatmap_branch,
        )
        width, height = self._coding.input_wh
        # Sides that differ stand for any size.
        example = torch.zeros(1, 3, height, width, dtype=torch.uint8)
        self._network = compute.make_engine(ImageNetwork(network), name=settings.network, example=example)
        self._device = compute.device
        self._settings = settings
        self._skeleton = skeleton
        self._device_images = take_images(compute.device, device_images)

    def __call__(
        self, images: Sequence[ImageArray], boxes_xyxy: Sequence[FloatArray]
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Estimate the pose in each box; crops of all images share the network's batches.

        Args:
            images: (H, W, 3) uint8 RGB.
            boxes_xyxy: For each image its boxes (N, 4), pixels.

        Returns:
            For each image keypoints (N, K, 2) in its pixels, and their scores (N, K), heights of the peaks
            cut to 0..1.
        """
        matrices = [self._place(boxes) for boxes in boxes_xyxy]
        poses = [self._predict(batch) for batch in self._cut(images, matrices)]
        points, scores = join_poses(poses, self._skeleton.num_keypoints)
        inverse = invert_matrices(np.concatenate([np.zeros((0, 2, 3)), *matrices]))
        found = from_pixel_indices(transform_points(points, inverse))
        return list(zip(split_by_image(found, boxes_xyxy), split_by_image(scores, boxes_xyxy), strict=True))

    def measure_regions(self, boxes_xyxy: FloatArray) -> FloatArray:
        """The areas (N,) in px^2 of the parts of an image that are cut out for boxes (N, 4)."""
        return compute_region_areas(boxes_xyxy, self._coding.input_wh, self._settings.padding)

    def _place(self, boxes_xyxy: FloatArray) -> DoubleArray:
        """The maps (N, 2, 3) from image to crop, both in indices of pixels, as in training."""
        size_wh = self._coding.input_wh
        centres, widths = fit_boxes(to_pixel_indices(boxes_xyxy), size_wh, self._settings.padding)
        return make_crop_matrices(centres, widths, size_wh, is_unbiased=self._coding.kind == "udp")

    def _cut(self, images: Sequence[ImageArray], matrices: Sequence[DoubleArray]) -> list[Tensor]:
        """The crops of all images, in batches for the network."""
        size_wh = self._coding.input_wh
        if self._device_images is None:
            crops = [
                np.stack([crop_image(image, matrix, size_wh) for matrix in maps])
                for image, maps in zip(images, matrices, strict=True)
                if len(maps)
            ]
            return [to_batch(batch, self._device) for batch in split_batches(crops, self._settings.batch_crops)]
        # An image without people stays where it is.
        seen = [(image, maps) for image, maps in zip(images, matrices, strict=True) if len(maps)]
        uploaded = self._device_images.upload([image for image, _ in seen])
        crops_there = warp_crops(uploaded, [maps for _, maps in seen], size_wh)
        size = self._settings.batch_crops
        return [crops_there[start : start + size] for start in range(0, len(crops_there), size)]

    @torch.inference_mode()
    def _predict(self, crops: Tensor) -> tuple[FloatArray, FloatArray]:
        coding = self._coding
        if self._settings.flip_test:
            heatmaps, flipped = self._network(torch.cat([crops, crops.flip(3)]))["output"].chunk(2)
            heatmaps = average_flipped(heatmaps, flipped, self._skeleton.flip_index, coding)
        else:
            heatmaps = self._network(crops)["output"]
        points, scores = decode_heatmaps(heatmaps, coding)
        return points.cpu().numpy(), scores.clamp(0, 1).cpu().numpy()
