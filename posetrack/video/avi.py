"""The index of an AVI file: the place of each image chunk, which FFmpeg loses where chunks are damaged.

AVI has no time stamps. FFmpeg counts the chunks that it finds, so that the times close up over a hole.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import BinaryIO

import av

_ENTRY = struct.Struct("<4sIII")
_MAX_INDEX_BYTES = 1 << 28


class AviIndex:
    """The image chunks of one video stream, empty ones left out; those repeat the image before.

    Attributes:
        is_torn: Whether a chunk was found elsewhere than FFmpeg counted.
    """

    def __init__(self, chunks: list[tuple[int, int, int]], num_removed: int) -> None:
        """Take the index.

        Args:
            chunks: Place, offset and size in bytes of each chunk, in order.
            num_removed: Number of bytes by which the file is shorter than it says.
        """
        self.is_torn = False
        self._places = [place for place, _, _ in chunks]
        self._by_bytes = {(offset, size): place for place, offset, size in chunks}
        self._first_offset = chunks[0][1]
        self._shifts = (0, num_removed) if num_removed else (0,)
        self._origin: int | None = None

    def correct(self, packet: av.Packet[av.VideoStream]) -> None:
        """Set the stamp of a packet to its place in the index, where it is found there; call it for each."""
        if packet.pos is None or packet.dts is None:
            return
        if self._origin is None:
            self._origin = packet.pos - self._first_offset
        for shift in self._shifts:
            place = self._by_bytes.get((packet.pos - self._origin + shift, packet.size))
            if place is not None:
                self.is_torn |= place != packet.dts
                packet.dts = place
                return

    def count_between(self, before: int, after: int) -> int:
        """The number of images between two places."""
        return max(0, bisect_left(self._places, after) - bisect_right(self._places, before))


def read_avi_index(path: Path, stream_index: int) -> AviIndex | None:
    """Read the index of an AVI file; None if it has none, or one that is not valid.

    Args:
        path: The file.
        stream_index: Its video stream.
    """
    try:
        with open(path, "rb") as file:
            return _read_index(file, os.path.getsize(path), stream_index)
    except OSError:
        return None


def _read_index(file: BinaryIO, size: int, stream_index: int) -> AviIndex | None:
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"AVI ":
        return None
    num_removed = max(0, 8 + int.from_bytes(head[4:8], "little") - size)
    position = 12
    while position + 12 <= size:
        file.seek(position)
        head = file.read(12)
        name, length = head[:4], int.from_bytes(head[4:8], "little")
        if name == b"idx1":
            return _parse(file, position + 8, length, stream_index, num_removed)
        position += 8 + length + length % 2
        if head[8:] == b"movi":
            file.seek(position)
            # Chunks that were removed end the list early.
            position -= 0 if file.read(4) == b"idx1" else num_removed
    return None


def _parse(file: BinaryIO, position: int, length: int, stream_index: int, num_removed: int) -> AviIndex | None:
    if length > _MAX_INDEX_BYTES:
        return None
    file.seek(position)
    data = file.read(length - length % _ENTRY.size)
    names = {b"%02ddc" % stream_index, b"%02ddb" % stream_index}
    mine = [entry for entry in _ENTRY.iter_unpack(data[: len(data) // 16 * 16]) if entry[0] in names]
    chunks = [(place, offset, size) for place, (_, _, offset, size) in enumerate(mine) if size]
    return AviIndex(chunks, num_removed) if chunks else None
