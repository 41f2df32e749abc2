"""Reading of PoseTrack17 and PoseTrack18 files, distinguished by their content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posetrack.annotations.coco_style import decode_images
from posetrack.annotations.posetrack17 import decode_posetrack17, decode_posetrack17_frames
from posetrack.annotations.posetrack18 import check_one_folder, decode_posetrack18
from posetrack.annotations.tracked_poses import read_tracked_poses
from posetrack.annotations.video import AnnotatedFrame, AnnotatedVideo
from posetrack.errors import ResultsError
from posetrack.garbage import paused_garbage_collection
from posetrack.json_fields import expect_object, read_json


def read_annotations(path: Path, name: str | None = None, *, raw: bool = False) -> AnnotatedVideo:
    """Read one sequence from a PoseTrack17 or PoseTrack18 file, or from our own `.jsonl`.

    Args:
        path: The file.
        name: Name of the sequence; by default that of the file without its suffix.
        raw: Leave out the edits that lie beside a `.jsonl`.

    Returns:
        The sequence.

    Raises:
        ResultsError: The file cannot be read or has none of these formats; the message names frame and field.
    """
    name = name or path.stem
    if path.suffix == ".jsonl":
        return read_tracked_poses(path, name, raw=raw)
    # Until the parsed file is gone again, so that its million objects are not even scanned once.
    with paused_garbage_collection():
        return _decode(read_json(path), name, path)


@dataclass(frozen=True, eq=False)
class ListedFrames:
    """The frames that a PoseTrack17 or PoseTrack18 file lists.

    Attributes:
        format_name: `posetrack17` or `posetrack18`.
        frames: The frames, in order.
        is_annotated: Whether anybody is annotated in them.
    """

    format_name: str
    frames: tuple[AnnotatedFrame, ...]
    is_annotated: bool


def read_frames(path: Path) -> ListedFrames:
    """Read the frames of a PoseTrack17 or PoseTrack18 file, of a test set too, which has no annotations.

    Raises:
        ResultsError: As for `read_annotations`.
    """
    with paused_garbage_collection():
        data = expect_object(read_json(path), str(path))
        if "annolist" in data:
            frames, is_annotated = decode_posetrack17_frames(data, str(path))
            return ListedFrames("posetrack17", frames, is_annotated)
        if "images" in data:
            images = decode_images(data, str(path))
            check_one_folder(images, str(path))
            return ListedFrames("posetrack18", tuple(images), bool(data.get("annotations")))
    raise _make_format_error(path)


def _decode(content: Any, name: str, path: Path) -> AnnotatedVideo:
    data = expect_object(content, str(path))
    if "annolist" in data:
        return decode_posetrack17(data, name, str(path))
    if "images" in data:
        return decode_posetrack18(data, name, str(path))
    raise _make_format_error(path)


def _make_format_error(path: Path) -> ResultsError:
    return ResultsError(f"{path}: neither `annolist` (PoseTrack17) nor `images` (PoseTrack18) in it")
