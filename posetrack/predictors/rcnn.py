"""The predictor of R-CNNs: boxes, and masks and keypoints if the network has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data.letterbox import Placement, unplace_points
from models.detection.network import TwoStageNetwork
from models.rcnn.codec import decode_masks
from posetrack.compute import Compute
from posetrack.frame import BoolArray, FloatArray, from_pixel_indices
from posetrack.images.on_device import DeviceImages
from posetrack.predictors.settings import RCNNSettings
from posetrack.predictors.two_stage import TwoStagePredictor, to_numpy

# Torchvision's network with keypoints.
_PUBLISHED = "keypoint-rcnn"


class RCNNPredictor(TwoStagePredictor):
    """A two-stage detector of people in whole images, with masks and keypoints if the network has them.

    Args:
        network: As for `TwoStagePredictor`, like the others.
        settings: Settings of the predictor.
        compute: Device, engine and precision.
        device_images: Uploads images to the device.

    Raises:
        PoseTrackError: The engine cannot convert the network.
    """

    def __init__(
        self,
        network: TwoStageNetwork,
        settings: RCNNSettings,
        compute: Compute,
        device_images: DeviceImages | None = None,
    ) -> None:
        super().__init__(network, settings, compute, device_images)
        usual = "centre" if settings.network == _PUBLISHED else "corner"
        origin = settings.keypoint_origin or "usual"
        self._counts_from_centre = (usual if origin == "usual" else origin) == "centre"

    def convert(
        self, people: dict[str, Tensor], boxes_xyxy: FloatArray, placement: Placement
    ) -> dict[str, Any]:
        """Convert masks and keypoints, if there are any; see `TwoStagePredictor.convert`."""
        columns: dict[str, Any] = {}
        if "masks" in people:
            columns["masks"] = _draw_masks(people["masks"], boxes_xyxy, placement)
        if "keypoints" in people:
            points = unplace_points(to_numpy(people["keypoints"]), placement)
            columns["keypoints_xy"] = from_pixel_indices(points) if self._counts_from_centre else points
            columns["keypoint_scores"] = to_numpy(people["keypoint_scores"])
        return columns


def _draw_masks(masks: Tensor, boxes_xyxy: FloatArray, placement: Placement) -> BoolArray:
    drawn = np.zeros((len(masks), *placement.image_wh[::-1]), bool)
    boxes = torch.from_numpy(boxes_xyxy).to(masks.device)
    # One after another, because a hundred masks of an image's size need much memory.
    for i, mask in enumerate(drawn):
        mask[:] = decode_masks(masks[i : i + 1], boxes[i : i + 1], placement.image_wh)[0].cpu().numpy()
    return drawn
