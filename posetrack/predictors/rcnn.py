"""The R-CNN family behind images: stages, each on an engine, with proposals and regions in between."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from models.data.letterbox import CANVAS_COLOR
from models.engines.engine import Engine
from models.rcnn.codec import decode_masks
from models.rcnn.network import RCNN
from models.rcnn.roi_heads import RunPart
from models.rcnn.variants import PERSON_LABEL
from posetrack.compute import Compute
from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.predictors.crops import predict_by_size
from posetrack.predictors.device_images import DeviceImages
from posetrack.predictors.resize import make_resizer
from posetrack.predictors.settings import TwoStageSettings

# Stands for every size that the dense part takes.
_EXAMPLE = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)


class RCNNPredictor:
    """People of whole images: boxes from a two-stage network, and masks and keypoints if it has them.

    Args:
        network: In evaluation mode and with its weights; it is copied.
        settings: How it is asked.
        compute: What it runs on.
        device_images: Takes images to the device, to be resized there; predictors may share it. Without, a GPU
            gets one of its own, and on a CPU OpenCV resizes.

    Raises:
        PoseTrackError: The engine cannot take the network.
    """

    def __init__(
        self,
        network: RCNN,
        settings: TwoStageSettings,
        compute: Compute,
        device_images: DeviceImages | None = None,
    ) -> None:
        self._network = copy.deepcopy(network)
        self._settings = settings
        self._dense = compute.make_engine(self._network.dense_part(), name=settings.network, example=_EXAMPLE)
        heads, channels = self._network.roi_heads, self._network.backbone.out_channels
        self._parts: dict[str, RunPart] = {}
        for name, part in heads.region_parts().items():
            regions = torch.zeros(1, channels, heads.count_cells(name), heads.count_cells(name))
            engine = compute.make_engine(part, name=f"{settings.network}-{name}", example=regions)
            self._parts[name] = partial(_run, engine)
        self._network.to(compute.device)
        self._resize = make_resizer(compute.device, settings.longest_side_px, device_images, fill=CANVAS_COLOR)

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Find the people in each image.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; those of one size in a row go through as one batch.

        Returns:
            For each image boxes and box scores, best first, in its own pixels; masks and keypoints where the
            network has them.
        """
        return predict_by_size(self._predict, images)

    @torch.inference_mode()
    def _predict(self, images: list[ImageArray]) -> list[Instances]:
        image_wh = images[0].shape[1], images[0].shape[0]
        resize = replace(self._resize, longest_side_px=self._settings.find_longest_side(image_wh))
        batch, inner_wh = resize(images)
        outputs = list(self._dense(batch).values())
        inner = round(inner_wh[0]), round(inner_wh[1])
        input_hw = batch.shape[2], batch.shape[3]
        found = self._network.find_people(
            outputs,
            input_hw,
            [inner] * len(images),
            self._parts,
            score_threshold=self._settings.score_threshold,
            nms_iou=self._settings.nms_iou,
        )
        scale_xy = torch.tensor([image_wh[0] / inner_wh[0], image_wh[1] / inner_wh[1]], device=batch.device)
        return [_convert(people, scale_xy, image_wh) for people in found]


def _run(engine: Engine, regions: Tensor) -> tuple[Tensor, ...]:
    return tuple(engine(regions).values())


def _convert(people: dict[str, Tensor], scale_xy: Tensor, image_wh: tuple[int, int]) -> Instances:
    """What was found in the network's input, in the image's pixels; of several classes people alone."""
    is_person = people["labels"] == PERSON_LABEL
    people = {name: column[is_person] for name, column in people.items()}
    boxes = people["boxes"] * scale_xy.repeat(2)
    masks = None
    if "masks" in people:
        masks = np.zeros((len(boxes), image_wh[1], image_wh[0]), bool)
        # One after another: a hundred of them at an image's size are much memory.
        for i, mask in enumerate(masks):
            mask[:] = decode_masks(people["masks"][i : i + 1], boxes[i : i + 1], image_wh)[0].cpu().numpy()
    has_keypoints = "keypoints" in people
    return Instances(
        boxes_xyxy=_to_numpy(boxes),
        box_scores=_to_numpy(people["scores"]),
        masks=masks,
        keypoints_xy=_to_numpy(people["keypoints"] * scale_xy) if has_keypoints else None,
        keypoint_scores=_to_numpy(people["keypoint_scores"]) if has_keypoints else None,
    )


def _to_numpy(values: Tensor) -> FloatArray:
    return np.asarray(values.float().cpu().numpy(), np.float32)
