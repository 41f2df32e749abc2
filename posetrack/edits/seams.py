"""Frames in which an id changes from one person to another, and whose smoothed keypoints lie between both."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from posetrack.edits.kinds import Edit, SplitId, SwapIds, get_frames, map_id
from posetrack.results.record import Record

_REACH = 12
"""Frames before and after the change that a low-pass of 6 Hz reaches, at 60 frames a second."""


class Seams:
    """The frames beside swaps and splits.

    A run has smoothed each track as it was found, also where it jumps from one person to another: there, both
    are pulled towards each other. People of these frames are shown as they were found.

    Args:
        edits: All edits, in order.
    """

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits
        self._seams = sorted(
            (edit.frame, place) for place, edit in enumerate(edits) if isinstance(edit, SplitId | SwapIds)
        )

        self._known: dict[int, dict[int, bool]] = {}

    def mend(self, record: Record) -> Record:
        """The frame, without what smoothing did to those whose id changes near it.

        Args:
            record: As it was saved, before any edit.
        """
        people = record.instances
        if people.smoothed_xy is None or people.keypoints_xy is None or people.track_ids is None:
            return record
        start = bisect_left(self._seams, (record.frame - _REACH + 1, 0))
        end = bisect_right(self._seams, (record.frame + _REACH, len(self._edits)))
        changes = [self._changes(place, people.track_ids.tolist()) for _, place in self._seams[start:end]]
        if not changes or not np.any(changes):
            return record
        rows = np.any(changes, axis=0)[:, None, None]
        smoothed = np.where(rows, people.keypoints_xy, people.smoothed_xy)
        return replace(record, instances=people.with_columns(smoothed_xy=smoothed))

    def _changes(self, place: int, track_ids: Sequence[int]) -> list[bool]:
        """Which of the saved ids an edit changes, after those before it."""
        known = self._known.setdefault(place, {})
        for track_id in track_ids:
            if track_id not in known:
                edit = self._edits[place]
                assert isinstance(edit, SplitId | SwapIds)
                now = map_id(self._find_before(place, edit.frame), track_id)
                known[track_id] = now is not None and edit.map_id(now) != now
        return [known[track_id] for track_id in track_ids]

    def _find_before(self, place: int, frame: int) -> Iterator[Edit]:
        """The edits before one that change a frame, too."""
        for edit in self._edits[:place]:
            first, last = get_frames(edit)
            if first <= frame <= last:
                yield edit
