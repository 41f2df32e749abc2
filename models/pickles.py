"""A reader of pickles that runs nothing of what they name, and leaves large arrays on disk.

Allowed are plain values, OrderedDict, and numpy's arrays and numbers, as Python 2 and 3 pickle them; any other
class or function is refused by name. The bytes of an array stand in most pickles as they are, and are
memory-mapped; protocols 0 to 2 of Python 3 write them as text, which is converted once, into the cache folder.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import math
import os
import pickle
import struct
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LARGE_BYTES = 2**20
"""Bytes and texts from this size on are not read with the rest of the pickle."""

_NUMBERS = "biuf"
_ENCODINGS = ("latin1", "latin-1", "iso-8859-1")
_DAMAGED = (
    *(pickle.UnpicklingError, EOFError, struct.error, ValueError, TypeError, LookupError, AttributeError),
    *(OverflowError, MemoryError, RecursionError, AssertionError),
)


class RefusedPickleError(ValueError):
    """A pickle names something that is not allowed, or is damaged; the message is the reason alone."""


@dataclass(frozen=True)
class _Span:
    """Bytes of the file that are not read: where they are; `is_text` where they are UTF-8 of Latin-1 text."""

    path: Path
    start: int
    size: int
    is_text: bool = False


class _ArrayName:
    """Stands for numpy.ndarray, which pickles name and never call."""


class _EmptyArray:
    """An array whose content follows in the pickle."""


def read_pickle(path: Path, find_cache: Callable[[], Path]) -> Any:
    """Read a pickle of plain values and arrays of numbers; texts of Python 2 are taken as Latin-1.

    Args:
        path: The file.
        find_cache: Finds the folder for large arrays that are stored as text: they are converted into it, once.

    Returns:
        The value; arrays from `LARGE_BYTES` on are memory-mapped and read-only.

    Raises:
        RefusedPickleError: It names something that is not allowed, or is damaged.
        OSError: The file, or one in the cache folder, cannot be read or written.
    """
    with path.open("rb") as file:
        try:
            return _Reader(file, path, find_cache).load()
        except RefusedPickleError:
            raise
        except _DAMAGED as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise RefusedPickleError(f"not a pickle, or damaged ({reason[:80]})") from error


class _ShortLines(io.BufferedIOBase):
    """A file whose lines are short: protocol 0 writes a whole array as one."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read  # type: ignore[assignment]
        self._file = file

    def readline(self, size: int | None = -1, /) -> bytes:
        line = self._file.readline(LARGE_BYTES)
        if len(line) == LARGE_BYTES:
            raise RefusedPickleError("of protocol 0; save it with protocol 2 or higher")
        return line


# The reader in C would read the bytes of an array at once; the one in Python is made of a method an opcode.
class _Reader(pickle._Unpickler):
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    # What the class in Python keeps, which type checkers do not know.
    stack: list[Any]
    memo: Any
    read: Any
    append: Any
    load_build: Any

    def __init__(self, file: BinaryIO, path: Path, find_cache: Callable[[], Path]) -> None:
        super().__init__(_ShortLines(file), encoding="latin1")
        self._file = file
        self._path = path
        self._find_cache = find_cache
        self._size = os.fstat(file.fileno()).st_size
        self._allowed: dict[tuple[str, str], object] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("_codecs", "encode"): _encode,
            ("numpy", "ndarray"): _ArrayName,
            ("numpy", "dtype"): _make_dtype,
        }
        for module in ("builtins", "__builtin__"):
            self._allowed[module, "bytes"] = _make_no_bytes
        for module in ("numpy.core", "numpy._core"):
            self._allowed[f"{module}.multiarray", "_reconstruct"] = _reconstruct
            self._allowed[f"{module}.multiarray", "scalar"] = _make_scalar
            self._allowed[f"{module}.numeric", "_frombuffer"] = self._make_from_buffer

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in self._allowed:
            raise RefusedPickleError(f"holds {module}.{name}, which is not allowed")
        return self._allowed[module, name]

    def _take(self, code: str, *, is_text: bool = False) -> bytes | _Span:
        """Read a length and so many bytes, or skip them where they are many."""
        (size,) = struct.unpack(code, self.read(struct.calcsize(code)))
        if size < 0 or size > self._size:
            raise RefusedPickleError("damaged, or cut short")
        if size < LARGE_BYTES:
            return cast(bytes, self.read(size))
        start = self._file.tell()
        if start + size > self._size:
            raise RefusedPickleError("damaged, or cut short")
        self._file.seek(size, os.SEEK_CUR)
        return _Span(self._path, start, size, is_text)

    def _load_frame(self) -> None:
        """Frames only tell how much to read ahead."""
        self.read(8)

    def _load_bytes(self, code: str) -> None:
        self.append(self._take(code))

    def _load_old_bytes(self) -> None:
        taken = self._take("<i")
        self.append(taken if isinstance(taken, _Span) else taken.decode("latin1"))

    def _load_text(self, code: str) -> None:
        taken = self._take(code, is_text=True)
        text = taken if isinstance(taken, _Span) else taken.decode("utf-8", "surrogatepass")
        self.append(text)

    def _load_build(self) -> None:
        """Fill an array, for which it is replaced, here and where the pickle refers to it again."""
        if not isinstance(self.stack[-2], _EmptyArray):
            self.load_build()
            return
        _, shape, dtype, is_fortran, content = self.stack.pop()
        empty = self.stack[-1]
        array = self._make_array(shape, dtype, "F" if is_fortran else "C", content)
        self.stack[-1] = array
        for key, value in self.memo.items():
            if value is empty:
                self.memo[key] = array

    def _make_from_buffer(self, content: object, dtype: object, shape: object, order: str) -> Array:
        return self._make_array(shape, dtype, order, content)

    def _make_array(self, shape: object, dtype: object, order: str, content: object) -> Array:
        if not isinstance(dtype, np.dtype) or dtype.kind not in _NUMBERS:
            raise RefusedPickleError(f"an array of {dtype}, where numbers are expected")
        if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
            raise RefusedPickleError("damaged: an array without a shape")
        num_bytes = dtype.itemsize * math.prod(shape)
        if isinstance(content, _Span):
            if content.is_text:
                content = _convert_text(content, self._find_cache())
            if content.size == num_bytes:
                return np.memmap(content.path, dtype, "r", content.start, shape, "F" if order == "F" else "C")
        elif isinstance(content, str | bytes | bytearray):
            data = content.encode("latin1") if isinstance(content, str) else bytes(content)
            if len(data) == num_bytes:
                return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")
        raise RefusedPickleError("damaged: an array whose bytes do not fit its shape")


def _by_size(load: Callable[[_Reader, str], None], code: str) -> Callable[[Any], None]:
    return lambda reader: load(reader, code)


_Reader.dispatch.update(
    {
        pickle.FRAME[0]: _Reader._load_frame,
        pickle.BUILD[0]: _Reader._load_build,
        pickle.BINSTRING[0]: _Reader._load_old_bytes,
        pickle.BINBYTES[0]: _by_size(_Reader._load_bytes, "<I"),
        pickle.BINBYTES8[0]: _by_size(_Reader._load_bytes, "<Q"),
        pickle.BYTEARRAY8[0]: _by_size(_Reader._load_bytes, "<Q"),
        pickle.BINUNICODE[0]: _by_size(_Reader._load_text, "<I"),
        pickle.BINUNICODE8[0]: _by_size(_Reader._load_text, "<Q"),
    }
)


def _encode(text: object, encoding: str) -> bytes | _Span:
    if encoding not in _ENCODINGS or not isinstance(text, str | _Span):
        raise RefusedPickleError("damaged: bytes that are no Latin-1 text")
    return text if isinstance(text, _Span) else text.encode("latin1")


def _make_no_bytes() -> bytes:
    """What Python 3 writes for b"" in the protocols of Python 2."""
    return b""


def _make_dtype(name: object, *flags: object) -> np.dtype[Any]:
    if not isinstance(name, str):
        raise RefusedPickleError("damaged: an array of no type")
    # A copy: its byte order is set next, which the common instances do not take.
    return np.dtype(name, False, True)


def _reconstruct(kind: object, shape: object, code: object) -> _EmptyArray:
    if kind is not _ArrayName:
        raise RefusedPickleError("damaged: an array of a class that is not allowed")
    return _EmptyArray()


def _make_scalar(dtype: object, content: object) -> Any:
    if not isinstance(dtype, np.dtype) or dtype.kind not in _NUMBERS:
        raise RefusedPickleError(f"a value of {dtype}, where a number is expected")
    data = content.encode("latin1") if isinstance(content, str) else content
    if not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise RefusedPickleError("damaged: a number whose bytes do not fit its type")
    return np.frombuffer(data, dtype)[0]


def _convert_text(span: _Span, cache_folder: Path) -> _Span:
    """Write the bytes that a text stands for into the cache folder, if they are not there yet."""
    facts = span.path.stat()
    key = f"{span.path.resolve()} {facts.st_size} {facts.st_mtime_ns} {span.start}"
    path = cache_folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.bytes"
    if not path.is_file():
        cache_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache_folder, suffix=".part", delete=False) as part:
            try:
                _write_decoded(span, cast(BinaryIO, part))
                Path(part.name).replace(path)
            finally:
                with suppress(OSError):
                    Path(part.name).unlink(missing_ok=True)
    return replace(span, path=path, start=0, size=path.stat().st_size, is_text=False)


def _write_decoded(span: _Span, out: BinaryIO) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    left = span.size
    with span.path.open("rb") as file:
        file.seek(span.start)
        while left:
            chunk = file.read(min(left, 2**24))
            if not chunk:
                raise RefusedPickleError("damaged, or cut short")
            left -= len(chunk)
            out.write(decoder.decode(chunk, final=not left).encode("latin1"))
    out.flush()
