"""Training samples of two-stage networks whose images are placed and augmented on a device, in batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.data.colors import has_color_table
from models.data.crop import DoubleArray
from models.data.device_colors import grey_images, look_up_colors
from models.data.letterbox import CANVAS_COLOR
from models.data.samples import IntArray
from models.data.stored_images import StoredImages, make_grid
from models.detection.dataset import DetectionDataset, collate_people, find_canvas
from models.detection.plan import PlannedImage
from models.training.batches import SampleKey

# Points a side at which a pixel of the canvas looks at a larger part of an image, at most.
_MOST_POINTS = 4
# What the pixels are made of.
_DRAWN = ("image_index", "to_image", "sizes_wh", "windows_xyxy", "spread", "is_grey", "color_table")


class PlannedImages(Dataset[dict[str, Any]]):
    """The samples of a `DetectionDataset` without their pixels, from which `ImageDrawer` makes its batches.

    A sample has, instead of `image`, by the same random numbers, for each of its T images

        image_index   (T,) int64
        to_image      (T, 2, 3) float32, from canvas to image, in indices of pixels
        sizes_wh      (T, 2) float32, of the image
        windows_xyxy  (T, 4) int64, the part of the canvas that it may fill
        spread        (T,) float32, 1 where it becomes smaller, and pixels are averages, else 0
        is_grey       (T,) bool, if there is a `grey_fraction`
        color_table   (T, 256, 3) uint8, if hue, saturation or brightness change

    and `canvas_wh`, two ints, `points`, the number of points a side that a pixel needs, and `people`, the rest.

    Args:
        dataset: The samples.
        sizes_wh: (I, 2), width and height of each image.
    """

    def __init__(self, dataset: DetectionDataset, sizes_wh: IntArray) -> None:
        self._dataset = dataset
        self._sizes_wh = sizes_wh

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        planned, canvas_wh = self._dataset.plan(key, self._find_size)
        augment = self._dataset.augment
        to_image = np.stack([_invert(each) for each in planned])
        shrinking = np.sqrt(np.abs(np.linalg.det(to_image[:, :, :2])))
        sample: dict[str, Any] = {
            "image_index": np.array([each.image_index for each in planned], np.int64),
            "to_image": to_image.astype(np.float32),
            "sizes_wh": np.array([self._find_size(each.image_index) for each in planned], np.float32),
            "windows_xyxy": np.array([each.window for each in planned], np.int64),
            "spread": (shrinking > 1).astype(np.float32),
            "canvas_wh": canvas_wh,
            "points": min(math.ceil(float(shrinking.max()) - 1e-3), _MOST_POINTS),
            "people": self._dataset.place_people(planned, canvas_wh),
        }
        if augment is not None and augment.grey_fraction:
            sample["is_grey"] = np.array([each.colors.is_grey for each in planned])
        if augment is not None and has_color_table(augment):
            sample["color_table"] = np.array([each.colors.table for each in planned])
        return sample

    def _find_size(self, image_index: int) -> tuple[int, int]:
        width, height = self._sizes_wh[image_index].tolist()
        return width, height


def collate_plans(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Collate samples of `PlannedImages`; images that a sample lacks have empty windows."""
    most = max(len(sample["image_index"]) for sample in samples)
    canvas_wh = find_canvas([sample["canvas_wh"] for sample in samples])
    batch: dict[str, Any] = {
        name: torch.from_numpy(np.stack([_pad(sample[name], most) for sample in samples]))
        for name in _DRAWN
        if name in samples[0]
    }
    return batch | {
        "canvas_wh": canvas_wh,
        "points": max(sample["points"] for sample in samples),
        "targets": collate_people([sample["people"] for sample in samples], canvas_wh),
    }


class ImageDrawer:
    """Makes batches of `DetectionDataset` from those of `PlannedImages`, on the device of the images.

    Args:
        images: The images.
    """

    def __init__(self, images: StoredImages) -> None:
        self._images = images

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Draw the images of a batch."""
        width, height = batch["canvas_wh"]
        grid = make_grid((width, height), batch["to_image"].device)
        tiles, is_filled = _find_tiles(batch["windows_xyxy"], grid)
        sizes, to_image = (_select(batch[name], tiles) for name in ("sizes_wh", "to_image"))
        points = (to_image * grid[None, :, :, None]).sum(dim=-1)
        is_filled &= ((points >= -0.5) & (points <= sizes - 0.5)).all(dim=-1)
        pixels = self._average(batch, tiles, points, sizes)
        for number in range(batch["image_index"].shape[1]):
            pixels = _change_colors(pixels, batch, tiles, number)
        image = torch.where(is_filled[..., None], pixels, CANVAS_COLOR)
        return {"image": image, "targets": batch["targets"]}

    def _average(self, batch: Mapping[str, Any], tiles: Tensor, points: Tensor, sizes: Tensor) -> Tensor:
        """The images at points, (B, H, W, 3) uint8, averaged over a pixel of the canvas where they shrink."""
        index, count = _select(batch["image_index"], tiles), batch["points"]
        total = torch.zeros((*tiles.shape, 3), device=points.device)
        # What a step of a pixel of the canvas is in the images, to the right and down.
        steps = batch["to_image"][..., :2] * batch["spread"][..., None, None]
        right, down = (_select(step, tiles) for step in steps.unbind(dim=-1))
        for i in range(count):
            for k in range(count):
                shift = right * ((i + 0.5) / count - 0.5) + down * ((k + 0.5) / count - 0.5)
                # Beyond the middle of the last pixel, its colour.
                inside = torch.minimum((points + shift).clamp(min=0), sizes - 1)
                total += self._images.cut(index, inside)
        mean: Tensor = total / count**2
        return mean.round().to(torch.uint8)


def _invert(planned: PlannedImage) -> DoubleArray:
    """The map (2, 3) from the canvas to the image, in indices of pixels."""
    matrix = np.concatenate([planned.placement.matrix, [[0.0, 0.0, 1.0]]])
    if planned.rotation is not None:
        matrix = matrix @ np.concatenate([planned.rotation.matrix, [[0.0, 0.0, 1.0]]])
    shift = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    return np.asarray((np.linalg.inv(shift) @ np.linalg.inv(matrix) @ shift)[:2])


def _pad(rows: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    return np.concatenate([rows, np.zeros((count - len(rows), *rows.shape[1:]), rows.dtype)])


def _find_tiles(windows_xyxy: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """The number of the window at each pixel (B, H, W), and whether there is one."""
    places = grid[..., :2]
    tiles = torch.zeros((len(windows_xyxy), *grid.shape[:2]), dtype=torch.int64, device=grid.device)
    is_filled = torch.zeros_like(tiles, dtype=torch.bool)
    for number, window in enumerate(windows_xyxy.unbind(dim=1)):
        low, high = window[:, None, None, :2], window[:, None, None, 2:]
        is_inside = ((places >= low) & (places < high)).all(dim=-1)
        tiles = torch.where(is_inside, number, tiles)
        is_filled |= is_inside
    return tiles, is_filled


def _select(values: Tensor, tiles: Tensor) -> Tensor:
    """Values (B, T, ...) of the images at each pixel, (B, H, W, ...), or (B, 1, 1, ...) where all have one."""
    if values.shape[1] == 1:
        return values[:, :, None]
    return values[torch.arange(len(tiles), device=tiles.device)[:, None, None], tiles]


def _change_colors(pixels: Tensor, batch: Mapping[str, Any], tiles: Tensor, number: int) -> Tensor:
    """Change the colours of the images of one number, where they are."""
    changed: Tensor = pixels
    if "is_grey" in batch:
        changed = grey_images(changed, batch["is_grey"][:, number])
    if "color_table" in batch:
        changed = look_up_colors(changed, batch["color_table"][:, number])
    return torch.where((tiles == number)[..., None], changed, pixels)
