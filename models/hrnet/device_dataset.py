"""Training samples of top-down pose estimation whose pixels are cut out and augmented on a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from models.data.augment import draw_colors
from models.data.colors import has_color_table
from models.data.crop import invert_matrices
from models.data.device_colors import fill_rectangles, grey_images, look_up_colors
from models.data.stored_images import StoredImages, make_grid
from models.hrnet.dataset import PoseDataset
from models.training.batches import SampleKey


class PlannedCrops(Dataset[dict[str, Any]]):
    """The samples of a `PoseDataset` without their pixels, from which `CropDrawer` makes its batches.

    A sample has, instead of `image`, by the same random numbers,

        image_index    int
        to_image       (2, 3) float32, from crop to image
        is_grey        bool, if there is a `grey_fraction`
        color_table    (256, 3) uint8, if hue, saturation or brightness change
        erased_xyxy    (4,) int64, and
        erased_color   (3,) uint8, if there is an `erase_fraction`

    Args:
        dataset: The samples.
    """

    def __init__(self, dataset: PoseDataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        plan, config = self._dataset.plan(key), self._dataset.augment
        sample: dict[str, Any] = {
            "image_index": plan.image_index,
            "to_image": invert_matrices(plan.matrix[None])[0].astype(np.float32),
            "keypoints_xy": plan.keypoints_xy,
            "weights": plan.weights,
        }
        if config is None:
            return sample
        change, erased = draw_colors(self._dataset.size_wh, config, plan.rng)
        if config.grey_fraction:
            sample["is_grey"] = change.is_grey
        if has_color_table(config):
            sample["color_table"] = change.table
        if config.erase_fraction:
            sample["erased_xyxy"] = np.array((0, 0, 0, 0) if erased is None else erased.box_xyxy)
            sample["erased_color"] = np.zeros(3, np.uint8) if erased is None else erased.color
        return sample


class CropDrawer:
    """Makes batches of `PoseDataset` from those of `PlannedCrops`, on the device of the images.

    Args:
        images: The images.
        size_wh: Width and height of the crops.
    """

    def __init__(self, images: StoredImages, size_wh: tuple[int, int]) -> None:
        self._images = images
        self._size_wh = size_wh

    def __call__(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Draw the crops of a batch."""
        grid = make_grid(self._size_wh, batch["to_image"].device)
        # (B, H, W, 2). Not a matrix product, which bfloat16 or TF32 could be taken for.
        points = (grid[None, :, :, None] * batch["to_image"][:, None, None]).sum(dim=-1)
        crops = self._images.cut(batch["image_index"][:, None, None], points)
        if "is_grey" in batch:
            crops = grey_images(crops, batch["is_grey"])
        if "color_table" in batch:
            crops = look_up_colors(crops, batch["color_table"])
        if "erased_xyxy" in batch:
            crops = fill_rectangles(crops, batch["erased_xyxy"], batch["erased_color"])
        return {"image": crops, "keypoints_xy": batch["keypoints_xy"], "weights": batch["weights"]}
