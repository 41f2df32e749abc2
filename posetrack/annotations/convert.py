"""Conversion of data set files between PoseTrack17, PoseTrack18 and COCO."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from models.settings import suggest
from posetrack.annotations.coco import decode_coco, encode_coco
from posetrack.annotations.posetrack17 import decode_posetrack17, encode_posetrack17
from posetrack.annotations.posetrack18 import encode_posetrack18
from posetrack.annotations.video import AnnotatedVideo
from posetrack.errors import ResultsError
from posetrack.json_fields import expect_object, read_json
from posetrack.results.export import FORMATS
from posetrack.results.files import open_whole_file

_log = logging.getLogger(__name__)

_DENSE_FIELD = "dp_x"

COCO = "coco"
"""The format with one file for all sequences."""

ENCODERS: dict[str, Callable[[AnnotatedVideo], dict[str, Any]]] = {
    "posetrack17": encode_posetrack17,
    "posetrack18": encode_posetrack18,
}
"""The formats with one file per sequence."""


def convert_annotations(paths: Iterable[Path], format_name: str, out_dir: Path) -> list[Path]:
    """Convert data set files to another format.

    The format of a file is recognised by its content. `encode_posetrack17`, `encode_posetrack18` and
    `encode_coco` document what each format loses. Everything is read before anything is written.

    Args:
        paths: Files, or folders of `.json` files.
        format_name: `posetrack17` or `posetrack18`, one file per sequence with the sequence's name, or `coco`,
            one `coco.json`.
        out_dir: Output folder, created if needed. Existing files of the same names are replaced.

    Returns:
        The files written.

    Raises:
        ResultsError: The format is none of these, a file cannot be read or is not of these formats, two
            sequences have one name, an output is one of the inputs, or the output cannot be written.
    """
    check_format(format_name)
    files = [file for path in paths for file in _list_files(path)]
    source_of: dict[str, Path] = {}
    videos = []
    for file in files:
        for video in read_sequences(file):
            if video.name in source_of:
                raise ResultsError(
                    f"{file}: sequence '{video.name}' is also in {source_of[video.name]}; convert one at a time"
                )
            source_of[video.name] = file
            videos.append(video)
    if format_name == COCO:
        outputs = [out_dir / "coco.json"]
        contents: Iterable[dict[str, Any]] = [encode_coco(videos)]
    else:
        outputs = [out_dir / f"{video.name}.json" for video in videos]
        contents = map(ENCODERS[format_name], videos)
    _refuse_inputs(outputs, files)
    for path, content in zip(outputs, contents, strict=True):
        with open_whole_file(path) as target:
            json.dump(content, target, allow_nan=False)
            target.write("\n")
    return outputs


def read_sequences(path: Path) -> list[AnnotatedVideo]:
    """Read every sequence of a PoseTrack17, PoseTrack18 or COCO file.

    Args:
        path: The file; a sequence that it does not name gets its name.

    Returns:
        The sequences; one, unless it is a COCO file.

    Raises:
        ResultsError: The file cannot be read or has none of these formats; the message names the field.
    """
    data = expect_object(read_json(path), str(path))
    if "annolist" in data:
        return [decode_posetrack17(data, path.stem, str(path))]
    if "images" in data:
        videos = decode_coco(data, path.stem, str(path))
        num_dense = sum(_DENSE_FIELD in entry for entry in data["annotations"])
        if num_dense:
            _log.warning(
                "%s: the dense annotations (dp_*) of %d people are left out: keypoints, boxes and ids stay",
                *(path, num_dense),
            )
        return videos
    raise ResultsError(f"{path}: neither `annolist` (PoseTrack17) nor `images` (PoseTrack18, COCO) in it")


def check_format(format_name: str) -> None:
    """Check that data set files can be converted to a format.

    Raises:
        ResultsError: They cannot.
    """
    able = (*ENCODERS, COCO)
    if format_name in able:
        return
    if format_name in FORMATS:
        raise ResultsError(
            f"format {format_name}: only for saved poses (.jsonl); convert data sets to {', '.join(able)}"
        )
    raise ResultsError(f"unknown format '{format_name}'; {suggest(format_name, able)}")


def choose_out_dir(path: Path, format_name: str) -> Path:
    """Choose a new output folder beside a data set.

    Args:
        path: A file or folder.
        format_name: Name of the folder.

    Returns:
        The folder, which does not exist or is empty.

    Raises:
        ResultsError: The folder exists and is not empty: it may be another data set.
    """
    # `.` and `..` are not names.
    parent = path.parent if path.name not in {"", ".."} else path.resolve().parent
    out_dir = parent / format_name
    try:
        is_free = not out_dir.exists() or (out_dir.is_dir() and not any(out_dir.iterdir()))
    except OSError as error:
        raise ResultsError(f"{out_dir}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if not is_free:
        raise ResultsError(f"{out_dir}: exists already; choose another folder with --out")
    return out_dir


def _list_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    # Archives made on a Mac contain a `._NAME.json` beside every file.
    files = [file for file in sorted(path.glob("*.json")) if not file.name.startswith(".")]
    if not files:
        raise ResultsError(f"{path}: no .json files in it; name a folder of data set files, or one poses.jsonl")
    return files


def _refuse_inputs(outputs: list[Path], inputs: list[Path]) -> None:
    identities = {(stat.st_dev, stat.st_ino) for stat in (path.stat() for path in inputs)}
    for path in outputs:
        if path.exists() and (path.stat().st_dev, path.stat().st_ino) in identities:
            raise ResultsError(f"{path}: is the input itself; choose another --out")
