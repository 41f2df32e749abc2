"""The data set of the DensePose family: images with their people, of whom some have dense annotations."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from models.data.instances import InstanceSamples, read_coco_instances
from models.data.letterbox import Placement, place_boxes
from models.data.mosaic import Window
from models.data.samples import FloatArray
from models.densepose.annotations import MASK_SIDE, read_surface_masks, read_surface_points
from models.densepose.limbs import list_limb_points
from models.densepose.symmetry import Symmetry, mirror_limbs, mirror_mask
from models.detection.augment import DetectionAugment
from models.detection.dataset import DetectionDataset
from models.detection.plan import Canvas
from models.detection.rotation import Rotation, list_mask_corners

_log = logging.getLogger(__name__)

Labels = npt.NDArray[np.uint8]

_MASK_SHAPE = (MASK_SIDE, MASK_SIDE)
# Of zlib; higher levels take longer to read the annotations and save little.
_LEVEL = 1


@dataclass(frozen=True, eq=False, slots=True)
class PersonSurface:
    """The dense annotation of one person, small enough to keep all of a data set.

    Attributes:
        points_xy: (P, 2), in 0..256 over the annotated box.
        charts: (P,), 1..24; 0 is a point on the background.
        coordinates_uv: (P, 2), in 0..1.
        packed_mask: The coarse parts (256, 256) over the box, packed by zlib; empty where nobody painted them.
        is_whole: Whether the only part is the whole person.
        has_limbs_alone: Whether the points are those of `models.densepose.limbs`, with coarse parts, 1..14, in
            place of charts, and without coordinates.
    """

    points_xy: FloatArray
    charts: Labels
    coordinates_uv: FloatArray
    packed_mask: bytes = b""
    is_whole: bool = False
    has_limbs_alone: bool = False

    def unpack_mask(self) -> Labels:
        """The coarse parts, (256, 256)."""
        return np.frombuffer(zlib.decompress(self.packed_mask), np.uint8).reshape(_MASK_SHAPE)


def read_surface(person: Mapping[str, Any], where: str) -> PersonSurface | None:
    """Read the dense annotation of a person; None without one.

    Args:
        person: An annotation in COCO's style.
        where: Its name in messages.

    Raises:
        DataError: It is not valid.
    """
    points = read_surface_points(person, where)
    if points is None:
        return None
    masks = read_surface_masks(person, where)
    return PersonSurface(
        points.points_xy.astype(np.float32),
        points.charts.astype(np.uint8),
        points.coordinates_uv.astype(np.float32),
        b"" if masks is None else zlib.compress(masks.decode_parts().tobytes(), _LEVEL),
        is_whole=masks is not None and masks.is_whole,
    )


def read_limbs(person: Mapping[str, Any], where: str, names: Sequence[str]) -> PersonSurface | None:
    """Read the dense annotation of a person, or, without one, what keypoints say; None without either.

    Args:
        person: An annotation in COCO's style.
        where: Its name in messages.
        names: Of its keypoints.

    Raises:
        DataError: It is not valid.
    """
    surface = read_surface(person, where)
    if surface is not None or person.get("iscrowd"):
        return surface
    found = list_limb_points(person, names)
    if found is None:
        return None
    points, parts = found
    return PersonSurface(points, parts, np.zeros_like(points), has_limbs_alone=True)


def rotate_surface(
    surface: PersonSurface, before_xyxy: FloatArray, after_xyxy: FloatArray, rotation: Rotation
) -> PersonSurface:
    """Rotate a dense annotation, whose charts and coordinates stay.

    Args:
        surface: The annotation.
        before_xyxy: (4,), the person's box.
        after_xyxy: (4,), that in the rotated image.
        rotation: The rotation of the image.
    """
    before, after = (_make_frame(np.asarray(box, np.float64)) for box in (before_xyxy, after_xyxy))
    turn = np.concatenate([rotation.matrix, [[0.0, 0.0, 1.0]]])
    # From fractions of the box to those of the box in the rotated image.
    matrix = np.linalg.inv(after) @ turn @ before
    points = surface.points_xy.astype(np.float64) @ matrix[:2, :2].T + MASK_SIDE * matrix[:2, 2]
    packed = surface.packed_mask
    if packed:
        matrix[:2, 2] *= MASK_SIDE - 1
        mask = cv2.warpAffine(surface.unpack_mask(), matrix[:2], _MASK_SHAPE, flags=cv2.INTER_NEAREST)
        packed = zlib.compress(mask.tobytes(), _LEVEL)
    return replace(surface, points_xy=points.astype(np.float32), packed_mask=packed)


def read_surface_samples(
    path: Path,
    image_folder: Path,
    *,
    min_box_score: float = 0.0,
    keeps_outlines: bool = False,
    limb_names: Sequence[str] = (),
) -> InstanceSamples:
    """Read the people of a COCO-style file with their dense annotations, without keypoints.

    Args:
        path: The annotations.
        image_folder: Folder that `file_name` is relative to.
        min_box_score: Boxes with lower scores are regions to ignore, like crowds.
        keeps_outlines: Whether to keep the outlines of people, which only rotated boxes need, and which are
            most of what would stay of the file.
        limb_names: Names of the keypoints that tell the limbs of people without dense annotations; none does
            without names.

    Raises:
        DataError: The file cannot be read, or is not valid.
    """
    read = partial(read_limbs, names=limb_names) if limb_names else read_surface
    samples = read_coco_instances(path, image_folder, limb_names, min_box_score=min_box_score, read_detail=read)
    if limb_names:
        samples = replace(samples, keypoints_xyw=np.zeros((len(samples), 0, 3), np.float32))
    return samples if keeps_outlines else replace(samples, outlines=(None,) * len(samples))


class SurfaceDataset(DetectionDataset):
    """Images with the boxes of their people, and the dense annotations of those who have them.

    Samples have what `models.detection.dataset.DetectionDataset` gives, and what
    `models.densepose.roi_heads.DenseRoIHeads` learns.

    Points and masks stay in the frame of the annotated box, also where the canvas or a window cuts it; what the
    cut takes away is left out. Without a table of coordinates, images of people with dense annotations are not
    mirrored.

    Args:
        samples: The images and their people, whose details are those of `read_surface`.
        canvas: The input size.
        augment: Random augmentation; None letterboxes or resizes alone, as inference does.
        symmetry: The coordinates of the mirrored body.
        has_parts: Whether coarse parts are told apart; masks of the whole person are then left out.
        seed: Of the augmentation.
    """

    def __init__(
        self,
        samples: InstanceSamples,
        *,
        canvas: Canvas,
        augment: DetectionAugment | None = None,
        symmetry: Symmetry | None = None,
        has_parts: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(samples, canvas=canvas, flip_index=(), augment=augment, seed=seed)
        self._symmetry = symmetry
        self._has_parts = has_parts
        if (
            augment is not None
            and augment.flip_fraction
            and symmetry is None
            and any(map(_has_coordinates, samples.details))
        ):
            _log.warning(
                "images of people with dense annotations are not mirrored: that needs the data set owner's "
                "UV_symmetry_transforms.mat; name it in the recipe as data.symmetry (made, for people on "
                "PoseTrack's own mesh)"
            )

    def may_flip(self, image_index: int) -> bool:
        """Whether an image with people in it may be mirrored."""
        details = self.samples.details[self.samples.find_rows(image_index)]
        return self._symmetry is not None or not any(map(_has_coordinates, details))

    def list_extent(self, position: int) -> npt.NDArray[np.floating]:
        """Points (P, 2) of the image about a person: an outline, painted parts, or the box."""
        surface = cast(PersonSurface | None, self.samples.details[position])
        if surface is None or not surface.packed_mask or self.samples.outlines[position]:
            return super().list_extent(position)
        points = list_mask_corners(surface.unpack_mask())
        if not len(points):
            return super().list_extent(position)
        box = self.samples.boxes_xyxy[position]
        return np.asarray(box[:2] + points * (box[2:] - box[:2]) / MASK_SIDE)

    def rotate_details(
        self, rows: slice, boxes_xyxy: FloatArray, rotation: Rotation
    ) -> Sequence[object | None]:
        """Rotate the dense annotations of the people of an image."""
        people = zip(self.samples.details[rows], self.samples.boxes_xyxy[rows], boxes_xyxy, strict=True)
        return [
            None if surface is None else rotate_surface(cast(PersonSurface, surface), before, after, rotation)
            for surface, before, after in people
        ]

    def place_details(
        self, boxes_xyxy: FloatArray, details: Sequence[object | None], placement: Placement, window: Window
    ) -> dict[str, Any]:
        """Place the dense annotations of some people of an image."""
        surfaces = [cast(PersonSurface | None, detail) for detail in details]
        has_dense = np.array([surface is not None for surface in surfaces], bool)
        boxes = place_boxes(boxes_xyxy[has_dense], placement)
        people = [
            self._place_surface(surface, box, window, is_flipped=placement.is_flipped)
            for surface, box in zip(filter(None, surfaces), boxes, strict=True)
        ]
        masks = [mask for *_, mask in people]
        painted = [mask[None] for mask in masks if mask is not None]
        return {
            "has_dense": has_dense,
            "dense_boxes": boxes,
            "dense_counts": np.array([len(charts) for _, charts, *_ in people], np.int64),
            "dense_points_xy": _join([points for points, *_ in people], (0, 2), np.float32),
            "dense_charts": _join([charts for _, charts, *_ in people], (0,), np.int64),
            "dense_coordinates_uv": _join([uv for *_, uv, _ in people], (0, 2), np.float32),
            "dense_has_limbs_alone": np.array(
                [surface.has_limbs_alone for surface in surfaces if surface], bool
            ),
            "has_dense_mask": np.array([mask is not None for mask in masks], bool),
            "dense_masks": _join(painted, (0, *_MASK_SHAPE), np.uint8),
        }

    def _place_surface(
        self, surface: PersonSurface, box: FloatArray, window: Window, *, is_flipped: bool
    ) -> tuple[FloatArray, Labels, FloatArray, Labels | None]:
        """Points, charts, coordinates and mask over the placed box (4,), without what the window cuts off."""
        points, charts, coordinates = surface.points_xy, surface.charts, surface.coordinates_uv
        mask = surface.unpack_mask() if surface.packed_mask and self._is_usable(surface) else None
        if is_flipped and surface.has_limbs_alone:
            points, charts = mirror_limbs(points, charts)
        elif is_flipped:
            assert self._symmetry is not None
            points, charts, coordinates = self._symmetry.mirror_points(points, charts, coordinates)
            mask = None if mask is None else mirror_mask(mask)
        low, high = ((np.array(window[i : i + 2], np.float32) - box[:2]) / (box[2:] - box[:2]) for i in (0, 2))
        places = points / MASK_SIDE
        is_seen = ((places >= low) & (places < high)).all(axis=1)
        if mask is not None:
            mask = mask * _find_seen_pixels(low, high)
        return points[is_seen], charts[is_seen], coordinates[is_seen], mask

    def _is_usable(self, surface: PersonSurface) -> bool:
        return not (surface.is_whole and self._has_parts)


def _has_coordinates(detail: object | None) -> bool:
    """Whether a detail has coordinates, whose mirrored ones must be known."""
    return detail is not None and not cast(PersonSurface, detail).has_limbs_alone


def _make_frame(box_xyxy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The affine map (3, 3) from fractions of a box to its image."""
    (x, y), (width, height) = box_xyxy[:2], box_xyxy[2:] - box_xyxy[:2]
    return np.array([[width, 0, x], [0, height, y], [0, 0, 1]])


def _find_seen_pixels(low: FloatArray, high: FloatArray) -> Labels:
    """The pixels of a mask within fractions of its box, (256, 256), 0 or 1.

    The first pixel's middle lies on one edge of the box and the last one's on the other; see
    `models.densepose.targets.resample_masks`. Pixels of which a part is seen count.
    """
    pixels = np.arange(MASK_SIDE)
    low, high = ((MASK_SIDE - 1) * side for side in (low, high))
    columns, rows = ((pixels >= low[i] - 0.5) & (pixels <= high[i] + 0.5) for i in (0, 1))
    return np.asarray(rows[:, None] & columns, np.uint8)


def _join(parts: Sequence[npt.NDArray[Any]], empty: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(empty, dtype)
