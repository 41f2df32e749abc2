"""Boxes in MOTChallenge's text files: detections, results or ground truth."""

from __future__ import annotations

import configparser
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from posetrack.errors import ResultsError
from posetrack.foreign.base import ForeignFrame, ForeignOptions, ForeignPoses, separate_ids
from posetrack.frame import UNTRACKED, Instances, from_xywh
from posetrack.results.mot_rows import COLUMNS_WITH_CLASS, PERSON_CLASS, MotRow, read_mot_rows
from posetrack.skeleton import COCO_17

_SCORE, _CLASS = 6, 7


def read_mot(path: Path, options: ForeignOptions) -> ForeignPoses:
    """Read a text file of boxes.

    An id of -1 is none, a confidence of -1 is 1, and others are cut to 0 to 1. Of files with classes, the
    people that count are taken. A `seqinfo.ini` beside the file or its folder tells the size and the rate.

    Raises:
        ResultsError: It cannot be read, or a line is not what it should be.
    """
    rows: dict[int, list[MotRow]] = {}
    for row in read_mot_rows(path):
        is_classed = len(row.numbers) in COLUMNS_WITH_CLASS
        if not is_classed or (row.take(_CLASS, PERSON_CLASS) == PERSON_CLASS and row.take(_SCORE, 1) != 0):
            rows.setdefault(int(row.numbers[0]), []).append(row)
    if not rows:
        raise ResultsError(
            f"{path}: no boxes of people in it; expected lines frame,id,left,top,width,height,..."
        )
    frames = [ForeignFrame("", number, partial(_make_people, rows[number])) for number in sorted(rows)]
    size_wh, fps = _read_sequence(path)
    return ForeignPoses("mot", options.skeleton or COCO_17, frames, 1, fps, size_wh)


def _make_people(rows: list[MotRow]) -> Instances:
    numbers = np.array([row.numbers[:6] for row in rows], np.float32)
    scores = np.array([row.take(_SCORE, 1.0) for row in rows])
    ids = np.array([row.numbers[1] for row in rows]).astype(np.int64)
    return separate_ids(
        Instances(
            boxes_xyxy=from_xywh(numbers[:, 2:6]),
            box_scores=np.clip(np.where(scores == -1, 1, scores), 0, 1),
            track_ids=np.where(ids < 0, UNTRACKED, ids),
        )
    )


def _read_sequence(path: Path) -> tuple[tuple[int, int] | None, Fraction | None]:
    """The size of the images and the frames per second in the `seqinfo.ini` of MOTChallenge's folders."""
    for folder in (path.parent, path.resolve().parent.parent):
        file = folder / "seqinfo.ini"
        parser = configparser.ConfigParser(interpolation=None)
        try:
            if file.is_file() and parser.read(file, "utf-8-sig"):
                section = parser["Sequence"]
                size_wh = int(section["imWidth"]), int(section["imHeight"])
                return size_wh, Fraction(section["frameRate"])
        except (configparser.Error, KeyError, ValueError, ZeroDivisionError) as error:
            raise ResultsError(
                f"{file}: not a seqinfo.ini: {error}; correct it, or take it away and give --size and --fps"
            ) from error
    return None, None
