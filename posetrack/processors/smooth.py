"""The processor that smooths the keypoints of each track as frames come, with the one-euro filter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from posetrack.frame import UNTRACKED, BoolArray, FloatArray, Frame, Instances
from posetrack.pipeline import FrameProcessor

_LARGEST = 1e6
_LOWEST_HZ = 0.1


@dataclass(frozen=True)
class SmootherConfig:
    """Settings of the smoothing: of the filter for files, and of the one-euro filter for live video.

    Attributes:
        cutoff_hz: In files, cut-off frequency of the filter without lag; lower is steadier.
        min_cutoff_hz: Live, cut-off frequency of a keypoint at rest; lower is steadier.
        beta: Live, increase of the cut-off frequency with speed, in Hz per (box height / s); higher means less
            lag.
        derivative_cutoff_hz: Live, cut-off frequency of the speed estimate.
        forget_s: Live, the filter of a track that was not seen for longer is reset.
    """

    cutoff_hz: float = 6.0
    min_cutoff_hz: float = 1.0
    beta: float = 10.0
    derivative_cutoff_hz: float = 1.0
    forget_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("min_cutoff_hz", "derivative_cutoff_hz", "forget_s"):
            if not 0 < getattr(self, name) <= _LARGEST:
                raise ValueError(f"{name}: expected a number above 0, got {getattr(self, name)}")
        if not _LOWEST_HZ <= self.cutoff_hz <= _LARGEST:
            raise ValueError(f"cutoff_hz: expected a number from {_LOWEST_HZ} up, got {self.cutoff_hz}")
        if not 0 <= self.beta <= _LARGEST:
            raise ValueError(f"beta: expected a number from 0 up, got {self.beta}")


Cutoff = TypeVar("Cutoff", float, npt.NDArray[Any])


@dataclass
class _State:
    time_s: float
    xy: FloatArray
    speed: FloatArray


def smooth(config: SmootherConfig) -> FrameProcessor:
    """Make the processor that smooths keypoints per track id, with the real time between frames.

    One-euro filter (Casiez, Roussel and Vogel, CHI 2012, Algorithm 1): an exponential filter whose cut-off
    frequency increases with speed. Differs from the paper: speed is measured in box heights per second, so that
    the same settings are suitable for near and far people and images of any size.

    Where the size of the images changes, the filters are scaled with it. A keypoint that was not found (score
    0) stays as it is, and its filter waits.

    Returns:
        A processor that sets `smoothed_xy` and does not change `keypoints_xy`.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        states: dict[int, _State] = {}
        size_wh: tuple[int, int] | None = None
        for frame in frames:
            if size_wh is not None and size_wh != frame.size_wh:
                ratio_xy = np.divide(frame.size_wh, size_wh, dtype=np.float32)
                states = {i: _State(s.time_s, s.xy * ratio_xy, s.speed * ratio_xy) for i, s in states.items()}
            size_wh = frame.size_wh
            states = {i: s for i, s in states.items() if frame.time_s - s.time_s <= config.forget_s}
            people = frame.instances
            if people.keypoints_xy is None or people.track_ids is None or people.boxes_xyxy is None:
                yield frame
                continue
            smoothed = people.keypoints_xy.copy()
            heights = np.maximum(people.boxes_xyxy[:, 3] - people.boxes_xyxy[:, 1], 1.0)
            for row, track_id in enumerate(people.track_ids.tolist()):
                if track_id == UNTRACKED:
                    continue
                known = find_known(people, row)[:, None]
                xy = np.where(known, smoothed[row], np.nan)
                state = _advance(states.get(track_id), frame.time_s, xy, float(heights[row]), config)
                states[track_id] = state
                smoothed[row] = np.where(known, state.xy, smoothed[row])
            yield replace(frame, instances=replace(people, smoothed_xy=smoothed))

    return process


def find_known(people: Instances, row: int) -> BoolArray:
    """Which keypoints of a person have a place, (K,); bottom-up networks give those they miss a score of 0."""
    if people.keypoint_scores is not None:
        return np.asarray(people.keypoint_scores[row] > 0)
    return np.ones(0 if people.keypoints_xy is None else people.keypoints_xy.shape[1], np.bool_)


def _advance(
    state: _State | None, time_s: float, xy: FloatArray, height_px: float, config: SmootherConfig
) -> _State:
    """Filter the keypoints (K, 2) of one person; NaN where one is not known."""
    if state is None or time_s <= state.time_s:
        return _State(time_s, xy.copy(), np.zeros_like(xy))
    step_s = time_s - state.time_s
    # A keypoint that is not known now waits where it was; one that was not known yet begins where it is.
    step = np.nan_to_num(xy - state.xy)
    speed = state.speed + _blend(config.derivative_cutoff_hz, step_s) * (step / step_s - state.speed)
    # One cut-off frequency per keypoint, from its total speed, so that x and y have the same lag.
    pace = np.linalg.norm(speed, axis=-1, keepdims=True) / height_px
    cutoff_hz = config.min_cutoff_hz + config.beta * pace
    start = np.where(np.isnan(state.xy), xy, state.xy)
    return _State(time_s, start + _blend(cutoff_hz, step_s) * step, speed)


def _blend(cutoff_hz: Cutoff, step_s: float) -> Cutoff:
    """Compute the weight of the new sample in an exponential filter with this cut-off frequency."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff_hz * step_s))
