"""Who is seen when after edits, computed from the index alone: no frame is read again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from posetrack.edits.index import PosesIndex, Spans
from posetrack.edits.kinds import Edit, Interpolate, MoveKeypoint, SplitId, SwapIds, get_frames, map_id
from posetrack.edits.marks import Suspect
from posetrack.frame import IntArray

_NONE: IntArray = np.zeros((0, 2), np.int64)


@dataclass(frozen=True, eq=False)
class EditedTracks:
    """The tracks of a file of poses after its edits.

    Attributes:
        index: The index of the file.
        runs: When each id is seen: (R, 2) positions of frames, the first one and the one behind the last.
        low: When each id has a low score, likewise.
        suspects: Where an id may have become another person; a swap or split there has dealt with it.
    """

    index: PosesIndex
    runs: Spans
    low: Spans
    suspects: Sequence[Suspect]

    @classmethod
    def of(cls, index: PosesIndex, edits: Sequence[Edit] = ()) -> EditedTracks:
        """The tracks after these edits, in order."""
        tracks = cls(index, index.runs, index.low, index.suspects)
        for edit in edits:
            tracks = tracks.apply(edit)
        return tracks

    def apply(self, edit: Edit) -> EditedTracks:
        """The tracks after one more edit."""
        if isinstance(edit, MoveKeypoint):
            return self
        if isinstance(edit, Interpolate):
            added = np.array([self._find_gap(before.frame, after.frame) for before, after in edit.gaps])
            runs = dict(self.runs)
            runs[edit.track_id] = _unite([runs.get(edit.track_id, _NONE), added])
            return replace(self, runs=dict(sorted(runs.items())))
        return replace(
            self,
            runs=self._map_spans(self.runs, edit),
            low=self._map_spans(self.low, edit),
            suspects=[mapped for each in self.suspects if (mapped := _map_suspect(each, edit)) is not None],
        )

    def find_shared(self, a: int, b: int) -> int | None:
        """The first frame in which both ids are; None where there is none."""
        shared = _intersect(self.runs.get(a, _NONE), self.runs.get(b, _NONE))
        return int(self.index.frames[shared[0, 0]]) if len(shared) else None

    def find_run(self, track_id: int, frame: int) -> tuple[int, int] | None:
        """The run of an id around a frame, as positions; None where the id is not there."""
        position = self.index.find(frame)
        if position is None:
            return None
        for start, stop in self.runs.get(track_id, _NONE).tolist():
            if start <= position < stop:
                return start, stop
        return None

    def list_gaps(self, track_id: int, first: int = 0, last: float = math.inf) -> list[tuple[int, int]]:
        """The gaps of an id: positions of the frames before and after each, in which the id is.

        Args:
            track_id: The id.
            first: Gaps that end before this frame are left out.
            last: Gaps that begin behind this one, too.
        """
        runs, frames = self.runs.get(track_id, _NONE), self.index.frames
        gaps = zip((runs[:-1, 1] - 1).tolist(), runs[1:, 0].tolist(), strict=True)
        return [
            (before, after)
            for before, after in gaps
            if frames[after - 1] >= first and frames[before + 1] <= last
        ]

    def measure_s(self) -> dict[int, float]:
        """Time on screen of each id: its frames, each as long as until the next."""
        times_s = self.index.times_s
        steps = np.diff(times_s)
        ends = np.append(times_s[1:], times_s[-1:] + steps[-1:] if len(steps) else times_s[-1:])
        sums = np.concatenate([[0.0], np.cumsum(ends - times_s)])
        return {
            track_id: float((sums[spans[:, 1]] - sums[spans[:, 0]]).sum())
            for track_id, spans in self.runs.items()
        }

    def find_positions(self, first: float, last: float) -> tuple[int, int]:
        """Positions of the first of some frames, and behind the last."""
        frames = self.index.frames
        start = int(np.searchsorted(frames, first))
        stop = len(frames) if math.isinf(last) else int(np.searchsorted(frames, last, side="right"))
        return start, max(start, stop)

    def _find_gap(self, before: int, after: int) -> tuple[int, int]:
        return self.find_positions(before + 1, after - 1)

    def _map_spans(self, spans: Spans, edit: Edit) -> Spans:
        start, stop = self.find_positions(*get_frames(edit))
        mapped: dict[int, list[IntArray]] = {}
        for track_id, own in spans.items():
            new = map_id([edit], track_id)
            if new == track_id:
                mapped.setdefault(track_id, []).append(own)
                continue
            for part in (_clip(own, 0, start), _clip(own, stop, len(self.index))):
                if len(part):
                    mapped.setdefault(track_id, []).append(part)
            inside = _clip(own, start, stop)
            if len(inside) and new is not None:
                mapped.setdefault(new, []).append(inside)
        return {track_id: _unite(mapped[track_id]) for track_id in sorted(mapped)}


def _map_suspect(suspect: Suspect, edit: Edit) -> Suspect | None:
    first, last = get_frames(edit)
    if not first <= suspect.frame <= last:
        return suspect
    if isinstance(edit, SplitId | SwapIds) and edit.frame == suspect.frame:
        cut = (edit.track_id,) if isinstance(edit, SplitId) else (edit.a, edit.b)
        if suspect.track_id in cut:
            return None
    track_id = map_id([edit], suspect.track_id)
    if track_id is None:
        return None
    other = None if suspect.other is None else map_id([edit], suspect.other)
    return replace(suspect, track_id=track_id, other=None if other == track_id else other)


def _clip(spans: IntArray, start: int, stop: int) -> IntArray:
    clipped = np.clip(spans, start, stop)
    return clipped[clipped[:, 0] < clipped[:, 1]]


def _unite(parts: Sequence[IntArray]) -> IntArray:
    """Spans of several lists as one, those that touch joined."""
    if len(parts) == 1:
        return parts[0]
    spans = np.concatenate(parts)
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    ends = np.maximum.accumulate(spans[:, 1])
    begins = np.append(True, spans[1:, 0] > ends[:-1]) if len(spans) else np.zeros(0, bool)
    lasts = np.append(begins[1:], True) if len(spans) else begins
    return np.stack([spans[begins, 0], ends[lasts]], axis=1)


def _intersect(a: IntArray, b: IntArray) -> IntArray:
    return np.array(list(_walk_shared(a.tolist(), b.tolist())), np.int64).reshape(-1, 2)


def _walk_shared(a: list[list[int]], b: list[list[int]]) -> Iterator[tuple[int, int]]:
    i = j = 0
    while i < len(a) and j < len(b):
        start, stop = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if start < stop:
            yield start, stop
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
