"""Validated access to fields of JSON files: each check fails with one line that names the field."""

from __future__ import annotations

import codecs
import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.json_text import parse_json
from posetrack.errors import ResultsError
from posetrack.garbage import paused_garbage_collection

LIMIT = 2**53
"""Numbers from this size on are refused: sums of such coordinates lose precision or overflow."""

_LONGEST_ID = 20
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ResultsError: The file cannot be read, or is not JSON; the message says if it is truncated.
    """
    try:
        with paused_garbage_collection():
            return parse_json(path.read_bytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ResultsError(f"{path}: cannot be read: {reason}; check the path") from error
    except UnicodeDecodeError as error:
        raise ResultsError(
            f"{path}: not JSON: not UTF-8 text at byte {error.start}; if it is compressed, unpack it"
        ) from error
    except json.JSONDecodeError as error:
        message = error.msg.lower()
        is_end = not error.doc[error.pos :].strip() or message.startswith("unterminated")
        end = " (the file ends there: was it cut short?)" if is_end else ""
        raise ResultsError(f"{path}: not JSON: line {error.lineno}: {message}{end}") from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: not JSON: a number too long, or too deep") from error


def begins_as_list(start: bytes) -> bool:
    """Whether the beginning of a file of JSON is that of a list."""
    return start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")


def make_error(where: str, expected: str, found: object) -> ResultsError:
    """The error for a field that is not what it should be.

    Args:
        where: The file and the field: `gt.json: images[3].id`.
        expected: What it should be.
        found: What it is; None is shown as nothing.
    """
    return ResultsError(f"{where}: expected {expected}, found {show(found)}")


def expect_object(value: Any, where: str) -> dict[str, Any]:
    """Take a JSON object, or raise ResultsError."""
    if not isinstance(value, dict):
        raise make_error(where, "an object {...}", value)
    return value


def expect_list(value: Any, where: str) -> list[Any]:
    """Take a JSON array, or raise ResultsError."""
    if not isinstance(value, list):
        raise make_error(where, "a list", value)
    return value


def expect_text(value: Any, where: str) -> str:
    """Take text, or raise ResultsError."""
    if not isinstance(value, str):
        raise make_error(where, "text", value)
    return value


def expect_number(value: Any, where: str) -> float:
    """Take a finite number below `LIMIT`, or raise ResultsError."""
    # Optimised for speed: files have a million numbers.
    kind = type(value)
    if (kind is float or kind is int) and abs(value) < LIMIT:
        return value  # type: ignore[no-any-return]
    if kind is int or (kind is float and math.isfinite(value)):
        raise make_error(where, "a number below 2**53", value)
    raise make_error(where, "a finite number", value)


def expect_integer(value: Any, where: str) -> int:
    """Take a whole number, which may be written as 3.0, or raise ResultsError."""
    number = expect_number(value, where)
    if number != int(number):
        raise make_error(where, "a whole number", value)
    return int(number)


def expect_whole(value: Any, where: str) -> int:
    """Take a whole number, which may be written as 3.0 or of a numpy type, or raise ResultsError."""
    try:
        return expect_integer(value.item() if isinstance(value, np.generic) else value, where)
    except ResultsError:
        raise make_error(where, "a whole number", value) from None


def expect_id(value: Any, where: str) -> int:
    """Take a whole number like `expect_whole`, or one that is written as "3", or raise ResultsError."""
    is_text = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < _LONGEST_ID
    try:
        return expect_whole(int(value) if is_text else value, where)
    except ResultsError:
        raise make_error(where, "a whole number", value) from None


def expect_count(value: Any, least: int, where: str) -> int:
    """Take a whole number from `least` that is not written as 3.0, or raise ResultsError."""
    if type(value) is not int or not least <= value <= LIMIT:
        raise make_error(where, f"a whole number from {least}", value)
    return value


def expect_flag(value: Any, where: str) -> bool:
    """Take true or false, which may be written as 1 or 0, or raise ResultsError."""
    return value if isinstance(value, bool) else bool(expect_number(value, where))


def expect_numbers(value: Any, count: int, where: str) -> list[float]:
    """Take a list of this many finite numbers, or raise ResultsError."""
    numbers = expect_list(value, where)
    if len(numbers) != count:
        raise ResultsError(f"{where}: expected {count} numbers, found {len(numbers)}")
    for i, number in enumerate(numbers):
        expect_number(number, f"{where}[{i}]")
    return numbers


def expect_array(value: Any, shape: tuple[int, ...], where: str) -> npt.NDArray[np.float64]:
    """Take finite numbers of one shape, () for a single one, or raise ResultsError."""
    expected = f"{math.prod(shape)} finite numbers" if shape else "a finite number"
    array = read_array(value)
    if array is None or array.dtype.kind == "b" or array.shape != shape:
        raise make_error(where, expected, value)
    if not np.isfinite(array).all():
        raise ResultsError(f"{where}: expected {expected}, found NaN or infinity; take the entry out")
    return array.astype(np.float64)


def expect_column(
    rows: Sequence[Mapping[str, Any]], field: str, shape: tuple[int, ...], expected: str, where: str
) -> npt.NDArray[np.float32]:
    """Take one field of every row as one array.

    Args:
        rows: N objects.
        field: The field of each.
        shape: Of one row's field.
        expected: What it should be, for messages.
        where: What messages call the list: `file: line 3: people`.

    Returns:
        (N, *shape), finite.

    Raises:
        ResultsError: A row has something else; it is named.
    """
    values = [row.get(field) for row in rows]
    column = read_float32(values, (len(values), *shape)) if values else np.zeros((0, *shape), np.float32)
    if column is not None:
        return column
    wrong = next(i for i, value in enumerate(values) if read_float32(value, shape) is None)
    value, at = values[wrong], f"{where}[{wrong}].{field}"
    if isinstance(value, list) and shape:
        found = "other values (NaN, text or uneven rows)" if len(value) == shape[0] else str(len(value))
        raise ResultsError(f"{at}: expected {expected}, found {found}")
    raise make_error(at, expected, value)


def read_array(value: object) -> npt.NDArray[Any] | None:
    """Numbers or flags as an array of whatever shape; None where it is something else, or rows are uneven."""
    try:
        array = np.array(value)
    except ValueError:
        return None
    return array if array.dtype.kind in "iufb" else None


def read_float32(value: object, shape: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    """Finite numbers of one shape; None where it is something else."""
    array = read_array(value)
    if array is None or array.dtype.kind == "b" or array.shape != shape:
        return None
    return array.astype(np.float32) if (abs(array) <= _LARGEST_FLOAT32).all() else None


def find_not_finite(value: object, field: str = "") -> str:
    """Name the first number that JSON does not have: `people[2].box[0]`; empty where there is none."""
    if isinstance(value, dict):
        parts = [(f"{field}.{key}" if field else str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        parts = [(f"{field}[{i}]", item) for i, item in enumerate(value)]
    else:
        return field if isinstance(value, float) and not np.isfinite(value) else ""
    return next(filter(None, (find_not_finite(item, name) for name, item in parts)), "")


def show_name(name: str) -> str:
    """Format a name from a file for messages: on one line and shortened."""
    return name if name.isprintable() and len(name) <= 200 else reprlib.repr(name)


def show(value: object) -> str:
    """Format a value from a file for messages, on one line."""
    return "nothing" if value is None else " ".join(reprlib.repr(value).split())
