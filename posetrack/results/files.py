"""Writing whole files: under a temporary name first, renamed when everything is in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from posetrack.errors import ResultsError
from posetrack.outputs import check_output_file, find_remedy, make_part, name_part


@contextmanager
def open_whole_file(path: Path) -> Iterator[TextIO]:
    """Open a text file that appears under its name only when the block ends without an error.

    Args:
        path: The file; its folder is made, and an older file of this name is replaced.

    Yields:
        The open file.

    Raises:
        ResultsError: The file cannot be written.
    """
    with _make_whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def open_whole_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file in the way of `open_whole_file`."""
    with _make_whole(path) as part, part.open("wb") as file:
        yield file


@contextmanager
def _make_whole(path: Path) -> Iterator[Path]:
    """Make the temporary file that gets its name at the end."""
    check_output_file(path)
    part = name_part(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield make_part(path)
        part.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def make_whole_folder(path: Path, *own_patterns: str) -> Iterator[Path]:
    """Fill a folder that appears under its name only when the block ends without an error.

    Args:
        path: The folder; an older one is replaced.
        own_patterns: File names that an older folder may hold; anything else in it is not ours to delete.

    Yields:
        The folder to write into.

    Raises:
        ResultsError: The folder cannot be written, or an older one holds other files.
    """
    part = name_part(path)
    try:
        if path.exists():
            check_own_folder(path, *own_patterns)
        if part.is_symlink() or part.is_file():
            part.unlink()
        elif part.exists():
            shutil.rmtree(part)
        part.mkdir(parents=True)
        yield part
        if path.exists():
            shutil.rmtree(path)
        part.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_own_folder(folder: Path, *own_patterns: str) -> None:
    """Check a folder that `make_whole_folder` would replace.

    Raises:
        ResultsError: It holds files of other names.
        OSError: It is no folder, or cannot be read.
    """
    for file in folder.iterdir():
        if not any(file.match(pattern) for pattern in own_patterns):
            raise ResultsError(
                f"{folder}: would be replaced, but holds '{file.name}'; move it away or choose another --out"
            )


def remove_own(path: Path, own_pattern: str | None) -> None:
    """Remove an output of an earlier run, if it is there: a file, or the files of a folder that are ours.

    Args:
        path: The output; a folder that is empty then is removed as well.
        own_pattern: Their names, if it is a folder; None for an output that is a file.

    Raises:
        OSError: It cannot be removed.
    """
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    for file in path.glob(own_pattern) if own_pattern else ():
        file.unlink()
    if not any(path.iterdir()):
        path.rmdir()


def cannot_write(path: Path, error: OSError) -> ResultsError:
    """Make the error for a file that the system refuses to write."""
    reason = (error.strerror or str(error)).lower()
    return ResultsError(f"{path}: cannot be written: {reason}; {find_remedy(error.errno)}")


def write_json_array(file: TextIO, items: Iterable[object]) -> None:
    """Write items as a JSON array, one a line, as they come: memory does not grow with their number.

    Args:
        file: Open for writing.
        items: Anything JSON has, without NaN.
    """
    file.write("[")
    for position, item in enumerate(items):
        file.write(",\n" if position else "\n")
        file.write(json.dumps(item, allow_nan=False))
    file.write("\n]")
