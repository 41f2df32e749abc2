"""The predictor of two-stage networks: stages on engines, with proposals and pooling of regions in between."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from models.data.letterbox import Placement, unplace_boxes, unplace_points
from models.detection.config import PERSON_LABEL
from models.detection.heads import RunPart
from models.detection.network import TwoStageNetwork
from models.engines.engine import Engine
from models.rcnn.codec import decode_masks
from posetrack.compute import Compute
from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.images.batches import predict_by_size
from posetrack.images.letterbox import Letterbox
from posetrack.images.on_device import DeviceImages, choose_device_images
from posetrack.predictors.settings import TwoStageSettings

# An example for the engine; its sides differ, since the network takes any size.
_EXAMPLE = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)


class RCNNPredictor:
    """A two-stage detector of people in whole images, with masks and keypoints if the network has them.

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
        self._dense = compute.make_engine(self._network.image_part(), name=settings.network, example=_EXAMPLE)
        heads, channels = self._network.roi_heads, self._network.backbone.out_channels
        self._parts: dict[str, RunPart] = {}
        for name, part in heads.region_parts().items():
            regions = torch.zeros(1, channels, heads.count_cells(name), heads.count_cells(name))
            engine = compute.make_engine(part, name=f"{settings.network}-{name}", example=regions)
            self._parts[name] = partial(_run, engine)
        self._network.to(compute.device)
        self._letterbox = Letterbox(
            compute.device,
            settings.longest_side_px,
            settings.shorter_side_px,
            device_images=choose_device_images(compute.device, device_images),
        )

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Detect the people in each image.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; consecutive images of one size are one batch.

        Returns:
            Boxes and box scores of each image, best first, in its pixels; masks and keypoints if the network
            has them.
        """
        return predict_by_size(self._predict, images)

    @torch.inference_mode()
    def _predict(self, images: list[ImageArray]) -> list[Instances]:
        batch, placement = self._letterbox(images)
        outputs = list(self._dense(batch).values())
        input_hw = batch.shape[2], batch.shape[3]
        sizes_wh = [placement.size_wh] * len(images)
        found = self._network.find_people(
            outputs,
            input_hw,
            sizes_wh,
            self._parts,
            score_threshold=self._settings.score_threshold,
            nms_iou=self._settings.nms_iou,
        )
        return [_convert(people, placement) for people in found]


def _run(engine: Engine, regions: Tensor) -> tuple[Tensor, ...]:
    return tuple(engine(regions).values())


def _convert(people: dict[str, Tensor], placement: Placement) -> Instances:
    """Convert the detections on a canvas to the image's pixels; of several classes only people."""
    is_person = people["labels"] == PERSON_LABEL
    people = {name: column[is_person] for name, column in people.items()}
    boxes = unplace_boxes(_to_numpy(people["boxes"]), placement)
    masks = None
    if "masks" in people:
        masks = np.zeros((len(boxes), *placement.image_wh[::-1]), bool)
        on_device = torch.from_numpy(boxes).to(people["masks"].device)
        # One after another, because a hundred masks of an image's size need much memory.
        for i, mask in enumerate(masks):
            drawn = decode_masks(people["masks"][i : i + 1], on_device[i : i + 1], placement.image_wh)
            mask[:] = drawn[0].cpu().numpy()
    keypoints = keypoint_scores = None
    if "keypoints" in people:
        keypoints = unplace_points(_to_numpy(people["keypoints"]), placement)
        keypoint_scores = _to_numpy(people["keypoint_scores"])
    return Instances(
        boxes_xyxy=boxes,
        box_scores=_to_numpy(people["scores"]),
        masks=masks,
        keypoints_xy=keypoints,
        keypoint_scores=keypoint_scores,
    )


def _to_numpy(values: Tensor) -> FloatArray:
    return np.asarray(values.float().cpu().numpy(), np.float32)
