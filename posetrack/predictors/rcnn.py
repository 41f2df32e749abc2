"""Our detectors of people behind pictures: stages, each on an engine, with boxes in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from models.data.letterbox import CANVAS_COLOR
from models.engines.engine import Engine
from models.rcnn.detector import (
    BoxPart,
    DensePart,
    DetectorConfig,
    KeypointPart,
    make_person_detector,
)
from models.rcnn.heads import KEYPOINT_CELLS
from models.rcnn.recipe import NETWORKS
from posetrack.compute import Compute
from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.predictors.crops import predict_by_size
from posetrack.predictors.device_images import DevicePictures
from posetrack.predictors.resize import make_resizer
from posetrack.skeleton import Skeleton
from posetrack.weights.store import load_weights

DETECTION_NETWORKS: dict[str, DetectorConfig] = {
    name: config for name, config in NETWORKS.items() if isinstance(config, DetectorConfig)
}
"""The networks that find boxes, some of them keypoints too, by name."""

# Stands for every size that the dense part takes.
_EXAMPLE = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)


class DetectorPredictor:
    """People of whole pictures: boxes from a two-stage detector, and keypoints if it has them.

    Args:
        compute: What the network runs on.
        network: A key of `DETECTION_NETWORKS`.
        weights: Name of weights, or the path of a file.
        skeleton: The keypoints that it was trained for, if it has them.
        longest_side_px: Longest side of the network's input, a multiple of 32.
        score_threshold: People below this score are left out.
        nms_iou: Of two boxes that overlap more than this, the surer stays.
        pictures: Takes the pictures to the device, to be resized there; predictors may share it. Without, a GPU
            gets one of its own, and on a CPU OpenCV resizes.

    Raises:
        PoseTrackError: The engine cannot take the network.
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
            DETECTION_NETWORKS[network],
            num_keypoints=skeleton.num_keypoints,
            score_threshold=score_threshold,
            nms=nms_iou,
        )
        self._detector = make_person_detector(config).eval()
        load_weights(self._detector, weights)
        self._dense = compute.make_engine(DensePart(self._detector), name=network, example=_EXAMPLE)
        region = torch.zeros(1, config.channels, config.roi_cells, config.roi_cells)
        self._box = compute.make_engine(BoxPart(self._detector), name=f"{network}-box", example=region)
        self._keypoints: Engine | None = None
        if config.keypoint_layers:
            region = torch.zeros(1, config.channels, KEYPOINT_CELLS, KEYPOINT_CELLS)
            part = KeypointPart(self._detector)
            self._keypoints = compute.make_engine(part, name=f"{network}-keypoints", example=region)
        self._detector.to(compute.device)
        self._resize = make_resizer(compute.device, longest_side_px, pictures, fill=CANVAS_COLOR)

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Find the people in each picture.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; those of one size in a row go through as one batch.

        Returns:
            For each picture boxes and box scores, best first, in its own pixels; keypoints where the network
            has them.
        """
        return predict_by_size(self._predict, images)

    @torch.inference_mode()
    def _predict(self, images: list[ImageArray]) -> list[Instances]:
        batch, inner_wh = self._resize(images)
        outputs = list(self._dense(batch).values())
        inner = round(inner_wh[0]), round(inner_wh[1])
        found = self._detector.find_people(
            outputs,
            (batch.shape[2], batch.shape[3]),
            [inner] * len(images),
            box_part=partial(_run, self._box),
            keypoint_part=None if self._keypoints is None else partial(_run, self._keypoints),
        )
        height, width = images[0].shape[:2]
        scale_xy = np.array([width / inner_wh[0], height / inner_wh[1]], np.float32)
        return [_convert(people, scale_xy) for people in found]


def _run(engine: Engine, regions: Tensor) -> tuple[Tensor, ...]:
    return tuple(engine(regions).values())


def _convert(people: dict[str, Tensor], scale_xy: FloatArray) -> Instances:
    """What was found in the network's input, in the picture's pixels."""
    columns = {name: value.cpu().numpy() for name, value in people.items()}
    has_keypoints = "keypoints" in columns
    return Instances(
        boxes_xyxy=columns["boxes"] * np.tile(scale_xy, 2),
        box_scores=columns["scores"],
        keypoints_xy=columns["keypoints"] * scale_xy if has_keypoints else None,
        keypoint_scores=columns["keypoint_scores"].clip(0, 1) if has_keypoints else None,
    )
