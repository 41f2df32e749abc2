"""The summary of one person: a value each for the whole time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from posetrack.low_pass import DoubleArray
from posetrack.measuring.person import Measure
from posetrack.measuring.tracks import MotionTrack

_OF_ANGLES: dict[str, Callable[[DoubleArray], Any]] = {
    "min": np.min,
    "max": np.max,
    "mean": np.mean,
    "range": np.ptp,
}


def summarize(measures: Mapping[str, Measure], track: MotionTrack) -> dict[str, float]:
    """Summarize the measures of one person.

    Symmetry is the index of Robinson, Herzog and Nigg (1987), 100 (left - right) / ((left + right) / 2)
    percent: of the ranges of an angle, and of median lengths, over the frames in which both sides are known.

    Args:
        measures: By column.
        track: The person.
    """
    summary: dict[str, float] = {
        "time_on_screen_s": float(np.sum(track.steps_s[track.seen])),
        "num_frames": float(track.seen.sum()),
        "num_frames_interpolated": float(track.interpolated.sum()),
    }
    for measure in measures.values():
        values = measure.values[np.isfinite(measure.values)]
        ending = measure.column.removeprefix(measure.name)
        if measure.kind == "path":
            summary[measure.column] = float(values[-1]) if len(values) else math.nan
        elif measure.name in ("body_speed", "floor_speed"):
            summary[f"{measure.name}_mean{ending}"] = _apply(np.mean, values)
            summary[f"{measure.name}_max{ending}"] = _apply(np.max, values)
        elif measure.kind == "angle":
            for name, reduce in _OF_ANGLES.items():
                summary[f"{measure.name}_{name}{ending}"] = _apply(reduce, values)
        elif measure.kind == "length":
            summary[f"{measure.name}_median{ending}"] = _apply(np.median, values)
    for measure in measures.values():
        if measure.kind in ("angle", "length") and measure.name.startswith("left_"):
            base = measure.name.removeprefix("left_")
            other = measures[f"right_{base}{measure.column.removeprefix(measure.name)}"]
            both = np.isfinite(measure.values) & np.isfinite(other.values)
            compare, what = (np.ptp, "range_") if measure.kind == "angle" else (np.median, "")
            left, right = (_apply(compare, each.values[both]) for each in (measure, other))
            middle = (left + right) / 2
            index = 100 * (left - right) / middle if middle > 0 else math.nan
            summary[f"{base}_{what}symmetry_percent"] = index
    return summary


def _apply(reduce: Callable[[DoubleArray], Any], values: DoubleArray) -> float:
    return float(reduce(values)) if len(values) else math.nan
