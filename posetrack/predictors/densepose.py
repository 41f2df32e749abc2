"""The predictor of the DensePose family: boxes with dense poses, or dense poses in given boxes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data.letterbox import Placement, place_boxes
from models.densepose.codec import decode_dense_pose, to_bytes
from models.densepose.pixel_box import find_pixels
from posetrack.frame import FloatArray, ImageArray
from posetrack.predictors.two_stage import TwoStagePredictor

_OUTPUTS = ("coarse", "fine", "u", "v")


class DensePosePredictor(TwoStagePredictor):
    """A two-stage detector of people in whole images, with a dense pose of each.

    Dense poses are over the whole pixels of the boxes in the image, not on the network's canvas.
    """

    def convert(
        self, people: dict[str, Tensor], boxes_xyxy: FloatArray, placement: Placement
    ) -> dict[str, Any]:
        """Decode the dense poses; see `TwoStagePredictor.convert`."""
        return {"dense": _decode_people(people, boxes_xyxy)}

    def estimate_dense(
        self, images: Sequence[ImageArray], boxes_xyxy: Sequence[FloatArray]
    ) -> list[tuple[ImageArray, ...]]:
        """Estimate the dense poses of people in given boxes.

        The maps of each image are computed once; the regions of all boxes of a batch are one batch.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; consecutive images of one size are one batch.
            boxes_xyxy: For each image (N, 4), in its pixels.

        Returns:
            For each image N arrays (h, w, 3) uint8, see `Instances.dense`.
        """
        dense: list[tuple[ImageArray, ...]] = []
        for _, group in groupby(zip(images, boxes_xyxy, strict=True), key=lambda pair: pair[0].shape):
            pairs = list(group)
            with_people = [(image, boxes) for image, boxes in pairs if len(boxes)]
            found = iter(self._estimate(with_people) if with_people else ())
            dense += [next(found) if len(boxes) else () for _, boxes in pairs]
        return dense

    @torch.inference_mode()
    def _estimate(self, pairs: list[tuple[ImageArray, FloatArray]]) -> list[tuple[ImageArray, ...]]:
        found = self._run_image_part([image for image, _ in pairs])
        device = found.outputs[0].device
        boxes = [torch.from_numpy(place_boxes(boxes, found.placement)).to(device) for _, boxes in pairs]
        people = self._network.describe_people(
            found.outputs, found.input_hw, boxes, found.sizes_wh, self._parts
        )
        return [_decode_people(each, own) for each, (_, own) in zip(people, pairs, strict=True)]


def _decode_people(people: dict[str, Tensor], boxes_xyxy: FloatArray) -> tuple[ImageArray, ...]:
    """Decode the outputs for the people of one image; one after another, because they need much memory."""
    return tuple(
        _decode_person({name: people[name][i] for name in _OUTPUTS}, box) for i, box in enumerate(boxes_xyxy)
    )


def _decode_person(outputs: dict[str, Tensor], box_xyxy: FloatArray) -> ImageArray:
    pose = to_bytes(*decode_dense_pose(outputs, find_pixels(box_xyxy)))
    return np.ascontiguousarray(pose.permute(1, 2, 0).cpu().numpy())
