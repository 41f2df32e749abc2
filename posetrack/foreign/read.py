"""Reading of poses of other programs, whichever wrote them: the format is told by the content."""

from __future__ import annotations

from pathlib import Path

from posetrack.errors import ResultsError
from posetrack.foreign.base import ForeignOptions, ForeignPoses
from posetrack.foreign.data_sets import read_data_set
from posetrack.foreign.entries import read_result_list
from posetrack.foreign.kinds import KINDS
from posetrack.foreign.mot import read_mot
from posetrack.foreign.openpose import read_openpose
from posetrack.garbage import paused_garbage_collection
from posetrack.json_fields import read_json


def read_foreign(path: Path, options: ForeignOptions) -> ForeignPoses:
    """Read poses of another program.

    Args:
        path: One of `KINDS`.
        options: What it does not say.

    Raises:
        ResultsError: It cannot be read, or is none of them.
    """
    if path.is_dir():
        return read_openpose(path, options)
    if path.suffix.lower() == ".txt":
        return read_mot(path, options)
    with paused_garbage_collection():
        content = read_json(path)
        if isinstance(content, list):
            return read_result_list(content, options, str(path))
        if isinstance(content, dict) and ("annolist" in content or "images" in content):
            return read_data_set(content, options, path.stem, str(path))
    if isinstance(content, dict) and "people" in content:
        raise ResultsError(f"{path}: one frame of OpenPose; give the folder of its files")
    raise ResultsError(f"{path}: not poses that PoseTrack reads; expected {KINDS}")
