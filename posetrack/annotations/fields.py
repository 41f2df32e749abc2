"""Validated access to fields of JSON files: each check fails with one line that names the field."""

from __future__ import annotations

import gc
import json
import math
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from posetrack.errors import ResultsError

LIMIT = 2**53
"""Numbers from this size on are refused: sums of such coordinates lose precision or overflow."""


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ResultsError: The file cannot be read, or is not JSON; the message says if it is truncated.
    """
    try:
        with _paused_garbage_collection():
            return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ResultsError(f"{path}: cannot be read: {reason}; check the path") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path}: not JSON: not UTF-8 text at byte {error.start}") from error
    except json.JSONDecodeError as error:
        message = error.msg.lower()
        is_end = not error.doc[error.pos :].strip() or message.startswith("unterminated")
        end = " (the file ends there: was it cut short?)" if is_end else ""
        raise ResultsError(f"{path}: not JSON: line {error.lineno}: {message}{end}") from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: not JSON: a number too long, or too deep") from error


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Pause garbage collection: large files make a million objects, and scanning them takes long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def expect_object(value: Any, where: str) -> dict[str, Any]:
    """Take a JSON object, or raise ResultsError."""
    if not isinstance(value, dict):
        raise ResultsError(f"{where}: expected an object {{...}}, found {show(value)}")
    return value


def expect_list(value: Any, where: str) -> list[Any]:
    """Take a JSON array, or raise ResultsError."""
    if not isinstance(value, list):
        raise ResultsError(f"{where}: expected a list, found {show(value)}")
    return value


def expect_number(value: Any, where: str) -> float:
    """Take a finite number below `LIMIT`, or raise ResultsError."""
    # Optimised for speed: files have a million numbers.
    kind = type(value)
    if (kind is float or kind is int) and abs(value) < LIMIT:
        return value  # type: ignore[no-any-return]
    if kind is int or (kind is float and math.isfinite(value)):
        raise ResultsError(f"{where}: expected a number below 2**53, found {show(value)}")
    raise ResultsError(f"{where}: expected a finite number, found {show(value)}")


def expect_integer(value: Any, where: str) -> int:
    """Take a whole number, which may be written as 3.0, or raise ResultsError."""
    number = expect_number(value, where)
    if number != int(number):
        raise ResultsError(f"{where}: expected a whole number, found {show(value)}")
    return int(number)


def expect_flag(value: Any, where: str) -> bool:
    """Take true or false, which may be written as 1 or 0, or raise ResultsError."""
    return value if isinstance(value, bool) else bool(expect_number(value, where))


def expect_text(value: Any, where: str) -> str:
    """Take text, or raise ResultsError."""
    if not isinstance(value, str):
        raise ResultsError(f"{where}: expected text, found {show(value)}")
    return value


def expect_numbers(value: Any, count: int, where: str) -> list[float]:
    """Take a list of this many finite numbers, or raise ResultsError."""
    numbers = expect_list(value, where)
    if len(numbers) != count:
        raise ResultsError(f"{where}: expected {count} numbers, found {len(numbers)}")
    for i, number in enumerate(numbers):
        expect_number(number, f"{where}[{i}]")
    return numbers


def show_name(name: str) -> str:
    """Format a name from a file for messages: on one line and shortened."""
    return name if name.isprintable() and len(name) <= 200 else reprlib.repr(name)


def show(value: object) -> str:
    """Format a value from a file for messages."""
    return "nothing" if value is None else reprlib.repr(value)
