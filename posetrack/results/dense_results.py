"""Found people with dense poses as files of results list them: one record for all forms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED
from posetrack.json_fields import expect_id, make_error
from posetrack.results.dense_boxes import BoxXYWH, truncate_box
from posetrack.results.dense_png import check_charts, decode_png, encode_png

Bytes = npt.NDArray[np.uint8]

MOST_PIXELS = 2**26
"""Larger dense poses are refused."""


@dataclass(frozen=True)
class DenseResult:
    """A found person with a dense pose.

    Attributes:
        image_id: Number of its image; of a frame of a video, its position.
        score: Its score.
        box: Its box.
        content: (3, h, w) uint8, chart, 255 u and 255 v over the truncated box; or a PNG of them; or what reads
            that.
        where: Name in messages.
        track_id: Its id.
    """

    image_id: int
    score: float
    box: BoxXYWH
    content: bytes | Bytes | Callable[[], bytes]
    where: str
    track_id: int = UNTRACKED

    def decode(self) -> Bytes:
        """Decode the dense pose.

        Returns:
            (3, h, w) uint8: chart, 255 u and 255 v.

        Raises:
            ResultsError: The PNG is damaged, or there are charts above 24.
        """
        content = self.content
        if isinstance(content, np.ndarray):
            check_charts(content[0], self.where)
            return content
        png = content if isinstance(content, bytes) else content()
        return decode_png(png, self.where).transpose(2, 0, 1)

    def encode(self) -> bytes:
        """The dense pose as a PNG, checked.

        Raises:
            ResultsError: As of `decode`.
        """
        content = self.content
        if isinstance(content, np.ndarray):
            return encode_png(self.decode().transpose(1, 2, 0))
        png = content if isinstance(content, bytes) else content()
        decode_png(png, self.where)
        return png


def keep_people(
    found: Iterable[tuple[int | None, DenseResult]], people_id: int | None, path: Path
) -> list[DenseResult]:
    """Leave out results of other categories, as COCO's evaluation does; those without one are people.

    Args:
        found: The category and the result.
        people_id: Number of the people's category; None where all are people.
        path: The file, for messages.

    Raises:
        ResultsError: That leaves none.
    """
    kept, num_others = [], 0
    for category_id, result in found:
        if None in (category_id, people_id) or category_id == people_id:
            kept.append(result)
        else:
            num_others += 1
    if num_others and not kept:
        raise ResultsError(f"{path}: no result has the category_id of people, {people_id}; correct them")
    return kept


def check_shape(shape: Sequence[float], box: BoxXYWH, where: str) -> None:
    """Check that a dense pose is of the size of its box.

    Args:
        shape: 3, height and width.
        box: The box.
        where: Name in messages.

    Raises:
        ResultsError: It is not.
    """
    pixels = truncate_box(box)
    if tuple(shape) != (3, pixels.h, pixels.w):
        found = ", ".join(f"{side:g}" for side in shape)
        raise ResultsError(
            f"{where}: expected [3, {pixels.h}, {pixels.w}], the sides of bbox without their fractions, found "
            f"[{found}]; correct it"
        )
    if pixels.h * pixels.w > MOST_PIXELS:
        raise make_error(where, f"at most {MOST_PIXELS} pixels", pixels.h * pixels.w)


def read_category(value: Any, where: str) -> int | None:
    """Take the category of the result `where`, or nothing for a person, or raise ResultsError."""
    return None if value is None else expect_id(value, f"{where}.category_id")


def read_track_id(value: Any, where: str) -> int:
    """Take a track id, or nothing for a person who is not tracked, or raise ResultsError."""
    number = UNTRACKED if value is None else expect_id(value, where)
    if number < UNTRACKED:
        raise make_error(where, f"a whole number from {UNTRACKED}", value)
    return number
