"""Training samples of bottom-up pose estimation whose pixels are cut out on a device, in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from models.data.crop import invert_matrices
from models.data.samples import IntArray
from models.data.stored_images import StoredImages
from models.swahr.dataset import CrowdDataset
from models.swahr.network import STAGE_STRIDES
from models.training.batches import SampleKey

_TILES = 4
# What the pixels are made of.
_DRAWN = ("image_index", "to_image", "centres_xy", "left_out")


class PlannedCrowds(Dataset[dict[str, Any]]):
    """The samples of a `CrowdDataset` without their pixels, from which `CrowdDrawer` makes its batches.

    A sample has, instead of `image` and `masks`, by the same random numbers,

        image_index  (4,) int64, the image of each window of a mosaic; of all the same without one
        to_image     (4, 2, 3) float32, from crop to image
        centres_xy   (3, 2) int64, where the windows meet: in pixels of the crop, and in cells at 1/4 and 1/2
        left_out     (n, 5) float32, number of the window and box of those people who are too many

    Args:
        dataset: The samples.
        sizes_wh: (I, 2), width and height of each image.
    """

    def __init__(self, dataset: CrowdDataset, sizes_wh: IntArray) -> None:
        self._dataset = dataset
        self._sizes_wh = sizes_wh

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        plan = self._dataset.plan(key, self._find_size)
        tiles = plan.tiles if len(plan.tiles) == _TILES else plan.tiles * _TILES
        # The first window ends where the others begin.
        centre = plan.tiles[0].window[2:]
        strides = (1, *STAGE_STRIDES)
        left_out = [
            np.insert(boxes, 0, number, axis=1).astype(np.float32) for number, boxes in enumerate(plan.left_out)
        ]
        return {
            "image_index": np.array([tile.image_index for tile in tiles], np.int64),
            "to_image": invert_matrices(np.stack([tile.matrix for tile in tiles])).astype(np.float32),
            "centres_xy": np.array([[round(edge / stride) for edge in centre] for stride in strides]),
            "left_out": np.concatenate(left_out),
            **plan.people,
        }

    def _find_size(self, image_index: int) -> tuple[int, int]:
        width, height = self._sizes_wh[image_index].tolist()
        return width, height


def collate_crowds(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Collate samples of `PlannedCrowds`; missing rows of `left_out` are of no window."""
    most = max(len(sample["left_out"]) for sample in samples)
    padded = [
        {**sample, "left_out": np.pad(rows, ((0, most - len(rows)), (0, 0)), constant_values=-1)}
        for sample in samples
        for rows in [sample["left_out"]]
    ]
    batch: dict[str, Any] = default_collate(padded)
    return batch


class CrowdDrawer:
    """Makes batches of `CrowdDataset` from those of `PlannedCrowds`, on the device of the images.

    Args:
        images: The images, with the masks of regions to ignore.
        size_px: Side of the crops.
    """

    def __init__(self, images: StoredImages, size_px: int) -> None:
        self._images = images
        self._size_px = size_px

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Draw the crops of a batch, and their masks."""
        crops, _, _ = self._cut(batch, 0, 1)
        masks = [self._draw_mask(batch, i, stride) for i, stride in enumerate(STAGE_STRIDES, start=1)]
        others = {name: value for name, value in batch.items() if name not in _DRAWN}
        return {"image": crops[..., :3].contiguous(), "masks": masks, **others}

    def _cut(self, batch: Mapping[str, Any], number: int, stride: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels (B, n, n, 4) at every so many pixels of the crop, the windows (B, n, n) and points of each."""
        places = torch.arange(self._size_px // stride, device=batch["to_image"].device)
        # (B, n), of columns and of rows.
        is_right, is_low = (places >= batch["centres_xy"][:, number, :, None]).long().unbind(dim=1)
        tiles = is_right[:, None] + 2 * is_low[:, :, None]
        image_of = torch.arange(len(tiles), device=places.device)[:, None]
        # By low, right: (B, 2, 2, 2, 3). A point is what its column adds in its row's windows, and the reverse.
        matrices = batch["to_image"].unflatten(1, (2, 2))
        by_column = matrices[image_of, :, is_right]
        by_column = by_column[..., 0] * (places * stride)[:, None, None] + by_column[..., 2]
        by_row = matrices[image_of, is_low][..., 1] * (places * stride)[:, None, None]
        points = by_column.transpose(1, 2)[image_of, is_low]
        points += by_row[image_of[..., None], places[:, None], is_right[:, None]]
        index = batch["image_index"].gather(1, tiles.flatten(1)).view_as(tiles)
        return self._images.cut(index, points), tiles, points

    def _draw_mask(self, batch: Mapping[str, Any], number: int, stride: int) -> Tensor:
        """The mask (B, n, n) at a stride, as `models.swahr.dataset.warp_mask` makes it."""
        pixels, tiles, points = self._cut(batch, number, stride)
        is_counted = pixels[..., 3] > 127
        # One by one, as there are hardly ever any: half a pixel from index to edge.
        for person in batch["left_out"].unbind(dim=1):
            window, box = person[:, None, None, 0], person[:, None, None, 1:].round() - 0.5
            is_inside = (points > box[..., :2]).all(dim=-1) & (points < box[..., 2:]).all(dim=-1)
            is_counted = is_counted & ~(is_inside & (tiles == window))
        return is_counted.float()
