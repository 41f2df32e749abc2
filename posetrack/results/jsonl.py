r"""`poses.jsonl`: a header line, then one line a frame, written as the frames come.

    {"schema": "posetrack/1", "source": "clip.mp4", "width": 640, "height": 360, "fps": "30000/1001",
     "skeleton": "coco17", "keypoints": [17 names], "recipe": "default"}
    {"frame": 0, "time": 0.0, "people": [{"track_id": 1, "box": [x1, y1, x2, y2], "score": 0.93,
     "keypoints": [[x, y, score], ...]}]}

`width` and `height` are those of the first image, upright and with square pixels: an image whose pixels are not
square is widened or narrowed before anything is found in it, and all coordinates are in pixels of that. A frame
whose image has another size says so itself: `"size": [width, height]`; the others do not have the key.
In the file of a run, the header has a key "run" as well, with what decides its poses, so that `--resume` goes
on with the same run only: digests of the recipe's tables and of the weights, engine, precision, the part of the
source, and a fingerprint of its files ("source"; null where there are none, as of a stream or a pipe).
"blurred_faces": true in the header says that the annotated video of the run has blurred faces, so that
`--resume` blurs them as well. A frame of such a run has "faces": [[x1, y1, x2, y2], ...] where people were left
out, by --roi for example: the places of their heads, which every drawing with blurred faces hides.
Coordinates have 2 decimals, scores 4, seconds 6. `score` is the box score. A person who is not tracked has
`track_id` -1. Smoothing adds `"smoothed": [[x, y], ...]` to each person; `keypoints` stay as estimated.
A network that gives masks adds `"mask": {"size": [height, width], "counts": "..."}`, COCO's run lengths.
A person whom no network found in this frame, and who was placed between the frames before and after, has
`"interpolated": true`; the others do not have the key.
Dense poses are in a file of their own (`posetrack.results.dense_file`): the header's "dense" is its path from
the folder of this file, a person's `"dense": 2` the place in the frame's part of it, from 0.
Without a pose network `keypoints` is `[]` for everyone in the frame, and is read back as "not computed"
(None); in a frame with nobody it is read back as shape `(0, K, 2)`. Other keys are ignored in reading.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from models.json_text import parse_json
from posetrack.errors import ResultsError
from posetrack.frame import FloatArray, Instances
from posetrack.json_fields import (
    expect_count,
    expect_list,
    expect_object,
    find_not_finite,
    make_error,
    read_float32,
)
from posetrack.outputs import create_file
from posetrack.results.files import cannot_write
from posetrack.results.jsonl_header import decode_header, encode_header, parse_side
from posetrack.results.jsonl_lines import WholeLines, is_damaged, is_json, measure_whole_lines, read_lines
from posetrack.results.jsonl_people import decode_faces, decode_people, encode_faces, encode_people
from posetrack.results.record import SCHEMA, Header, Record
from posetrack.results.rounding import round_time

_log = logging.getLogger(__name__)


class JsonlWriter:
    """Writes poses frame by frame; each line is on its way to the disk when `write` returns.

    Args:
        path: The file; its folder is made, and an older file of this name is replaced.
        header: Written at once.
        is_resumed: Go on behind the last whole line of the file instead; the header is there.
        keep_frames: How many of its frames to keep then, at most; None for all.

    Attributes:
        num_records: Frames that were in the file at first.

    Raises:
        ResultsError: The file cannot be written.
    """

    def __init__(
        self, path: Path | str, header: Header, *, is_resumed: bool = False, keep_frames: int | None = None
    ) -> None:
        self.path = Path(path)
        self._header = header
        most_lines = None if keep_frames is None else keep_frames + 1
        lines = measure_whole_lines(self.path, most_lines) if is_resumed else WholeLines(0, 0, True, 0)
        self._size_bytes = lines.size_bytes
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not lines.count and (self.path.is_symlink() or self.path.is_file()):
                self.path.unlink()
            if not os.path.lexists(self.path):
                create_file(self.path)
            self._file = self.path.open("r+b" if lines.count else "wb", buffering=0)
            if lines.count:  # A pipe has none, and could not be cut.
                self._file.truncate(lines.size_bytes)
                self._file.seek(lines.size_bytes)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self.num_records = max(lines.count - 1, 0)
        if lines.count and lines.rest_bytes and lines.count != most_lines:
            _log.warning(
                "%s: damaged behind frame line %d; the last %d bytes are cut off, and their frames done again",
                self.path,
                self.num_records,
                lines.rest_bytes,
            )
        try:
            if not lines.count:
                self._append(make_header_line(header, str(self.path), self.path.parent))
            elif not lines.has_end:
                self._append(b"\n")
        except ResultsError:
            self.close()
            raise

    def write(
        self,
        frame_index: int,
        time_s: float,
        instances: Instances,
        size_wh: tuple[int, int] | None = None,
        faces_xyxy: FloatArray | None = None,
    ) -> None:
        """Append one frame.

        Args:
            frame_index: Position in the source, from 0.
            time_s: Presentation time in seconds.
            instances: The people; their boxes are drawn around the keypoints where they have none.
            size_wh: Width and height of the image in pixels; None for that of the header.
            faces_xyxy: (F, 4) boxes of the heads of those who were left out; None where that is not known.

        Raises:
            ResultsError: The file cannot be written, or a number is NaN or infinite. The lines before stay
                whole.
        """
        record = Record(frame_index, time_s, instances, size_wh, faces_xyxy)
        self._append(make_record_line(record, self._header, str(self.path)))

    def close(self) -> None:
        """Close the file; closing it twice does no harm."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, line: bytes) -> None:
        rest = memoryview(line)
        self._size_bytes += len(rest)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._size_bytes -= len(line)
            with suppress(OSError):  # Half a line is no use to anyone; a pipe cannot take it back.
                self._file.seek(self._size_bytes)
                self._file.truncate()
            raise cannot_write(self.path, error) from error


def make_header_line(header: Header, where: str, folder: Path | None = None) -> bytes:
    """The first line of a results file.

    Args:
        header: Of the video.
        where: What to call the output in messages.
        folder: Of the results file; None for no file.
    """
    return _make_line(encode_header(header, folder), where)


def make_record_line(record: Record, header: Header, where: str) -> bytes:
    """The line of one frame.

    Args:
        record: The frame; the boxes of its people are drawn around the keypoints where they have none.
        header: Of its file.
        where: What to call the output in messages.

    Raises:
        ResultsError: A number is NaN or infinite.
    """
    size_wh = record.get_size_wh(header)
    fields = {
        "frame": int(record.frame),
        "time": round_time(record.time_s),
        **({} if size_wh == header.size_wh else {"size": size_wh}),
        **encode_faces(record.faces_xyxy),
        "people": encode_people(record.instances),
    }
    return _make_line(fields, where)


def _make_line(fields: dict[str, object], where: str) -> bytes:
    try:
        return json.dumps(fields, allow_nan=False).encode() + b"\n"
    except ValueError as error:
        raise ResultsError(f"{where}: {find_not_finite(fields)}: not a finite number") from error


def read_jsonl(path: Path | str) -> tuple[Header, Iterator[Record]]:
    """Read a results file frame by frame.

    The header is read at once, the records as they are asked for. A last line that was cut short by a killed
    job is left out with a logged warning.

    Args:
        path: A `poses.jsonl`.

    Returns:
        The header, and the records in order.

    Raises:
        ResultsError: The file cannot be read, or a line is not what it should be. It names the line and the
            field; for the records it comes while they are iterated.
    """
    path = Path(path)
    number, line = next(read_lines(path), (1, b""))
    where = f"{path}: line {number}"
    if not line.strip():
        raise ResultsError(f"{path}: empty; expected a header line with schema '{SCHEMA}'")
    try:
        fields = parse_json(line)
    except (ValueError, RecursionError) as error:
        raise ResultsError(
            f"{where}: not JSON; expected a header with schema '{SCHEMA}', as posetrack run writes"
        ) from error
    header = decode_header(fields, where, path.parent)
    return header, _read_records(path, header)


def _read_records(path: Path, header: Header) -> Iterator[Record]:
    last_frame = -1
    lines = read_lines(path)
    for number, line in lines:
        if number == 1 or not line.strip():
            continue
        where = f"{path}: line {number}"
        try:
            fields = parse_json(line)
        except (ValueError, RecursionError) as error:
            if is_damaged(line) and not any(is_json(other) for _, other in lines):
                _log.warning("%s: cut short, left out; the %d lines before it are whole", where, number - 1)
                return
            raise ResultsError(f"{where}: not JSON: {str(error).splitlines()[0]}") from error
        record = parse_record(fields, header, where)
        if record.frame <= last_frame:
            raise ResultsError(f"{where}: frame: {record.frame} comes after {last_frame}; expected more")
        last_frame = record.frame
        yield record


def parse_record(fields: Any, header: Header, where: str) -> Record:
    """The frame from an object of JSON.

    Args:
        fields: The object.
        header: Of its file.
        where: File and line, for messages.

    Raises:
        ResultsError: A field is not what it should be.
    """
    fields = expect_object(fields, where)
    frame = expect_count(fields.get("frame"), 0, f"{where}: frame")
    time_s = fields.get("time")
    if not isinstance(time_s, int | float) or read_float32(time_s, ()) is None:
        raise make_error(f"{where}: time", "seconds", time_s)
    people = expect_list(fields.get("people"), f"{where}: people")
    for i, person in enumerate(people):
        expect_object(person, f"{where}: people[{i}]")
    size_wh = None
    if "size" in fields:
        sides = expect_list(fields["size"], f"{where}: size")
        if len(sides) != 2:
            raise make_error(f"{where}: size", "a width and a height", sides)
        size_wh = parse_side(sides[0], f"{where}: size[0]"), parse_side(sides[1], f"{where}: size[1]")
    instances = decode_people(people, header.skeleton, size_wh or header.size_wh, where)
    faces = decode_faces(fields, where)
    return Record(frame, float(time_s), instances, size_wh, faces)
