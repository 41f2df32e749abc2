"""The data set of two-stage networks: resized or letterboxed images with the targets of their people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.data.colors import jitter_colors
from models.data.image_files import ImageArray, read_image
from models.data.instances import InstanceSamples, draw_mask
from models.data.letterbox import (
    CANVAS_COLOR,
    Placement,
    cut_boxes,
    fit_image,
    fit_to_sides,
    make_canvas,
    paste_image,
    place_boxes,
    place_points,
)
from models.data.mosaic import Window, cut_mosaic
from models.data.samples import FloatArray
from models.detection.augment import (
    DetectionAugment,
    find_empty_part,
    place_at_random,
    place_part,
)
from models.detection.rotation import Rotation, list_box_corners, list_outline_corners
from models.training.batches import SampleKey

KEYPOINT_SHIFT_PX = 0.5
"""From COCO's keypoints, indices of pixels whose 0 is the middle of the first, to a canvas's continuous pixels,
whose 0 is its corner."""

# Seeds of a sample's random generators: placement, colours, empty parts, rotations.
_IMAGES, _COLORS, _EMPTY, _ROTATIONS = 0, 1, 2, 3
# Sides of padded batches are multiples of the coarsest stride of a body.
_COARSEST_STRIDE = 32


@dataclass(frozen=True)
class Canvas:
    """The input size: one canvas for all images, or each image resized by its shorter side.

    Attributes:
        size_wh: Width and height of the canvas that images are letterboxed to; (0, 0) resizes each image.
        short_sides_px: Without a canvas, lengths of the shorter side, of which one is drawn at random.
        max_side_px: Without a canvas, limit of the longer side.
    """

    size_wh: tuple[int, int] = (0, 0)
    short_sides_px: tuple[int, ...] = ()
    max_side_px: int = 1333


@dataclass(frozen=True)
class _Part:
    """One image of a sample: its index, its placement on the canvas, and the window of the canvas it fills.

    With a rotation, image and placement are those of the rotated image.
    """

    image_index: int
    image: ImageArray
    placement: Placement
    window: Window
    rotation: Rotation | None = None


class DetectionDataset(Dataset[dict[str, Any]]):
    """Images with the boxes, keypoints and masks of their people, augmented for training.

    The sample of (epoch, index) has

        image          (H, W, 3) uint8 RGB
        boxes          (N, 4) float32, pixels of the canvas, within it
        labels         (N,) int64, 1
        ignored_boxes  (G, 4) float32, regions that are neither people nor background
        keypoints      (N, K, 3) float32: x and y in continuous pixels, like boxes, and a weight in
                       0..1, which is 0 outside the canvas too
        has_keypoints  (N,) bool
        masks          (N, H, W) uint8, if asked for; empty where a person has none
        has_masks      (N,) bool, likewise

    and depends on the seed, the epoch and the index alone. Subclasses add what else their network learns
    (`place_details`, `rotate_details`), and may keep images from being mirrored (`may_flip`).

    Args:
        samples: The images and their people.
        canvas: The input size.
        flip_index: K positions, each keypoint's counterpart on the other side of the body.
        augment: Random augmentation; None letterboxes or resizes alone, as inference does.
        with_masks: Whether samples have masks.
        seed: Of the augmentation.
    """

    def __init__(
        self,
        samples: InstanceSamples,
        *,
        canvas: Canvas,
        flip_index: tuple[int, ...],
        augment: DetectionAugment | None = None,
        with_masks: bool = False,
        seed: int = 0,
    ) -> None:
        self.samples = samples
        self._canvas = canvas
        self._flip_index = list(flip_index)
        self._augment = augment
        self._with_masks = with_masks
        self._seed = seed

    def __len__(self) -> int:
        return self.samples.num_images

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        parts, canvas_wh = self._choose_parts(*key)
        image = make_canvas(canvas_wh)
        for part in parts:
            paste_image(image, part.image, part.placement, part.window)
        targets = [self._place_people(part, canvas_wh) for part in parts]
        joined = {name: np.concatenate([target[name] for target in targets]) for name in targets[0]}
        return {"image": image, **joined}

    def may_flip(self, image_index: int) -> bool:
        """Whether an image with people in it may be mirrored."""
        return True

    def list_extent(self, position: int) -> npt.NDArray[np.floating]:
        """Points (P, 2) of the image about a person, by their row of `samples`: an outline, or the box."""
        outline = self.samples.outlines[position]
        if outline:
            points = list_outline_corners(outline)
            if len(points):
                return points
        return list_box_corners(self.samples.boxes_xyxy[position])

    def rotate_details(
        self, rows: slice, boxes_xyxy: FloatArray, rotation: Rotation
    ) -> Sequence[object | None]:
        """Rotate what else is learned of the people of an image.

        Args:
            rows: Rows of `samples`.
            boxes_xyxy: (N, 4), the people's boxes in the rotated image.
            rotation: The rotation of the image.

        Returns:
            N details in place of those of `samples`.
        """
        return self.samples.details[rows]

    def place_details(
        self, boxes_xyxy: FloatArray, details: Sequence[object | None], placement: Placement, window: Window
    ) -> dict[str, Any]:
        """Place what else is learned of some people of an image.

        Args:
            boxes_xyxy: (N, 4), their boxes in the image.
            details: What `samples` has of each.
            placement: Placement of the image on the canvas.
            window: The part of the canvas that the image fills.

        Returns:
            Arrays by name; those of several images are concatenated.
        """
        return {}

    def _place_image(self, image_wh: tuple[int, int]) -> tuple[Placement, tuple[int, int]]:
        """An image's placement without augmentation, and the size of its canvas."""
        if self._canvas.size_wh != (0, 0):
            return fit_image(image_wh, self._canvas.size_wh), self._canvas.size_wh
        placement, _ = fit_to_sides(image_wh, self._canvas.max_side_px, self._canvas.short_sides_px[-1])
        return placement, placement.size_wh

    def _choose_parts(self, epoch: int, index: int) -> tuple[list[_Part], tuple[int, int]]:
        if self._augment is None:
            image = read_image(self.samples.images[index])
            placement, canvas_wh = self._place_image((image.shape[1], image.shape[0]))
            return [_Part(index, image, placement, (0, 0, *canvas_wh))], canvas_wh
        rng = np.random.default_rng((self._seed, epoch, index, _IMAGES))
        if self._canvas.size_wh == (0, 0):
            return self._resize_at_random(epoch, index, rng)
        canvas_wh, augment = self._canvas.size_wh, self._augment
        first = self._read_jittered(index, epoch, index, 0)
        empty = self._choose_empty_part(augment, epoch, index, first)
        if empty is not None:
            return [empty], canvas_wh
        images, scales = [index], augment.scale_range
        windows: tuple[Window, ...] = ((0, 0, *canvas_wh),)
        if rng.random() < augment.mosaic_fraction:
            images += rng.integers(len(self), size=3).tolist()
            windows, scales = cut_mosaic(canvas_wh, rng), augment.mosaic_scale_range
        parts = []
        for number, (image_index, window) in enumerate(zip(images, windows, strict=True)):
            image = self._read_jittered(image_index, epoch, index, number) if number else first
            image, rotation = self._rotate(image, epoch, index, number)
            image_wh = (image.shape[1], image.shape[0])
            limits = self._limit_flips(image_index)
            placement = place_at_random(image_wh, canvas_wh, window, scales, limits, rng)
            parts.append(_Part(image_index, image, placement, window, rotation))
        return parts, canvas_wh

    def _choose_empty_part(
        self, augment: DetectionAugment, epoch: int, index: int, image: ImageArray
    ) -> _Part | None:
        """For some of the samples, a part of the image without people."""
        wanted, flip = np.random.default_rng((self._seed, epoch, index, _EMPTY)).random(2)
        if wanted >= augment.empty_fraction:
            return None
        image_wh = (image.shape[1], image.shape[0])
        part = find_empty_part(self.samples.boxes_xyxy[self.samples.find_rows(index)], image_wh)
        if part is None:
            return None
        placement, window = place_part(
            part,
            image_wh,
            self._canvas.size_wh,
            most_scale=augment.scale_range[1],
            is_flipped=bool(flip < augment.flip_fraction),
        )
        return _Part(index, image, placement, window)

    def _limit_flips(self, image_index: int) -> DetectionAugment:
        assert self._augment is not None
        return self._augment if self.may_flip(image_index) else replace(self._augment, flip_fraction=0.0)

    def _resize_at_random(
        self, epoch: int, index: int, rng: np.random.Generator
    ) -> tuple[list[_Part], tuple[int, int]]:
        """Resize by a random shorter side, as Detectron2's recipes do."""
        image, rotation = self._rotate(self._read_jittered(index, epoch, index, 0), epoch, index, 0)
        image_wh = (image.shape[1], image.shape[0])
        shorter_side_px = int(rng.choice(self._canvas.short_sides_px))
        fitted, _ = fit_to_sides(image_wh, self._canvas.max_side_px, shorter_side_px)
        flip_fraction = self._limit_flips(index).flip_fraction
        placement = replace(fitted, is_flipped=bool(rng.random() < flip_fraction))
        return [_Part(index, image, placement, (0, 0, *fitted.size_wh), rotation)], fitted.size_wh

    def _read_jittered(self, image_index: int, epoch: int, index: int, number: int) -> ImageArray:
        assert self._augment is not None
        rng = np.random.default_rng((self._seed, epoch, index, _COLORS, number))
        return jitter_colors(read_image(self.samples.images[image_index]), self._augment, rng)

    def _rotate(
        self, image: ImageArray, epoch: int, index: int, number: int
    ) -> tuple[ImageArray, Rotation | None]:
        assert self._augment is not None
        if not self._augment.rotation_deg:
            return image, None
        side = np.random.default_rng((self._seed, epoch, index, _ROTATIONS, number)).uniform(-1, 1)
        rotation = Rotation((image.shape[1], image.shape[0]), side * self._augment.rotation_deg)
        return rotation.draw_image(image), rotation

    def _rotate_people(self, rows: slice, rotation: Rotation) -> tuple[FloatArray, Sequence[object | None]]:
        """Boxes and details of an image's people in the rotated image."""
        boxes = self.samples.boxes_xyxy[rows].copy()
        for i, box in enumerate(boxes):
            box[:] = rotation.place_box(box, self.list_extent(rows.start + i))
        return boxes, self.rotate_details(rows, boxes, rotation)

    def _place_people(self, part: _Part, canvas_wh: tuple[int, int]) -> dict[str, Any]:
        samples, rows = self.samples, self.samples.find_rows(part.image_index)
        people: FloatArray = samples.boxes_xyxy[rows]
        details: Sequence[object | None] = samples.details[rows]
        if part.rotation is not None:
            people, details = self._rotate_people(rows, part.rotation)
        limits = self._augment or DetectionAugment(min_visible_fraction=0, min_side_px=0)
        boxes, visible = cut_boxes(place_boxes(people, part.placement), part.window)
        sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
        is_seen = (visible > 0) & (sides > 0)
        is_ignored = (
            samples.is_ignored[rows] | (visible < limits.min_visible_fraction) | (sides < limits.min_side_px)
        )
        taken = is_seen & ~is_ignored
        positions = np.flatnonzero(taken) + rows.start
        keypoints = self._place_keypoints(samples.keypoints_xyw[positions], part)
        targets = {
            "boxes": boxes[taken],
            "labels": np.ones(int(taken.sum()), np.int64),
            "ignored_boxes": boxes[is_seen & is_ignored],
            "keypoints": keypoints,
            "has_keypoints": (keypoints[..., 2] > 0).any(axis=1),
        }
        if self._with_masks:
            targets["masks"] = self._draw_masks(positions, part, canvas_wh)
            targets["has_masks"] = np.array([samples.outlines[i] is not None for i in positions], bool)
        chosen = list(compress(details, taken))
        return targets | self.place_details(people[taken], chosen, part.placement, part.window)

    def _place_keypoints(self, keypoints_xyw: np.ndarray[Any, Any], part: _Part) -> np.ndarray[Any, Any]:
        if part.placement.is_flipped:
            keypoints_xyw = keypoints_xyw[:, self._flip_index]
        points: npt.NDArray[np.floating] = keypoints_xyw[..., :2] + KEYPOINT_SHIFT_PX
        if part.rotation is not None:
            points = part.rotation.place_points(points)
        points = place_points(points, part.placement)
        left, top, right, bottom = part.window
        is_inside = ((points >= (left, top)) & (points < (right, bottom))).all(axis=-1)
        weights = np.where(is_inside, keypoints_xyw[..., 2], 0)
        return np.concatenate([points, weights[..., None]], axis=-1).astype(np.float32)

    def _draw_masks(
        self, positions: np.ndarray[Any, Any], part: _Part, canvas_wh: tuple[int, int]
    ) -> np.ndarray[Any, Any]:
        masks = np.zeros((len(positions), canvas_wh[1], canvas_wh[0]), np.uint8)
        left, top, right, bottom = part.window
        seen = (slice(top, bottom), slice(left, right))
        for mask, position in zip(masks, positions, strict=True):
            outline = self.samples.outlines[position]
            if outline is not None and part.rotation is not None:
                outline = part.rotation.place_outline(outline)
            if outline is not None:
                mask[seen] = draw_mask(outline, part.placement, canvas_wh)[seen]
        return masks


def collate_samples(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Collate samples with different numbers of people, and perhaps sizes, into a batch.

    Returns:
        `image` (B, H, W, 3) uint8, smaller ones padded on the right and below; `targets`, a list of B dicts of
        the other tensors, masks padded likewise.
    """
    largest = (max(sample["image"].shape[i] for sample in samples) for i in (0, 1))
    height, width = (-(-side // _COARSEST_STRIDE) * _COARSEST_STRIDE for side in largest)
    images = np.full((len(samples), height, width, 3), CANVAS_COLOR, np.uint8)
    targets: list[dict[str, Tensor]] = []
    for canvas, sample in zip(images, samples, strict=True):
        h, w = sample["image"].shape[:2]
        canvas[:h, :w] = sample["image"]
        target = {name: torch.from_numpy(value) for name, value in sample.items() if name != "image"}
        if "masks" in target:
            target["masks"] = torch.nn.functional.pad(target["masks"], (0, width - w, 0, height - h))
        targets.append(target)
    return {"image": torch.from_numpy(images), "targets": targets}
