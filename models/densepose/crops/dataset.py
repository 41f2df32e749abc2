"""Training samples of dense poses top-down: crops of people with their annotated points and painted parts."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from models.data.augment import AugmentConfig, Region, augment_colors, augment_region
from models.data.crop import crop_image, fit_boxes, make_crop_matrices, transform_points
from models.data.image_files import read_image
from models.data.instances import InstanceSamples, select_rows
from models.densepose.annotations import MASK_SIDE
from models.densepose.crops.codec import make_label_matrix
from models.densepose.crops.network import STRIDE
from models.densepose.dataset import PersonSurface
from models.densepose.parts import MASK_MIRROR
from models.densepose.symmetry import Symmetry, mirror_limbs
from models.training.batches import SampleKey

MOST_POINTS = 256
"""Points of a person in a sample, at most; of more, some are drawn."""

_HALF = 0.5
_NO_KEYPOINTS = (np.zeros((0, 2), np.float32), np.zeros(0, np.float32))
_MASK_MIRROR = np.array(MASK_MIRROR, np.uint8)


def keep_surfaces(samples: InstanceSamples) -> InstanceSamples:
    """Select the people who have a `PersonSurface` and are not to be ignored."""
    has_surface = np.array([detail is not None for detail in samples.details], bool)
    return select_rows(samples, has_surface & ~samples.is_ignored)


class DenseCropDataset(Dataset[dict[str, Any]]):
    """A data set with one crop per person, indexed by (epoch, index).

    A sample, of which there are no more than `MOST_POINTS` points, is

        image            (H, W, 3) uint8 RGB
        points_xy        (256, 2) float32, continuous pixels of the crop
        charts           (256,) int64, 1..24, or coarse parts, 1..14, where the limbs alone are known
        coordinates_uv   (256, 2) float32
        is_given         (256,) bool, which of the points there are: those within the crop
        labels           (H / 4, W / 4) uint8, the coarse parts
        has_labels       bool, whether somebody painted them
        has_limbs_alone  bool

    and depends on the seed, the epoch and the index only.

    Args:
        samples: People of `keep_surfaces`.
        size_wh: Width and height of the crop.
        padding: Factor by which boxes are extended.
        augment: Settings of the augmentation; None for none. There are no half bodies.
        symmetry: The coordinates of the mirrored body; without it, people with charts are not mirrored.
        seed: Seed of the augmentation.
    """

    def __init__(
        self,
        samples: InstanceSamples,
        *,
        size_wh: tuple[int, int],
        padding: float = 1.25,
        augment: AugmentConfig | None = None,
        symmetry: Symmetry | None = None,
        seed: int = 0,
    ) -> None:
        self.samples = samples
        self.size_wh = size_wh
        self._augment = augment
        self._symmetry = symmetry
        self._seed = seed
        # Boxes are continuous, the crop's matrices are in indices of pixels.
        self._centres_xy, self._widths_px = fit_boxes(samples.boxes_xyxy - _HALF, size_wh, padding)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        epoch, index = key
        rng = np.random.default_rng((self._seed, epoch, index))
        surface = cast(PersonSurface, self.samples.details[index])
        region = self._choose_region(index, surface, rng)
        matrix = make_crop_matrices(
            region.centre_xy,
            [region.width_px],
            self.size_wh,
            rotations_deg=region.rotation_deg,
            is_flipped=region.is_flipped,
        )
        image = read_image(self.samples.images[self.samples.image_index[index]])
        crop = crop_image(image, matrix[0], self.size_wh)
        return {
            "image": crop if self._augment is None else augment_colors(crop, self._augment, rng),
            **self._place(surface, self.samples.boxes_xyxy[index], matrix, region, rng),
        }

    def _choose_region(self, index: int, surface: PersonSurface, rng: np.random.Generator) -> Region:
        region = Region(self._centres_xy[index], float(self._widths_px[index]))
        if self._augment is None:
            return region
        width, height = self.size_wh
        drawn = augment_region(
            region, *_NO_KEYPOINTS, config=self._augment, upper_body=(), aspect_wh=width / height, rng=rng
        )
        may_flip = surface.has_limbs_alone or self._symmetry is not None
        return Region(drawn.centre_xy, drawn.width_px, drawn.rotation_deg, drawn.is_flipped and may_flip)

    def _place(
        self,
        surface: PersonSurface,
        box_xyxy: npt.NDArray[np.floating],
        matrix: npt.NDArray[np.float64],
        region: Region,
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """The annotation in the crop."""
        charts, coordinates = surface.charts, surface.coordinates_uv
        if region.is_flipped and surface.has_limbs_alone:
            _, charts = mirror_limbs(surface.points_xy, charts)
        elif region.is_flipped:
            assert self._symmetry is not None
            _, charts, coordinates = self._symmetry.mirror_points(surface.points_xy, charts, coordinates)
        sizes = box_xyxy[2:] - box_xyxy[:2]
        in_image = box_xyxy[:2] + surface.points_xy * sizes / MASK_SIDE
        points = transform_points(in_image[None] - _HALF, matrix)[0] + _HALF
        rows = np.flatnonzero(((points >= 0) & (points < self.size_wh)).all(axis=1))
        if len(rows) > MOST_POINTS:
            rows = np.sort(rng.choice(rows, MOST_POINTS, replace=False))
        labels = self._place_mask(surface, box_xyxy, matrix[0], is_flipped=region.is_flipped)
        return {
            "points_xy": _pad(points[rows].astype(np.float32)),
            "charts": _pad(charts[rows].astype(np.int64)),
            "coordinates_uv": _pad(coordinates[rows].astype(np.float32)),
            "is_given": np.arange(MOST_POINTS) < len(rows),
            "labels": labels,
            "has_labels": self._has_labels(surface),
            "has_limbs_alone": surface.has_limbs_alone,
        }

    def _place_mask(
        self,
        surface: PersonSurface,
        box_xyxy: npt.NDArray[np.floating],
        matrix: npt.NDArray[np.float64],
        *,
        is_flipped: bool,
    ) -> npt.NDArray[np.uint8]:
        cells_wh = self.size_wh[0] // STRIDE, self.size_wh[1] // STRIDE
        if not self._has_labels(surface):
            return np.zeros(cells_wh[::-1], np.uint8)
        mask = surface.unpack_mask()
        left, top, right, bottom = box_xyxy.astype(np.float64)
        # From indices of the mask's pixels to continuous pixels of the image.
        x_scale, y_scale = (right - left) / MASK_SIDE, (bottom - top) / MASK_SIDE
        to_image = np.array(
            [[x_scale, 0, left + _HALF * x_scale], [0, y_scale, top + _HALF * y_scale], [0, 0, 1]]
        )
        placed = make_label_matrix(matrix) @ to_image
        labels = cv2.warpAffine(
            _MASK_MIRROR[mask] if is_flipped else mask, placed, cells_wh, flags=cv2.INTER_NEAREST
        )
        return np.asarray(labels, np.uint8)

    def _has_labels(self, surface: PersonSurface) -> bool:
        return bool(surface.packed_mask) and not surface.is_whole


def _pad(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows up to `MOST_POINTS`, zero after the given ones."""
    padded = np.zeros((MOST_POINTS, *rows.shape[1:]), rows.dtype)
    padded[: len(rows)] = rows
    return padded
