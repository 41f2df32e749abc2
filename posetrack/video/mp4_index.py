"""The parts of an MP4 after it was written: its index moved to the beginning, or a torn end cut off."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from posetrack.outputs import make_part, name_part

_SUFFIX = ".front.part"
_COPY_BYTES = 1 << 20
# The boxes on the way from the index to its tables of positions in the file.
_PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_TABLES = {b"stco": ">u4", b"co64": ">u8"}
_LARGEST = {b"stco": 0xFFFFFFFF, b"co64": 0xFFFFFFFFFFFFFFFF}


def move_index_to_front(path: Path, out: Path, *, is_synced: bool = False) -> None:
    """Write a copy of an MP4 with its index (moov) before the images, and put it in place of a file.

    The copy has a temporary name beside `out` until it is complete; it is removed if that fails. Only the order
    of the file's parts and the positions in the index change.

    Args:
        path: An MP4 whose index is at its end, as a fragmented one has that was closed.
        out: Replaced by the copy; may be `path` itself.
        is_synced: Whether to wait until the copy is on the disk before it replaces anything.

    Raises:
        OSError: The copy cannot be written, or `out` not replaced.
        ValueError: The file is not of this form; nothing was written.
    """
    with path.open("rb") as file:
        position, index = _read_index(file)
        front = _find_front(file, position)
        _shift(memoryview(index), len(index))
        part = make_part(out, _SUFFIX)
        try:
            with part.open("wb") as copy:
                _copy(file, copy, 0, front)
                copy.write(index)
                _copy(file, copy, front, position)
                if is_synced:
                    copy.flush()
                    os.fsync(copy.fileno())
            part.replace(out)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def cut_torn_end(path: Path) -> bool:
    """Cut a fragmented MP4 that could not be written to its end off after its last complete fragment.

    Returns:
        Whether there is any.

    Raises:
        OSError: The file cannot be read or cut.
    """
    end = position = 0
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        try:
            while position < size:
                kind, length = _read_header(file, position, size)
                position += length
                end = position if kind == b"mdat" else end
        except ValueError:
            pass  # the torn one
        file.truncate(end)
    return end > 0


def clean_up(out: Path) -> None:
    """Remove the temporary file that a killed process may have left beside a video.

    Raises:
        OSError: It cannot be removed.
    """
    name_part(out, _SUFFIX).unlink(missing_ok=True)


def _read_index(file: BinaryIO) -> tuple[int, bytearray]:
    """Find the index, which must be the last box; returns its position and bytes."""
    size = file.seek(0, os.SEEK_END)
    position = 0
    while position < size:
        kind, length = _read_header(file, position, size)
        if kind == b"moov":
            if position + length != size:
                break
            file.seek(position)
            return position, bytearray(file.read(length))
        position += length
    raise ValueError(f"{file.name}: no index at the end")


def _find_front(file: BinaryIO, end: int) -> int:
    """The position of the first box of images, before which the index goes."""
    position = 0
    while position < end:
        kind, length = _read_header(file, position, end)
        if kind == b"mdat":
            return position
        position += length
    raise ValueError(f"{file.name}: no images")


def _read_header(file: BinaryIO, position: int, end: int) -> tuple[bytes, int]:
    """Kind and length of a box, checked against the end of the file."""
    file.seek(position)
    header = file.read(16)
    length, kind = int.from_bytes(header[:4], "big"), header[4:8]
    if length == 1:
        length = int.from_bytes(header[8:16], "big")
    if length < 8 or position + length > end:
        raise ValueError(f"{file.name}: a box of {length} bytes at {position}")
    return kind, length


def _shift(boxes: memoryview, by: int) -> None:
    """Add a number of bytes to the positions in the tables of an index, in place."""
    position = 0
    while position + 8 <= len(boxes):
        length, kind = int.from_bytes(boxes[position : position + 4], "big"), bytes(boxes[position + 4 :][:4])
        if length < 8 or position + length > len(boxes):
            raise ValueError(f"a box of {length} bytes in an index")
        content = boxes[position + 8 : position + length]
        if kind in _PARENTS:
            _shift(content, by)
        elif kind in _TABLES:
            _shift_table(content, kind, by)
        position += length


def _shift_table(content: memoryview, kind: bytes, by: int) -> None:
    (count,) = struct.unpack_from(">I", content, 4)
    table = np.frombuffer(content, _TABLES[kind], count, offset=8)
    if count and int(table.max()) + by > _LARGEST[kind]:
        raise ValueError("positions beyond 4 GiB in a table for smaller ones")
    table += by


def _copy(file: BinaryIO, copy: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    for begin in range(start, end, _COPY_BYTES):
        copy.write(file.read(min(_COPY_BYTES, end - begin)))
