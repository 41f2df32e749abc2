"""MeasuredPerson: everything that is measured of one person over time, and over all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from posetrack.frame import BoolArray, IntArray
from posetrack.low_pass import DoubleArray

UNIT_ENDINGS = {
    "deg": "deg",
    "deg/s": "deg_per_s",
    "px": "px",
    "px/s": "px_per_s",
    "heights": "heights",
    "heights/s": "heights_per_s",
    "m": "m",
    "m/s": "m_per_s",
    "s": "s",
}
"""What the names of columns end with, by unit."""


@dataclass(frozen=True, eq=False)
class Measure:
    """One value over time.

    Attributes:
        name: Its name, without the unit.
        kind: What it is: `angle`, `angular velocity`, `symmetry`, `length`, `speed`, `path`, `floor` or `time`.
        unit: Its unit, a key of `UNIT_ENDINGS`.
        values: (T,); NaN in gaps.
        filled: (T,) whether a gap was filled in a keypoint that it is made of.
    """

    name: str
    kind: str
    unit: str
    values: DoubleArray
    filled: BoolArray

    @property
    def column(self) -> str:
        """Its name with the unit, as in the head of a table."""
        return f"{self.name}_{UNIT_ENDINGS[self.unit]}"


@dataclass(frozen=True, eq=False)
class MeasuredPerson:
    """What is measured of one person; `person["left_knee_flexion_deg"]` gives a measure by its column.

    Attributes:
        track_id: Of the person.
        frames: (T,) indices of the frames, from the first with the person to the last.
        times_s: (T,) their times.
        seen: (T,) whether the person is there.
        facing: (T,) 1 where the person faces the right of the image, -1 the left, 0 where that is not known.
        keypoints_xy: (T, K, 2) pixels, after gap filling and filtering; NaN in gaps.
        filled: (T, K) where a gap was filled, or the person was interpolated in the poses.
        unfiltered: (T, K) where a keypoint could not be filtered.
        measures: What is measured, by column.
        summary: One value each for the whole time, by the name in the table; NaN where it is not known.
        body_height_px: Height of the standing body in the image; None where it is not known.
        unit_per_px: What a pixel is in the unit of lengths; None where it is not known.
        body_point: The point whose speed and path are the body's: `mid_hip`, `mid_shoulder`, or
            `mid_keypoints` of keypoints with neither.
        warnings: What is missing or otherwise throughout, a line each.
        remarks: What is missing or otherwise in some frames, a line each.
    """

    track_id: int
    frames: IntArray
    times_s: DoubleArray
    seen: BoolArray
    facing: DoubleArray
    keypoints_xy: DoubleArray
    filled: BoolArray
    unfiltered: BoolArray
    measures: Mapping[str, Measure]
    summary: Mapping[str, float]
    body_height_px: float | None
    unit_per_px: float | None
    body_point: str
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __getitem__(self, column: str) -> DoubleArray:
        """The values (T,) of a measure by its column, such as `left_knee_flexion_deg`."""
        return self.measures[column].values

    def __repr__(self) -> str:
        seconds = self.summary["time_on_screen_s"]
        return f"MeasuredPerson(id {self.track_id}: {seconds:.2f} s, {len(self.measures)} measures)"

    @property
    def written(self) -> BoolArray:
        """(T,) the frames that tables have a row for: the person is there, or a gap is filled."""
        return np.asarray(self.seen | self.filled.any(axis=1))

    def list_kind(self, kind: str) -> Iterator[Measure]:
        """The measures of one kind."""
        return (measure for measure in self.measures.values() if measure.kind == kind)
