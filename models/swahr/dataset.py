"""Training samples of bottom-up pose estimation: rotated and scaled images with the keypoints of all people."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from models.data.augment import Region
from models.data.crop import (
    DoubleArray,
    crop_image,
    invert_matrices,
    make_crop_matrices,
    transform_points,
)
from models.data.image_files import ImageArray, read_image
from models.data.mosaic import Window, cut_mosaic
from models.data.people_crops import ImageSamples, draw_mask
from models.data.samples import FloatArray, IntArray
from models.settings import check_choice, check_range
from models.swahr.codec import encode_cells
from models.swahr.network import STAGE_STRIDES
from models.training.batches import SampleKey

# The images of a mosaic have a random generator of their own.
_MOSAIC = 1
# Position of keypoints that a mosaic does not show.
_AWAY_PX = np.float32(-1e4)
# The unit of a shift: the region's side divided by this.
_SHIFT_BASE_PX = 200.0


@dataclass(frozen=True)
class ImageAugmentConfig:
    """Settings of the augmentation; by default those of section 4.1 (published recipes: scales up to 1.5).

    Attributes:
        rotation_deg: Largest angle to either side.
        scale_range: Smallest and largest factor of the region's size.
        shift: Largest shift of the centre in x and in y, in units of 1/200 of the region's side.
        flip_fraction: Fraction of the samples that are mirrored.
        fitted_side: The side of the image that equals the square region's side, `short` or `long`.
        mosaic_fraction: Fraction of the samples that are mosaics of four images, at the same scales: for data
            whose images show few and large people. 0 in the paper.
    """

    rotation_deg: float = 30.0
    scale_range: tuple[float, float] = (0.75, 1.25)
    shift: float = 40.0
    flip_fraction: float = 0.5
    fitted_side: str = "short"
    mosaic_fraction: float = 0.0

    def __post_init__(self) -> None:
        check_range(self, 0, 180, "rotation_deg")
        check_range(self, 0, 1, "flip_fraction", "mosaic_fraction")
        check_range(self, 0, _SHIFT_BASE_PX, "shift")
        check_choice(self, "fitted_side", ("short", "long"))
        if not 0 < self.scale_range[0] <= self.scale_range[1]:
            raise ValueError(f"scale_range: expected ascending numbers above 0, got {list(self.scale_range)}")


_UPRIGHT = ImageAugmentConfig(0, (1.0, 1.0), 0, 0, "long")


def augment_image(image_wh: tuple[int, int], config: ImageAugmentConfig, rng: np.random.Generator) -> Region:
    """Draw a random square region about the image's centre (section 4.1).

    Args:
        image_wh: Width and height of the image.
        config: Settings of the augmentation.
        rng: Random generator of this sample.

    Returns:
        The square region to cut out.
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
        is_flipped=bool(flip < config.flip_fraction),
    )


@dataclass(frozen=True)
class CrowdTile:
    """One image of a crop, which fills the crop or a window of a mosaic.

    Attributes:
        image_index: Index of the image.
        image_wh: Its width and height.
        region: The region of the image that is shown in the window.
        window: The window of the crop.
        matrix: (2, 3), image to crop.
    """

    image_index: int
    image_wh: tuple[int, int]
    region: Region
    window: Window
    matrix: DoubleArray


@dataclass(frozen=True)
class PlannedCrowd:
    """What a sample of `CrowdDataset` is, without its pixels.

    Attributes:
        tiles: Its images, one or four.
        left_out: For each, the boxes (n, 4) of people who are too many.
        people: The arrays of the sample that are of its people.
    """

    tiles: list[CrowdTile]
    left_out: list[FloatArray]
    people: dict[str, Any]


class CrowdDataset(Dataset[dict[str, Any]]):
    """A data set with one square crop per image, indexed by (epoch, index).

    A sample is

        image           (H, W, 3) uint8 RGB
        keypoints_xy    (M, K, 2) float32, pixels of the crop, possibly outside of it
        is_known        (M, K) bool; False for padding
        boxes_xyxy      (M, 4) float32, pixels of the image; empty for padding
        box_widths_px   (M,) float32, pixels of the crop
        matrices        (M, 2, 3) float32, from crop to image
        masks           two (h, w) float32, at 1/4 and 1/2: 0 in ignored regions and outside of the image
        tag_xy          (M, K, 2) int64, cells of the map at 1/4
        tag_is_visible  (M, K) bool, known and on that map

    and depends on the seed, the epoch and the index only. `encode_targets` of `models.swahr.targets` makes
    heatmaps of a batch on the network's device, because heatmaps have 5.6 MB per image and keypoints 4 kB.

    Differs from HigherHRNet's public code in mirroring keypoints and image by the same map. That code mirrors
    keypoints within each map of cells, which shifts three in four of them by a cell relative to the image.

    Args:
        samples: The images and their people.
        size_px: Side of the crop, a multiple of 4.
        flip_index: The index of each keypoint's mirror image, (K,).
        augment: Settings of the augmentation; None for upright, centred images.
        max_people: M; if there are more people, those with the largest boxes are used and the others ignored.
        seed: Seed of the augmentation.
    """

    def __init__(
        self,
        samples: ImageSamples,
        *,
        size_px: int,
        flip_index: tuple[int, ...],
        augment: ImageAugmentConfig | None = None,
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
        images: dict[int, ImageArray] = {}

        def find_size(image_index: int) -> tuple[int, int]:
            if image_index not in images:
                images[image_index] = read_image(self.samples.people.images[image_index])
            height, width = images[image_index].shape[:2]
            return width, height

        plan, side = self.plan(key, find_size), self.size_px
        image = np.zeros((side, side, 3), np.uint8)
        masks = [np.zeros((side // stride, side // stride), np.float32) for stride in STAGE_STRIDES]
        for tile, others in zip(plan.tiles, plan.left_out, strict=True):
            left, top, right, bottom = tile.window
            corner = np.array([[0, 0, left], [0, 0, top]])
            image[top:bottom, left:right] = crop_image(
                images[tile.image_index], tile.matrix - corner, (right - left, bottom - top)
            )
            mask = draw_mask((*self.samples.ignored[tile.image_index], *others), tile.image_wh)
            for whole, part, stride in zip(
                masks, warp_mask(mask, tile.matrix, side), STAGE_STRIDES, strict=True
            ):
                x1, y1, x2, y2 = (round(edge / stride) for edge in tile.window)
                whole[y1:y2, x1:x2] = part[y1:y2, x1:x2]
        return {"image": image, "masks": masks, **plan.people}

    def plan(self, key: SampleKey, find_size: Callable[[int], tuple[int, int]]) -> PlannedCrowd:
        """Draw what a sample is, without its pixels.

        Args:
            key: The sample.
            find_size: Finds width and height of an image by its index.
        """
        tiles = self._choose_tiles(*key, find_size)
        rows, left_out = self._choose_people(tiles)
        boxes = [self.samples.people.boxes_xyxy[others] for others in left_out]
        return PlannedCrowd(tiles, boxes, self._pad_people(tiles, rows))

    def _choose_tiles(
        self, epoch: int, index: int, find_size: Callable[[int], tuple[int, int]]
    ) -> list[CrowdTile]:
        config, rng = self._augment, np.random.default_rng((self._seed, epoch, index))
        whole = (0, 0, self.size_px, self.size_px)
        if config is None:
            return [_make_tile(index, find_size(index), whole, _UPRIGHT, rng)]
        # Drawn from a generator of its own, so that mosaics do not change the augmentation of the first image.
        mosaic_rng = np.random.default_rng((self._seed, epoch, index, _MOSAIC))
        if mosaic_rng.random() >= config.mosaic_fraction:
            return [_make_tile(index, find_size(index), whole, config, rng)]
        windows = cut_mosaic((self.size_px, self.size_px), mosaic_rng)
        others = mosaic_rng.integers(len(self), size=len(windows) - 1).tolist()
        return [
            _make_tile(i, find_size(i), window, config, rng)
            for i, window in zip([index, *others], windows, strict=True)
        ]

    def _choose_people(self, tiles: list[CrowdTile]) -> tuple[list[IntArray], list[IntArray]]:
        """Select the people of each tile that are used, and those that exceed `max_people`."""
        rows = [self.samples.rows[tile.image_index] for tile in tiles]
        boxes = self.samples.people.boxes_xyxy
        areas = [
            (boxes[r, 2:] - boxes[r, :2]).prod(axis=1) * abs(np.linalg.det(tile.matrix[:, :2]))
            for r, tile in zip(rows, tiles, strict=True)
        ]
        ranks = np.argsort(np.argsort(-np.concatenate(areas), kind="stable"))
        counts = np.split(ranks < self._max_people, np.cumsum([len(r) for r in rows])[:-1])
        both = list(zip(rows, counts, strict=True))
        return [r[c] for r, c in both], [r[~c] for r, c in both]

    def _place_people(self, tile: CrowdTile, rows: IntArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Map keypoints (N, K, 2) to the crop, or far outside if the tile lacks them, and which are known."""
        people = self.samples.people.select(rows)
        points = transform_points(people.keypoints_xy, tile.matrix[None].repeat(len(rows), axis=0))
        known = people.weights > 0
        if tile.region.is_flipped:
            points, known = points[:, list(self.flip_index)], known[:, list(self.flip_index)]
        if tile.window != (0, 0, self.size_px, self.size_px):
            left, top, right, bottom = tile.window
            is_seen = ((points >= (left, top)) & (points < (right, bottom))).all(axis=-1)
            points[~is_seen] = _AWAY_PX
        return np.where(known[..., None], points, np.float32(0)), known

    def _pad_people(self, tiles: list[CrowdTile], rows: list[IntArray]) -> dict[str, Any]:
        M, K = self._max_people, self.samples.people.num_keypoints
        placed = [self._place_people(tile, r) for tile, r in zip(tiles, rows, strict=True)]
        everyone = np.concatenate(rows)
        N, boxes = len(everyone), np.zeros((M, 4), np.float32)
        boxes[:N] = self.samples.people.boxes_xyxy[everyone]
        keypoints, is_known = np.zeros((M, K, 2), np.float32), np.zeros((M, K), np.bool_)
        keypoints[:N] = np.concatenate([points for points, _ in placed])
        is_known[:N] = np.concatenate([known for _, known in placed])
        of_tile = np.repeat(np.arange(len(tiles)), [len(r) for r in rows])
        to_crop = np.stack([tile.matrix for tile in tiles])
        scales = np.sqrt(np.abs(np.linalg.det(to_crop[:, :, :2])))
        widths, matrices = np.zeros(M, np.float32), np.zeros((M, 2, 3), np.float32)
        widths[:N] = (boxes[:N, 2] - boxes[:N, 0]) * scales[of_tile]
        matrices[:N] = invert_matrices(to_crop)[of_tile]
        cells = self.size_px // STAGE_STRIDES[0]
        tag_xy, tag_is_visible = encode_cells(
            torch.from_numpy(keypoints), torch.from_numpy(is_known), (cells, cells), STAGE_STRIDES[0]
        )
        return {
            "keypoints_xy": keypoints,
            "is_known": is_known,
            "boxes_xyxy": boxes,
            "box_widths_px": widths,
            "matrices": matrices,
            "tag_xy": tag_xy.numpy(),
            "tag_is_visible": tag_is_visible.numpy(),
        }


def _make_tile(
    image_index: int,
    image_wh: tuple[int, int],
    window: Window,
    config: ImageAugmentConfig,
    rng: np.random.Generator,
) -> CrowdTile:
    region = augment_image(image_wh, config, rng)
    left, top, right, bottom = window
    width, height = right - left, bottom - top
    matrix = make_crop_matrices(
        region.centre_xy,
        [region.width_px * width / math.sqrt(width * height)],
        (width, height),
        rotations_deg=region.rotation_deg,
        is_flipped=region.is_flipped,
    )[0]
    matrix[:, 2] += left, top
    return CrowdTile(image_index, image_wh, region, window, matrix)


def warp_mask(mask: npt.NDArray[np.uint8], matrix: DoubleArray, size_px: int) -> list[FloatArray]:
    """Map an image's mask to the stages' maps.

    Args:
        mask: (H, W), 255 where the image counts.
        matrix: (2, 3), image to crop.
        size_px: Side of the crop.

    Returns:
        At 1/4 and 1/2, (h, w) of 0 and 1; 0 outside the image.
    """
    cells = [size_px // stride for stride in STAGE_STRIDES]
    warped = [
        cv2.warpAffine(mask, matrix / stride, (n, n)) for stride, n in zip(STAGE_STRIDES, cells, strict=True)
    ]
    return [(values > 127).astype(np.float32) for values in warped]
