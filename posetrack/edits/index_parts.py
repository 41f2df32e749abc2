"""The index of a long file of poses, made by several processes, each of which reads a part of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

import numpy as np

from posetrack.edits.index import IndexBuilder, PosesIndex, Progress, Spans, index_poses
from posetrack.edits.marks import LONGEST_S
from posetrack.errors import ResultsError
from posetrack.frame import IntArray
from posetrack.results.jsonl import parse_record, read_jsonl
from posetrack.results.record import Header, Record

_PART_BYTES = 48 * 2**20
_LOOK_BACK_BYTES = 2**20


def index_in_parts(
    path: Path,
    num_workers: int,
    *,
    progress: Progress | None = None,
    part_bytes: int = _PART_BYTES,
) -> PosesIndex:
    """Make the index as `index_poses` does, in several processes where the file has several parts.

    Args:
        path: A `poses.jsonl`.
        num_workers: Number of processes; with more than one the caller's script needs the `__main__` guard.
        progress: As of `index_poses`.
        part_bytes: Size of a part.

    Raises:
        ResultsError: As `index_poses`.
    """
    borders = find_borders(path, part_bytes) if num_workers > 1 else []
    if len(borders) < 3:
        return index_poses(path, progress=progress)
    try:
        parts = _read_parts(path, borders, num_workers, progress)
        return join_parts(parts)
    except (ResultsError, ValueError, RecursionError, OSError, BrokenProcessPool):
        # A damaged end, or a mistake whose line only a pass from the beginning can number; or no processes.
        return index_poses(path, progress=progress)


def find_borders(path: Path, part_bytes: int) -> list[int]:
    """Where parts begin and end, each behind a line feed; the header's line is before the first one.

    Args:
        path: The file.
        part_bytes: Size of a part, about.
    """
    try:
        with path.open("rb") as file:
            borders = [len(file.readline())]
            size_bytes = path.stat().st_size
            while borders[-1] + part_bytes < size_bytes:
                file.seek(borders[-1] + part_bytes)
                file.readline()
                borders.append(min(file.tell(), size_bytes))
    except OSError:
        return []
    return borders if borders[-1] == size_bytes else [*borders, size_bytes]


def _read_parts(
    path: Path, borders: Sequence[int], num_workers: int, progress: Progress | None
) -> list[PosesIndex]:
    header, _ = read_jsonl(path)
    pool = ProcessPoolExecutor(min(num_workers, len(borders) - 1), mp_context=get_context("spawn"))
    try:
        futures = [pool.submit(index_part, path, header, begin, end) for begin, end in pairwise(borders)]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            if progress is not None:
                progress(done / len(futures))
    finally:
        pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def index_part(path: Path, header: Header, begin: int, end: int) -> PosesIndex:
    """Make the index of a part of a file; people are followed from two seconds before it.

    Args:
        path: The file.
        header: Its header.
        begin: Where the part's first line begins.
        end: Where its last one ends.

    Raises:
        ResultsError: A line is not what it should be.
        ValueError: It is not JSON.
    """
    builder = IndexBuilder(path, header, with_suspects=True)
    with path.open("rb") as file:
        for record in _look_back(file, header, begin):
            builder.look_back(record)
        file.seek(begin)
        while begin < end and (line := file.readline()):
            if line.strip():
                builder.add(_parse(line, header), begin, begin + len(line), str(path))
            begin += len(line)
    return builder.finish()


def _look_back(file: BinaryIO, header: Header, begin: int) -> list[Record]:
    """The frames before a part with which its first ones are compared."""
    file.seek(begin)
    first = file.readline()
    if not first.strip():
        return []
    since_s = _parse(first, header).time_s - LONGEST_S
    file.seek(0)
    header_bytes = len(file.readline())
    size_bytes = _LOOK_BACK_BYTES
    while True:
        start = max(begin - size_bytes, header_bytes)
        file.seek(start)
        if start > header_bytes:
            file.readline()  # What is left of a line.
        lines = file.read(max(begin - file.tell(), 0)).splitlines()
        records = [_parse(line, header) for line in lines if line.strip()]
        if start == header_bytes or (records and records[0].time_s < since_s):
            return records
        size_bytes *= 2


def _parse(line: bytes, header: Header) -> Record:
    return parse_record(json.loads(line), header, "line")


def join_parts(parts: Sequence[PosesIndex]) -> PosesIndex:
    """The index of a file from those of its parts, in order.

    Raises:
        ResultsError: The frames of a part do not follow those of the part before.
    """
    parts = [part for part in parts if len(part)] or list(parts[:1])
    for before, after in pairwise(parts):
        if after.frames[0] <= before.frames[-1]:
            raise ResultsError(f"{after.path}: frame: {after.frames[0]} comes after {before.frames[-1]}")
    starts = np.cumsum([0, *map(len, parts)])[:-1].tolist()
    return replace(
        parts[0],
        frames=np.concatenate([part.frames for part in parts]),
        times_s=np.concatenate([part.times_s for part in parts]),
        offsets=np.concatenate([*(part.offsets[:-1] for part in parts), parts[-1].offsets[-1:]]),
        num_people=np.concatenate([part.num_people for part in parts]),
        runs=_join_spans([part.runs for part in parts], starts),
        low=_join_spans([part.low for part in parts], starts),
        suspects=[suspect for part in parts for suspect in part.suspects],
    )


def _join_spans(parts: Sequence[Spans], starts: Sequence[int]) -> Spans:
    """Spans of parts, with positions counted from the first one; those that touch are joined."""
    found: dict[int, list[IntArray]] = {}
    for spans, start in zip(parts, starts, strict=True):
        for track_id, own in spans.items():
            found.setdefault(track_id, []).append(own + start)
    return {track_id: _join(np.concatenate(found[track_id])) for track_id in sorted(found)}


def _join(spans: IntArray) -> IntArray:
    touches = spans[1:, 0] == spans[:-1, 1]
    begins, ends = np.append(True, ~touches), np.append(~touches, True)
    return np.stack([spans[begins, 0], spans[ends, 1]], axis=1)
