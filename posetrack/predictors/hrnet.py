"""The predictor of HRNet and SimpleBaseline: the pose of one person in each box."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.backbones.imagenet import ImageNetwork
from models.hrnet.codec import HeatmapCoding, average_flipped, average_scales, decode_heatmaps
from models.hrnet.network import HEATMAP_STRIDE
from posetrack.compute import Compute
from posetrack.frame import FloatArray, ImageArray
from posetrack.images.crops import BoxCrops, CropCutter, estimate_in_crops
from posetrack.images.on_device import DeviceImages, choose_device_images
from posetrack.predictors.settings import TopDownSettings
from posetrack.skeleton import Skeleton


class HRNetPredictor:
    """A pose estimator that decodes heatmaps of one person per box.

    Args:
        network: Maps crops to heatmaps, in evaluation mode and with its weights; it is copied.
        settings: Settings of the network and its predictor.
        skeleton: Skeleton of the network's keypoints.
        compute: Device, engine and precision.
        device_images: Uploads images to the device, where crops are cut out; predictors may share it. If None,
            one is made on a GPU, and on a CPU crops are cut out by OpenCV.

    Raises:
        PoseTrackError: The engine cannot convert the network.
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
        # An example for the engine; its sides differ, since the network takes any size.
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
            scales=settings.scales,
        )

    def __call__(
        self, images: Sequence[ImageArray], boxes_xyxy: Sequence[FloatArray]
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Estimate the pose in each box; crops of all images share the network's batches.

        Args:
            images: (H, W, 3) uint8 RGB.
            boxes_xyxy: The boxes (N, 4) of each image, pixels.

        Returns:
            Keypoints (N, K, 2) of each image in its pixels, and their scores (N, K), the heights of the peaks,
            which may be above 1.
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
        """Compute the areas (N,) in px^2 of the regions that are cut out for boxes (N, 4)."""
        return self._crops.measure_regions(boxes_xyxy)

    @torch.inference_mode()
    def _predict(self, crops: Tensor) -> tuple[FloatArray, FloatArray]:
        coding = self._coding
        if self._settings.flip_test:
            heatmaps, flipped = self._network(torch.cat([crops, crops.flip(3)]))["output"].chunk(2)
            heatmaps = average_flipped(heatmaps, flipped, self._skeleton.flip_index, coding)
        else:
            heatmaps = self._network(crops)["output"]
        heatmaps = average_scales(heatmaps, self._settings.scales, coding)
        points, scores = decode_heatmaps(heatmaps, coding)
        return points.cpu().numpy(), scores.cpu().numpy()
