"""The measuring of one person: from keypoints over time to measures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from posetrack.frame import BoolArray
from posetrack.low_pass import DoubleArray
from posetrack.measuring.angles import Points, compute_angle, find_facing
from posetrack.measuring.definitions import MIDDLE, POINTS, SIDES, find_points, list_angles, list_segments
from posetrack.measuring.person import Measure, MeasuredPerson
from posetrack.measuring.remarks import find_remarks
from posetrack.measuring.scale import (
    BodyHeight,
    choose_unit_per_px,
    estimate_size,
    measure_distance,
    measure_height,
)
from posetrack.measuring.settings import MeasureSettings
from posetrack.measuring.signals import Cleaned, accumulate_path, clean, differentiate, filter_runs
from posetrack.measuring.summary import summarize
from posetrack.measuring.tracks import MotionTrack
from posetrack.skeleton import Skeleton

_FULL_TURN_DEG = 360.0


def measure_person(
    track: MotionTrack, skeleton: Skeleton, settings: MeasureSettings, m_per_px: float | None = None
) -> MeasuredPerson:
    """Measure one person.

    Args:
        track: The person.
        skeleton: Of the keypoints.
        settings: The settings.
        m_per_px: Metres a pixel by the people whose heights are given; None for none.
    """
    cleaned = clean_track(track, settings)
    points = make_points(cleaned.xy, skeleton)
    height = measure_height(points)
    facing = _find_facing(points, track, height, settings)
    unit_per_px = choose_unit_per_px(track.track_id, height, settings, m_per_px)
    filled = cleaned.filled | (track.interpolated[:, None] & np.isfinite(cleaned.xy[:, :, 0]))
    body_point = _choose_body_point(points)
    work = _Work(
        track.times_s,
        points,
        _spread(filled, skeleton),
        settings,
        math.nan if unit_per_px is None else unit_per_px,
    )
    on_screen_s = np.cumsum(np.where(track.seen, track.steps_s, 0.0))
    measures = [
        *work.measure_angles(facing),
        *work.measure_segments(),
        *work.measure_speeds(skeleton, body_point),
        *(() if settings.floor is None else work.measure_floor()),
        Measure("time_on_screen", "time", "s", on_screen_s, np.zeros(len(on_screen_s), bool)),
    ]
    by_column = {measure.column: measure for measure in measures}
    is_off_floor = settings.floor is not None and not np.isfinite(by_column["floor_x_m"].values).any()
    return MeasuredPerson(
        track.track_id,
        track.frames,
        track.times_s,
        track.seen,
        facing,
        cleaned.xy,
        filled,
        cleaned.unfiltered,
        by_column,
        summarize(by_column, track),
        height.px,
        unit_per_px,
        body_point,
        *find_remarks(track, cleaned, height, facing, unit_per_px, settings, is_off_floor=is_off_floor),
    )


def clean_track(track: MotionTrack, settings: MeasureSettings) -> Cleaned:
    """Leave out keypoints of low scores, fill gaps, filter."""
    is_low = track.scores < settings.min_keypoint_score
    xy = np.where((is_low | ~track.seen[:, None])[:, :, None], np.nan, track.xy)
    return clean(track.times_s, xy, max_gap_s=settings.max_gap_s, low_pass=settings.low_pass)


def make_points(xy: DoubleArray, skeleton: Skeleton) -> Points:
    """All points of a skeleton (T, 2), by name, from its keypoints (T, K, 2)."""
    return {name: xy[:, list(ends)].mean(axis=1) for name, ends in find_points(skeleton).items()}


def _spread(filled: BoolArray, skeleton: Skeleton) -> dict[str, BoolArray]:
    """Where each point is made of a keypoint (T, K) that was filled, (T,)."""
    return {name: np.any(filled[:, list(ends)], axis=1) for name, ends in find_points(skeleton).items()}


def _find_facing(
    points: Points, track: MotionTrack, height: BodyHeight, settings: MeasureSettings
) -> DoubleArray:
    if settings.facing == "auto":
        return find_facing(points, track.times_s, estimate_size(points, height))
    return np.full(len(track.times_s), 1.0 if settings.facing == "right" else -1.0)


def _choose_body_point(points: Points) -> str:
    """The middle of the hips, unless they are seen in less than half of the frames that the shoulders are.

    Of a skeleton without one of them the other, and without both the middle of all keypoints.
    """
    counts = {name: int(np.isfinite(points[name][:, 0]).sum()) for name in POINTS if name in points}
    if len(counts) < len(POINTS):
        return next(iter(counts), MIDDLE)
    return "mid_hip" if 2 * counts["mid_hip"] >= counts["mid_shoulder"] else "mid_shoulder"


@dataclass(frozen=True, eq=False)
class _Work:
    """The points of one person, from which measures are made."""

    times_s: DoubleArray
    points: Points
    filled: Mapping[str, BoolArray]
    settings: MeasureSettings
    unit_per_px: float

    def measure_angles(self, facing: DoubleArray) -> list[Measure]:
        angles: dict[str, Measure] = {}
        for definition in list_angles(self.points):
            values = compute_angle(definition, self.points, facing)
            angles[definition.name] = self._make(definition.name, "angle", "deg", values, definition.points)
        velocities = [
            Measure(
                f"{name}_velocity",
                "angular velocity",
                "deg/s",
                differentiate(self.times_s, angle.values, period=_FULL_TURN_DEG),
                angle.filled,
            )
            for name, angle in angles.items()
        ]
        differences = [
            Measure(
                f"{name.removeprefix('left_')}_left_minus_right",
                "symmetry",
                "deg",
                angle.values - other.values,
                angle.filled | other.filled,
            )
            for name, angle in angles.items()
            if (other := angles.get(f"right_{name.removeprefix('left_')}")) is not None
            and name.startswith("left_")
        ]
        return [*angles.values(), *velocities, *differences]

    def measure_segments(self) -> list[Measure]:
        return [
            self._make(
                segment.name,
                "length",
                self._unit,
                measure_distance(self.points[segment.start], self.points[segment.end]) * self.unit_per_px,
                (segment.start, segment.end),
            )
            for segment in list_segments(self.points)
        ]

    def measure_speeds(self, skeleton: Skeleton, body_point: str) -> list[Measure]:
        unit = f"{self._unit}/s"
        speeds = [
            self._make(f"{name}_speed", "speed", unit, self._measure_speed(self.points[point]), (point,))
            for name, point in (("body", body_point), *((name, name) for name in skeleton.names))
        ]
        path = accumulate_path(self.times_s, self.points[body_point]) * self.unit_per_px
        return [*speeds, self._make("body_path", "path", self._unit, path, (body_point,))]

    def measure_floor(self) -> list[Measure]:
        """Places of the feet, where their ankles are seen, and of the body, between them.

        A foot that is lifted seems farther away: steps are filtered out of the place of the body.
        """
        floor = self.settings.floor
        names = [f"{side}_ankle" for side in SIDES]
        if floor is None or not all(name in self.points for name in names):
            return []
        feet = {side: floor.to_metres(self.points[f"{side}_ankle"]) for side in SIDES}
        places: dict[str, tuple[DoubleArray, tuple[str, ...]]] = {
            f"{side}_foot_floor": (xy, (f"{side}_ankle",)) for side, xy in feet.items()
        }
        body = (feet["left"] + feet["right"]) / 2
        if self.settings.floor_low_pass is not None:
            body, _ = filter_runs(self.times_s, body, self.settings.floor_low_pass)
        places["floor"] = (body, tuple(names))
        measures = [
            self._make(f"{name}_{axis}", "floor", "m", xy[:, i], points)
            for name, (xy, points) in places.items()
            for i, axis in enumerate("xy")
        ]
        speed = np.hypot(*differentiate(self.times_s, body).T)
        path = accumulate_path(self.times_s, body)
        return [
            *measures,
            self._make("floor_speed", "speed", "m/s", speed, tuple(names)),
            self._make("floor_path", "path", "m", path, tuple(names)),
        ]

    @property
    def _unit(self) -> str:
        return str(self.settings.unit)

    def _measure_speed(self, xy: DoubleArray) -> DoubleArray:
        return np.asarray(np.hypot(*differentiate(self.times_s, xy).T) * self.unit_per_px)

    def _make(self, name: str, kind: str, unit: str, values: DoubleArray, points: tuple[str, ...]) -> Measure:
        filled = np.any([self.filled[point] for point in points], axis=0) & np.isfinite(values)
        return Measure(name, kind, unit, values, filled)
