"""Go on with a run that was cut short: what it saved keeps its people and ids, networks see the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import wraps
from itertools import chain

from posetrack.errors import ResultsError
from posetrack.frame import Frame
from posetrack.pipeline import FrameProcessor
from posetrack.results.record import Record


def restore(records: Iterable[Record], where: str) -> FrameProcessor:
    """Make the processor that gives the first frames the people that were saved for them, ids included.

    Args:
        records: Saved frames, in order, those of the source from the first one on.
        where: What errors call them: the file.

    Returns:
        A processor; it raises ResultsError where the frames that were saved are not those that come.
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
                    f"{where}: goes on with frame {record.frame}, where this run has frame {frame.index}; "
                    "give --start, --end and --every as before, or --overwrite"
                )
            yield replace(frame, instances=record.instances)

    return process


def skip_tracked(process: FrameProcessor) -> FrameProcessor:
    """Let a processor see only the frames behind those whose people have ids already, at the start of a run."""

    @wraps(process)
    def process_rest(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if frame.instances.track_ids is None:
                yield from process(chain([frame], frames))
                return
            yield frame

    return process_rest
