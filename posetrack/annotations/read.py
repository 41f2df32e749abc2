"""Reading annotation files of either year, told apart by what is in them."""

from __future__ import annotations

from pathlib import Path

from posetrack.annotations.fields import expect_object, read_json
from posetrack.annotations.posetrack17 import decode_posetrack17
from posetrack.annotations.posetrack18 import decode_posetrack18
from posetrack.annotations.tracked_poses import read_tracked_poses
from posetrack.annotations.video import AnnotatedVideo
from posetrack.errors import ResultsError


def read_annotations(path: Path, name: str | None = None) -> AnnotatedVideo:
    """Read one sequence from a PoseTrack17 or PoseTrack18 file, or from our own `.jsonl`.

    Args:
        path: The file.
        name: Of the sequence; by default the file's, without its ending.

    Returns:
        The sequence.

    Raises:
        ResultsError: The file cannot be read or is none of these; it names the frame and the field.
    """
    name = name or path.stem
    if path.suffix == ".jsonl":
        return read_tracked_poses(path, name)
    data = expect_object(read_json(path), str(path))
    if "annolist" in data:
        return decode_posetrack17(data, name, str(path))
    if "images" in data:
        return decode_posetrack18(data, name, str(path))
    raise ResultsError(f"{path}: neither `annolist` (PoseTrack17) nor `images` (PoseTrack18) in it")
