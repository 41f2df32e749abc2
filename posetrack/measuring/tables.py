"""Tables of measures as CSV: one row a person and frame, one row a value, and one row a person."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from posetrack.measuring.person import MeasuredPerson
from posetrack.measuring.settings import MeasureSettings
from posetrack.results.rounding import round_time

_DECIMALS = {"deg": 2, "deg/s": 1, "px": 2, "px/s": 1, "s": 6}
_OTHER_DECIMALS = 4
_LONG_COLUMNS = ("frame", "time_s", "track_id", "measure", "kind", "unit", "value", "filled")
_FACINGS = {1.0: "right", -1.0: "left", 0.0: ""}


class WideTable:
    """One row a person and frame; the columns are named with their units."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._has_head = False

    def write(self, person: MeasuredPerson) -> None:
        """Append the rows of a person."""
        if not self._has_head:
            head = ["frame", "time_s", "track_id", "seen", "facing", "keypoints_filled", "keypoints_unfiltered"]
            self._writer.writerow([*head, *person.measures])
            self._has_head = True
        columns = [
            _round(measure.values, _DECIMALS.get(measure.unit, _OTHER_DECIMALS))
            for measure in person.measures.values()
        ]
        filled, unfiltered = (each.sum(axis=1).tolist() for each in (person.filled, person.unfiltered))
        for i in np.flatnonzero(person.written).tolist():
            self._writer.writerow(
                [
                    int(person.frames[i]),
                    round_time(person.times_s[i]),
                    person.track_id,
                    int(person.seen[i]),
                    _FACINGS[float(person.facing[i])],
                    filled[i],
                    unfiltered[i],
                    *(column[i] for column in columns),
                ]
            )


class LongTable:
    """One row a value; gaps have none."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(_LONG_COLUMNS)

    def write(self, person: MeasuredPerson) -> None:
        """Append the rows of a person, measure by measure."""
        frames, times_s = person.frames.tolist(), [round_time(time_s) for time_s in person.times_s.tolist()]
        for measure in person.measures.values():
            values = _round(measure.values, _DECIMALS.get(measure.unit, _OTHER_DECIMALS))
            known = np.flatnonzero(np.isfinite(measure.values) & person.written).tolist()
            filled = measure.filled.astype(int).tolist()
            self._writer.writerows(
                (
                    frames[i],
                    times_s[i],
                    person.track_id,
                    measure.name,
                    measure.kind,
                    measure.unit,
                    values[i],
                    filled[i],
                )
                for i in known
            )


class SummaryTable:
    """One row a person."""

    def __init__(self, file: TextIO, settings: MeasureSettings) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._settings = settings
        self._has_head = False

    def write(self, person: MeasuredPerson) -> None:
        """Append the row of a person."""
        row = {
            "track_id": person.track_id,
            "first_frame": int(person.frames[0]),
            "last_frame": int(person.frames[-1]),
            "first_time_s": round_time(person.times_s[0]),
            "last_time_s": round_time(person.times_s[-1]),
            **{name: _round_one(value) for name, value in person.summary.items()},
            "body_point": person.body_point,
            "body_height_px": _round_one(person.body_height_px),
            f"{self._settings.unit}_per_px": _round_one(person.unit_per_px, 8),
            "keypoints_filled": int(person.filled.sum()),
            "keypoints_unfiltered": int(person.unfiltered.sum()),
            "cutoff_hz": "" if self._settings.cutoff_hz is None else self._settings.cutoff_hz,
            "filter_order": "" if self._settings.cutoff_hz is None else self._settings.order,
            "max_gap_s": self._settings.max_gap_s,
            "min_keypoint_score": self._settings.min_keypoint_score,
            "remarks": "; ".join([*person.warnings, *person.remarks]),
        }
        if not self._has_head:
            self._writer.writerow(row)
            self._has_head = True
        self._writer.writerow(row.values())


def _round(values: np.ndarray[Any, Any], decimals: int) -> list[float | str]:
    """Rounded values (T,), for `csv`: gaps are empty cells."""
    # Adding zero turns -0.0 into 0.0.
    return ["" if math.isnan(value) else value for value in (np.round(values, decimals) + 0.0).tolist()]


def _round_one(value: float | None, decimals: int = _OTHER_DECIMALS) -> float | int | str:
    if value is None or math.isnan(value):
        return ""
    return int(value) if value == int(value) else round(value, decimals)


@contextmanager
def open_table(path: Path) -> Iterator[TextIO]:
    """Open a file for a table, as UTF-8 and with line ends as they are written."""
    with path.open("w", encoding="utf-8", newline="") as file:
        yield file
