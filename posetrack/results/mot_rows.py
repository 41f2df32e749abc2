"""The lines of MOTChallenge's text files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from posetrack.errors import ResultsError
from posetrack.json_fields import show

COLUMNS = ("frame", "id", "left", "top", "width", "height", "confidence", "class", "visibility")
"""The columns of MOTChallenge's ground truth since MOT16; the first six are in every file."""

FEWEST_COLUMNS, _MOST_COLUMNS = 6, 10
COLUMNS_WITH_CLASS = (8, 9)
"""Files of ten columns are of another form, with a position in space from the eighth on (MOT15)."""

PERSON_CLASS = 1
"""The class of people who walk."""

_LARGEST_NUMBER = 1e9


@dataclass(frozen=True)
class MotRow:
    """A line of a file.

    Attributes:
        where: Its place, for messages.
        numbers: Its numbers, in the order of `COLUMNS`, 6 to 10 of them.
    """

    where: str
    numbers: tuple[float, ...]

    def take(self, column: int, default: float) -> float:
        """A number, or the default where the line has no such column."""
        return self.numbers[column] if column < len(self.numbers) else default


def read_mot_rows(path: Path) -> Iterator[MotRow]:
    """Read the lines of a text file in the columns of MOTChallenge.

    Raises:
        ResultsError: It cannot be read, or a line is not what it should be.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ResultsError(f"{path}: cannot be read: {reason}; check the path") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path}: not a text file at byte {error.start}; expected MOTChallenge's") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{path}: line {number}"
            yield MotRow(where, _parse_line(line, where))


def _parse_line(line: str, where: str) -> tuple[float, ...]:
    parts = [part.strip() for part in line.split(",")] if "," in line else line.split()
    if not FEWEST_COLUMNS <= len(parts) <= _MOST_COLUMNS:
        raise ResultsError(
            f"{where}: {len(parts)} columns; expected {FEWEST_COLUMNS} to {_MOST_COLUMNS}: "
            f"{','.join(COLUMNS[:FEWEST_COLUMNS])},..."
        )
    numbers = tuple(_parse_number(part, f"{where}: column {i + 1}") for i, part in enumerate(parts))
    frame, track_id, _, _, width, height = numbers[:FEWEST_COLUMNS]
    _check(frame.is_integer() and frame >= 1, f"{where}: frame", "a whole number from 1 up", parts[0])
    _check(track_id.is_integer(), f"{where}: id", "a whole number", parts[1])
    _check(width >= 0, f"{where}: width", "pixels, not negative", parts[4])
    _check(height >= 0, f"{where}: height", "pixels, not negative", parts[5])
    return numbers


def _parse_number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    _check(abs(number) <= _LARGEST_NUMBER, where, f"a number, at most {_LARGEST_NUMBER:.0e}", text)
    return number


def _check(is_right: bool, where: str, expected: str, found: str) -> None:
    if not is_right:
        raise ResultsError(f"{where}: expected {expected}, found {show(found)}; correct the file")
