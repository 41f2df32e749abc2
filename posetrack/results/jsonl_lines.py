"""The lines of a results file, and what a killed run or a power cut leaves at its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.json_text import parse_json
from posetrack.errors import ResultsError

_LONGEST_LINE = 64 * 2**20
_BEGIN = b'{"schema"'
_DAMAGED = b"\0"
"""What a file has where a power cut came before its data reached the disk."""


@dataclass(frozen=True)
class WholeLines:
    """The whole lines at the beginning of a file.

    Attributes:
        count: How many lines there are, without blank ones; the header is one.
        size_bytes: How long they are.
        has_end: Whether the last one ends with a line feed.
        rest_bytes: How long the damaged rest is.
    """

    count: int
    size_bytes: int
    has_end: bool
    rest_bytes: int


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers, from 1.

    Raises:
        ResultsError: The file cannot be read, or a line is longer than any of ours.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(_LONGEST_LINE):
                number += 1
                if len(line) == _LONGEST_LINE:
                    raise ResultsError(f"{path}: line {number}: too long; is this a PoseTrack results file?")
                yield number, line
    except OSError as error:
        raise cannot_read(path, error) from error


def measure_whole_lines(path: Path, most_lines: int | None = None) -> WholeLines:
    """Find where a file stops being lines of JSON: a torn last line, or blocks of NUL after a power cut.

    Args:
        path: The file.
        most_lines: Stop behind so many lines that are not blank; None goes on to the end.

    Raises:
        ResultsError: The file cannot be read.
    """
    count, size_bytes, has_end = 0, 0, True
    try:
        with path.open("rb") as file:
            while count != most_lines and (line := file.readline(_LONGEST_LINE)):
                if is_damaged(line) and line.strip() and not is_json(line):
                    break
                count += bool(line.strip())
                size_bytes += len(line)
                has_end = line.endswith(b"\n")
        rest_bytes = path.stat().st_size - size_bytes
    except OSError as error:
        raise cannot_read(path, error) from error
    return WholeLines(count, size_bytes, has_end, rest_bytes)


def is_json(line: bytes) -> bool:
    """Whether a line is an object of JSON."""
    try:
        return isinstance(parse_json(line), dict)
    except (ValueError, RecursionError):
        return False


def is_damaged(line: bytes) -> bool:
    """Whether a line that is not JSON looks like one that was cut short, and not like another kind of file."""
    return not line.endswith(b"\n") or _DAMAGED in line


def has_header(path: Path) -> bool:
    """Whether a file begins with anything but the torn header of a run that was cut off at once.

    Raises:
        ResultsError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_LINE)
    except OSError as error:
        raise cannot_read(path, error) from error
    is_torn = line.startswith(_DAMAGED) or (is_damaged(line) and line[: len(_BEGIN)] == _BEGIN[: len(line)])
    return bool(line.strip()) and (is_json(line) or not is_torn)


def cannot_read(path: Path, error: OSError) -> ResultsError:
    """Make the error for a file that the system refuses to read."""
    return ResultsError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}")
