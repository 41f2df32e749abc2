"""Clean signals of one person: gaps filled, filtered without lag, and differentiated, all at the true times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.frame import BoolArray
from posetrack.low_pass import MOST_STEPS, DoubleArray, LowPass, split_runs

_ROUNDED_S = 1e-5
"""Times are saved with six decimals."""


@dataclass(frozen=True, eq=False)
class Cleaned:
    """Keypoints of one person after gap filling and filtering.

    Attributes:
        xy: (T, K, 2) pixels; NaN in gaps.
        filled: (T, K) where a gap was filled.
        unfiltered: (T, K) where there is a point that could not be filtered.
    """

    xy: DoubleArray
    filled: BoolArray
    unfiltered: BoolArray


def clean(times_s: DoubleArray, xy: DoubleArray, *, max_gap_s: float, low_pass: LowPass | None) -> Cleaned:
    """Fill short gaps of each keypoint, then filter each run without gaps.

    Args:
        times_s: (T,), rising.
        xy: (T, K, 2) pixels; NaN where a keypoint was not seen.
        max_gap_s: Longest time between two sightings of a keypoint that is filled, on a straight line.
        low_pass: The filter; None for none. Runs that are too short for it stay as they are.
    """
    cleaned = xy.astype(np.float64)
    filled = np.zeros(xy.shape[:2], bool)
    unfiltered = np.zeros(xy.shape[:2], bool)
    for k in range(xy.shape[1]):
        filled[:, k] = _fill(times_s, cleaned[:, k], max_gap_s)
        if low_pass is not None:
            cleaned[:, k], unfiltered[:, k] = filter_runs(times_s, cleaned[:, k], low_pass)
    return Cleaned(cleaned, filled, unfiltered)


def filter_runs(times_s: DoubleArray, xy: DoubleArray, low_pass: LowPass) -> tuple[DoubleArray, BoolArray]:
    """Filter a point (T, 2) over each run without gaps; runs that are too short stay as they are.

    Returns:
        (T, 2), and where it stayed as it was, (T,).
    """
    filtered = xy.copy()
    unfiltered = np.zeros(len(xy), bool)
    for run in list_runs(times_s, xy.sum(axis=1), find_longest_step(times_s)):
        smoothed = low_pass.filter(times_s[run], xy[run])
        if smoothed is None:
            unfiltered[run] = True
        else:
            filtered[run] = smoothed
    return filtered, unfiltered


def _fill(times_s: DoubleArray, xy: DoubleArray, max_gap_s: float) -> BoolArray:
    """Fill short gaps of a keypoint (T, 2) in place; returns where."""
    filled = np.zeros(len(xy), bool)
    seen = np.flatnonzero(np.isfinite(xy).all(axis=1))
    before, after = seen[:-1], seen[1:]
    short = (after - before > 1) & (times_s[after] - times_s[before] <= max_gap_s + _ROUNDED_S)
    for start, end in zip(before[short].tolist(), after[short].tolist(), strict=True):
        inside = slice(start + 1, end)
        weight = (times_s[inside] - times_s[start]) / (times_s[end] - times_s[start])
        xy[inside] = xy[start] + weight[:, None] * (xy[end] - xy[start])
        filled[inside] = True
    return filled


def find_longest_step(times_s: DoubleArray) -> float:
    """The longest step between two frames inside a run: a few usual ones."""
    return MOST_STEPS * float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0


def list_runs(times_s: DoubleArray, values: DoubleArray, longest_step_s: float) -> list[slice]:
    """The runs of frames in which a value (T,) is known, without a jump of time."""
    known = np.isfinite(values)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]])))
    runs: list[slice] = []
    for start, end in edges.reshape(-1, 2).tolist():
        parts = split_runs(times_s[start:end], longest_step_s)
        runs += [slice(start + part.start, start + part.stop) for part in parts]
    return runs


def differentiate(times_s: DoubleArray, values: DoubleArray, *, period: float | None = None) -> DoubleArray:
    """The rate of change by central differences at the true times, by one-sided ones at the ends of a run.

    Args:
        times_s: (T,), rising.
        values: (T,) or (T, C); NaN in gaps.
        period: Of values that wrap around, such as 360 degrees.

    Returns:
        As `values`, a second; NaN in gaps, and where a value stands alone.
    """
    rates = np.full(values.shape, np.nan)
    first = values if values.ndim == 1 else values.sum(axis=1)
    for run in list_runs(times_s, first, find_longest_step(times_s)):
        if run.stop - run.start < 2:
            continue
        part = values[run] if period is None else np.unwrap(values[run], period=period, axis=0)
        rates[run] = np.gradient(part, times_s[run], axis=0)
    return rates


def accumulate_path(times_s: DoubleArray, xy: DoubleArray) -> DoubleArray:
    """The length of the path so far.

    Args:
        times_s: (T,), rising.
        xy: (T, 2); NaN in gaps, across which nothing is added.

    Returns:
        (T,), NaN in gaps.
    """
    steps = np.zeros(len(xy))
    for run in list_runs(times_s, xy.sum(axis=1), find_longest_step(times_s)):
        steps[run.start + 1 : run.stop] = np.hypot(*np.diff(xy[run], axis=0).T)
    return np.where(np.isfinite(xy).all(axis=1), np.cumsum(steps), np.nan)
