"""Saved poses as tables of pandas.

`make_long_table`, one row a person, frame and keypoint:
    frame     index of the frame in the source, from 0
    time      seconds from the source's first frame
    track_id  -1 for someone who is not tracked
    keypoint  its name, categorical in the skeleton's order
    x, y      continuous pixels of the upright image, smoothed where a run smoothed
    score     of the keypoint, 0 to 1
Frames with nobody and people without poses have no rows.

`make_wide_table`, one row a person and frame, the columns of the format `csv`:
    frame, time, track_id    as above
    x1, y1, x2, y2, score    the box, left, top, right, bottom, and its score
    <keypoint>_x, _y, _score for each keypoint; NaN where none was estimated
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from models.extras import MissingPackageError
from posetrack.frame import Frame
from posetrack.results.people import KEEP_ALL, ExportedPeople, select_people
from posetrack.results.rounding import round_time
from posetrack.skeleton import Skeleton

if TYPE_CHECKING:
    from pandas import DataFrame


class _Columns:
    """Columns that grow by arrays."""

    def __init__(self, kinds: dict[str, type]) -> None:
        self._parts: dict[str, list[Any]] = {name: [np.zeros(0, kind)] for name, kind in kinds.items()}

    def add(self, **columns: Any) -> None:
        for name, values in columns.items():
            self._parts[name].append(values)

    def join(self) -> dict[str, Any]:
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}


_FRAME_COLUMNS: dict[str, type] = {"frame": np.int64, "time": np.float64, "track_id": np.int64}


def make_long_table(frames: Iterable[Frame], skeleton: Skeleton) -> DataFrame:
    """One row a person, frame and keypoint; see the docstring of this module.

    Raises:
        MissingPackageError: pandas is not installed.
        ResultsError: The poses cannot be read.
    """
    pandas = _import_pandas()
    columns = _Columns({**_FRAME_COLUMNS, "keypoint": np.int16, "x": float, "y": float, "score": float})
    names = skeleton.names
    for time_s, frame, people in _list_people(frames, skeleton):
        rows, keypoints = np.nonzero(people.present)
        x, y = people.keypoints_xy[rows, keypoints].T
        columns.add(
            frame=np.full(len(rows), frame.index),
            time=np.full(len(rows), time_s),
            track_id=people.track_ids[rows],
            keypoint=keypoints.astype(np.int16),
            x=x,
            y=y,
            score=people.keypoint_scores[rows, keypoints],
        )
    joined = columns.join()
    joined["keypoint"] = pandas.Categorical.from_codes(joined["keypoint"], categories=list(names))
    return pandas.DataFrame(joined)


def make_wide_table(frames: Iterable[Frame], skeleton: Skeleton) -> DataFrame:
    """One row a person and frame; see the docstring of this module.

    Raises:
        MissingPackageError: pandas is not installed.
        ResultsError: The poses cannot be read.
    """
    pandas = _import_pandas()
    box_columns = ("x1", "y1", "x2", "y2", "score")
    numbers = [f"{name}_{part}" for name in skeleton.names for part in ("x", "y", "score")]
    columns = _Columns({**_FRAME_COLUMNS, **dict.fromkeys([*box_columns, *numbers], float)})
    for time_s, frame, people in _list_people(frames, skeleton):
        N = len(people)
        keypoints = np.dstack([people.keypoints_xy, people.keypoint_scores])
        keypoints = np.where(people.present[..., None], keypoints, np.nan).reshape(N, -1)
        boxes = np.column_stack([people.boxes_xyxy, people.box_scores])
        columns.add(
            frame=np.full(N, frame.index),
            time=np.full(N, time_s),
            track_id=people.track_ids,
            **dict(zip(box_columns, boxes.T, strict=True)),
            **dict(zip(numbers, keypoints.T, strict=True)),
        )
    return pandas.DataFrame(columns.join())


def _list_people(frames: Iterable[Frame], skeleton: Skeleton) -> Iterable[tuple[float, Frame, ExportedPeople]]:
    for frame in frames:
        if len(frame.instances):
            people = select_people(frame.instances, skeleton, KEEP_ALL)
            yield round_time(frame.time_s), frame, people


def _import_pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingPackageError("to_dataframe", "pandas", "pandas") from error
    return pandas
