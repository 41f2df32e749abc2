"""Columns of numbers from parsed JSON, all values checked at once: the quick way, for files with nothing wrong.

Where a value is not what most files have there, `UnclearError` is raised, or a look-up fails; the file is then
read value by value, which takes rarer ways of writing, or names the field that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np

from posetrack.annotations.video import AnnotatedPeople, DoubleArray
from posetrack.frame import BoolArray
from posetrack.json_fields import LIMIT

NUMBERS = frozenset({int, float})
WHOLE_NUMBERS = frozenset({int})
NUMBERS_OR_FLAGS = frozenset({int, float, bool})
LISTS = frozenset({list})
LISTS_OR_NOTHING: frozenset[type] = frozenset({list, type(None)})
OBJECTS = frozenset({dict})


class UnclearError(Exception):
    """A value is not of the usual type, or is too large."""


def read_quickly(read: Callable[..., AnnotatedPeople], *arguments: Any) -> AnnotatedPeople | None:
    """Call a function that reads people by columns; None where a file must be read value by value."""
    try:
        return read(*arguments)
    # A look-up that fails says as little about the field as `UnclearError` does.
    except (UnclearError, LookupError, TypeError, AttributeError, ValueError, OverflowError):
        return None


def check_types(values: Iterable[object], types: frozenset[type]) -> None:
    """Check that all values are of some types.

    Raises:
        UnclearError: One is not.
    """
    if not types.issuperset(map(type, values)):
        raise UnclearError


def make_column(values: list[Any], types: frozenset[type] = NUMBERS) -> DoubleArray:
    """Make an array (N,) of N numbers.

    Raises:
        UnclearError: One is of another type, not finite, or not below `LIMIT`.
    """
    check_types(values, types)
    column = np.array(values, np.float64)
    if not (np.abs(column) < LIMIT).all():
        raise UnclearError
    return column


def make_table(rows: list[Any], width: int) -> DoubleArray:
    """Make an array (N, width) of N lists of numbers.

    Raises:
        UnclearError: One is no list of so many numbers, or a number is not as in `make_column`.
    """
    check_types(rows, LISTS)
    if not {width}.issuperset(map(len, rows)):
        raise UnclearError
    return make_column(list(chain.from_iterable(rows))).reshape(len(rows), width)


def find_given(values: list[Any]) -> BoolArray:
    """Which values are there, (N,): neither None nor empty."""
    return np.fromiter(map(bool, values), bool, len(values))


def fill(is_given: BoolArray, given: DoubleArray) -> DoubleArray:
    """Spread the given rows (M, ...) over all N, with NaN for the others."""
    column = np.full((len(is_given), *given.shape[1:]), np.nan)
    column[is_given] = given
    return column
