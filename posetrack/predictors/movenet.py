"""The predictor of MoveNet multipose, which detects people with their poses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from models.data.letterbox import unplace_boxes, unplace_points
from models.movenet.codec import decode_multiple
from models.movenet.network import MoveNet
from posetrack.compute import Compute
from posetrack.frame import ImageArray, Instances
from posetrack.images.batches import predict_by_size
from posetrack.images.letterbox import Letterbox
from posetrack.images.on_device import DeviceImages, choose_device_images
from posetrack.predictors.settings import MultiposeSettings
from posetrack.skeleton import COCO_17
from trackers.nms import box_nms, oks_nms
from trackers.oks import compute_pose_areas

_VISIBLE_SCORE = 0.2
# An example for the engine; its sides differ, since the network takes any size.
_EXAMPLE = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)


class MultiposePredictor:
    """A detector of people with boxes and keypoints in whole images.

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
        network: MoveNet,
        settings: MultiposeSettings,
        compute: Compute,
        device_images: DeviceImages | None = None,
    ) -> None:
        self._network = compute.make_engine(network, name=settings.network, example=_EXAMPLE)
        self._letterbox = Letterbox(
            compute.device,
            settings.longest_side_px,
            # Black, as it was trained: grey costs 0.001 of box AP.
            fill=0,
            device_images=choose_device_images(compute.device, device_images),
        )
        self._settings = settings

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Detect the people in each image.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; consecutive images of one size are one batch.

        Returns:
            Boxes, box scores, keypoints and their scores of each image, in its pixels.
        """
        return predict_by_size(self._predict, images)

    @torch.inference_mode()
    def _predict(self, images: list[ImageArray]) -> list[Instances]:
        batch, placement = self._letterbox(images)
        decoded = decode_multiple(self._network(batch), self._settings.score_threshold)
        # Decoded coordinates are relative to the canvas.
        canvas_wh = np.array([batch.shape[3], batch.shape[2]], np.float32)
        people = []
        for columns in decoded:
            boxes, box_scores, keypoints, keypoint_scores = (column.cpu().numpy() for column in columns)
            found = Instances(
                boxes_xyxy=unplace_boxes(boxes * np.tile(canvas_wh, 2), placement, is_cut=False),
                box_scores=box_scores,
                keypoints_xy=unplace_points(keypoints * canvas_wh, placement),
                keypoint_scores=keypoint_scores,
            )
            people.append(self._suppress(found))
        return people

    def _suppress(self, people: Instances) -> Instances:
        assert people.boxes_xyxy is not None
        assert people.box_scores is not None
        people = people[box_nms(people.boxes_xyxy, people.box_scores, self._settings.nms_iou)]
        return people[_find_distinct_poses(people, self._settings.nms_oks)]


def _find_distinct_poses(people: Instances, max_oks: float) -> npt.NDArray[np.int64]:
    assert people.boxes_xyxy is not None
    assert people.box_scores is not None
    assert people.keypoints_xy is not None
    assert people.keypoint_scores is not None
    visible = people.keypoint_scores >= _VISIBLE_SCORE
    return oks_nms(
        people.keypoints_xy,
        visible,
        people.box_scores,
        areas_px2=compute_pose_areas(people.boxes_xyxy, people.keypoints_xy, visible),
        sigmas=np.asarray(COCO_17.sigmas, np.float32),
        max_oks=max_oks,
    )
