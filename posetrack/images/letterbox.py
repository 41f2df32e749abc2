"""Whole images as a detector's batches: scaled to given sides, never squashed, on a canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data.letterbox import CANVAS_COLOR, Placement, fit_to_sides, paste_image
from posetrack.frame import ImageArray
from posetrack.images.batches import to_batch
from posetrack.images.on_device import DeviceImages, resize_on_device
from trackers.shrink import halve_image


@dataclass(frozen=True)
class Letterbox:
    """Puts images of one size on canvases, all at the same place.

    Attributes:
        device: Where the batches go.
        longest_side_px: See `models.data.letterbox.fit_to_sides`.
        shorter_side_px: Likewise.
        fill: Grey level of the canvas beside the image.
        device_images: Takes the images to the device, to be resized there; None resizes with OpenCV.
    """

    device: torch.device
    longest_side_px: int
    shorter_side_px: int = 0
    fill: int = CANVAS_COLOR
    device_images: DeviceImages | None = None

    def __call__(self, images: Sequence[ImageArray]) -> tuple[Tensor, Placement]:
        """Resize images and put them on canvases.

        Args:
            images: B images (H, W, 3) uint8, all of one size, B > 0.

        Returns:
            (B, 3, H', W') uint8, channels last in memory; and where the image lies on each of these canvases,
            for `unplace_boxes` and `unplace_points`.
        """
        image_wh = images[0].shape[1], images[0].shape[0]
        placement, canvas_wh = fit_to_sides(image_wh, self.longest_side_px, self.shorter_side_px)
        shape = len(images), canvas_wh[1], canvas_wh[0], 3
        if self.device_images is not None:
            return self._paste_on_device(self.device_images.upload(images), placement, shape), placement
        canvases = np.full(shape, self.fill, np.uint8)
        for canvas, image in zip(canvases, images, strict=True):
            # Halving first only makes it faster.
            paste_image(canvas, halve_image(image, placement.size_wh), placement, (0, 0, *canvas_wh))
        return to_batch(canvases, self.device), placement

    def _paste_on_device(
        self, uploaded: Sequence[Tensor], placement: Placement, shape: tuple[int, int, int, int]
    ) -> Tensor:
        canvases = torch.full(shape, self.fill, dtype=torch.uint8, device=uploaded[0].device)
        (x, y), (width, height) = placement.corner_xy, placement.size_wh
        canvases[:, y : y + height, x : x + width] = resize_on_device(uploaded, placement.size_wh)
        return canvases.permute(0, 3, 1, 2)
