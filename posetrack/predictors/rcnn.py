"""The predictor of R-CNNs: boxes, and masks and keypoints if the network has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data.letterbox import Placement, unplace_points
from models.rcnn.codec import decode_masks
from posetrack.frame import BoolArray, FloatArray
from posetrack.predictors.two_stage import TwoStagePredictor, to_numpy


class RCNNPredictor(TwoStagePredictor):
    """A two-stage detector of people in whole images, with masks and keypoints if the network has them."""

    def convert(
        self, people: dict[str, Tensor], boxes_xyxy: FloatArray, placement: Placement
    ) -> dict[str, Any]:
        """Convert masks and keypoints, if there are any; see `TwoStagePredictor.convert`."""
        columns: dict[str, Any] = {}
        if "masks" in people:
            columns["masks"] = _draw_masks(people["masks"], boxes_xyxy, placement)
        if "keypoints" in people:
            columns["keypoints_xy"] = unplace_points(to_numpy(people["keypoints"]), placement)
            columns["keypoint_scores"] = to_numpy(people["keypoint_scores"])
        return columns


def _draw_masks(masks: Tensor, boxes_xyxy: FloatArray, placement: Placement) -> BoolArray:
    drawn = np.zeros((len(masks), *placement.image_wh[::-1]), bool)
    boxes = torch.from_numpy(boxes_xyxy).to(masks.device)
    # One after another, because a hundred masks of an image's size need much memory.
    for i, mask in enumerate(drawn):
        mask[:] = decode_masks(masks[i : i + 1], boxes[i : i + 1], placement.image_wh)[0].cpu().numpy()
    return drawn
