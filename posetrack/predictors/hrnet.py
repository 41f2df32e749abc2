"""HRNet and SimpleBaseline behind images: the pose of one person a box."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.backbones.imagenet import ImageNetwork
from models.hrnet.codec import HeatmapCoding, average_flipped, decode_heatmaps
from models.hrnet.network import HEATMAP_STRIDE
from posetrack.compute import Compute
from posetrack.frame import FloatArray, ImageArray
from posetrack.images.crops import BoxCrops, CropCutter, estimate_in_crops
from posetrack.images.on_device import DeviceImages, choose_device_images
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
        self._settings = settings
        self._skeleton = skeleton
        self._cut = CropCutter(compute.device, choose_device_images(compute.device, device_images))
        self._crops = BoxCrops(
            self._coding.input_wh,
            padding=settings.padding,
            is_unbiased=self._coding.kind == "udp",
            batch_crops=settings.batch_crops,
        )

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
        return estimate_in_crops(
            self._predict,
            images,
            boxes_xyxy,
            crops=self._crops,
            cut=self._cut,
            num_keypoints=self._skeleton.num_keypoints,
        )

    def measure_regions(self, boxes_xyxy: FloatArray) -> FloatArray:
        """The areas (N,) in px^2 of the parts of an image that are cut out for boxes (N, 4)."""
        return self._crops.measure_regions(boxes_xyxy)

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
