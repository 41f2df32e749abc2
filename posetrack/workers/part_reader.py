"""Reading of the parts of a video one after the other, as the frames of the whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, takewhile
from pathlib import Path

import numpy as np

from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, FloatArray, Frame, Instances
from posetrack.results.jsonl import read_jsonl
from posetrack.results.poses import make_black_image
from posetrack.results.record import Record
from posetrack.workers.join import join_ids
from posetrack.workers.notes import PartNotes, read_notes
from trackers.appearance import NUM_BINS, PARTS


def name_notes(poses: Path) -> Path:
    """The file of notes beside the poses of a part."""
    return poses.with_name("notes.npz")


class PartReader:
    """The frames of parts that overlap, with ids of the whole.

    Args:
        paths: The poses of the parts, in order; their notes lie beside them.
        starts_s: Times from which on frames are a part's own, until those of the next one.

    Attributes:
        header: That of the first part.
        ranges: Of each part that was read, index and time of its first own frame, and index of its last one.
        num_carried: Number of ids that were carried over a border, summed over the borders.
        num_lost: Number that were not, and that a tracker without the border would still have remembered there.

    Raises:
        ResultsError: The first part cannot be read.
    """

    def __init__(self, paths: Sequence[Path], starts_s: Sequence[float]) -> None:
        self.header, _ = read_jsonl(paths[0])
        self.ranges: list[tuple[int, float, int]] = []
        self.num_carried = self.num_lost = 0
        self._paths = paths
        self._ends_s = [*starts_s[1:], math.inf]
        self._next_id = 1
        self._seen_s: dict[int, float] = {}
        self._clothes: dict[int, FloatArray] = {}

    def read(self, *, remembered_s: float) -> Iterator[Frame]:
        """Read the frames of the whole; without images, but with the camera's motion.

        Args:
            remembered_s: For how long a tracker remembers somebody who is missed.

        Raises:
            ResultsError: A part cannot be read, or has no frames of its own.
        """
        before: list[Record] = []
        for i, path in enumerate(self._paths):
            notes = read_notes(name_notes(path))
            warm_up, own = _cut(path, before[-1].frame if before else -1)
            ids = self._join(before, warm_up, remembered_s)
            shared_from = _read_first(self._paths[i + 1]) if i + 1 < len(self._paths) else None
            before, first, last = [], None, -1
            for record in _read_until(own, self._ends_s[i]):
                renamed = replace(record, instances=self._rename(record.instances, ids))
                self._see(renamed)
                yield self._make_frame(renamed, record.instances, notes)
                first, last = first or record, record.frame
                if shared_from is not None and record.frame >= shared_from:
                    before.append(renamed)
            if first is None:
                raise ResultsError(f"{path}: this part has no frames; give a longer --split")
            self.ranges.append((first.frame, first.time_s, last))

    def describe(self, frame: Frame, people: Instances) -> FloatArray:
        """Describe the clothes of people in the frame that was read last, (N, P, D), from the notes."""
        unknown = np.zeros((PARTS, NUM_BINS), np.float32)
        ids = [] if people.track_ids is None else people.track_ids.tolist()
        return np.array([self._clothes.get(i, unknown) for i in ids], np.float32).reshape(-1, PARTS, NUM_BINS)

    def _join(self, before: list[Record], warm_up: list[Record], remembered_s: float) -> dict[int, int]:
        """Ids of the whole by those of a part, of the tracks that come over its border."""
        if not before:
            return {}
        ids = join_ids(before, warm_up, self.header.skeleton)
        border_s = before[-1].time_s
        remembered = {i for i, seen_s in self._seen_s.items() if border_s - seen_s <= remembered_s}
        self.num_carried += len(ids)
        self.num_lost += len(remembered - set(ids.values()))
        return ids

    def _see(self, record: Record) -> None:
        ids = record.instances.track_ids
        self._seen_s.update(dict.fromkeys([] if ids is None else ids.tolist(), record.time_s))
        self._seen_s.pop(UNTRACKED, None)

    def _rename(self, people: Instances, ids: dict[int, int]) -> Instances:
        """People with ids of the whole; new tracks get the next ones, in the order in which they began."""
        if people.track_ids is None:
            return people
        for own_id in sorted(set(people.track_ids.tolist()) - ids.keys() - {UNTRACKED}):
            ids[own_id] = self._next_id
            self._next_id += 1
        final = [ids.get(own_id, UNTRACKED) for own_id in people.track_ids.tolist()]
        return people.with_columns(track_ids=np.array(final, np.int64))

    def _make_frame(self, record: Record, own: Instances, notes: PartNotes) -> Frame:
        pairs = [
            pair
            for people in (own, record.instances)
            for pair in ([] if people.track_ids is None else people.track_ids.tolist(),)
        ]
        found = (
            (final, notes.clothes.get((record.frame, own_id))) for own_id, final in zip(*pairs, strict=True)
        )
        self._clothes = {final: clothes for final, clothes in found if clothes is not None}
        return Frame(
            record.frame,
            record.time_s,
            make_black_image(record.get_size_wh(self.header)),
            record.instances,
            self.header.skeleton,
            faces_xyxy=record.faces_xyxy,
            background_motion=notes.motions.get(record.frame),
        )


def _cut(path: Path, last: int) -> tuple[list[Record], Iterator[Record]]:
    """The frames of a part up to an index, and the others."""
    _, records = read_jsonl(path)
    warm_up: list[Record] = []
    for record in records:
        if record.frame > last:
            return warm_up, chain([record], records)
        warm_up.append(record)
    return warm_up, iter(())


def _read_until(records: Iterator[Record], end_s: float) -> Iterator[Record]:
    return takewhile(lambda record: record.time_s < end_s, records)


def _read_first(path: Path) -> int:
    """Index of the first frame of a part."""
    record = next(read_jsonl(path)[1], None)
    if record is None:
        raise ResultsError(f"{path}: this part has no frames; give a longer --split")
    return record.frame
