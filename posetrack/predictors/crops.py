"""Images and crops in the network's batches, and what comes out of them back at its image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from posetrack.frame import FloatArray, ImageArray, Instances


def predict_by_size(
    predict: Callable[[list[ImageArray]], list[Instances]], images: Sequence[ImageArray]
) -> list[Instances]:
    """Call a network with images of any sizes; those of one size in a row go through as one batch."""
    people: list[Instances] = []
    for _, same_size in groupby(images, key=lambda image: image.shape):
        people += predict(list(same_size))
    return people


def to_batch(images: ImageArray, device: torch.device) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) uint8 on the device, channels last in memory."""
    return torch.from_numpy(images).to(device, non_blocking=True).permute(0, 3, 1, 2)


def split_batches(crops: Sequence[ImageArray], batch_crops: int) -> Iterator[ImageArray]:
    """Join the crops (N, H, W, 3) of several images, and cut them into batches of at most so many."""
    together = np.concatenate(crops) if crops else np.zeros((0, 1, 1, 3), np.uint8)
    for start in range(0, len(together), batch_crops):
        yield together[start : start + batch_crops]


def join_poses(
    poses: Sequence[tuple[FloatArray, FloatArray]], num_keypoints: int
) -> tuple[FloatArray, FloatArray]:
    """Join the keypoints (B, K, 2) and scores (B, K) of batches, of which there may be none."""
    points = [np.zeros((0, num_keypoints, 2), np.float32), *(points for points, _ in poses)]
    scores = [np.zeros((0, num_keypoints), np.float32), *(scores for _, scores in poses)]
    return np.concatenate(points), np.concatenate(scores)


def split_by_image(rows: FloatArray, boxes_xyxy: Sequence[FloatArray]) -> list[FloatArray]:
    """Split rows, one for each box of all images, into those of each image."""
    # Ends of each image's rows; what np.split leaves after the last of them is empty.
    ends = np.cumsum([len(boxes) for boxes in boxes_xyxy], dtype=np.int64)
    return np.split(rows, ends)[:-1]
