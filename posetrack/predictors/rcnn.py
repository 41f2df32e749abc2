"""Our detectors of people behind pictures: two stages, each on an engine, with proposals in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.data.letterbox import CANVAS_COLOR
from models.rcnn.detector import BoxPart, DensePart, DetectorConfig, make_person_detector
from models.rcnn.recipe import NETWORKS
from posetrack.compute import Compute
from posetrack.frame import ImageArray, Instances
from posetrack.predictors.crops import predict_by_size
from posetrack.predictors.device_images import DevicePictures
from posetrack.predictors.resize import make_resizer
from posetrack.weights.store import load_weights

DETECTION_NETWORKS: dict[str, DetectorConfig] = {
    name: config for name, config in NETWORKS.items() if isinstance(config, DetectorConfig)
}
"""The networks that find boxes alone, by name."""

# Stands for every size that the dense part takes.
_EXAMPLE = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)


class DetectorPredictor:
    """People of whole pictures: boxes from a two-stage detector.

    Args:
        compute: What the network runs on.
        network: A key of `DETECTION_NETWORKS`.
        weights: Name of weights, or the path of a file.
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
        longest_side_px: int,
        score_threshold: float,
        nms_iou: float,
        pictures: DevicePictures | None = None,
    ) -> None:
        config = replace(DETECTION_NETWORKS[network], score_threshold=score_threshold, nms=nms_iou)
        self._detector = make_person_detector(config).eval()
        load_weights(self._detector, weights)
        self._dense = compute.make_engine(DensePart(self._detector), name=network, example=_EXAMPLE)
        region = torch.zeros(1, config.channels, config.roi_cells, config.roi_cells)
        self._box = compute.make_engine(BoxPart(self._detector), name=f"{network}-box", example=region)
        self._detector.to(compute.device)
        self._resize = make_resizer(compute.device, longest_side_px, pictures, fill=CANVAS_COLOR)

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Find the people in each picture.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; those of one size in a row go through as one batch.

        Returns:
            For each picture boxes and box scores, best first, in its own pixels.
        """
        return predict_by_size(self._predict, images)

    @torch.inference_mode()
    def _predict(self, images: list[ImageArray]) -> list[Instances]:
        batch, inner_wh = self._resize(images)
        outputs = list(self._dense(batch).values())
        inner = round(inner_wh[0]), round(inner_wh[1])
        found = self._detector.find_people(
            outputs, (batch.shape[2], batch.shape[3]), [inner] * len(images), box_part=self._look_closer
        )
        height, width = images[0].shape[:2]
        scale_xy = np.array([width / inner_wh[0], height / inner_wh[1]], np.float32)
        return [
            Instances(
                boxes_xyxy=people["boxes"].cpu().numpy() * np.tile(scale_xy, 2),
                box_scores=people["scores"].cpu().numpy(),
            )
            for people in found
        ]

    def _look_closer(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = self._box(regions).values()
        return logits, deltas
