"""Samples of bottom-up pose: whole pictures, turned and scaled, and where everyone's keypoints are in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.data.augment import Region
from models.data.crop import (
    DoubleArray,
    crop_image,
    invert_matrices,
    make_crop_matrices,
    read_image,
    transform_points,
)
from models.data.people_crops import PictureSamples, draw_mask
from models.data.samples import FloatArray, IntArray
from models.settings import check_choice, check_range
from models.swahr.codec import compute_box_sigmas, encode_cells, encode_heatmaps, encode_keypoint_masks
from models.swahr.network import STAGE_STRIDES
from models.training.batches import SampleKey

# What a shift is measured by: the region's side is this many of its pixels.
_SHIFT_BASE_PX = 200.0


@dataclass(frozen=True)
class PictureAugmentConfig:
    """How pictures vary. The defaults are those of section 4.1; the published recipes go up to a scale of 1.5.

    Attributes:
        rotation_deg: Greatest angle to either side.
        scale_range: Smallest and greatest factor of the region's size.
        shift: Greatest shift of the centre in x and in y, where the region is 200 wide: 40 are a fifth of it.
        flip_share: Share that is mirrored.
        fitted_side: Which side of the picture the square region is as wide as, `short` or `long`.
    """

    rotation_deg: float = 30.0
    scale_range: tuple[float, float] = (0.75, 1.25)
    shift: float = 40.0
    flip_share: float = 0.5
    fitted_side: str = "short"

    def __post_init__(self) -> None:
        check_range(self, 0, 180, "rotation_deg")
        check_range(self, 0, 1, "flip_share")
        check_range(self, 0, _SHIFT_BASE_PX, "shift")
        check_choice(self, "fitted_side", ("short", "long"))
        if not 0 < self.scale_range[0] <= self.scale_range[1]:
            raise ValueError(f"scale_range: expected two rising numbers above 0, got {list(self.scale_range)}")


def augment_picture(
    image_wh: tuple[int, int], config: PictureAugmentConfig, rng: np.random.Generator
) -> Region:
    """Draw a square region about the picture's centre at random (section 4.1).

    Args:
        image_wh: Width and height of the picture.
        config: How much.
        rng: Of this sample.

    Returns:
        The region to cut out; as wide as it is high.
    """
    scale, angle, flip, *shift_xy = rng.random(5)
    low, high = config.scale_range
    side = min(image_wh) if config.fitted_side == "short" else max(image_wh)
    width_px = side * (low + (high - low) * scale)
    shift_px = (2 * np.array(shift_xy) - 1) * config.shift * width_px / _SHIFT_BASE_PX
    return Region(
        centre_xy=np.array(image_wh) / 2 + shift_px,
        width_px=width_px,
        rotation_deg=(2 * angle - 1) * config.rotation_deg,
        is_flipped=bool(flip < config.flip_share),
    )


class CrowdDataset(Dataset[dict[str, Any]]):
    """One square crop for each picture.

    Asked for (epoch, index), it gives

        image           (H, W, 3) uint8 RGB
        keypoints_xy    (M, K, 2) float32, pixels of the crop, perhaps outside it
        is_known        (M, K) bool; False for padding
        boxes_xyxy      (M, 4) float32, pixels of the picture; empty for padding
        box_widths_px   (M,) float32, pixels of the crop
        matrix          (2, 3) float32, from crop to picture
        masks           two of (h, w) float32, at 1/4 and 1/2: 0 in ignored regions and outside the picture
        tag_xy          (M, K, 2) int64, cells of the map at 1/4
        tag_is_visible  (M, K) bool, known and on that map

    which depend on the seed, the epoch and the index alone. Heatmaps are made of a batch of these by
    `encode_targets` on the network's device: they would be 5.6 MB a picture on their way there, and the
    keypoints are 4 kB.

    Differs from HigherHRNet's public code in mirroring keypoints and picture by one map. That code mirrors
    keypoints within each map of cells, which moves three in four by a cell against the picture.

    Args:
        samples: The pictures and their people.
        size_px: Side of the crop, a multiple of 4.
        flip_index: K positions, each keypoint's mirror image.
        augment: How samples vary; None shows each picture upright and centred.
        max_people: M; of more, the largest by box are kept, and the others ignored.
        seed: Of the augmentation.
    """

    def __init__(
        self,
        samples: PictureSamples,
        *,
        size_px: int,
        flip_index: tuple[int, ...],
        augment: PictureAugmentConfig | None = None,
        max_people: int = 30,
        seed: int = 0,
    ) -> None:
        if size_px % STAGE_STRIDES[0]:
            raise ValueError(f"size_px: expected a multiple of {STAGE_STRIDES[0]}, got {size_px}")
        self.samples = samples
        self.size_px = size_px
        self.flip_index = flip_index
        self._augment = augment
        self._max_people = max_people
        self._seed = seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        epoch, index = key
        people = self.samples.people
        image = read_image(people.image_paths[index])
        image_wh = (image.shape[1], image.shape[0])
        region = self._choose_region(image_wh, epoch, index)
        size_wh = (self.size_px, self.size_px)
        matrix = make_crop_matrices(
            region.centre_xy,
            [region.width_px],
            size_wh,
            rotations_deg=region.rotation_deg,
            is_flipped=region.is_flipped,
        )
        rows, left_out = self._choose_people(index)
        ignored = (*self.samples.ignored[index], *people.boxes_xyxy[left_out])
        masks = warp_mask(draw_mask(ignored, image_wh), matrix[0], self.size_px)
        return {
            "image": crop_image(image, matrix[0], size_wh),
            "masks": masks,
            "matrix": invert_matrices(matrix)[0].astype(np.float32),
            **self._pad_people(rows, matrix, region),
        }

    def _choose_region(self, image_wh: tuple[int, int], epoch: int, index: int) -> Region:
        config, rng = self._augment, np.random.default_rng((self._seed, epoch, index))
        if config is None:
            config = PictureAugmentConfig(0, (1.0, 1.0), 0, 0, "long")
        return augment_picture(image_wh, config, rng)

    def _choose_people(self, index: int) -> tuple[IntArray, IntArray]:
        """The people that count, and those that are too many."""
        rows = self.samples.rows[index]
        boxes = self.samples.people.boxes_xyxy[rows]
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        largest = np.argsort(-areas, kind="stable")
        return rows[np.sort(largest[: self._max_people])], rows[largest[self._max_people :]]

    def _pad_people(self, rows: IntArray, matrix: DoubleArray, region: Region) -> dict[str, Any]:
        M, K, N = self._max_people, self.samples.people.num_keypoints, len(rows)
        people = self.samples.people.select(rows)
        points = transform_points(people.keypoints_xy, matrix.repeat(N, axis=0))
        known = people.weights > 0
        if region.is_flipped:
            points, known = points[:, list(self.flip_index)], known[:, list(self.flip_index)]
        keypoints, is_known = np.zeros((M, K, 2), np.float32), np.zeros((M, K), np.bool_)
        keypoints[:N], is_known[:N] = np.where(known[..., None], points, 0), known
        boxes = np.zeros((M, 4), np.float32)
        boxes[:N] = people.boxes_xyxy
        cells = self.size_px // STAGE_STRIDES[0]
        tag_xy, tag_is_visible = encode_cells(
            torch.from_numpy(keypoints), torch.from_numpy(is_known), (cells, cells), STAGE_STRIDES[0]
        )
        return {
            "keypoints_xy": keypoints,
            "is_known": is_known,
            "boxes_xyxy": boxes,
            "box_widths_px": (boxes[:, 2] - boxes[:, 0]) * np.float32(self.size_px / region.width_px),
            "tag_xy": tag_xy.numpy(),
            "tag_is_visible": tag_is_visible.numpy(),
        }


def warp_mask(mask: npt.NDArray[np.uint8], matrix: DoubleArray, size_px: int) -> list[FloatArray]:
    """Show a picture's mask as the stages' maps do.

    Args:
        mask: (H, W), 255 where the picture counts.
        matrix: (2, 3), picture to crop.
        size_px: Side of the crop.

    Returns:
        At 1/4 and 1/2, (h, w) of 0 and 1; 0 outside the picture.
    """
    cells = [size_px // stride for stride in STAGE_STRIDES]
    warped = [
        cv2.warpAffine(mask, matrix / stride, (n, n)) for stride, n in zip(STAGE_STRIDES, cells, strict=True)
    ]
    return [(values > 127).astype(np.float32) for values in warped]


def encode_targets(
    batch: dict[str, Any], *, unknown_keypoints: str = "background", is_sigma_scaled: bool = False
) -> tuple[list[Tensor], list[Tensor]]:
    """Make the heatmaps and masks of a batch of `CrowdDataset`, on its device.

    Args:
        batch: Collated samples.
        unknown_keypoints: `background`, as the public code trains them; or `masked`: where a person's keypoint
            is unknown, the person's box does not count for that keypoint, save where another's is drawn.
        is_sigma_scaled: Whether each person's Gaussians are as wide as its box says (SHR, Table 4).

    Returns:
        Heatmaps (B, K, h, w) at 1/4 and 1/2, and masks there, (B, h, w), or (B, K, h, w) if `masked`.

    Raises:
        ValueError: `unknown_keypoints` is neither.
    """
    if unknown_keypoints not in ("background", "masked"):
        raise ValueError(f"unknown_keypoints '{unknown_keypoints}': known: background, masked")
    sigmas = compute_box_sigmas(batch["box_widths_px"]) if is_sigma_scaled else None
    heatmaps, masks = [], []
    for stride, mask in zip(STAGE_STRIDES, batch["masks"], strict=True):
        map_wh = (mask.shape[2], mask.shape[1])
        targets = encode_heatmaps(batch["keypoints_xy"], batch["is_known"], map_wh, stride, sigmas)
        if unknown_keypoints == "masked":
            mask = encode_keypoint_masks(
                mask, targets, batch["boxes_xyxy"], ~batch["is_known"], batch["matrix"], stride
            )
        heatmaps.append(targets)
        masks.append(mask)
    return heatmaps, masks
