"""PosesIndex: where each frame of a file of poses stands, and who is seen when."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from models.json_text import parse_json
from posetrack.edits.marks import Suspect, SuspectFinder, find_low
from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, IntArray
from posetrack.results.jsonl import parse_record, read_jsonl
from posetrack.results.jsonl_lines import cannot_read, is_damaged, is_json
from posetrack.results.record import Header, Record

Spans = Mapping[int, IntArray]
"""By track id: (R, 2) positions of frames in the file, the first one and the one behind the last, ascending."""

Progress = Callable[[float], None]
"""Takes the fraction that is done, from 0 to 1."""

_PROGRESS_BYTES = 4 * 2**20


@dataclass(frozen=True, eq=False)
class PosesIndex:
    """What is known of a file of poses after one pass over it; the poses themselves stay in the file.

    Frames are counted by their position in the file here, from 0, so that neighbours are one apart even where a
    run has taken every tenth frame.

    Attributes:
        path: The file.
        header: Its header.
        frames: (T,) int64, `Record.frame` of each.
        times_s: (T,) float64.
        offsets: (T + 1,) int64, where each frame's line begins in the file, and where the last one ends.
        num_people: (T,) int64, how many people are in each, without an id too.
        runs: When each id is seen.
        low: When each id has a low score (`posetrack.edits.marks.LOW_SCORE`).
        suspects: Where an id may have become another person.
    """

    path: Path
    header: Header
    frames: IntArray
    times_s: np.ndarray[tuple[int], np.dtype[np.float64]]
    offsets: IntArray
    num_people: IntArray
    runs: Spans
    low: Spans
    suspects: Sequence[Suspect]

    def __len__(self) -> int:
        return len(self.frames)

    def find(self, frame: int) -> int | None:
        """The position of a frame; None where the file does not have it."""
        position = int(np.searchsorted(self.frames, frame))
        return position if position < len(self) and self.frames[position] == frame else None

    def read(self, start: int, stop: int) -> list[Record]:
        """Read frames as they were saved.

        Args:
            start: Position of the first one.
            stop: Position behind the last one.

        Raises:
            ResultsError: The file cannot be read any more, or has changed.
        """
        start, stop = max(start, 0), min(stop, len(self))
        if start >= stop:
            return []
        try:
            with self.path.open("rb") as file:
                file.seek(int(self.offsets[start]))
                content = file.read(int(self.offsets[stop] - self.offsets[start]))
        except OSError as error:
            raise cannot_read(self.path, error) from error
        base, records = int(self.offsets[start]), []
        for position, (begin, end) in enumerate(pairwise(self.offsets[start : stop + 1].tolist()), start):
            where = f"{self.path}: frame {self.frames[position]}"
            try:
                fields = parse_json(content[begin - base : end - base])
            except ValueError as error:
                raise ResultsError(f"{where}: not where it was; has the file changed?") from error
            records.append(parse_record(fields, self.header, where))
        return records


def index_poses(
    path: Path | str, *, with_suspects: bool = True, progress: Progress | None = None
) -> PosesIndex:
    """Make the index of a file of poses, without its edits, in one pass.

    Args:
        path: A `poses.jsonl`. A last line that was cut short is left out.
        with_suspects: Look for jumps of ids, which takes longer.
        progress: Called now and then with the fraction of the file that is done.

    Raises:
        ResultsError: The file cannot be read, or a line is not what it should be.
    """
    path = Path(path)
    header, _ = read_jsonl(path)
    builder = IndexBuilder(path, header, with_suspects=with_suspects)
    try:
        with path.open("rb") as file:
            size_bytes = max(path.stat().st_size, 1)
            end, number, told = 0, 0, 0
            for line in file:
                number += 1
                begin, end = end, end + len(line)
                if progress is not None and end - told >= _PROGRESS_BYTES:
                    progress(min(end / size_bytes, 1.0))
                    told = end
                if number == 1 or not line.strip():
                    continue
                where = f"{path}: line {number}"
                try:
                    fields = parse_json(line)
                except (ValueError, RecursionError) as error:
                    if is_damaged(line) and not any(is_json(rest) for rest in file):
                        break
                    raise ResultsError(f"{where}: not JSON: {str(error).splitlines()[0]}") from error
                builder.add(parse_record(fields, header, where), begin, end, where)
    except OSError as error:
        raise cannot_read(path, error) from error
    return builder.finish()


class _Spans:
    """Spans of ids that grow frame by frame."""

    def __init__(self) -> None:
        self._flat: dict[int, array[int]] = {}

    def add(self, track_id: int, position: int) -> None:
        spans = self._flat.get(track_id)
        if spans is None:
            self._flat[track_id] = array("q", (position, position + 1))
        elif spans[-1] == position:
            spans[-1] = position + 1
        elif spans[-1] < position:
            spans.extend((position, position + 1))

    def finish(self) -> Spans:
        return {
            track_id: np.array(self._flat[track_id], np.int64).reshape(-1, 2) for track_id in sorted(self._flat)
        }


class IndexBuilder:
    """Gathers an index, one record at a time.

    Args:
        path: The file.
        header: Its header.
        with_suspects: Look for jumps of ids.
    """

    def __init__(self, path: Path, header: Header, *, with_suspects: bool) -> None:
        self._path, self._header = path, header
        self._frames, self._offsets, self._num_people = array("q"), array("q"), array("q")
        self._times_s = array("d")
        self._end = 0
        self._runs, self._low = _Spans(), _Spans()
        self._finder = SuspectFinder(header.skeleton.sigmas) if with_suspects else None
        self._suspects: list[Suspect] = []

    def look_back(self, record: Record) -> None:
        """Take up a frame before the first one, which is in another part of the file."""
        if self._finder is not None:
            self._finder.look(record.frame, record.time_s, record.instances)

    def add(self, record: Record, begin: int, end: int, where: str) -> None:
        """Add the next frame, whose line is at these bytes.

        Raises:
            ResultsError: It comes before the one that was added last.
        """
        if self._frames and record.frame <= self._frames[-1]:
            raise ResultsError(f"{where}: frame: {record.frame} comes after {self._frames[-1]}; expected more")
        position, people = len(self._frames), record.instances
        self._frames.append(record.frame)
        self._times_s.append(record.time_s)
        self._offsets.append(begin)
        self._end = end
        self._num_people.append(len(people))
        if people.track_ids is None:
            return
        ids = people.track_ids.tolist()
        for track_id in ids:
            if track_id != UNTRACKED:
                self._runs.add(track_id, position)
        for row in np.flatnonzero(find_low(people)).tolist():
            if ids[row] != UNTRACKED:
                self._low.add(ids[row], position)
        if self._finder is not None:
            self._suspects += self._finder.look(record.frame, record.time_s, people)

    def finish(self) -> PosesIndex:
        """The index of the frames that were added."""
        return PosesIndex(
            self._path,
            self._header,
            np.array(self._frames, np.int64),
            np.array(self._times_s, np.float64),
            np.array([*self._offsets, self._end], np.int64),
            np.array(self._num_people, np.int64),
            self._runs.finish(),
            self._low.finish(),
            self._suspects,
        )
