"""Resuming of an interrupted run: saved frames keep their people and ids, the others are processed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from posetrack.errors import ResultsError
from posetrack.frame import Frame
from posetrack.pipeline import FrameProcessor
from posetrack.results.jsonl import read_jsonl
from posetrack.results.record import Header, Record
from posetrack.skeleton import Skeleton

_SAME = ("source", "width", "height", "fps", "skeleton", "recipe")


def open_saved(path: Path, header: Header) -> Iterator[Record]:
    """Open the results of a run to resume.

    Args:
        path: Its `poses.jsonl`.
        header: The header of this run.

    Returns:
        The saved frames, in order.

    Raises:
        ResultsError: The file cannot be read, or its header is that of another run.
    """
    saved, records = read_jsonl(path)
    for name in _SAME:
        before, now = (getattr(each, name) for each in (saved, header))
        if before != now:
            before, now = (each.name if isinstance(each, Skeleton) else each for each in (before, now))
            raise ResultsError(
                f"{path}: {name}: {before}, but this run has {now}; resume with the same, or use --overwrite"
            )
    return records


def restore(records: Iterable[Record], where: str) -> FrameProcessor:
    """Make the processor that restores the saved people of the first frames, ids included.

    Args:
        records: The saved frames, in order from the source's first one on.
        where: Name of their file in messages.

    Returns:
        A processor that marks these frames as restored; it raises ResultsError if the saved frames are not
        those of the source.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        saved = iter(records)
        for frame in frames:
            record = next(saved, None)
            if record is None:
                yield from chain([frame], frames)
                return
            if record.frame != frame.index:
                raise ResultsError(
                    f"{where}: continues with frame {record.frame}, where this run has frame {frame.index}; "
                    "give --start, --end and --every as before, or --overwrite"
                )
            yield replace(frame, instances=record.instances, is_restored=True)

    return process
