"""People who meet: their boxes overlap, and their tracks may go on with each other's bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_MEETING = 0.3
"""Of two boxes so much of the smaller one is common while people meet."""
_ALONE = 0.1
"""Whose box has no more in common with any other shows their own clothes."""
_PARTED_S = 0.4


@dataclass(eq=False)
class Meeting:
    """People whose boxes overlap, until all of them have parted.

    Attributes:
        track_ids: Theirs.
        position: Of the frame in which two of them overlap most.
        overlap: How much.
        last_s: When two of them last overlapped.
    """

    track_ids: set[int]
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
        self._current: dict[int, Meeting] = {}

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
            Meetings that overlap more in this frame than in any before.
        """
        self._current = {i: each for i, each in self._current.items() if time_s - each.last_s < _PARTED_S}
        closer: list[Meeting] = []
        for row, column in zip(*np.nonzero(np.triu(overlaps, 1) >= _MEETING), strict=True):
            meeting = self._join(track_ids[row], track_ids[column])
            meeting.last_s = time_s
            if overlaps[row, column] > meeting.overlap:
                meeting.overlap, meeting.position = float(overlaps[row, column]), position
                if meeting not in closer:
                    closer.append(meeting)
        return [meeting for meeting in closer if meeting.track_ids]

    def _join(self, first: int, second: int) -> Meeting:
        """The meeting of two people, who may both have met others already."""
        meeting, other = self._current.get(first), self._current.get(second)
        if meeting is None:
            meeting, other = other, None
        if meeting is None:
            meeting = Meeting(set(), 0, 0.0, 0.0)
            self.meetings.append(meeting)
        members = {first, second}
        if other is not None and other is not meeting:
            members |= other.track_ids
            # What was there of it goes on as the one meeting of all.
            other.track_ids.clear()
            meeting.overlap = 0.0
        meeting.track_ids |= members
        self._current |= dict.fromkeys(meeting.track_ids, meeting)
        return meeting


def measure_overlaps(boxes_xyxy: FloatArray) -> FloatArray:
    """The area that boxes (N, 4) have in common, as a fraction of the smaller one's, (N, N)."""
    boxes = np.asarray(boxes_xyxy, np.float64)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = (high - low).clip(0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    return np.asarray(common / np.maximum(np.minimum(areas[:, None], areas), 1e-9), np.float32)


def find_alone(overlaps: FloatArray) -> npt.NDArray[np.bool_]:
    """Who shows their own clothes, (N,), from overlaps (N, N)."""
    others = overlaps * (1 - np.eye(len(overlaps), dtype=np.float32))
    return np.asarray(others.max(axis=1, initial=0) <= _ALONE)
