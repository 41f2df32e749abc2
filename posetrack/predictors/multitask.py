"""Multitask R-CNN behind pictures: boxes, masks and keypoints of people in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.data.letterbox import CANVAS_COLOR
from models.rcnn.codec import decode_masks
from models.rcnn.network import PERSON_LABEL, MultitaskConfig, MultitaskRCNN
from models.rcnn.recipe import NETWORKS
from posetrack.compute import Compute
from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.predictors.crops import predict_by_size
from posetrack.predictors.device_images import DevicePictures
from posetrack.predictors.resize import make_resizer
from posetrack.skeleton import Skeleton
from posetrack.weights.store import load_weights

MULTITASK_NETWORKS: dict[str, MultitaskConfig] = {
    name: config for name, config in NETWORKS.items() if isinstance(config, MultitaskConfig)
}
"""The networks that find boxes and masks or keypoints, by name."""


class MultitaskPredictor:
    """People of whole pictures from one network.

    It runs on torch whatever the engine: how many regions its heads look at differs from picture to picture,
    and the other engines have no deformable convolution. On a CPU it is for pictures rather than videos.

    Args:
        compute: The device.
        network: A key of `MULTITASK_NETWORKS`.
        weights: Name of weights, or the path of a file.
        skeleton: The keypoints that it was trained for.
        longest_side_px: Longest side of the network's input, a multiple of 32.
        score_threshold: People below this score are left out.
        nms_iou: Of two boxes that overlap more than this, the surer stays.
        pictures: Takes the pictures to the device, to be resized there; predictors may share it. Without, a GPU
            gets one of its own, and on a CPU OpenCV resizes.

    Raises:
        WeightsError: The weights are missing or damaged, or of another network.
    """

    def __init__(
        self,
        compute: Compute,
        *,
        network: str,
        weights: str,
        skeleton: Skeleton,
        longest_side_px: int,
        score_threshold: float,
        nms_iou: float,
        pictures: DevicePictures | None = None,
    ) -> None:
        config = replace(
            MULTITASK_NETWORKS[network],
            num_keypoints=skeleton.num_keypoints,
            score_threshold=score_threshold,
            nms=nms_iou,
        )
        self._config = config
        self._network = MultitaskRCNN(config).eval()
        load_weights(self._network, weights)
        self._network.to(compute.device)
        self._resize = make_resizer(compute.device, longest_side_px, pictures, fill=CANVAS_COLOR)

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Find the people in each picture.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; those of one size in a row go through as one batch.

        Returns:
            For each picture, best first and in its own pixels, boxes and box scores; masks and keypoints where
            the network has them.
        """
        return predict_by_size(self._predict, images)

    @torch.inference_mode()
    def _predict(self, images: list[ImageArray]) -> list[Instances]:
        batch, inner_wh = self._resize(images)
        inside = (round(inner_wh[0]), round(inner_wh[1]))
        found = self._network(batch, sizes_wh=[inside] * len(images))
        image_wh = (images[0].shape[1], images[0].shape[0])
        scale_xy = torch.tensor([image_wh[0] / inside[0], image_wh[1] / inside[1]], device=batch.device)
        return [self._convert(people, scale_xy, image_wh) for people in found]

    def _convert(self, people: dict[str, Tensor], scale_xy: Tensor, image_wh: tuple[int, int]) -> Instances:
        is_person = people["labels"] == PERSON_LABEL
        people = {name: column[is_person] for name, column in people.items()}
        boxes = people["boxes"] * scale_xy.repeat(2)
        masks = points = scores = None
        if self._config.has_masks:
            masks = decode_masks(people["masks"], boxes, image_wh).cpu().numpy()
        if self._config.has_keypoints:
            points = _to_numpy(people["keypoints"] * scale_xy)
            values = people["keypoint_scores"]
            # Heatmaps that were trained by cross-entropy have logits.
            is_logit = self._config.keypoint_loss == "cross_entropy"
            scores = _to_numpy(values.sigmoid() if is_logit else values.clamp(0, 1))
        return Instances(
            boxes_xyxy=_to_numpy(boxes),
            box_scores=_to_numpy(people["scores"]),
            masks=masks,
            keypoints_xy=points,
            keypoint_scores=scores,
        )


def _to_numpy(values: Tensor) -> FloatArray:
    return np.asarray(values.float().cpu().numpy(), np.float32)
