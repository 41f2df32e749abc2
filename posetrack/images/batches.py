"""Images of several sizes and lists of crops as batches, and the people found in them back at their images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def split_by_image(rows: FloatArray, counts: Sequence[int]) -> list[FloatArray]:
    """Split rows, so many for each image, into those of each image."""
    # Ends of each image's rows; what np.split leaves after the last of them is empty.
    return np.split(rows, np.cumsum(counts, dtype=np.int64))[:-1]
