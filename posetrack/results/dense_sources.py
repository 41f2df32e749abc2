"""Dense poses from files of any form: ours, `poses.jsonl` with one, the competition's, Detectron2's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from posetrack.errors import ResultsError
from posetrack.json_fields import LIMIT, begins_as_list, make_error, show_name
from posetrack.results.coco_entries import PERSON_CATEGORY_ID
from posetrack.results.dense_boxes import truncate_box
from posetrack.results.dense_index import DenseFile, is_dense_file
from posetrack.results.dense_json import read_dense_json
from posetrack.results.dense_raw import FindImage, is_raw, read_raw_results
from posetrack.results.dense_results import DenseResult, keep_people
from posetrack.results.jsonl import read_jsonl
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

_JSONL = ".jsonl"
_BEGIN_BYTES = 2**20


class ResultFrame(NamedTuple):
    """The people with dense poses in one frame.

    Attributes:
        frame_index: Position in the source.
        time_s: Presentation time in seconds.
        size_wh: Width and height of the image in pixels.
        results: The people.
    """

    frame_index: int
    time_s: float
    size_wh: tuple[int, int]
    results: list[DenseResult]


def read_results(path: Path, find_image: FindImage, people_id: int | None) -> list[DenseResult]:
    """Read the results of a file of any form.

    Args:
        path: The file.
        find_image: Finds the number of an image of which only the file's name is given.
        people_id: Number of the people's category; None where all are people.

    Returns:
        Those of people, in the order of the file; those of our own files are read when they are decoded.

    Raises:
        ResultsError: The file cannot be read, is of none of the forms, or a result is not what it should be.
    """
    if _has_frames(path):
        return [result for frame in read_clip(path)[1] for result in frame.results]
    found = read_raw_results(path, find_image) if is_raw(path) else read_dense_json(path)
    return keep_people(found, people_id, path)


def read_clip(path: Path) -> tuple[Header, Iterator[ResultFrame]]:
    """Read the dense poses of a clip, frame by frame, from a file of any form.

    The competition's JSON and Detectron2's form have images instead of frames, and neither sizes nor times: the
    number of an image becomes that of the frame, and its time in seconds; the size is the smallest that holds
    all dense poses.

    Args:
        path: The file.

    Returns:
        The header, and the frames in order.

    Raises:
        ResultsError: The file cannot be read, is of none of the forms, or a result is not what it should be; of
            our own files the frames are checked in iteration.
    """
    if not _has_frames(path):
        return _gather(read_results(path, _NumberedNames(), PERSON_CATEGORY_ID), path)
    if path.suffix.lower() == _JSONL:
        return _read_poses(path)
    file = DenseFile(path)
    return file.header, (_take_frame(file, place) for place in range(len(file.frames)))


def holds_dense(path: Path) -> bool:
    """Whether a file has dense poses itself, of any form, by its beginning; of a missing one by its name."""
    return is_dense_file(path) or is_raw(path) or _lists_results(path)


def _lists_results(path: Path) -> bool:
    """Whether a file of JSON is a list of dense results; data sets are objects."""
    try:
        with path.open("rb") as file:
            start = file.read(_BEGIN_BYTES)
    except OSError:
        return False
    return begins_as_list(start) and b'"uv_data"' in start


def _has_frames(path: Path) -> bool:
    return path.suffix.lower() == _JSONL or is_dense_file(path)


def _take_frame(file: DenseFile, place: int) -> ResultFrame:
    frame = file.read(place)
    return ResultFrame(frame.frame_index, frame.time_s, frame.size_wh, file.list_results(frame))


def _read_poses(path: Path) -> tuple[Header, Iterator[ResultFrame]]:
    file, header = open_dense_of(path)
    return header, _fill_records(path, file, header)


def open_dense_of(path: Path) -> tuple[DenseFile, Header]:
    """Open the file of dense poses that a `poses.jsonl` refers to.

    Args:
        path: The `poses.jsonl`.

    Returns:
        The file, and the header of the `poses.jsonl`.

    Raises:
        ResultsError: One of them cannot be read, or there are no dense poses.
    """
    header, _ = read_jsonl(path)
    if header.dense is None:
        raise ResultsError(f"{path}: refers to no dense poses; give --dense-out in a run")
    try:
        file = DenseFile(header.dense)
    except ResultsError as error:
        raise ResultsError(f"{path}: its dense poses: {error}") from error
    check_is_of_run(file.path, file.header, path, header)
    return file, header


def check_is_of_run(path: Path, header: Header, poses: Path, poses_header: Header) -> None:
    """Check that a file of dense poses and a `poses.jsonl` are of the same run.

    Args:
        path: The file of dense poses.
        header: Its header.
        poses: The `poses.jsonl`.
        poses_header: Its header.

    Raises:
        ResultsError: They are not; how they differ is named.
    """
    for name in ("source", "width", "height", "fps", "skeleton", "recipe", "provenance"):
        own, other = getattr(header, name), getattr(poses_header, name)
        if name == "provenance" and other is None:
            continue  # Of poses that were tracked again.
        if own != other:
            shown = "settings, weights or content" if name == "provenance" else name
            values = f" ({own}, not {other})" if isinstance(own, str | int) else ""
            raise ResultsError(
                f"{path}: is of another run than {poses}, by its {shown}{values}; put the file of that run "
                "there, or run again with --overwrite"
            )


def _fill_records(path: Path, file: DenseFile, header: Header) -> Iterator[ResultFrame]:
    for record in read_jsonl(path)[1]:
        people, results = record.instances, []
        if people.dense_rows is not None:
            saved = file.pick(record.frame, people.dense_rows, f"{path}: frame {record.frame}")
            if people.track_ids is not None:
                saved = saved._replace(people=saved.people.copy())
                saved.people["track_id"] = people.track_ids[people.dense_rows >= 0]
            results = file.list_results(saved)
        yield ResultFrame(record.frame, record.time_s, record.get_size_wh(header), results)


class _NumberedNames:
    """Finds the number of an image that is its file's name, such as `000139.jpg`."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def __call__(self, name: str, where: str) -> int:
        stem = PurePosixPath(name).stem
        if not (stem.isascii() and stem.isdecimal()):
            raise ResultsError(f"{where}: {show_name(name)} is not a number; give image_id")
        known = self._names.setdefault(int(stem), name)
        if known != name:
            raise ResultsError(
                f"{where}: {show_name(name)} and {show_name(known)} are both number {int(stem)}; give image_id"
            )
        return int(stem)


def _gather(results: list[DenseResult], path: Path) -> tuple[Header, Iterator[ResultFrame]]:
    """Results in whatever order as frames."""
    frames: dict[int, list[DenseResult]] = defaultdict(list)
    for result in results:
        if not 0 <= result.image_id < LIMIT:
            raise make_error(f"{result.where}: image_id", "a whole number from 0", result.image_id)
        frames[result.image_id].append(result)
    pixels = np.array([truncate_box(result.box) for result in results], np.int64).reshape(-1, 4)
    width, height = (int(side) for side in (pixels[:, :2] + pixels[:, 2:]).max(axis=0, initial=1))
    header = Header(path.name, width, height, Fraction(1), COCO_17, recipe="")
    ordered = sorted(frames.items())
    return header, (ResultFrame(number, float(number), (width, height), each) for number, each in ordered)
