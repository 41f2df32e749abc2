"""A person's surface in COCO-style annotations: the fields `dp_*`, for training and evaluation alike.

`dp_x` and `dp_y` are points in the frame of the person's box, 0..255 across it; `dp_I` their charts, `dp_U` and
`dp_V` their coordinates; `dp_masks` run lengths of 256 x 256 pixels over the box. Source: Güler et al.,
"DensePose: Dense Human Pose Estimation in the Wild", CVPR 2018, and its data set.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data.run_lengths import decode_checked
from models.densepose.parts import NUM_CHARTS, NUM_MASKS
from models.training.errors import DataError

MASK_SIDE = 256
"""Width and height of a person's box in annotated points and masks."""

_FIELDS = ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V")
_CSE_FIELDS = ("dp_vertex", "ref_model")
_FURTHEST = 2.0**20


@dataclass(frozen=True)
class SurfacePoints:
    """The annotated points of one person, P of them; arrays are read-only.

    Attributes:
        points_xy: (P, 2) float64, 0..255 across the person's box, of which the width is 255 in evaluation and
            256 in training, as the public code has it.
        charts: (P,) int64, 1..24; 0 is a point on the background.
        coordinates_uv: (P, 2) float64, in 0..1.
    """

    points_xy: npt.NDArray[np.float64]
    charts: npt.NDArray[np.int64]
    coordinates_uv: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.charts)


@dataclass(frozen=True)
class SurfaceMasks:
    """The painted parts of one person, still as run lengths: decoded they are 64 kB.

    Attributes:
        parts: Pairs of the part's number, 1..14, and its run lengths; 1 for a whole person.
        is_whole: Whether the only mask is that of the whole person.
        where: Name of the field in messages.
    """

    parts: tuple[tuple[int, Any], ...]
    is_whole: bool
    where: str

    def decode_parts(self) -> npt.NDArray[np.uint8]:
        """Decode the parts; later ones lie on earlier ones.

        Returns:
            (256, 256), 1..14, 0 background; of a whole person 1.

        Raises:
            DataError: The run lengths are damaged, or not of 256 x 256.
        """
        # Run lengths go down the columns; of parts in their order the later one is the larger one.
        labels = np.zeros((MASK_SIDE, MASK_SIDE), np.uint8, order="F")
        for part, lengths in self.parts:
            where = self.where if self.is_whole else f"{self.where}[{part - 1}]"
            np.maximum(labels, decode_checked(lengths, labels.shape, where) * np.uint8(part), out=labels)
        return labels


def read_surface_points(entry: Mapping[str, Any], where: str) -> SurfacePoints | None:
    """Read the annotated points of a person.

    Args:
        entry: The annotation, of any origin.
        where: Name of the annotation in messages: `people.json: annotations[3]`.

    Returns:
        The points; None for a person without any of the fields.

    Raises:
        DataError: Fields are missing, are not lists of numbers of one length, or are out of range; or the
            annotation is one of vertices (CSE).
    """
    missing = [name for name in _FIELDS if entry.get(name) is None]
    is_of_vertices = any(entry.get(name) is not None for name in _CSE_FIELDS)
    if is_of_vertices and not {"dp_I", "dp_U", "dp_V"}.isdisjoint(missing):
        raise DataError(
            f"{where}: an annotation of vertices (CSE) without charts; take the one with dp_I, dp_U and dp_V"
        )
    if len(missing) == len(_FIELDS):
        return None
    if missing:
        raise DataError(f"{where}: no {missing[0]}; give all of {', '.join(_FIELDS)}, or none")
    columns = {name: _read_numbers(entry[name], f"{where}.{name}") for name in _FIELDS}
    for name in _FIELDS[1:]:
        if len(columns[name]) != len(columns["dp_x"]):
            raise DataError(
                f"{where}.{name}: {len(columns[name])} numbers, but dp_x has {len(columns['dp_x'])}; "
                "give one for each point"
            )
    charts = columns["dp_I"]
    _refuse(
        (charts != charts.round()) | (charts < 0) | (charts > NUM_CHARTS),
        charts,
        f"{where}.dp_I",
        "a chart 0..24",
    )
    for name in ("dp_U", "dp_V"):
        _refuse((columns[name] < 0) | (columns[name] > 1), columns[name], f"{where}.{name}", "0..1")
    for name in ("dp_x", "dp_y"):
        _refuse(np.abs(columns[name]) > _FURTHEST, columns[name], f"{where}.{name}", "0..255")
    return SurfacePoints(
        points_xy=np.stack([columns["dp_x"], columns["dp_y"]], axis=1),
        charts=charts.astype(np.int64),
        coordinates_uv=np.stack([columns["dp_U"], columns["dp_V"]], axis=1),
    )


def read_surface_masks(entry: Mapping[str, Any], where: str) -> SurfaceMasks | None:
    """Find the painted parts of a person; what is in them is checked when they are decoded.

    Args:
        entry: The annotation, of any origin.
        where: Name of the annotation in messages.

    Returns:
        The masks; None where nobody painted them.

    Raises:
        DataError: `dp_masks` is neither a list of 14 nor one mask.
    """
    masks, at = entry.get("dp_masks"), f"{where}.dp_masks"
    if masks is None:
        return None
    if isinstance(masks, Mapping):
        return SurfaceMasks(((1, masks),) if masks else (), is_whole=True, where=at)
    if not isinstance(masks, list | tuple) or len(masks) not in (0, NUM_MASKS):
        found = f"{len(masks)} entries" if isinstance(masks, list) else reprlib.repr(masks)
        raise DataError(
            f"{at}: expected {NUM_MASKS} masks, or one of the whole person, found {found}; correct it"
        )
    return SurfaceMasks(
        tuple((part, mask) for part, mask in enumerate(masks, 1) if mask), is_whole=False, where=at
    )


def _read_numbers(value: Any, where: str) -> npt.NDArray[np.float64]:
    # Of types first: numpy would read "1.5" and true as numbers.
    is_list = isinstance(value, list | tuple) and {int, float}.issuperset(map(type, value))
    try:
        numbers = np.array(value, np.float64) if is_list else None
    except OverflowError:
        numbers = None
    if numbers is None or not np.isfinite(numbers).all():
        raise DataError(f"{where}: expected a list of finite numbers, found {reprlib.repr(value)}; correct it")
    return numbers


def _refuse(
    is_wrong: npt.NDArray[np.bool_], values: npt.NDArray[np.float64], where: str, expected: str
) -> None:
    if is_wrong.any():
        i = int(is_wrong.argmax())
        raise DataError(f"{where}[{i}]: expected {expected}, found {values[i]:g}; correct it")
