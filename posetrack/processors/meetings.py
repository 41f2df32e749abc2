"""People who meet: their boxes overlap, and their tracks may go on with each other's bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trackers.nms import compute_areas, compute_intersections

FloatArray = npt.NDArray[np.float32]

_MEETING = 0.3
"""Of two boxes so much of the smaller one is common while people meet."""
_ALONE = 0.1
"""Whose box has no more in common with any other shows their own clothes."""
_CLOSER = 0.05
"""By how much an overlap must exceed the largest one before."""
_PARTED_S = 0.4


@dataclass(eq=False)
class Meeting:
    """Two people whose boxes overlap, until they part.

    Attributes:
        track_ids: Theirs, and those of people who overlapped with one of them shortly before or then.
        position: Of the frame in which the two overlap most.
        overlap: How much.
        last_s: When they last overlapped.
    """

    track_ids: frozenset[int]
    position: int
    overlap: float
    last_s: float


class MeetingWatch:
    """Watches who meets whom, frame by frame.

    Attributes:
        meetings: All of them, in the order of their beginnings.
    """

    def __init__(self) -> None:
        self.meetings: list[Meeting] = []
        self._current: dict[tuple[int, int], Meeting] = {}

    def watch(
        self, position: int, time_s: float, track_ids: Sequence[int], overlaps: FloatArray
    ) -> list[Meeting]:
        """Look at the next frame.

        Args:
            position: Of the frame.
            time_s: Its time.
            track_ids: N ids of the people in it.
            overlaps: (N, N), as `measure_overlaps` gives them.

        Returns:
            Meetings in which the two overlap clearly more than in any frame before.
        """
        self._current = {pair: each for pair, each in self._current.items() if time_s - each.last_s < _PARTED_S}
        closer: dict[tuple[int, int], Meeting] = {}
        for row, column in np.argwhere(np.triu(overlaps, 1) >= _MEETING).tolist():
            pair = min(track_ids[row], track_ids[column]), max(track_ids[row], track_ids[column])
            meeting = self._current.get(pair)
            if meeting is None:
                meeting = self._current[pair] = Meeting(frozenset(pair), position, 0.0, time_s)
                self.meetings.append(meeting)
            meeting.last_s = time_s
            if overlaps[row, column] >= meeting.overlap + _CLOSER:
                meeting.overlap, meeting.position = float(overlaps[row, column]), position
                closer[pair] = meeting
        for pair, meeting in closer.items():
            near = [other for other in self._current if not {*pair}.isdisjoint(other)]
            meeting.track_ids = meeting.track_ids.union(*near)
        return list(closer.values())


def measure_overlaps(boxes_xyxy: FloatArray) -> FloatArray:
    """The area that boxes (N, 4) have in common, as a fraction of the smaller one's, (N, N)."""
    boxes = np.asarray(boxes_xyxy, np.float64)
    areas = compute_areas(boxes)
    smaller = np.minimum(areas[:, None], areas)
    return np.asarray(compute_intersections(boxes, boxes) / np.maximum(smaller, 1e-9), np.float32)


def find_alone(overlaps: FloatArray) -> npt.NDArray[np.bool_]:
    """Who shows their own clothes, (N,), from overlaps (N, N)."""
    others = overlaps * (1 - np.eye(len(overlaps), dtype=np.float32))
    return np.asarray(others.max(axis=1, initial=0) <= _ALONE)
