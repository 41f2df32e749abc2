"""Reading of MATLAB files (level 5) with arrays and texts, which may be damaged.

scipy crashes the process on unexpected data types (seen with 1.17), so all tags are checked before it reads the
file. Source: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from models.training.errors import DataError

_HEADER_BYTES = 128
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED, _UTF8 = 1, 5, 6, 14, 15, 16
_NUMBER_TYPES = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13})
_TEXT_TYPES = frozenset({1, 2, 4, 16, 17, 18})
_CELL_CLASS, _CHAR_CLASS = 1, 4
_NUMBER_CLASSES = range(6, 16)
_MOST_BYTES = 2**30
_DEEPEST = 4


class _DamagedError(ValueError):
    """A tag is not allowed at its place."""


class _Element(NamedTuple):
    type: int
    data: memoryview


def read_mat(path: Path, names: Collection[str]) -> dict[str, Any]:
    """Read variables of a MATLAB file.

    Args:
        path: A file of level 5 (MATLAB's -v6 and -v7, and scipy's).
        names: The variables to read, each an array of numbers, a text or cells of these; others are skipped.

    Returns:
        The variables that exist: arrays of numbers, cells as arrays of objects.

    Raises:
        DataError: The file cannot be read, or is not a MATLAB file of level 5.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"{path}: cannot be read: {reason}; check the path") from error
    if content.startswith(b"MATLAB 7.3"):
        raise DataError(f"{path}: a MATLAB 7.3 file; save it with -v7, or give JSON")
    try:
        _check(content, names)
        with path.open("rb") as file:
            found: dict[str, Any] = loadmat(file, variable_names=list(names))
    # The exception that scipy raises depends on where the file is damaged.
    except (
        *(ValueError, TypeError, LookupError, OSError, EOFError, ArithmeticError, MemoryError),
        *(UnboundLocalError, NotImplementedError, zlib.error, struct.error, MatReadError),
    ) as error:
        raise DataError(
            f"{path}: not a MATLAB file (-v7) that can be read; is it complete, or JSON under another name?"
        ) from error
    return found


def _check(content: bytes, names: Collection[str]) -> None:
    order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER_BYTES])
    if order is None or 0 in content[:4]:
        raise _DamagedError("header")
    for element in _walk(memoryview(content)[_HEADER_BYTES:], order):
        if element.type == _COMPRESSED:
            unpacker = zlib.decompressobj()
            unpacked = memoryview(unpacker.decompress(element.data, _MOST_BYTES))
            if not unpacker.eof:
                raise _DamagedError("compressed data")
            (element,) = _walk(unpacked, order)
        _check_matrix(element, order, names)


def _check_matrix(element: _Element, order: str, names: Collection[str] | None, depth: int = 0) -> None:
    """Check a variable if it is among `names`, or the content of a cell (None)."""
    if element.type != _MATRIX or depth > _DEEPEST:
        raise _DamagedError("variable")
    if names is None and not element.data:
        return
    flags, dims, name, *parts = _walk(element.data, order)
    is_fit = (flags.type, len(flags.data), dims.type) == (_UINT32, 8, _INT32) and len(dims.data) >= 8
    if not is_fit or name.type not in (_INT8, _UTF8):
        raise _DamagedError("array flags, sizes or name")
    if names is not None and bytes(name.data).decode("latin-1") not in names:
        return
    (word,) = struct.unpack_from(f"{order}I", flags.data)
    array_class, is_complex = word & 0xFF, bool(word & 0x800)
    count = math.prod(struct.unpack(f"{order}{len(dims.data) // 4}i", dims.data))
    if array_class == _CELL_CLASS and len(parts) == count:
        for part in parts:
            _check_matrix(part, order, None, depth + 1)
        return
    allowed = _NUMBER_TYPES if array_class in _NUMBER_CLASSES else _TEXT_TYPES
    if array_class != _CHAR_CLASS and array_class not in _NUMBER_CLASSES:
        raise _DamagedError("array class")
    if len(parts) != 1 + is_complex or not all(part.type in allowed for part in parts):
        raise _DamagedError("array data")


def _walk(data: memoryview, order: str) -> Iterator[_Element]:
    """Yield the consecutive elements of some bytes: a tag with type and size, then the data."""
    position = 0
    while position < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, position)
        start = position + 8
        if kind >> 16:  # A small element: the size is in the upper half of the type, the data follow.
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            if size > 4:
                raise _DamagedError("small element")
        if start + size > len(data):
            raise _DamagedError("cut short")
        yield _Element(kind, data[start : start + size])
        position = start + size
        if kind != _COMPRESSED:
            position += -position % 8
