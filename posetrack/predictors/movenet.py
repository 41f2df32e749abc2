"""MoveNet behind images: multipose finds people, thunder refines one person a crop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.backbones.variants import MOVENET_THUNDER
from models.movenet.codec import decode_multiple, decode_single
from models.movenet.network import MoveNet
from posetrack.compute import Compute
from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.geometry import crop_boxes, expand_boxes, uncrop_points
from posetrack.predictors.crops import join_poses, predict_by_size, split_batches, split_by_image, to_batch
from posetrack.predictors.device_images import DeviceImages, cut_crops, take_images
from posetrack.predictors.resize import make_resizer
from posetrack.predictors.settings import MultiposeSettings, ThunderSettings
from posetrack.skeleton import COCO_17
from trackers.nms import box_nms, oks_nms
from trackers.oks import compute_pose_areas

_THUNDER_SIZE_PX = 256
_VISIBLE_SCORE = 0.2
# Stands for every size that the networks take.
_EXAMPLE = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)


class MultiposePredictor:
    """People of whole images: boxes and keypoints from one network.

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
        network: MoveNet,
        settings: MultiposeSettings,
        compute: Compute,
        device_images: DeviceImages | None = None,
    ) -> None:
        self._network = compute.make_engine(network, name=settings.network, example=_EXAMPLE)
        self._resize = make_resizer(compute.device, settings.longest_side_px, device_images)
        self._settings = settings

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Find the people in each image.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; those of one size in a row go through as one batch.

        Returns:
            For each image boxes, box scores, keypoints and their scores, in its own pixels.
        """
        return predict_by_size(self._predict, images)

    @torch.inference_mode()
    def _predict(self, images: list[ImageArray]) -> list[Instances]:
        batch, inner_wh = self._resize(images)
        decoded = decode_multiple(self._network(batch), self._settings.score_threshold)
        height, width = images[0].shape[:2]
        # Relative to the padded input -> pixels of the image.
        scale_xy = np.array(
            [batch.shape[3] / inner_wh[0] * width, batch.shape[2] / inner_wh[1] * height], np.float32
        )
        people = []
        for columns in decoded:
            boxes, box_scores, keypoints, keypoint_scores = (column.cpu().numpy() for column in columns)
            found = Instances(
                boxes_xyxy=boxes * np.tile(scale_xy, 2),
                box_scores=box_scores,
                keypoints_xy=keypoints * scale_xy,
                keypoint_scores=keypoint_scores,
            )
            people.append(self._suppress(found))
        return people

    def _suppress(self, people: Instances) -> Instances:
        assert people.boxes_xyxy is not None
        assert people.box_scores is not None
        people = people[box_nms(people.boxes_xyxy, people.box_scores, self._settings.nms_iou)]
        return people[_find_distinct_poses(people, self._settings.nms_oks)]


class ThunderPredictor:
    """The pose of one person a box.

    Args:
        network: In evaluation mode and with its weights; it is copied.
        settings: How it is asked.
        compute: What it runs on.
        device_images: Takes images to the device, for crops to be cut there; predictors may share it. Without,
            a GPU gets one of its own, and on a CPU OpenCV cuts.

    Raises:
        PoseTrackError: The engine cannot take the network.
    """

    def __init__(
        self,
        network: MoveNet,
        settings: ThunderSettings,
        compute: Compute,
        device_images: DeviceImages | None = None,
    ) -> None:
        self._network = compute.make_engine(network, name=settings.network, example=_EXAMPLE)
        self._device = compute.device
        self._device_images = take_images(compute.device, device_images)
        self._settings = settings

    def __call__(
        self, images: Sequence[ImageArray], boxes_xyxy: Sequence[FloatArray]
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Estimate the pose in each box; crops of all images share the network's batches.

        Args:
            images: (H, W, 3) uint8 RGB.
            boxes_xyxy: For each image its boxes (N, 4), pixels.

        Returns:
            For each image keypoints (N, K, 2) in its pixels, and their scores (N, K).
        """
        squares = [expand_boxes(boxes, self._settings.padding - 1, aspect_wh=1.0) for boxes in boxes_xyxy]
        poses = [self._predict(batch) for batch in self._cut(images, squares)]
        points, scores = join_poses(poses, MOVENET_THUNDER.num_keypoints)
        return [
            (uncrop_points(xy, boxes), score)
            for xy, score, boxes in zip(
                split_by_image(points, squares), split_by_image(scores, squares), squares, strict=True
            )
        ]

    def _cut(self, images: Sequence[ImageArray], squares: Sequence[FloatArray]) -> Iterator[Tensor]:
        """The crops of all images, in batches for the network."""
        size_wh = (_THUNDER_SIZE_PX, _THUNDER_SIZE_PX)
        if self._device_images is None:
            crops = [crop_boxes(image, boxes, size_wh) for image, boxes in zip(images, squares, strict=True)]
            for batch in split_batches(crops, self._settings.batch_crops):
                yield to_batch(batch, self._device)
            return
        # An image without people stays where it is.
        seen = [(image, boxes) for image, boxes in zip(images, squares, strict=True) if len(boxes)]
        uploaded = self._device_images.upload([image for image, _ in seen])
        yield from cut_crops(
            uploaded, [boxes for _, boxes in seen], size_wh, batch_crops=self._settings.batch_crops
        )

    @torch.inference_mode()
    def _predict(self, crops: Tensor) -> tuple[FloatArray, FloatArray]:
        points, scores = decode_single(self._network(crops))
        return points.cpu().numpy(), scores.cpu().numpy()


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
