"""MoveNet behind pictures: multipose finds people, thunder refines one person a crop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.checkpoints import CheckpointError, load_embedded
from models.engines.engine import Engine
from models.movenet.codec import decode_multiple, decode_single
from models.movenet.network import MOVENET_MULTIPOSE, MOVENET_THUNDER, MoveNet, MoveNetConfig
from posetrack.compute import Compute
from posetrack.errors import WeightsError
from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.geometry import crop_boxes, expand_boxes, resize_to_multiple, uncrop_points
from posetrack.predictors.device_images import DevicePictures, cut_crops, resize_pictures
from posetrack.skeleton import COCO_17
from trackers.nms import box_nms, oks_nms
from trackers.oks import compute_pose_areas

_STRIDE_PX = 32
_THUNDER_SIZE_PX = 256
_VISIBLE_SCORE = 0.2
# Stands for every size that the networks take.
_EXAMPLE = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)


class MultiposePredictor:
    """People of whole pictures: boxes and keypoints from one network.

    Args:
        compute: What the network runs on.
        longest_side_px: Longest side of the network's input, a multiple of 32.
        score_threshold: People below this score are left out.
        nms_iou: Of two boxes that overlap more than this, the surer stays.
        nms_oks: Of two poses more alike than this, the surer stays.
        pictures: Takes the pictures to the device, to be resized there; predictors may share it. Without, a GPU
            gets one of its own, and on a CPU OpenCV resizes.

    Raises:
        PoseTrackError: The engine cannot take the network.
        WeightsError: The weights are missing or damaged.
    """

    def __init__(
        self,
        compute: Compute,
        *,
        longest_side_px: int,
        score_threshold: float,
        nms_iou: float,
        nms_oks: float,
        pictures: DevicePictures | None = None,
    ) -> None:
        self._network = _load(MOVENET_MULTIPOSE, "movenet-multipose", compute)
        self._device = compute.device
        self._pictures = pictures or _choose_pictures(compute.device)
        self._longest_side_px = longest_side_px
        self._score_threshold = score_threshold
        self._nms_iou = nms_iou
        self._nms_oks = nms_oks

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Find the people in each picture.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; those of one size in a row go through as one batch.

        Returns:
            For each picture boxes, box scores, keypoints and their scores, in its own pixels.
        """
        people: list[Instances] = []
        for _, same_size in groupby(images, key=lambda image: image.shape):
            people += self._predict(list(same_size))
        return people

    @torch.inference_mode()
    def _predict(self, images: list[ImageArray]) -> list[Instances]:
        batch, inner_wh = self._resize(images)
        decoded = decode_multiple(self._network(batch), self._score_threshold)
        height, width = images[0].shape[:2]
        # Relative to the padded input -> pixels of the picture.
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

    def _resize(self, images: list[ImageArray]) -> tuple[Tensor, tuple[float, float]]:
        """Pictures of one size as a batch, and their width and height in it inside the padding."""
        if self._pictures is not None:
            return resize_pictures(self._pictures.upload(images), self._longest_side_px, _STRIDE_PX)
        resized = [resize_to_multiple(image, self._longest_side_px, _STRIDE_PX) for image in images]
        return _to_batch(np.stack([image for image, _ in resized]), self._device), resized[0][1]

    def _suppress(self, people: Instances) -> Instances:
        assert people.boxes_xyxy is not None
        assert people.box_scores is not None
        people = people[box_nms(people.boxes_xyxy, people.box_scores, self._nms_iou)]
        return people[_find_distinct_poses(people, self._nms_oks)]


class ThunderPredictor:
    """The pose of one person a box.

    Args:
        compute: What the network runs on.
        margin: Share added to the longer side of each box before it is cut out as a square.
        batch_crops: Most crops in one call of the network.
        pictures: Takes the pictures to the device, for crops to be cut there; predictors may share it. Without,
            a GPU gets one of its own, and on a CPU OpenCV cuts.

    Raises:
        PoseTrackError: The engine cannot take the network.
        WeightsError: The weights are missing or damaged.
    """

    def __init__(
        self, compute: Compute, *, margin: float, batch_crops: int, pictures: DevicePictures | None = None
    ) -> None:
        self._network = _load(MOVENET_THUNDER, "movenet-thunder", compute)
        self._device = compute.device
        self._pictures = pictures or _choose_pictures(compute.device)
        self._margin = margin
        self._batch_crops = batch_crops

    def __call__(
        self, images: Sequence[ImageArray], boxes_xyxy: Sequence[FloatArray]
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Estimate the pose in each box; crops of all pictures share the network's batches.

        Args:
            images: (H, W, 3) uint8 RGB.
            boxes_xyxy: For each picture its boxes (N, 4), pixels.

        Returns:
            For each picture keypoints (N, K, 2) in its pixels, and their scores (N, K).
        """
        squares = [expand_boxes(boxes, self._margin, aspect_wh=1.0) for boxes in boxes_xyxy]
        K = MOVENET_THUNDER.num_keypoints
        points = [np.zeros((0, K, 2), np.float32)]
        scores = [np.zeros((0, K), np.float32)]
        for batch in self._cut(images, squares):
            batch_points, batch_scores = self._predict(batch)
            points.append(batch_points)
            scores.append(batch_scores)
        # Ends of each picture's rows; what np.split leaves after the last of them is empty.
        ends = np.cumsum([len(boxes) for boxes in squares], dtype=np.int64)
        split_points = np.split(np.concatenate(points), ends)[:-1]
        split_scores = np.split(np.concatenate(scores), ends)[:-1]
        return [
            (uncrop_points(xy, boxes), score)
            for xy, boxes, score in zip(split_points, squares, split_scores, strict=True)
        ]

    def _cut(self, images: Sequence[ImageArray], squares: Sequence[FloatArray]) -> Iterator[Tensor]:
        """The crops of all pictures, in batches for the network."""
        size_wh = (_THUNDER_SIZE_PX, _THUNDER_SIZE_PX)
        if self._pictures is None:
            crops = [crop_boxes(image, boxes, size_wh) for image, boxes in zip(images, squares, strict=True)]
            for batch in _split(crops, self._batch_crops):
                yield _to_batch(batch, self._device)
            return
        # A picture without people stays where it is.
        seen = [(image, boxes) for image, boxes in zip(images, squares, strict=True) if len(boxes)]
        uploaded = self._pictures.upload([image for image, _ in seen])
        yield from cut_crops(uploaded, [boxes for _, boxes in seen], size_wh, batch_crops=self._batch_crops)

    @torch.inference_mode()
    def _predict(self, crops: Tensor) -> tuple[FloatArray, FloatArray]:
        points, scores = decode_single(self._network(crops))
        return points.cpu().numpy(), scores.cpu().numpy()


def _load(config: MoveNetConfig, name: str, compute: Compute) -> Engine:
    network = MoveNet(config).eval()
    try:
        load_embedded(network, name)
    except CheckpointError as error:
        raise WeightsError(str(error)) from error
    return compute.make_engine(network, name=name, example=_EXAMPLE)


def _choose_pictures(device: torch.device) -> DevicePictures | None:
    return DevicePictures(device) if device.type == "cuda" else None


def _to_batch(images: ImageArray, device: torch.device) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) uint8 on the device, channels last in memory."""
    return torch.from_numpy(images).to(device, non_blocking=True).permute(0, 3, 1, 2)


def _split(crops: Sequence[ImageArray], batch_crops: int) -> Iterator[ImageArray]:
    """Batches of at most so many crops."""
    together = np.concatenate(crops) if crops else np.zeros((0, 1, 1, 3), np.uint8)
    for start in range(0, len(together), batch_crops):
        yield together[start : start + batch_crops]


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
