"""What the samples of a two-stage network's data set are made of, drawn without looking at a pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from models.data.colors import ColorChange, draw_color_change
from models.data.instances import InstanceSamples
from models.data.letterbox import Placement, fit_image, fit_to_sides
from models.data.mosaic import Window, cut_mosaic
from models.detection.augment import DetectionAugment, find_empty_part, place_at_random, place_part
from models.detection.rotation import Rotation
from models.training.batches import SampleKey

FindSize = Callable[[int], tuple[int, int]]
"""Finds width and height of an image by its index."""

# Seeds of a sample's random generators: placement, colours, empty parts, rotations.
_IMAGES, _COLORS, _EMPTY, _ROTATIONS = 0, 1, 2, 3


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
class PlannedImage:
    """One image of a sample.

    Attributes:
        image_index: Its index.
        colors: The change of its colours, which comes first.
        placement: Its placement on the canvas; with a rotation, that of the rotated image.
        window: The window of the canvas that it fills.
        rotation: Its rotation, before it is placed.
    """

    image_index: int
    colors: ColorChange
    placement: Placement
    window: Window
    rotation: Rotation | None = None


@dataclass(frozen=True)
class ImagePlanner:
    """Draws which images are where in a sample, by the seed and the sample's epoch and index alone.

    Attributes:
        samples: The images and their people.
        canvas: The input size.
        augment: Random augmentation; None letterboxes or resizes alone.
        seed: Of the augmentation.
        may_flip: Whether an image with people in it may be mirrored, by its index.
    """

    samples: InstanceSamples
    canvas: Canvas
    augment: DetectionAugment | None
    seed: int
    may_flip: Callable[[int], bool]

    def plan(self, key: SampleKey, find_size: FindSize) -> tuple[list[PlannedImage], tuple[int, int]]:
        """Draw a sample.

        Returns:
            Its images, and the canvas's width and height.
        """
        epoch, index = key
        if self.augment is None:
            placement, canvas_wh = self._place_plainly(find_size(index))
            return [PlannedImage(index, ColorChange(False, None), placement, (0, 0, *canvas_wh))], canvas_wh
        rng = np.random.default_rng((self.seed, epoch, index, _IMAGES))
        if self.canvas.size_wh == (0, 0):
            return self._resize_at_random(key, self.augment, find_size(index), rng)
        canvas_wh, augment = self.canvas.size_wh, self.augment
        empty = self._choose_empty_part(key, augment, find_size(index))
        if empty is not None:
            return [empty], canvas_wh
        images, scales = [index], augment.scale_range
        windows: tuple[Window, ...] = ((0, 0, *canvas_wh),)
        if rng.random() < augment.mosaic_fraction:
            images += rng.integers(self.samples.num_images, size=3).tolist()
            windows, scales = cut_mosaic(canvas_wh, rng), augment.mosaic_scale_range
        planned = []
        for number, (image_index, window) in enumerate(zip(images, windows, strict=True)):
            colors = self._draw_colors(key, augment, number)
            rotation, image_wh = self._draw_rotation(key, augment, find_size(image_index), number)
            limits = self._limit_flips(image_index, augment)
            placement = place_at_random(image_wh, canvas_wh, window, scales, limits, rng)
            planned.append(PlannedImage(image_index, colors, placement, window, rotation))
        return planned, canvas_wh

    def _place_plainly(self, image_wh: tuple[int, int]) -> tuple[Placement, tuple[int, int]]:
        """An image's placement without augmentation, and the size of its canvas."""
        if self.canvas.size_wh != (0, 0):
            return fit_image(image_wh, self.canvas.size_wh), self.canvas.size_wh
        placement, _ = fit_to_sides(image_wh, self.canvas.max_side_px, self.canvas.short_sides_px[-1])
        return placement, placement.size_wh

    def _choose_empty_part(
        self, key: SampleKey, augment: DetectionAugment, image_wh: tuple[int, int]
    ) -> PlannedImage | None:
        """For some of the samples, a part of the image without people."""
        epoch, index = key
        wanted, flip = np.random.default_rng((self.seed, epoch, index, _EMPTY)).random(2)
        if wanted >= augment.empty_fraction:
            return None
        part = find_empty_part(self.samples.boxes_xyxy[self.samples.find_rows(index)], image_wh)
        if part is None:
            return None
        placement, window = place_part(
            part,
            image_wh,
            self.canvas.size_wh,
            most_scale=augment.scale_range[1],
            is_flipped=bool(flip < augment.flip_fraction),
        )
        return PlannedImage(index, self._draw_colors(key, augment, 0), placement, window)

    def _resize_at_random(
        self, key: SampleKey, augment: DetectionAugment, image_wh: tuple[int, int], rng: np.random.Generator
    ) -> tuple[list[PlannedImage], tuple[int, int]]:
        """Resize by a random shorter side, as Detectron2's recipes do."""
        _, index = key
        rotation, image_wh = self._draw_rotation(key, augment, image_wh, 0)
        shorter_side_px = int(rng.choice(self.canvas.short_sides_px))
        fitted, _ = fit_to_sides(image_wh, self.canvas.max_side_px, shorter_side_px)
        flip_fraction = self._limit_flips(index, augment).flip_fraction
        placement = replace(fitted, is_flipped=bool(rng.random() < flip_fraction))
        colors = self._draw_colors(key, augment, 0)
        return [PlannedImage(index, colors, placement, (0, 0, *fitted.size_wh), rotation)], fitted.size_wh

    def _limit_flips(self, image_index: int, augment: DetectionAugment) -> DetectionAugment:
        return augment if self.may_flip(image_index) else replace(augment, flip_fraction=0.0)

    def _draw_colors(self, key: SampleKey, augment: DetectionAugment, number: int) -> ColorChange:
        return draw_color_change(augment, np.random.default_rng((self.seed, *key, _COLORS, number)))

    def _draw_rotation(
        self, key: SampleKey, augment: DetectionAugment, image_wh: tuple[int, int], number: int
    ) -> tuple[Rotation | None, tuple[int, int]]:
        """The rotation of an image, and the size of the rotated image."""
        if not augment.rotation_deg:
            return None, image_wh
        side = np.random.default_rng((self.seed, *key, _ROTATIONS, number)).uniform(-1, 1)
        rotation = Rotation(image_wh, side * augment.rotation_deg)
        return rotation, rotation.size_wh
