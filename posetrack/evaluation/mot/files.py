"""Tracked boxes of a sequence from files: MOTChallenge's text, or our own `poses.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.annotations.video import DoubleArray
from posetrack.edits.read import read_edited
from posetrack.errors import ResultsError
from posetrack.frame import BoolArray, IntArray
from posetrack.results.mot_rows import (
    COLUMNS,
    COLUMNS_WITH_CLASS,
    FEWEST_COLUMNS,
    PERSON_CLASS,
    MotRow,
    read_mot_rows,
)
from posetrack.results.people import complete_boxes

_UNCLEAR_CLASSES = (2, 7, 8, 12)
"""On a vehicle, static, distractor, reflection: a result there is neither right nor wrong."""


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
    rows = list(read_mot_rows(path))
    flags = np.array([row.take(6, 1.0) for row in rows])
    classes = np.array(
        [row.take(7, PERSON_CLASS) if len(row.numbers) in COLUMNS_WITH_CLASS else PERSON_CLASS for row in rows]
    )
    is_counted = (flags != 0) & (classes == PERSON_CLASS)
    is_unclear, is_ignored = np.isin(classes, _UNCLEAR_CLASSES), (flags == 0) & (classes == PERSON_CLASS)
    if not is_counted.any():
        raise ResultsError(
            f"{path}: no people to find; expected lines {','.join(COLUMNS)} with flag 1 and "
            f"class {PERSON_CLASS}"
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
    rows = list(_read_people(path, raw=raw) if path.suffix == ".jsonl" else read_mot_rows(path))
    _check_ids(rows)
    return _make_boxes(rows)[0]


def _read_people(path: Path, *, raw: bool) -> Iterator[MotRow]:
    """The people of a `poses.jsonl` in the columns of MOTChallenge."""
    _, records = read_edited(path, raw=raw)
    for record in records:
        people = record.instances
        if len(people) == 0 or people.track_ids is None:
            continue
        boxes = complete_boxes(people).astype(float)
        boxes[:, 2:] -= boxes[:, :2]
        for track_id, box in zip(people.track_ids.tolist(), boxes.tolist(), strict=True):
            yield MotRow(f"{path}: frame {record.frame}", (record.frame + 1, track_id, *box))


def _check_ids(rows: list[MotRow]) -> None:
    """Check that every box has a track, which has no other box in the frame."""
    seen: dict[tuple[float, float], MotRow] = {}
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


def _make_boxes(rows: list[MotRow]) -> tuple[TrackedBoxes, IntArray]:
    """The boxes in the order of their frames, and the rows that they are."""
    numbers = np.array([row.numbers[:FEWEST_COLUMNS] for row in rows], np.float64).reshape(-1, FEWEST_COLUMNS)
    order = np.argsort(numbers[:, 0], kind="stable")
    numbers = numbers[order]
    whole = numbers[:, :2].astype(np.int64)
    boxes = np.concatenate([numbers[:, 2:4], numbers[:, 2:4] + numbers[:, 4:6]], axis=1)
    return TrackedBoxes(whole[:, 0], whole[:, 1], boxes), order
