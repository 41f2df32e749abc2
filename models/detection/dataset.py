"""The data set of two-stage networks: resized or letterboxed images with the targets of their people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.data.colors import change_colors
from models.data.image_files import ImageArray, read_image
from models.data.instances import InstanceSamples, draw_mask
from models.data.letterbox import (
    CANVAS_COLOR,
    Placement,
    cut_boxes,
    make_canvas,
    paste_image,
    place_boxes,
    place_points,
)
from models.data.mosaic import Window
from models.data.samples import FloatArray
from models.data.stored_images import StoredImages
from models.detection.augment import DetectionAugment
from models.detection.plan import Canvas, FindSize, ImagePlanner, PlannedImage
from models.detection.rotation import Rotation, list_box_corners, list_outline_corners
from models.training.batches import SampleKey

KEYPOINT_SHIFT_PX = 0.5
"""From COCO's keypoints, indices of pixels whose 0 is the middle of the first, to a canvas's continuous pixels,
whose 0 is its corner."""

# Sides of padded batches are multiples of the coarsest stride of a body.
_COARSEST_STRIDE = 32


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

    Attributes:
        stored: The decoded images, in the machine's memory; None if they are read from their files.
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
        self._flip_index = list(flip_index)
        self.augment = augment
        self.stored: StoredImages | None = None
        self._with_masks = with_masks
        self._planner = ImagePlanner(samples, canvas, augment, seed, self.may_flip)

    def __len__(self) -> int:
        return self.samples.num_images

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        read: dict[int, ImageArray] = {}

        def find_size(image_index: int) -> tuple[int, int]:
            if image_index not in read:
                read[image_index] = self._read(image_index)
            height, width = read[image_index].shape[:2]
            return width, height

        planned, canvas_wh = self.plan(key, find_size)
        canvas = make_canvas(canvas_wh)
        for each in planned:
            image = change_colors(read[each.image_index], each.colors)
            if each.rotation is not None:
                image = each.rotation.draw_image(image)
            paste_image(canvas, image, each.placement, each.window)
        return {"image": canvas, **self.place_people(planned, canvas_wh)}

    def plan(self, key: SampleKey, find_size: FindSize) -> tuple[list[PlannedImage], tuple[int, int]]:
        """Draw which images a sample has, and the canvas's width and height; no pixels are read."""
        return self._planner.plan(key, find_size)

    def place_people(self, planned: Sequence[PlannedImage], canvas_wh: tuple[int, int]) -> dict[str, Any]:
        """What a sample has besides its image."""
        targets = [self._place_people(each, canvas_wh) for each in planned]
        return {name: np.concatenate([target[name] for target in targets]) for name in targets[0]}

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

    def _read(self, image_index: int) -> ImageArray:
        if self.stored is not None:
            return self.stored.get_image(image_index)
        return read_image(self.samples.images[image_index])

    def _rotate_people(self, rows: slice, rotation: Rotation) -> tuple[FloatArray, Sequence[object | None]]:
        """Boxes and details of an image's people in the rotated image."""
        boxes = self.samples.boxes_xyxy[rows].copy()
        for i, box in enumerate(boxes):
            box[:] = rotation.place_box(box, self.list_extent(rows.start + i))
        return boxes, self.rotate_details(rows, boxes, rotation)

    def _place_people(self, part: PlannedImage, canvas_wh: tuple[int, int]) -> dict[str, Any]:
        samples, rows = self.samples, self.samples.find_rows(part.image_index)
        people: FloatArray = samples.boxes_xyxy[rows]
        details: Sequence[object | None] = samples.details[rows]
        if part.rotation is not None:
            people, details = self._rotate_people(rows, part.rotation)
        limits = self.augment or DetectionAugment(min_visible_fraction=0, min_side_px=0)
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

    def _place_keypoints(self, keypoints_xyw: np.ndarray[Any, Any], part: PlannedImage) -> np.ndarray[Any, Any]:
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
        self, positions: np.ndarray[Any, Any], part: PlannedImage, canvas_wh: tuple[int, int]
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
    width, height = find_canvas([sample["image"].shape[1::-1] for sample in samples])
    images = np.full((len(samples), height, width, 3), CANVAS_COLOR, np.uint8)
    for canvas, sample in zip(images, samples, strict=True):
        h, w = sample["image"].shape[:2]
        canvas[:h, :w] = sample["image"]
    people = [{name: value for name, value in sample.items() if name != "image"} for sample in samples]
    return {"image": torch.from_numpy(images), "targets": collate_people(people, (width, height))}


def find_canvas(sizes_wh: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Width and height of the canvas of a batch whose samples have such canvases."""
    width, height = (
        -(-max(side) // _COARSEST_STRIDE) * _COARSEST_STRIDE for side in zip(*sizes_wh, strict=True)
    )
    return width, height


def collate_people(people: Sequence[Mapping[str, Any]], canvas_wh: tuple[int, int]) -> list[dict[str, Tensor]]:
    """The targets of a batch; masks (N, h, w) are padded to its canvas."""
    targets: list[dict[str, Tensor]] = []
    for sample in people:
        target = {name: torch.from_numpy(value) for name, value in sample.items()}
        if "masks" in target:
            height, width = target["masks"].shape[-2:]
            edges = (0, canvas_wh[0] - width, 0, canvas_wh[1] - height)
            target["masks"] = torch.nn.functional.pad(target["masks"], edges)
        targets.append(target)
    return targets
