"""Checked access to the fields of a results file: what is wrong is named with its line and field."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np

from posetrack.errors import ResultsError
from posetrack.frame import FloatArray

_LARGEST_NUMBER = float(np.finfo(np.float32).max)
_LARGEST_INTEGER = 2**53


def find_not_finite(value: object, field: str = "") -> str:
    """Name the first number that JSON does not have: `people[2].box[0]`; empty when there is none."""
    if isinstance(value, dict):
        parts = [(f"{field}.{key}" if field else str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        parts = [(f"{field}[{i}]", item) for i, item in enumerate(value)]
    else:
        return field if isinstance(value, float) and not np.isfinite(value) else ""
    return next(filter(None, (find_not_finite(item, name) for name, item in parts)), "")


def read_column(
    people: list[dict[str, Any]], field: str, shape: tuple[int, ...], expected: str, where: str
) -> FloatArray:
    """Read one field of everyone as (N, *shape)."""
    rows = [person.get(field) for person in people]
    column = as_column(rows, (len(rows), *shape)) if rows else np.zeros((0, *shape), np.float32)
    if column is not None:
        return column
    wrong = next(i for i, row in enumerate(rows) if as_column(row, shape) is None)
    row = rows[wrong]
    found = show(row)
    if isinstance(row, list) and shape:
        found = "other values (NaN, text or uneven rows)" if len(row) == shape[0] else str(len(row))
    raise ResultsError(f"{where}: people[{wrong}].{field}: expected {expected}, found {found}")


def as_column(value: object, shape: tuple[int, ...]) -> FloatArray | None:
    """Finite numbers of one shape as float32; None when they are something else."""
    try:
        array = np.asarray(value)
    except ValueError:  # Uneven rows.
        return None
    if array.dtype.kind not in "iuf" or array.shape != shape or not (abs(array) <= _LARGEST_NUMBER).all():
        return None
    return array.astype(np.float32)


def expect_object(value: Any, where: str) -> dict[str, Any]:
    """The value, which must be an object."""
    if not isinstance(value, dict):
        raise ResultsError(f"{where}: expected an object {{...}}, found {show(value)}")
    return value


def expect_integer(fields: dict[str, Any], field: str, least: int, where: str) -> int:
    """The named field, which must be a whole number from `least`."""
    value = fields.get(field)
    if type(value) is not int or not least <= value <= _LARGEST_INTEGER:
        separator = "." if where.endswith("]") else ": "
        raise ResultsError(
            f"{where}{separator}{field}: expected a whole number from {least}, found {show(value)}"
        )
    return value


def show(value: object) -> str:
    """A value as errors show it."""
    return "nothing" if value is None else reprlib.repr(value)
