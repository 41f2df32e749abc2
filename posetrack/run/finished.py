"""Finished runs: one that is known to be finished is not done again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from posetrack.frame import UNTRACKED
from posetrack.results.jsonl import read_jsonl
from posetrack.run.report import RunReport


def report_finished(poses: Path, num_frames: int, others: Sequence[Path], name: str) -> RunReport | None:
    """The report of a finished run, from its files.

    Args:
        poses: Its file of poses.
        num_frames: How many frames it had.
        others: What it wrote besides.
        name: Name of the source.

    Returns:
        The report, in which all frames are restored and no time has passed; None where a file is missing, or
        the poses have another number of frames.

    Raises:
        ResultsError: The poses cannot be read.
    """
    if not all(path.exists() for path in others):
        return None
    frames = people = 0
    ids: set[int] = set()
    for record in read_jsonl(poses)[1]:
        frames += 1
        people += len(record.instances)
        if record.instances.track_ids is not None:
            ids.update(record.instances.track_ids.tolist())
    if frames != num_frames:
        return None
    files = (poses, *others)
    return RunReport(name, frames, people, len(ids - {UNTRACKED}), 0.0, 0, files, num_restored=frames)
