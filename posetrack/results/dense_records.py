"""The members of a file of dense poses: numpy's arrays, and what is checked when they are read."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.densepose.pixel_box import PixelBox
from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, ImageArray, Instances, IntArray
from posetrack.json_fields import make_error
from posetrack.results.dense_boxes import BoxXYWH, give_xyxy, take_xywh, truncate_box
from posetrack.results.dense_png import decode_png, encode_png, measure_png
from posetrack.results.dense_results import MOST_PIXELS
from posetrack.results.jsonl_header import decode_header, encode_header
from posetrack.results.people import complete_boxes
from posetrack.results.record import Header

DENSE_SCHEMA = "posetrack-dense/1"
"""Name and version of the layout."""
HEADER_NAME = "header.npy"
FINAL_IDS_NAME = "final_ids.npy"

PERSON = np.dtype(
    [
        ("track_id", "<i8"),
        ("box_xywh", "<f8", (4,)),
        ("score", "<f8"),
        ("x", "<i4"),
        ("y", "<i4"),
        ("w", "<i4"),
        ("h", "<i4"),
        ("png_offset", "<i8"),
        ("png_size", "<i8"),
    ]
)
"""A person: id, box and score as the frame has them; the pixels of the dense pose; its PNG in the bytes."""
FINAL_ID = np.dtype([("frame", "<i8"), ("row", "<i8"), ("track_id", "<i8")])
"""The id of a person of a frame after joining of tracks; -1 for those who were left out."""

Records = npt.NDArray[Any]


class DensePerson(NamedTuple):
    """A person to write.

    Attributes:
        track_id: Their id.
        box: Their box.
        score: Its score.
        png: Their dense pose.
    """

    track_id: int
    box: BoxXYWH
    score: float
    png: bytes


_FRAME_NAME = re.compile(r"frame_([0-9]{10,16})(_png)?\.npy")
_CONTENT_AT = 10
_LONGEST_SIDE_PX = 2**30
_FURTHEST_PX = 2**22


def name_members(frame_index: int) -> tuple[str, str]:
    """Names of a frame's two members; those of later frames come later in the alphabet."""
    return f"frame_{frame_index:010d}.npy", f"frame_{frame_index:010d}_png.npy"


def parse_name(name: str) -> tuple[int, bool] | None:
    """The frame of a member, and whether it has the PNGs; None for other members."""
    match = _FRAME_NAME.fullmatch(name)
    return None if match is None else (int(match[1]), match[2] is not None)


def make_frame_type(num_people: int) -> np.dtype[Any]:
    """The type of a frame's first member, which is a single record."""
    sides = [("frame", "<i8"), ("time_s", "<f8"), ("width", "<i4"), ("height", "<i4")]
    return np.dtype([*sides, ("people", PERSON, (num_people,))])


def encode_array(array: Records) -> bytes:
    """The array as a `.npy` file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue()


def decode_array(content: bytes, where: str) -> Records:
    """The array of a `.npy` file without pickles, or ResultsError."""
    try:
        start = _CONTENT_AT + int.from_bytes(content[_CONTENT_AT - 2 : _CONTENT_AT], "little")
        shape, is_fortran, kind = _parse_array_header(content[:start])
        count = math.prod(shape)
        if kind.hasobject or is_fortran or len(content) != start + count * kind.itemsize:
            raise ValueError("pickled, transposed or of another size")
        return np.frombuffer(content, kind, count, start).reshape(shape) if count else np.zeros(shape, kind)
    except (ValueError, TypeError, SyntaxError, EOFError, MemoryError, OverflowError, RecursionError) as error:
        raise ResultsError(f"{where}: not an array of numpy; write the file again") from error


# numpy compiles the text of the header each time, which takes longer than all the rest of a frame.
@lru_cache(maxsize=256)
def _parse_array_header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    file = io.BytesIO(head)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("of another version")
    return np.lib.format.read_array_header_1_0(file)


def encode_dense_header(header: Header) -> bytes:
    """The first member: text of JSON."""
    fields = {**encode_header(header), "schema": DENSE_SCHEMA}
    fields.pop("dense", None)
    return encode_array(np.array(json.dumps(fields)))


def decode_dense_header(content: bytes, path: Path) -> Header:
    """The inverse of `encode_dense_header`, or ResultsError."""
    where = f"{path}: header"
    text = decode_array(content, where)
    if text.dtype.kind != "U" or text.ndim:
        raise make_error(where, f"text of JSON with schema '{DENSE_SCHEMA}'", f"{text.dtype} {text.shape}")
    try:
        fields = json.loads(str(text))
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{where}: not JSON; expected schema '{DENSE_SCHEMA}'") from error
    return decode_header(fields, where, path.parent, DENSE_SCHEMA)


def encode_people(instances: Instances, where: str) -> tuple[list[DensePerson], IntArray]:
    """The people of a frame who have a dense pose.

    Args:
        instances: N people.
        where: Name of the frame in messages.

    Returns:
        These people, and the place of each of the N among them, (N,), -1 without a dense pose.

    Raises:
        ValueError: A dense pose is not of the size of its box.
    """
    boxes, rows = complete_boxes(instances), np.full(len(instances), -1, np.int64)
    scores = instances.person_scores if instances.box_scores is None else instances.box_scores
    people: list[DensePerson] = []
    for i, pose in enumerate(instances.dense or ()):
        if not pose.size:
            continue
        box = take_xywh(boxes[i])
        pixels = truncate_box(box)
        if pose.shape != (pixels.h, pixels.w, 3):
            raise ValueError(
                f"{where}: person {i}: expected a dense pose ({pixels.h}, {pixels.w}, 3) over the pixels of "
                f"its box, got {pose.shape}"
            )
        rows[i] = len(people)
        track_id = UNTRACKED if instances.track_ids is None else int(instances.track_ids[i])
        people.append(DensePerson(track_id, box, float(scores[i]), encode_png(pose)))
    return people, rows


def encode_frame(
    frame_index: int, time_s: float, size_wh: tuple[int, int], people: Sequence[DensePerson]
) -> list[tuple[str, bytes]]:
    """Name and content of the two members of a frame."""
    record = np.zeros((), make_frame_type(len(people)))
    record["frame"], record["time_s"] = frame_index, time_s
    record["width"], record["height"] = size_wh
    position = 0
    for row, (track_id, box, score, png) in enumerate(people):
        record["people"][row] = (track_id, box, score, *truncate_box(box), position, len(png))
        position += len(png)
    contents = record, np.frombuffer(b"".join(person.png for person in people), np.uint8)
    return list(zip(name_members(frame_index), map(encode_array, contents), strict=True))


def decode_record(content: bytes, where: str) -> Records:
    """The record of a frame, as `decode_frame`, whose numbers are not checked."""
    record = decode_array(content, where)
    names = record.dtype.names or ()
    shape = record.dtype["people"].shape if "people" in names else ()
    count = shape[0] if len(shape) == 1 else 0
    if record.ndim or record.dtype != make_frame_type(count):
        raise ResultsError(f"{where}: not the record of a frame of schema '{DENSE_SCHEMA}'; write it again")
    return record


def decode_frame(content: bytes, frame_index: int, where: str) -> Records:
    """The record of a frame: `frame`, `time_s`, `width`, `height` and `people`, a row each.

    Args:
        content: Of the first member.
        frame_index: By its name.
        where: Name of the frame in messages.

    Raises:
        ResultsError: It is something else, or its numbers are out of range.
    """
    record = decode_record(content, where)
    if record["frame"] != frame_index:
        raise make_error(f"{where}: frame", str(frame_index), int(record["frame"]))
    for side in ("width", "height"):
        if not 0 < record[side] <= _LONGEST_SIDE_PX:
            raise make_error(f"{where}: {side}", f"1 to {_LONGEST_SIDE_PX:,} pixels", int(record[side]))
    if not np.isfinite(record["time_s"]):
        raise make_error(f"{where}: time_s", "seconds", float(record["time_s"]))
    for row, person in enumerate(record["people"]):
        _check_person(person, f"{where}: people[{row}]")
    return record


def _check_person(person: Any, where: str) -> None:
    box = take_box(person)
    if not (np.abs(box) <= _FURTHEST_PX).all() or min(box.w, box.h) < 0:
        raise make_error(f"{where}.box_xywh", "x, y, width and height in pixels", list(box))
    if not np.isfinite(person["score"]):
        raise make_error(f"{where}.score", "a finite number", float(person["score"]))
    if person["track_id"] < UNTRACKED:
        raise make_error(f"{where}.track_id", f"a whole number from {UNTRACKED}", int(person["track_id"]))
    pixels = take_pixels(person)
    if pixels != truncate_box(box):
        expected = ", ".join(map(str, truncate_box(box)))
        raise make_error(f"{where}: x, y, w, h", f"{expected}, the whole pixels of its box", tuple(pixels))
    if pixels.w * pixels.h > MOST_PIXELS:
        raise make_error(f"{where}: w, h", f"at most {MOST_PIXELS} pixels", pixels.w * pixels.h)


def take_box(person: Any) -> BoxXYWH:
    """The box of a person."""
    return BoxXYWH(*person["box_xywh"].tolist())


def take_pixels(person: Any) -> PixelBox:
    """The pixels of a person's dense pose."""
    return PixelBox(*(int(person[name]) for name in PixelBox._fields))


def cut_png(person: Any, pngs: Records, where: str) -> bytes:
    """The PNG of a person, of the size of their pixels, or ResultsError.

    Args:
        person: Their row.
        pngs: The bytes of the frame.
        where: Name of the person in messages.
    """
    start, size = int(person["png_offset"]), int(person["png_size"])
    if not (0 <= start <= start + size <= len(pngs)):
        raise ResultsError(f"{where}: its PNG is not inside the {len(pngs)} bytes of the frame; write it again")
    png, pixels = pngs[start : start + size].tobytes(), take_pixels(person)
    height, width = measure_png(png, where)
    if (height, width) != (pixels.h, pixels.w):
        raise ResultsError(
            f"{where}: the PNG is {height} x {width} (height x width), but its pixels {pixels.h} x {pixels.w}; "
            "write it again"
        )
    return png


def decode_pose(person: Any, pngs: Records, where: str) -> ImageArray:
    """The dense pose of a person, (h, w, 3), or ResultsError."""
    return decode_png(cut_png(person, pngs, where), where)


def decode_people(people: Records, rows: IntArray, pngs: Records, where: str) -> Instances:
    """The people of a frame with their dense poses.

    Args:
        people: N records.
        rows: (N,) their rows in the frame's part of the file.
        pngs: Bytes of the frame.
        where: Name of the frame in messages.

    Raises:
        ResultsError: A PNG is damaged or of another size than its pixels.
    """
    dense = (
        decode_pose(person, pngs, f"{where}: people[{row}]") for person, row in zip(people, rows, strict=True)
    )
    return Instances(
        boxes_xyxy=np.array([give_xyxy(take_box(person)) for person in people]).reshape(-1, 4),
        box_scores=people["score"],
        track_ids=people["track_id"].copy(),
        dense=tuple(dense),
        dense_rows=rows,
    )
