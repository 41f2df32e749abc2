"""Whole images as the network's batches: of one longest side, never squashed, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from posetrack.frame import ImageArray
from posetrack.geometry import resize_to_multiple
from posetrack.predictors.crops import to_batch
from posetrack.predictors.device_images import DeviceImages, resize_images, take_images


@dataclass(frozen=True)
class ImageResizer:
    """Scales images of one size to a longest side, and pads them right and below.

    Attributes:
        device: Where the batches go.
        longest_side_px: Of the batches, a multiple of `multiple_px`.
        multiple_px: Both sides are multiples of it.
        device_images: Takes the images to the device, to be resized there; None resizes with OpenCV.
        fill: Grey level of the padding.
    """

    device: torch.device
    longest_side_px: int
    multiple_px: int = 32
    device_images: DeviceImages | None = None
    fill: int = 0

    def __call__(self, images: Sequence[ImageArray]) -> tuple[Tensor, tuple[float, float]]:
        """Resize images.

        Args:
            images: B images (H, W, 3) uint8, all of one size, B > 0.

        Returns:
            (B, 3, H', W') uint8, channels last in memory; and the width and height inside the padding, px.
        """
        sides = self.longest_side_px, self.multiple_px
        if self.device_images is not None:
            return resize_images(self.device_images.upload(images), *sides, fill=self.fill)
        resized = [resize_to_multiple(image, *sides, fill=self.fill) for image in images]
        return to_batch(np.stack([image for image, _ in resized]), self.device), resized[0][1]


def make_resizer(
    device: torch.device, longest_side_px: int, device_images: DeviceImages | None, *, fill: int = 0
) -> ImageResizer:
    """Make a resizer that works on the device where that is a GPU, with its own images if none are shared."""
    return ImageResizer(device, longest_side_px, device_images=take_images(device, device_images), fill=fill)
