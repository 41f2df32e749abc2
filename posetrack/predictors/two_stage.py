"""The predictor of two-stage networks: stages on engines, with proposals and pooling of regions in between."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.data.letterbox import Placement, unplace_boxes
from models.detection.config import PERSON_LABEL
from models.detection.heads import RunPart
from models.detection.network import TwoStageNetwork
from models.detection.pooling import pool_by_sums
from models.engines.engine import Engine
from posetrack.compute import Compute
from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.images.batches import predict_by_size
from posetrack.images.letterbox import Letterbox
from posetrack.images.on_device import DeviceImages, choose_device_images
from posetrack.predictors.settings import TwoStageSettings

# An example for the engine; its sides differ, since the network takes any size.
_EXAMPLE = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)


class ImageOutputs(NamedTuple):
    """What the image part gives for images of one size.

    Attributes:
        outputs: As `models.detection.network.ImagePart` returns them.
        input_hw: Height and width of the batch.
        placement: Where the image lies in it.
        sizes_wh: Width and height of each image in it.
    """

    outputs: list[Tensor]
    input_hw: tuple[int, int]
    placement: Placement
    sizes_wh: list[tuple[int, int]]


class TwoStagePredictor(ABC):
    """A two-stage detector of people in whole images; what its other heads give, subclasses convert.

    Args:
        network: The network, in evaluation mode and with its weights; it is copied.
        settings: Settings of the predictor.
        compute: Device, engine and precision.
        device_images: Uploads images to the device, where they are resized; predictors may share it. If None,
            one is made on a GPU, and on a CPU images are resized by OpenCV.

    Raises:
        PoseTrackError: The engine cannot convert the network.
    """

    def __init__(
        self,
        network: TwoStageNetwork,
        settings: TwoStageSettings,
        compute: Compute,
        device_images: DeviceImages | None = None,
    ) -> None:
        self._network = copy.deepcopy(network)
        self._settings = settings
        if settings.proposals is not None:
            self._network.rpn.limit_proposals(settings.proposals)
        self._image_part = compute.make_engine(
            self._network.image_part(), name=settings.network, example=_EXAMPLE
        )
        if compute.device.type == "cpu" and compute.engine != "torch":
            pool_by_sums(self._network)
        heads, channels = self._network.roi_heads, self._network.backbone.out_channels
        self._parts: dict[str, RunPart] = {}
        for name, part in heads.region_parts().items():
            regions = torch.zeros(1, channels, heads.count_cells(name), heads.count_cells(name))
            engine = compute.make_engine(part, name=f"{settings.network}-{name}", example=regions)
            self._parts[name] = partial(_run, engine)
        self._network.to(compute.device)
        self._letterbox = Letterbox(
            compute.device,
            *_choose_sides(settings, network.config.input_sides_px),
            device_images=choose_device_images(compute.device, device_images),
        )

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Detect the people in each image.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; consecutive images of one size are one batch.

        Returns:
            Boxes and box scores of each image, best first, in its pixels, and what other heads give.
        """
        return predict_by_size(self._predict, images)

    @abstractmethod
    def convert(
        self, people: dict[str, Tensor], boxes_xyxy: FloatArray, placement: Placement
    ) -> dict[str, Any]:
        """Convert what other heads give for the people of one image to columns of `Instances`.

        Args:
            people: See `TwoStageNetwork.find_people`, N people.
            boxes_xyxy: Their boxes (N, 4) in the image's pixels.
            placement: Where the image lies in the batch.
        """

    def _run_image_part(self, images: list[ImageArray]) -> ImageOutputs:
        batch, placement = self._letterbox(images)
        outputs = list(self._image_part(batch).values())
        input_hw = batch.shape[2], batch.shape[3]
        return ImageOutputs(outputs, input_hw, placement, [placement.size_wh] * len(images))

    @torch.inference_mode()
    def _predict(self, images: list[ImageArray]) -> list[Instances]:
        found = self._run_image_part(images)
        people = self._network.find_people(
            found.outputs, found.input_hw, found.sizes_wh, self._parts, self._settings.box_choice
        )
        return [self._make_instances(each, found.placement) for each in people]

    def _make_instances(self, people: dict[str, Tensor], placement: Placement) -> Instances:
        """Convert the detections on a canvas to the image's pixels; of several classes only people."""
        is_person = people["labels"] == PERSON_LABEL
        people = {name: column[is_person] for name, column in people.items()}
        boxes = unplace_boxes(to_numpy(people["boxes"]), placement)
        columns = self.convert(people, boxes, placement)
        return Instances(boxes_xyxy=boxes, box_scores=to_numpy(people["scores"]), **columns)


def _choose_sides(settings: TwoStageSettings, own: tuple[int, int]) -> tuple[int, int]:
    """The longer and the shorter side of the input: those of the settings, without them the network's own."""
    given = settings.longest_side_px, settings.shorter_side_px
    longest, shorter = (mine if side is None else side for side, mine in zip(given, own, strict=True))
    return longest, shorter


def _run(engine: Engine, regions: Tensor) -> tuple[Tensor, ...]:
    return tuple(engine(regions).values())


def to_numpy(values: Tensor) -> FloatArray:
    """Convert a tensor on any device to a float32 array."""
    return np.asarray(values.float().cpu().numpy(), np.float32)
