"""Tracked boxes of a sequence from files: MOTChallenge's text, or our own `poses.jsonl`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.annotations.video import DoubleArray
from posetrack.edits.read import read_edited
from posetrack.errors import ResultsError
from posetrack.frame import BoolArray, IntArray
from posetrack.json_fields import show
from posetrack.results.people import complete_boxes

COLUMNS = ("frame", "id", "left", "top", "width", "height", "confidence", "class", "visibility")
"""The columns of MOTChallenge's ground truth since MOT16; the first six are in every file."""

_FEWEST_COLUMNS, _MOST_COLUMNS = 6, 10
_COLUMNS_WITH_CLASS = (8, 9)
"""Files of ten columns are of another form, with a position in space from the eighth on (MOT15)."""

_PERSON = 1
_UNCLEAR_CLASSES = (2, 7, 8, 12)
"""On a vehicle, static, distractor, reflection: a result there is neither right nor wrong."""

_LARGEST_NUMBER = 1e9


@dataclass(frozen=True, eq=False)
class TrackedBoxes:
    """N boxes with their tracks, ordered by frame.

    Attributes:
        frames: (N,), from 1.
        track_ids: (N,), each once a frame.
        boxes_xyxy: (N, 4), pixels.
    """

    frames: IntArray
    track_ids: IntArray
    boxes_xyxy: DoubleArray

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: BoolArray) -> TrackedBoxes:
        """Select rows of every column."""
        return TrackedBoxes(self.frames[rows], self.track_ids[rows], self.boxes_xyxy[rows])


@dataclass(frozen=True, eq=False)
class TrueBoxes:
    """The ground truth of a sequence.

    Attributes:
        boxes: All N boxes, also those that do not count.
        is_counted: (N,) people that must be found. The others need not be.
        is_unclear: (N,) what looks like people: a result matched to it does not count as wrong either.
        is_ignored: (N,) regions in which no result counts as wrong.
    """

    boxes: TrackedBoxes
    is_counted: BoolArray
    is_unclear: BoolArray
    is_ignored: BoolArray


@dataclass(frozen=True)
class _Row:
    """A line of a file: its place for messages, and its numbers."""

    where: str
    numbers: tuple[float, ...]

    def take(self, column: int, default: float) -> float:
        """A number, or the default where the line has no such column."""
        return self.numbers[column] if column < len(self.numbers) else default


def read_true_boxes(path: Path) -> TrueBoxes:
    """Read a `gt.txt`: `frame,id,left,top,width,height[,flag[,class[,visibility]]]`.

    As MOT16 and MOT17 have it, people count if the flag is not 0 and the class is 1, and boxes of the classes
    that look like people are unclear. Files of 6 or 7 columns, and those of 10 of MOT15, have no classes:
    everything is a person.

    Differs from MOTChallenge's tool: boxes of class 1 whose flag is 0 are ignored regions. There, results in
    them are false positives.

    Args:
        path: The file.

    Raises:
        ResultsError: It cannot be read, has no people that count, or a line is not what it should be.
    """
    rows = list(_read_rows(path))
    flags = np.array([row.take(6, 1.0) for row in rows])
    classes = np.array(
        [row.take(7, _PERSON) if len(row.numbers) in _COLUMNS_WITH_CLASS else _PERSON for row in rows]
    )
    is_counted = (flags != 0) & (classes == _PERSON)
    is_unclear, is_ignored = np.isin(classes, _UNCLEAR_CLASSES), (flags == 0) & (classes == _PERSON)
    if not is_counted.any():
        raise ResultsError(
            f"{path}: no people to find; expected lines {','.join(COLUMNS)} with flag 1 and class {_PERSON}"
        )
    _check_ids([row for row, counts in zip(rows, is_counted, strict=True) if counts])
    boxes, order = _make_boxes(rows)
    return TrueBoxes(boxes, is_counted[order], is_unclear[order], is_ignored[order])


def read_tracked_boxes(path: Path, *, raw: bool = False) -> TrackedBoxes:
    """Read results: our `poses.jsonl`, or a text file in the columns of MOTChallenge.

    Args:
        path: A file that ends with `.jsonl`, or any other.
        raw: Leave out the edits that lie beside a `poses.jsonl`.

    Returns:
        The boxes; none if the file is empty.

    Raises:
        ResultsError: It cannot be read, or a line is not what it should be.
    """
    rows = list(_read_people(path, raw=raw) if path.suffix == ".jsonl" else _read_rows(path))
    _check_ids(rows)
    return _make_boxes(rows)[0]


def _read_people(path: Path, *, raw: bool) -> Iterator[_Row]:
    """The people of a `poses.jsonl` in the columns of MOTChallenge."""
    _, records = read_edited(path, raw=raw)
    for record in records:
        people = record.instances
        if len(people) == 0 or people.track_ids is None:
            continue
        boxes = complete_boxes(people).astype(float)
        boxes[:, 2:] -= boxes[:, :2]
        for track_id, box in zip(people.track_ids.tolist(), boxes.tolist(), strict=True):
            yield _Row(f"{path}: frame {record.frame}", (record.frame + 1, track_id, *box))


def _read_rows(path: Path) -> Iterator[_Row]:
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ResultsError(f"{path}: cannot be read: {reason}; check the path") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path}: not a text file at byte {error.start}; expected MOTChallenge's") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{path}: line {number}"
            yield _Row(where, _parse_line(line, where))


def _parse_line(line: str, where: str) -> tuple[float, ...]:
    parts = [part.strip() for part in line.split(",")] if "," in line else line.split()
    if not _FEWEST_COLUMNS <= len(parts) <= _MOST_COLUMNS:
        raise ResultsError(
            f"{where}: {len(parts)} columns; expected {_FEWEST_COLUMNS} to {_MOST_COLUMNS}: "
            f"{','.join(COLUMNS[:_FEWEST_COLUMNS])},..."
        )
    numbers = tuple(_parse_number(part, f"{where}: column {i + 1}") for i, part in enumerate(parts))
    frame, track_id, _, _, width, height = numbers[:_FEWEST_COLUMNS]
    _check(frame.is_integer() and frame >= 1, f"{where}: frame", "a whole number from 1 up", parts[0])
    _check(track_id.is_integer(), f"{where}: id", "a whole number", parts[1])
    _check(width >= 0, f"{where}: width", "pixels, not negative", parts[4])
    _check(height >= 0, f"{where}: height", "pixels, not negative", parts[5])
    return numbers


def _parse_number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    _check(abs(number) <= _LARGEST_NUMBER, where, f"a number, at most {_LARGEST_NUMBER:.0e}", text)
    return number


def _check(is_right: bool, where: str, expected: str, found: str) -> None:
    if not is_right:
        raise ResultsError(f"{where}: expected {expected}, found {show(found)}; correct the file")


def _check_ids(rows: list[_Row]) -> None:
    """Check that every box has a track, which has no other box in the frame."""
    seen: dict[tuple[float, float], _Row] = {}
    for row in rows:
        key = (row.numbers[0], row.numbers[1])
        if key[1] < 0:
            raise ResultsError(
                f"{row.where}: id {key[1]:.0f} is no track; track the people first (posetrack retrack)"
            )
        if key in seen:
            first = seen[key].where.rpartition(": ")[2]
            raise ResultsError(
                f"{row.where}: id {key[1]:.0f} is in frame {key[0]:.0f} already ({first}); keep one of the two"
            )
        seen[key] = row


def _make_boxes(rows: list[_Row]) -> tuple[TrackedBoxes, IntArray]:
    """The boxes in the order of their frames, and the rows that they are."""
    numbers = np.array([row.numbers[:_FEWEST_COLUMNS] for row in rows], np.float64).reshape(-1, _FEWEST_COLUMNS)
    order = np.argsort(numbers[:, 0], kind="stable")
    numbers = numbers[order]
    whole = numbers[:, :2].astype(np.int64)
    boxes = np.concatenate([numbers[:, 2:4], numbers[:, 2:4] + numbers[:, 4:6]], axis=1)
    return TrackedBoxes(whole[:, 0], whole[:, 1], boxes), order
