"""Edits applied to the frames of saved poses, one at a time: memory grows with the edits only."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from posetrack.edits.kinds import Edit, Interpolate, MoveKeypoint, get_frames, map_id
from posetrack.edits.seams import Seams
from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, Instances
from posetrack.results.record import Record

_Table = dict[int, int | None]


def apply_edits(
    records: Iterable[Record], edits: Sequence[Edit], where: str = "edits", *, keep_deleted: bool = False
) -> Iterator[Record]:
    """Apply edits, in their order, to the frames of saved poses.

    Args:
        records: Frames in order, as they were saved; they may begin anywhere.
        edits: The edits.
        where: What messages call them.
        keep_deleted: Keep people who are deleted, without an id.

    Yields:
        The frames after the edits.

    Raises:
        ResultsError: Two people of a frame would get one id.
    """
    # The edits that change the present frame, by their place in the order; the others wait, or are over.
    frames = [get_frames(edit) for edit in edits]
    waiting = sorted(range(len(edits)), key=lambda i: frames[i][0], reverse=True)
    now: list[int] = []
    plan = _Plan((), where, {}, keep_deleted=keep_deleted)
    seams = Seams(edits)
    for saved in records:
        record = seams.mend(saved)
        kept = [i for i in now if frames[i][1] >= record.frame]
        while waiting and frames[waiting[-1]][0] <= record.frame:
            i = waiting.pop()
            if frames[i][1] >= record.frame:
                insort(kept, i)
        if kept != now:
            now = kept
            plan = _Plan([edits[i] for i in now], where, plan.tables, keep_deleted=keep_deleted)
        yield plan.apply(record) if now else record


class _Plan:
    """The edits of neighbouring frames, in order.

    Runs of edits of ids are one table, which is kept where the next plan has the same run.

    Args:
        edits: The edits.
        where: What messages call them.
        tables: Of the plan before.
        keep_deleted: Keep people who are deleted, without an id.

    Attributes:
        tables: What becomes of each id, by the edits' places in memory.
    """

    def __init__(
        self,
        edits: Sequence[Edit],
        where: str,
        tables: Mapping[tuple[int, ...], _Table],
        *,
        keep_deleted: bool,
    ) -> None:
        self._groups: list[tuple[_Table | None, list[Edit]]] = []
        self.tables: dict[tuple[int, ...], _Table] = {}
        self._where, self._keep_deleted = where, keep_deleted
        for is_of_pose, group in groupby(edits, lambda edit: isinstance(edit, MoveKeypoint | Interpolate)):
            own = list(group)
            table = None
            if not is_of_pose:
                key = tuple(map(id, own))
                table = self.tables[key] = tables.get(key, {UNTRACKED: UNTRACKED})
            self._groups.append((table, own))

    def apply(self, record: Record) -> Record:
        people = record.instances
        for table, edits in self._groups:
            if table is not None:
                people = self._map_ids(people, edits, table)
                continue
            for edit in edits:
                assert isinstance(edit, MoveKeypoint | Interpolate)
                people = edit.apply_to(record.frame, record.time_s, people)
        if people is record.instances:
            return record
        self._check(people, record)
        return replace(record, instances=people)

    def _map_ids(self, people: Instances, edits: Sequence[Edit], table: _Table) -> Instances:
        if people.track_ids is None or not len(people):
            return people
        before = people.track_ids.tolist()
        for track_id in before:
            if track_id not in table:
                new = map_id(edits, track_id)
                table[track_id] = UNTRACKED if new is None and self._keep_deleted else new
        after = [table[track_id] for track_id in before]
        if after == before:
            return people
        kept = np.array([track_id is not None for track_id in after])
        ids = np.array([track_id for track_id in after if track_id is not None], np.int64)
        return people[kept].with_columns(track_ids=ids)

    def _check(self, people: Instances, record: Record) -> None:
        twice = _find_twice(people)
        if twice is not None and _find_twice(record.instances) is None:
            raise ResultsError(
                f"{self._where}: frame {record.frame}: two people would have id {twice}; undo the edit that "
                "makes them one"
            )


def _find_twice(people: Instances) -> int | None:
    """An id that two people have, if there is one."""
    seen: set[int] = set()
    for track_id in [] if people.track_ids is None else people.track_ids.tolist():
        if track_id in seen and track_id != UNTRACKED:
            return int(track_id)
        seen.add(track_id)
    return None
