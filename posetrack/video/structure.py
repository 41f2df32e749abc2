"""The bytes of a video file as its container lays them out: whether they end where they should."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import BinaryIO

_TS_SYNC_OFFSETS = {188: 0, 192: 4, 204: 0}
_TS_PACKETS_TO_CHECK = 5
_TS_SYNC = b"\x47"
_MAX_BYTES_TO_CHECK = 1 << 28
_SEGMENT = 0x18538067
_START_CODE = b"\0\0\1"
_PACK, _PROGRAM_END = b"\0\0\1\xba", b"\0\0\1\xb9"
_PACK_BYTES = 1 << 18
_EBML = 0x1A45DFA3


def is_cut(path: Path, format_name: str) -> bool | None:
    """Whether a file ends before the end that its container declares.

    Args:
        path: The file.
        format_name: FFmpeg's name of the container.

    Returns:
        None if this kind of container does not tell.
    """
    formats = format_name.split(",")
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            if "matroska" in formats:
                return _is_matroska_cut(file, size)
            if "avi" in formats:
                return _is_riff_cut(file, size)
            if "mov" in formats:
                return _is_mp4_cut(file, size)
            if "mpegts" in formats:
                return _is_ts_cut(file, size)
            if "flv" in formats:
                return _is_flv_cut(file, size)
            if "mpeg" in formats:
                return _is_program_stream_cut(file, size)
    except OSError:
        return None
    return None


def find_damage(path: Path, format_name: str) -> bool:
    """Whether the first 256 MB of an MPEG transport stream or FLV have packets that do not follow each other.

    Args:
        path: The file.
        format_name: FFmpeg's name of the container; nothing is known of others.
    """
    formats = format_name.split(",")
    if not {"mpegts", "flv"}.intersection(formats):
        return False
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _is_flv_torn(data) if "flv" in formats else _is_ts_torn(data)
    except (OSError, ValueError):  # removed or emptied meanwhile
        return False


def _is_ts_torn(data: mmap.mmap) -> bool:
    end = min(len(data), _MAX_BYTES_TO_CHECK)
    for length in _TS_SYNC_OFFSETS:
        first = data.find(_TS_SYNC, 0, length)
        starts = range(first, min(2 * _TS_PACKETS_TO_CHECK * length, end), length)
        if first >= 0 and all(data[i : i + 1] == _TS_SYNC for i in starts):
            return any(data[i : i + 1] != _TS_SYNC for i in range(first, end, length))
    return False


def _is_flv_torn(data: mmap.mmap) -> bool:
    """A tag is followed by its own length."""
    position = 4 + int.from_bytes(data[5:9], "big")
    while position + 11 <= min(len(data), _MAX_BYTES_TO_CHECK):
        length = 11 + int.from_bytes(data[position + 1 : position + 4], "big")
        position += length + 4
        if int.from_bytes(data[position - 4 : position], "big") != length:
            return True
    return False


def _is_ts_cut(file: BinaryIO, size: int) -> bool:
    """A whole stream ends with whole packets, each of which begins with the same byte."""
    num_bytes = min(size, _TS_PACKETS_TO_CHECK * max(_TS_SYNC_OFFSETS))
    file.seek(size - num_bytes)
    data = file.read(num_bytes)
    for length, offset in _TS_SYNC_OFFSETS.items():
        starts = range(num_bytes - length + offset, -1, -length)
        if starts and all(data[i : i + 1] == _TS_SYNC for i in starts):
            return False
    return True


def _is_matroska_cut(file: BinaryIO, size: int) -> bool | None:
    position = 0
    for _ in range(2):
        file.seek(position)
        head = file.read(12)
        if len(head) < 12:
            return True
        name = int.from_bytes(head[:4], "big")
        num_bytes = 9 - head[4].bit_length()  # of the length that follows, which says so in its first bits
        if name not in (_EBML, _SEGMENT) or not 1 <= num_bytes <= 8:
            return None
        value = int.from_bytes(head[4 : 4 + num_bytes], "big") & ((1 << 7 * num_bytes) - 1)
        is_open = value == (1 << 7 * num_bytes) - 1
        if name == _SEGMENT:
            return None if is_open else position + 4 + num_bytes + value > size
        position += 4 + num_bytes + value
    return None


def _is_riff_cut(file: BinaryIO, size: int) -> bool | None:
    position = 0
    while position + 12 <= size:
        file.seek(position)
        head = file.read(12)
        length = int.from_bytes(head[4:8], "little")
        if (
            head[:4] != b"RIFF" or not length
        ):  # something behind the video; or a recording that was not finished
            break
        position += 8 + length
        if position > size:
            return True
    return False if position else None


def _is_mp4_cut(file: BinaryIO, size: int) -> bool:
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # to the end of the file
            return False
        position += length
    return position > size


def _is_flv_cut(file: BinaryIO, size: int) -> bool | None:
    """The last four bytes are the length of the tag before them, and that tag has its length in its head."""
    file.seek(max(0, size - 4))
    length = int.from_bytes(file.read(4), "big")
    if length < 11 or length + 4 > size:
        return True
    file.seek(size - 4 - length)
    return int.from_bytes(file.read(4)[1:], "big") + 11 != length


def _is_program_stream_cut(file: BinaryIO, size: int) -> bool | None:
    """Packets say how long they are, and a pack tells where they begin; an end mark is not always written."""
    start = max(0, size - _PACK_BYTES)
    file.seek(start)
    data = file.read()
    position = data.find(_PACK)
    while 0 <= position < len(data):
        head = data[position : position + 14]
        if head[:4] == _PROGRAM_END:
            return False
        if head[:3] != _START_CODE[: len(head[:3])]:
            return None
        if len(head) < 6:
            return True
        if head[:4] == _PACK:
            is_mpeg2 = head[4] >> 6 == 1
            position += (14 + (head[13] & 7) if len(head) == 14 else 14) if is_mpeg2 else 12
        else:
            position += 6 + int.from_bytes(head[4:6], "big")
    return True if position > len(data) else None
