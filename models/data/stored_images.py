"""Images of a data set, decoded once into a device's memory, and batches of regions cut out of them there."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from models.data.image_files import ImageArray, ImageFile, find_size, read_image
from models.training.errors import DataError

_log = logging.getLogger(__name__)

_RGB = 3
# The rest is for network, gradients and batches.
_MOST_OF_FREE = 0.9
_THREADS = min(16, 2 * (os.cpu_count() or 1))
_READ_AT_ONCE = 64
_FAR = 1e6
_MEMORY_INFO = Path("/proc/meminfo")


class StoredImages:
    """The pixels of images of any sizes, uint8, one after the other in the memory of a device.

    Args:
        files: All images of the data set.
        used: Positions of those that are decoded; the others have no pixels.
        device: The device.
        draw_mask: Draws a mask (H, W) uint8 of an image, by its position, which becomes a channel of its own.

    Attributes:
        sizes_wh: (I, 2), width and height of each image, on the host; 0 where it is not decoded.

    Raises:
        DataError: There is too little memory, which is found before any is decoded; or one cannot be read.
    """

    def __init__(
        self,
        files: Sequence[ImageFile],
        used: Iterable[int],
        device: torch.device,
        draw_mask: Callable[[int], ImageArray] | None = None,
    ) -> None:
        # A file that is listed twice, as of two training sets, is decoded once, unless it has two masks.
        first: dict[tuple[Path, int, int], int] = {}
        same = {
            i: first.setdefault((files[i].path, files[i].orientation, i if draw_mask else 0), i) for i in used
        }
        channels = _RGB + (draw_mask is not None)
        decoded = list(first.values())
        self.sizes_wh = np.zeros((len(files), 2), np.int64)
        for i in decoded:
            self.sizes_wh[i] = find_size(files[i])
        counts = self.sizes_wh.prod(axis=1)
        num_bytes = int(counts.sum()) * channels
        check_memory(num_bytes, len(decoded), device)
        starts = np.cumsum(counts) - counts
        self._pixels = torch.empty((int(counts.sum()), channels), dtype=torch.uint8, device=device)
        for i, image in zip(decoded, _decode([files[i] for i in decoded]), strict=True):
            if (image.shape[1], image.shape[0]) != tuple(self.sizes_wh[i]):
                raise DataError(f"{files[i].path}: its size has changed since it was checked; start again")
            pixels = self._pixels[int(starts[i]) : int(starts[i] + counts[i])]
            pixels[:, :_RGB] = torch.from_numpy(image.reshape(-1, _RGB))
            if draw_mask is not None:
                pixels[:, _RGB] = torch.from_numpy(draw_mask(i).reshape(-1))
        for i, other in same.items():
            self.sizes_wh[i], starts[i] = self.sizes_wh[other], starts[other]
        # Per image: start, width, height.
        table = np.concatenate([starts[:, None], self.sizes_wh], axis=1)
        self._table = torch.from_numpy(table).to(device)
        _log.info("%d images decoded: %.2f GiB on %s", len(decoded), num_bytes / 2**30, device)

    def get_image(self, image_index: int) -> ImageArray:
        """An image, (H, W, 3) uint8, or 4 with the mask: what is stored, on a CPU, not a copy."""
        start, width, height = self._table[image_index].tolist()
        image: ImageArray = self._pixels[start : start + width * height].view(height, width, -1).numpy()
        return image

    def cut(self, image_index: Tensor, points_xy: Tensor) -> Tensor:
        """Interpolate images bilinearly at points, black outside of the image.

        Args:
            image_index: (B, H, W) int64 or of a shape that expands to it, the image of each point.
            points_xy: (B, H, W, 2) float32, indices of pixels.

        Returns:
            (B, H, W, 3) uint8, or 4 with the mask.
        """
        # Far outside is outside, and can be counted.
        points_xy = points_xy.clamp(-_FAR, _FAR)
        on_cpu = points_xy.device.type == "cpu"
        return (self.remap if on_cpu else self.interpolate)(image_index, points_xy)

    def remap(self, image_index: Tensor, points_xy: Tensor) -> Tensor:
        """What `cut` does on a CPU: OpenCV's remapping, image by image, is several times as fast there."""
        shape = points_xy.shape[:3]
        crops = torch.empty((*shape, self._pixels.shape[1]), dtype=torch.uint8)
        for crop, index, points in zip(crops, image_index.expand(shape), points_xy.numpy(), strict=True):
            is_one = bool((index == index[0, 0]).all())
            for i in [int(index[0, 0])] if is_one else index.unique().tolist():
                found = torch.from_numpy(cv2.remap(self.get_image(i), points, None, cv2.INTER_LINEAR))  # type: ignore[call-overload]
                crop.copy_(found if is_one else torch.where((index == i)[..., None], found, crop))
        return crops

    def interpolate(self, image_index: Tensor, points_xy: Tensor) -> Tensor:
        """What `cut` does on other devices, all crops at once and without waiting for anything."""
        start, width, height = self._table[image_index].unbind(dim=-1)
        corners = points_xy.floor()
        fractions = points_xy - corners
        x, y = corners.long().unbind(dim=-1)
        total = torch.zeros((*x.shape, self._pixels.shape[1]), device=x.device)
        for step_x in (0, 1):
            for step_y in (0, 1):
                tap_x, tap_y = x + step_x, y + step_y
                is_inside = (tap_x >= 0) & (tap_x < width) & (tap_y >= 0) & (tap_y < height)
                weights = (1 - step_x - fractions[..., 0]).abs() * (1 - step_y - fractions[..., 1]).abs()
                place = torch.where(is_inside, start + tap_y * width + tap_x, 0)
                total += self._pixels[place] * (weights * is_inside)[..., None]
        return total.round().to(torch.uint8)


def make_grid(size_wh: tuple[int, int], device: torch.device) -> Tensor:
    """The points of a crop in homogeneous coordinates, (H, W, 3) float32: x, y, 1."""
    y, x = torch.meshgrid(*(torch.arange(n, device=device) for n in reversed(size_wh)), indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)], dim=-1).float()


def read_free_memory(device: torch.device) -> int | None:
    """The free memory of a device in bytes; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu" or sys.platform != "linux":
        return None
    for line in _MEMORY_INFO.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def check_memory(num_bytes: int, num_images: int, device: torch.device) -> None:
    """Raise DataError unless decoded images fit into the free memory of a device, with some left to train."""
    free = read_free_memory(device)
    if free is not None and num_bytes > _MOST_OF_FREE * free:
        needed, there = (f"{count / 2**30:.2f} GiB" for count in (num_bytes, free))
        raise DataError(
            f'loop.data = "device": {num_images} images are {needed} when decoded, and a tenth of the {there} '
            f'that are free on {device} is for the training; take "loader", or fewer or smaller images'
        )


def _decode(files: Sequence[ImageFile]) -> Iterator[ImageArray]:
    with ThreadPoolExecutor(_THREADS) as readers:
        # In parts, so that not all are waiting in memory at once.
        for start in range(0, len(files), _READ_AT_ONCE):
            yield from readers.map(read_image, files[start : start + _READ_AT_ONCE])
