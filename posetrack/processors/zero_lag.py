"""The processor that smooths the keypoints of each track of saved poses without lag, by a low-pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from posetrack.frame import UNTRACKED, BoolArray, FloatArray, Frame
from posetrack.low_pass import MOST_STEPS, DoubleArray, LowPass, measure_rate_hz, split_runs
from posetrack.pipeline import FrameProcessor
from posetrack.processors.smooth import SmootherConfig, find_known

_MOST_OF_RATE = 0.25
"""The cut-off frequency is at most this part of the frame rate; above, nothing would be smoothed."""
_PART_S = 8.0
_MOST_WAITING = 20_000
"""Frames of a clock that stands still, before some are passed on."""


def smooth_without_lag(config: SmootherConfig) -> FrameProcessor:
    """Make the processor that smooths keypoints per track id, forwards and backwards in time.

    It looks ahead: frames are held back until the filter has seen those after them. That is for saved poses,
    whose frames have no images; `smooth` is for a source as it comes. A track that is too short for the filter
    stays as it was found, and so does a keypoint where it was not found (score 0).

    Returns:
        A processor that sets `smoothed_xy` and does not change `keypoints_xy`.
    """
    # What is farther away than this moves a point by less than it is rounded to.
    reach_s = max(1.0, 2 / config.cutoff_hz)

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        before: list[Frame] = []
        waiting: list[Frame] = []
        for frame in frames:
            waiting.append(frame)
            if frame.time_s - waiting[0].time_s < _PART_S + 2 * reach_s and len(waiting) < _MOST_WAITING:
                continue
            num = sum(frame.time_s - each.time_s > reach_s for each in waiting) or len(waiting) // 2
            yield from _smooth(before, waiting, num, config)
            start_s = waiting[num].time_s
            before = [each for each in [*before, *waiting[:num]] if 0 <= start_s - each.time_s <= reach_s]
            waiting = waiting[num:]
        yield from _smooth(before, waiting, len(waiting), config)

    return process


def _smooth(
    before: Sequence[Frame], waiting: Sequence[Frame], num: int, config: SmootherConfig
) -> Iterator[Frame]:
    """The first frames of those that wait, smoothed; all others are only looked at."""
    frames = [*before, *waiting]
    smoothed: dict[int, FloatArray] = {}
    rows: dict[int, list[tuple[int, int]]] = {}
    for i, frame in enumerate(frames):
        people = frame.instances
        if people.keypoints_xy is None or people.track_ids is None:
            continue
        smoothed[i] = people.keypoints_xy.copy()
        for row, track_id in enumerate(people.track_ids.tolist()):
            if track_id != UNTRACKED:
                rows.setdefault(track_id, []).append((i, row))
    for places in rows.values():
        times_s = np.array([frames[i].time_s for i, _ in places])
        # In sizes of the image, so that a change of its size is no motion.
        found = np.stack([smoothed[i][row] / np.array(frames[i].size_wh) for i, row in places])
        is_known = np.stack([find_known(frames[i].instances, row) for i, row in places])
        bridged = _bridge(times_s, found, is_known).reshape(len(found), -1)
        xy = np.where(is_known[:, :, None], _filter(times_s, bridged, config).reshape(found.shape), found)
        for (i, row), points in zip(places, xy, strict=True):
            smoothed[i][row] = points * np.array(frames[i].size_wh)
    for i in range(len(before), len(before) + num):
        frame = frames[i]
        if i in smoothed:
            frame = replace(frame, instances=replace(frame.instances, smoothed_xy=smoothed[i]))
        yield frame


def _bridge(times_s: DoubleArray, xy: DoubleArray, is_known: BoolArray) -> DoubleArray:
    """Points (T, K, 2), on a straight line where they are not known (T, K), so that they pull at no others."""
    bridged = xy.astype(np.float64)
    for k in np.flatnonzero(is_known.any(axis=0) & ~is_known.all(axis=0)).tolist():
        known = is_known[:, k]
        order = np.argsort(times_s[known], kind="stable")
        for axis in range(2):
            line = np.interp(times_s[~known], times_s[known][order], xy[known, k, axis][order])
            bridged[~known, k, axis] = line
    return bridged


def _filter(times_s: DoubleArray, values: DoubleArray, config: SmootherConfig) -> DoubleArray:
    """Filter samples (T, C) run by run; runs that are too short stay as they are."""
    filtered = values.copy()
    steps_s = np.diff(times_s)
    rising = steps_s[steps_s > 0]
    usual_s = float(np.median(rising)) if len(rising) else 0.0
    for run in split_runs(times_s, MOST_STEPS * usual_s):
        rate_hz = measure_rate_hz(times_s[run])
        cutoff_hz = min(config.cutoff_hz, _MOST_OF_RATE * rate_hz)
        if cutoff_hz > 0:
            smoothed = LowPass(cutoff_hz).filter(times_s[run], values[run])
            if smoothed is not None:
                filtered[run] = smoothed
    return filtered
