"""Zip files whose members are found again without the directory at the end, as a killed program leaves them.

Each member begins with a header of its own, which has its name, size and checksum; so one after another is
found from the beginning on. Members are stored, not compressed, and dated 1980: equal content, equal files.

Source: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", 4.3.7, 4.3.12 to 4.3.16 and 4.5.3.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from posetrack.errors import ResultsError
from posetrack.outputs import create_file
from posetrack.results.files import cannot_write
from posetrack.results.jsonl_lines import cannot_read

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_PLACE_64 = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")
_OFFSET_64 = struct.Struct("<2HQ")
_LOCAL_SIGN, _CENTRAL_SIGN = b"PK\3\4", b"PK\1\2"
_DIRECTORY_SIGNS = (_CENTRAL_SIGN, b"PK\6\6", b"PK\5\6")
_VERSION, _VERSION_64 = 20, 45
_FIRST_DAY = 1 << 5 | 1
_LARGEST_16, _LARGEST_32 = 2**16 - 1, 2**32 - 1
_STORED, _DEFLATED = 0, 8
_CHUNK_BYTES = 2**20
_DAMAGED = (zipfile.BadZipFile, ValueError, struct.error, OverflowError, NotImplementedError, LookupError)


class Member(NamedTuple):
    """A member of a zip file.

    Attributes:
        name: Its name.
        offset: Where its header begins in the file.
        size: Of its content, bytes.
        crc: Checksum of its content.
        packed_size: Of what is in the file, bytes.
        method: How it is packed: 0 stored, 8 deflated.
    """

    name: str
    offset: int
    size: int
    crc: int
    packed_size: int
    method: int = _STORED

    @property
    def end(self) -> int:
        """Where its content ends, if `pack_header` wrote its header."""
        return self.offset + _LOCAL.size + len(self.name) + self.packed_size

    def pack_header(self) -> bytes:
        """What stands before its content."""
        name = self.name.encode("ascii")
        sizes = self.crc, self.packed_size, self.size, len(name), 0
        return _LOCAL.pack(_LOCAL_SIGN, _VERSION, 0, self.method, 0, _FIRST_DAY, *sizes) + name

    def pack_entry(self) -> bytes:
        """Its entry in the directory."""
        name, is_far = self.name.encode("ascii"), self.offset >= _LARGEST_32
        version = _VERSION_64 if is_far else _VERSION
        extra = _OFFSET_64.pack(1, 8, self.offset) if is_far else b""
        sizes = self.crc, self.packed_size, self.size, len(name), len(extra)
        head = version, version, 0, self.method, 0, _FIRST_DAY, *sizes, 0, 0, 0, 0
        return _CENTRAL.pack(_CENTRAL_SIGN, *head, min(self.offset, _LARGEST_32)) + name + extra


class MemberWriter:
    """Writes members behind one another; they are on their way to the disk when `append` returns.

    Args:
        path: The file; its folder is made.
        kept: Members at its beginning to go on behind; what follows them is cut off. None for a new file, which
            replaces an older one.

    Raises:
        ResultsError: The file cannot be written.
    """

    def __init__(self, path: Path, kept: Iterable[Member] | None = None) -> None:
        self.path = path
        self._directory = bytearray()
        self._count = 0
        self._end = 0
        for member in kept or ():
            self._list(member)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kept is None and (path.is_symlink() or path.is_file()):
                path.unlink()
            if not os.path.lexists(path):
                create_file(path)
            self._file = path.open("r+b", buffering=0)
            self._file.truncate(self._end)
            self._file.seek(self._end)
        except OSError as error:
            raise cannot_write(path, error) from error

    def append(self, contents: Iterable[tuple[str, bytes]]) -> None:
        """Append members, all of them in one piece.

        Args:
            contents: Name and content of each.

        Raises:
            ResultsError: They cannot be written; the file is as it was.
        """
        position, members, parts = self._end, [], []
        for name, content in contents:
            if len(content) >= _LARGEST_32:
                raise ResultsError(f"{self.path}: {name}: larger than 4 GB; write smaller images")
            member = Member(name, position, len(content), zlib.crc32(content), len(content))
            members.append(member)
            parts += [member.pack_header(), content]
            position = member.end
        self._write(b"".join(parts))
        for member in members:
            self._list(member)

    def close(self) -> None:
        """Write the directory and close the file; closing it twice does no harm.

        Raises:
            ResultsError: The directory cannot be written; the members are there.
        """
        if self._file.closed:
            return
        try:
            self._write(self._pack_directory())
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Close the file without a directory, after an error."""
        self._file.close()

    def _list(self, member: Member) -> None:
        self._directory += member.pack_entry()
        self._count += 1
        self._end = member.end

    def _pack_directory(self) -> bytes:
        start, size, count = self._end, len(self._directory), self._count
        end = b""
        if count >= _LARGEST_16 or max(start, size) >= _LARGEST_32:
            numbers = _VERSION_64, _VERSION_64, 0, 0, count, count, size, start
            end += _END_64.pack(b"PK\6\6", _END_64.size - 12, *numbers)
            end += _PLACE_64.pack(b"PK\6\7", 0, start + size, 1)
        count = min(count, _LARGEST_16)
        place = min(size, _LARGEST_32), min(start, _LARGEST_32)
        return bytes(self._directory) + end + _END.pack(b"PK\5\6", 0, 0, count, count, *place, 0)

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with suppress(OSError):  # Half a member is no use to anyone.
                self._file.truncate(self._end)
                self._file.seek(self._end)
            raise cannot_write(self.path, error) from error


class MemberWalk:
    """The members at the beginning of a file that lie behind one another, as `MemberWriter` writes them.

    Without a directory they are found by their headers, and their content is checked.

    Attributes:
        path: The file.
        end: Where the last member ends that was yielded.
        rest_bytes: Once all were: size of what follows and is neither a member nor a directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end = 0
        self.rest_bytes = 0

    def __iter__(self) -> Iterator[Member]:
        """Find them.

        Raises:
            ResultsError: The file cannot be read.
        """
        self.end = self.rest_bytes = 0
        listed = read_directory(self.path)
        if listed is not None:
            for member in sorted(listed, key=lambda each: each.offset):
                if member.offset != self.end:
                    return
                self.end = member.end
                yield member
            return
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                while (found := _find_member(file, self.end, size)) is not None:
                    self.end = found.end
                    yield found
                file.seek(self.end)
                is_directory = file.read(4) in _DIRECTORY_SIGNS
                self.rest_bytes = 0 if is_directory else size - self.end
        except OSError as error:
            raise cannot_read(self.path, error) from error


def _find_member(file: BinaryIO, offset: int, end: int) -> Member | None:
    """The member that begins here, if it is whole."""
    file.seek(offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        return None
    sign, _, flags, method, _, _, crc, packed_size, size, name_size, extra_size = _LOCAL.unpack(header)
    is_ours = (sign, flags, method, packed_size, extra_size) == (_LOCAL_SIGN, 0, _STORED, size, 0)
    if not is_ours or offset + _LOCAL.size + name_size + size > end:
        return None
    name = file.read(name_size)
    if not name.isascii() or _compute_crc(file, size) != crc:
        return None
    return Member(name.decode(), offset, size, crc, packed_size)


def _compute_crc(file: BinaryIO, size: int) -> int:
    crc = 0
    while size > 0 and (content := file.read(min(size, _CHUNK_BYTES))):
        crc = zlib.crc32(content, crc)
        size -= len(content)
    return crc


def read_directory(path: Path) -> list[Member] | None:
    """The members that the directory lists; None where there is no directory, or it is damaged.

    Raises:
        ResultsError: The file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [
                Member(
                    *(info.filename, info.header_offset, info.file_size, info.CRC, info.compress_size),
                    info.compress_type,
                )
                for info in archive.infolist()
            ]
    except OSError as error:
        raise cannot_read(path, error) from error
    except _DAMAGED:
        return None


def read_member(file: BinaryIO, member: Member) -> bytes | None:
    """Read the content of a member; None where it is damaged, or packed in another way than Zip's usual.

    Args:
        file: Open for reading.
        member: One of its members.
    """
    if not 0 <= member.offset < 2**63:
        return None
    file.seek(member.offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(_LOCAL_SIGN):
        return None
    file.seek(sum(_LOCAL.unpack(header)[-2:]), os.SEEK_CUR)
    content = file.read(member.packed_size)
    if member.method == _DEFLATED:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(content, member.size + 1)
        except zlib.error:
            return None
    elif member.method != _STORED:
        return None
    return content if len(content) == member.size and zlib.crc32(content) == member.crc else None
