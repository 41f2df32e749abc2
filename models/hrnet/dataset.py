"""Training samples of top-down pose estimation: crops of people with their keypoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from models.data.augment import AugmentConfig, Region, augment_colors, augment_region
from models.data.crop import (
    DoubleArray,
    crop_image,
    fit_boxes,
    make_crop_matrices,
    transform_points,
)
from models.data.image_files import read_image
from models.data.samples import FloatArray, PoseSamples
from models.training.batches import SampleKey


@dataclass(frozen=True, eq=False)
class PlannedCrop:
    """What a sample of `PoseDataset` is, without its pixels.

    Attributes:
        image_index: Index of the image.
        matrix: (2, 3), from image to crop.
        keypoints_xy: (K, 2) float32, pixels of the crop.
        weights: (K,) float32.
        rng: The sample's generator, from which its colours are drawn.
    """

    image_index: int
    matrix: DoubleArray
    keypoints_xy: FloatArray
    weights: FloatArray
    rng: np.random.Generator


class PoseDataset(Dataset[dict[str, Any]]):
    """A data set with one crop per person, indexed by (epoch, index).

    A sample is

        image          (H, W, 3) uint8 RGB
        keypoints_xy   (K, 2) float32, pixels of the crop, possibly outside of it
        weights        (K,) float32, 0 to 1

    and depends on the seed, the epoch and the index only, not on workers or earlier samples. Images are
    normalised and keypoints encoded as heatmaps on the network's device, where that is fast.

    Args:
        samples: The people.
        size_wh: Width and height of the crop.
        flip_index: The index of each keypoint's mirror image, (K,).
        padding: Factor by which boxes are extended.
        augment: Settings of the augmentation; None for none, as in inference.
        upper_body: Indices of the upper body's keypoints, for half bodies.
        seed: Seed of the augmentation.
        is_unbiased: As in `make_crop_matrices`.
    """

    def __init__(
        self,
        samples: PoseSamples,
        *,
        size_wh: tuple[int, int],
        flip_index: tuple[int, ...],
        padding: float = 1.25,
        augment: AugmentConfig | None = None,
        upper_body: tuple[int, ...] = (),
        seed: int = 0,
        is_unbiased: bool = False,
    ) -> None:
        self.samples = samples
        self.size_wh = size_wh
        self.flip_index = flip_index
        self.augment = augment
        self._upper_body = upper_body
        self._seed = seed
        self._is_unbiased = is_unbiased
        self._centres_xy, self._widths_px = fit_boxes(samples.boxes_xyxy, size_wh, padding)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        plan = self.plan(key)
        image = read_image(self.samples.images[plan.image_index])
        crop = crop_image(image, plan.matrix, self.size_wh)
        if self.augment is not None:
            crop = augment_colors(crop, self.augment, plan.rng)
        return {"image": crop, "keypoints_xy": plan.keypoints_xy, "weights": plan.weights}

    def plan(self, key: SampleKey) -> PlannedCrop:
        """Draw what a sample is, without its pixels."""
        epoch, index = key
        rng = np.random.default_rng((self._seed, epoch, index))
        region = self._choose_region(index, rng)
        matrix = make_crop_matrices(
            region.centre_xy,
            [region.width_px],
            self.size_wh,
            rotations_deg=region.rotation_deg,
            is_flipped=region.is_flipped,
            is_unbiased=self._is_unbiased,
        )
        keypoints = transform_points(self.samples.keypoints_xy[index][None], matrix)[0]
        weights = self.samples.weights[index]
        if region.is_flipped:
            swap = list(self.flip_index)
            keypoints, weights = keypoints[swap], weights[swap]
        return PlannedCrop(int(self.samples.image_index[index]), matrix[0], keypoints, weights, rng)

    def _choose_region(self, index: int, rng: np.random.Generator) -> Region:
        region = Region(self._centres_xy[index], float(self._widths_px[index]))
        if self.augment is None:
            return region
        return augment_region(
            region,
            self.samples.keypoints_xy[index],
            self.samples.weights[index],
            config=self.augment,
            upper_body=self._upper_body,
            aspect_wh=self.size_wh[0] / self.size_wh[1],
            rng=rng,
        )
