"""Assignment of the images of a COCO-style file to sequences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from posetrack.annotations.video import AnnotatedVideo
from posetrack.errors import ResultsError
from posetrack.json_fields import expect_integer, expect_text, show_name


def split_sequences(
    video: AnnotatedVideo, images: list[dict[str, Any]], where: str, *, file_first: bool = False
) -> list[AnnotatedVideo]:
    """Split the content of one file into its sequences.

    The sequence of an image is named by `sequence`, else by the folder of its `file_name`, else by `vid_id`,
    else by the file.

    Args:
        video: The content of the file, with the file's name.
        images: The file's `images`, one per frame.
        where: Name of the file in messages.
        file_first: Whether the file's name is preferred to that of a single folder, as in PoseTrack18's files.

    Returns:
        The sequences in the order of their first images; one empty sequence if there are no images.

    Raises:
        ResultsError: The name of a sequence is not a valid file name.
    """
    if not images:
        return [video]
    folders = {str(_find_folder(image)) for image in images} - {"."}
    if file_first and len(folders) <= 1 and not any("sequence" in image for image in images):
        return [video]
    shorts = [PurePosixPath(folder).name for folder in folders]
    # The folders `train/a` and `val/a` are two sequences.
    is_ambiguous = len(set(shorts)) < len(shorts)
    members: dict[str, list[int]] = {}
    for i, image in enumerate(images):
        sequence = _name_sequence(image, video.name, f"{where}: images[{i}]", is_ambiguous=is_ambiguous)
        members.setdefault(sequence, []).append(i)
    return [replace(video.select_frames(np.array(rows, np.int64)), name=name) for name, rows in members.items()]


def _find_folder(image: dict[str, Any]) -> PurePosixPath:
    return PurePosixPath(image.get("file_name", "")).parent


def _name_sequence(image: dict[str, Any], default: str, where: str, *, is_ambiguous: bool) -> str:
    folder = _find_folder(image)
    if image.get("sequence") is not None:
        name, field = expect_text(image["sequence"], f"{where}.sequence"), "sequence"
    elif str(folder) != ".":
        name = "_".join(part for part in folder.parts if part != "/") if is_ambiguous else folder.name
        field = "file_name"
    elif image.get("vid_id") is not None:
        vid_id = image["vid_id"]
        name = vid_id if isinstance(vid_id, str) else str(expect_integer(vid_id, f"{where}.vid_id"))
        field = "vid_id"
    else:
        return default
    # The name is used as that of a file.
    if not name.isprintable() or name.startswith(".") or set(name) & set("/\\") or not 0 < len(name) <= 200:
        raise ResultsError(f"{where}.{field}: '{show_name(name)}' cannot be the name of a sequence; rename it")
    return name
