"""Regions of the image: polygons with corners in pixels or percent, from an option or a file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from posetrack.errors import PoseTrackError
from posetrack.polygons import (
    BoolArray,
    DoubleArray,
    compute_area,
    find_inside_or_on,
    has_crossing_edges,
)

MOST_CORNERS = 1000
"""Corners that a region may have."""

_LARGEST_FILE_BYTES = 1_000_000
_NUMBER = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)%?")
_SEPARATOR = re.compile(r"[,;\s]+")
_EXPECTED = "expected x1,y1,x2,y2 in pixels or percent, such as 100,0,540,272 or 25%,0,75%,100%"


@dataclass(frozen=True)
class ImageRegion:
    """A polygon in the image, shown upright: corners in pixels of its first size, or in percent.

    >>> from posetrack import ImageRegion
    >>> left = ImageRegion.read("0,0,50%,100%")
    >>> left.find_inside([[100, 50], [500, 50]], (640, 272)).tolist()
    [True, False]

    Attributes:
        corners: C corners (x, y) in order; each number is pixels, `320` or `"320"`, or percent, `"50%"`, and
            kept as text.
        name: What messages call it.

    Raises:
        PoseTrackError: There are fewer than 3 corners, a number is not 0 or more, or lines cross.
    """

    corners: tuple[tuple[str, str], ...]
    name: str = field(default="region", compare=False)

    def __post_init__(self) -> None:
        corners = [_read_point(list(corner), self.name, "expected corners (x, y)") for corner in self.corners]
        object.__setattr__(self, "corners", _open_ring(corners))
        for number in (number for corner in self.corners for number in corner):
            if not _NUMBER.fullmatch(number):
                _refuse(self.name, f"{number!r} is no number from 0 up, in pixels or percent")
            if number.endswith("%") and float(number[:-1]) > 100:
                _refuse(self.name, f"{number} is more than 100%")
        if not 3 <= len(set(self.corners)) <= MOST_CORNERS:
            _refuse(self.name, f"expected 3 to {MOST_CORNERS} corners, found {len(set(self.corners))}")
        if all(len({number.endswith("%") for number in axis}) == 1 for axis in zip(*self.corners, strict=True)):
            self._check_shape((100, 100))

    @classmethod
    def read(cls, text: str) -> ImageRegion:
        """Read a rectangle `x1,y1,x2,y2`; `read_regions` reads files as well.

        >>> print(ImageRegion.read("0,50%,100%,100%"))
        0,50% 100%,50% 100%,100% 0,100%
        """
        numbers = _SEPARATOR.split(text.strip())
        if len(numbers) != 4:
            _refuse(f"region {text}", _EXPECTED)
        return _make_rectangle(numbers, f"region {text}")

    def place(self, size_wh: tuple[int, int], first_size_wh: tuple[int, int] | None = None) -> DoubleArray:
        """The corners in pixels of an image, (C, 2).

        Args:
            size_wh: Width and height of the image.
            first_size_wh: Those of the first image, which pixels are meant of; None: the same.
        """
        size = np.asarray(size_wh, np.float64)
        ratio = size / np.asarray(first_size_wh or size_wh, np.float64)
        return np.array(
            [
                [
                    float(number[:-1]) / 100 * size[axis]
                    if number.endswith("%")
                    else float(number) * ratio[axis]
                    for axis, number in enumerate(corner)
                ]
                for corner in self.corners
            ]
        )

    def find_inside(
        self,
        points_xy: Any,
        size_wh: tuple[int, int],
        first_size_wh: tuple[int, int] | None = None,
    ) -> BoolArray:
        """Which points (N, 2) in pixels lie inside or on the border, (N,); sizes are as for `place`."""
        return find_inside_or_on(self.place(size_wh, first_size_wh), np.asarray(points_xy, np.float64))

    def check_size(self, size_wh: tuple[int, int]) -> None:
        """Check that the region is one in an image of this size.

        Raises:
            PoseTrackError: It lies outside the image, or its lines cross there.
        """
        self._check_shape(size_wh)
        if (self.place(size_wh).min(axis=0) >= size_wh).any():
            width, height = size_wh
            _refuse(self.name, f"lies outside the image, which is {width}x{height} when shown upright")

    def _check_shape(self, size_wh: tuple[int, int]) -> None:
        corners = self.place(size_wh)
        if has_crossing_edges(corners):
            _refuse(self.name, "its lines cross; give the corners in order along the border")
        if compute_area(corners) == 0:
            _refuse(self.name, "has no area; give corners that are not on one line")

    def __str__(self) -> str:
        return " ".join(f"{x},{y}" for x, y in self.corners)


def read_regions(text: str, option: str = "--roi") -> tuple[ImageRegion, ...]:
    """Read regions from a rectangle or a file.

    >>> from posetrack import read_regions
    >>> for region in read_regions("25%,0,75%,100%"):
    ...     print(region)
    25%,0 75%,0 75%,100% 25%,100%

    Args:
        text: A rectangle `x1,y1,x2,y2`, or a file of polygons: JSON, a list of points `[x, y]` or a list of
            such lists; or text or CSV with one point a line, `x,y` or `x y`, and an empty line between
            polygons. Numbers are pixels of the image shown upright, or percent (`"50%"`).
        option: What the user gave it with.

    Raises:
        PoseTrackError: It is no region.
    """
    path, where = Path(text), f"{option} {text}"
    numbers = _SEPARATOR.split(text.strip())
    if len(numbers) == 4 and all(_NUMBER.fullmatch(number) for number in numbers):
        return (_make_rectangle(numbers, where),)
    try:
        is_there = path.exists()
    except (OSError, ValueError):
        is_there = False
    if not is_there:
        _refuse(where, f"no such file, and no rectangle: {_EXPECTED}")
    content = _read_file(path, where)
    is_json = content.lstrip().startswith(("[", "{"))
    polygons = _read_json(content, where) if is_json else _read_text(content, where)
    if not polygons:
        _refuse(where, "has no points; expected one x,y a line, or a JSON list of [x, y]")
    names = [where] if len(polygons) == 1 else [f"{where}: polygon {i + 1}" for i in range(len(polygons))]
    return tuple(ImageRegion(tuple(polygon), name) for polygon, name in zip(polygons, names, strict=True))


def _read_file(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE_BYTES + 1)
        if len(content) > _LARGEST_FILE_BYTES:
            _refuse(where, "too large for a region; give a file of points x,y")
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise PoseTrackError(f"{where}: cannot be read ({reason}); give a file of points x,y") from error


def _make_rectangle(numbers: Sequence[str], name: str) -> ImageRegion:
    x1, y1, x2, y2 = numbers
    for first, second, axis in ((x1, x2, "x"), (y1, y2, "y")):
        is_same_unit = first.endswith("%") == second.endswith("%")
        both = _NUMBER.fullmatch(first) and _NUMBER.fullmatch(second)
        if both and is_same_unit and float(first.rstrip("%")) >= float(second.rstrip("%")):
            _refuse(name, f"{axis}1 must be less than {axis}2; {_EXPECTED}")
    return ImageRegion(((x1, y1), (x2, y1), (x2, y2), (x1, y2)), name)


def _read_json(content: str, where: str) -> list[list[tuple[str, str]]]:
    expected = "expected JSON, a list of points [x, y] or a list of such lists"
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PoseTrackError(f"{where}: {expected}; found {str(error).splitlines()[0]}") from error
    if not isinstance(value, list) or not all(isinstance(item, list) and item for item in value):
        _refuse(where, expected)
    polygons = value if value and isinstance(value[0][0], list) else [value] if value else []
    points = [[_read_point(point, where, expected) for point in polygon] for polygon in polygons]
    return [polygon for polygon in points if polygon]


def _read_point(point: Any, where: str, expected: str) -> tuple[str, str]:
    if not isinstance(point, list) or len(point) != 2:
        _refuse(where, expected)
    x, y = (_read_number(value, where) for value in point)
    return x, y


def _read_number(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(where, f"expected numbers, found {type(value).__name__}")
    text = f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return text if _NUMBER.fullmatch(text) else str(value)


def _read_text(content: str, where: str) -> list[list[tuple[str, str]]]:
    polygons: list[list[tuple[str, str]]] = [[]]
    for number, line in enumerate(content.splitlines(), 1):
        line = line.partition("#")[0].strip(" \t,;")
        if not line:
            polygons.append([])
            continue
        parts = _SEPARATOR.split(line)
        if number == 1 and [part.strip('"').lower() for part in parts] == ["x", "y"]:
            continue
        if len(parts) != 2 or not all(_NUMBER.fullmatch(part) for part in parts):
            _refuse(f"{where}: line {number}", f"expected x,y from 0 up, found {line[:40]!r}")
        polygons[-1].append((parts[0], parts[1]))
    return [polygon for polygon in polygons if polygon]


def _open_ring(corners: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Corners without repetitions, the first one at the end included."""
    kept = [corner for i, corner in enumerate(corners) if i == 0 or corner != corners[i - 1]]
    return tuple(kept[:-1] if len(kept) > 1 and kept[0] == kept[-1] else kept)


def _refuse(name: str, what: str) -> NoReturn:
    raise PoseTrackError(f"{name}: {what}")
