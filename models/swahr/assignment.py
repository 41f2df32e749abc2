"""The cheapest one-to-one assignment, chosen among equally cheap ones as Munkres' steps find it.

Grouping by tags rounds distances, so many assignments cost the same, and which of them is taken decides who
gets which keypoint. The public code takes that of the Python package munkres (1.0 and 1.1), which goes through
rows and columns in a certain order; so does this, on sets of zeros held as the bits of integers.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
import numpy.typing as npt

DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# What a row pays that gets no column; from the public code.
_NO_COLUMN_COST = 1e10


def assign_rows(costs: DoubleArray) -> IntArray:
    """Give each row a column of its own, at least total cost (Munkres, 1957).

    Args:
        costs: (N, M), finite and much below 1e10.

    Returns:
        (N,), each row's column; -1 for rows that are left over where N > M.
    """
    N, M = costs.shape
    if not costs.size:
        return np.full(N, -1, np.int64)
    n = max(N, M)
    square = np.zeros((n, n))
    square[:N, :M] = costs
    square[:N, M:] = _NO_COLUMN_COST
    columns = np.array(_solve(square)[:N], np.int64)
    return np.where(columns < M, columns, -1)


def _solve(costs: DoubleArray) -> list[int]:
    """The column of each row of a square table, which is used up."""
    n = len(costs)
    costs -= costs.min(axis=1, keepdims=True)
    zeros = _find_zeros(costs)
    star_of_row, star_of_column = [-1] * n, [-1] * n
    starred = 0
    for row, bits in enumerate(zeros):
        free = bits & ~starred
        if free:
            column = (free & -free).bit_length() - 1
            starred |= 1 << column
            star_of_row[row], star_of_column[column] = column, row
    while starred != (1 << n) - 1:
        row, primes = _find_path(costs, zeros, star_of_row, starred)
        # Along the path, each prime becomes a star and takes the place of the star in its column.
        while row >= 0:
            column = primes[row]
            star_of_row[row], next_row = column, star_of_column[column]
            star_of_column[column] = row
            row = next_row
        starred |= 1 << column
    return star_of_row


def _find_path(
    costs: DoubleArray, zeros: list[int], star_of_row: list[int], starred: int
) -> tuple[int, list[int]]:
    """Prime zeros until one lies in a row without a star; that row, and the prime of each row."""
    n = len(costs)
    primes = [-1] * n
    free_columns = ((1 << n) - 1) & ~starred
    row, column = 0, 0
    while True:
        row = _find_row(zeros, primes, free_columns, row)
        if row < 0:
            _make_zeros(costs, zeros, primes, free_columns)
            row, column = 0, 0
            continue
        bits = zeros[row] & free_columns
        before = bits & ((1 << column) - 1)
        # The last one, counted from the column of before and around.
        primes[row] = (before or bits).bit_length() - 1
        if star_of_row[row] < 0:
            return row, primes
        column = star_of_row[row]
        free_columns |= 1 << column


def _find_row(zeros: list[int], primes: list[int], free_columns: int, start: int) -> int:
    """The first row, from `start` and around, with a zero in a free column and no prime yet; else -1."""
    n = len(zeros)
    for row in chain(range(start, n), range(start)):
        if primes[row] < 0 and zeros[row] & free_columns:
            return row
    return -1


def _make_zeros(costs: DoubleArray, zeros: list[int], primes: list[int], free_columns: int) -> None:
    """Change rows and columns by the least free cost, so that it becomes 0 and what matters stays as it is."""
    n = len(costs)
    is_covered = np.array(primes) >= 0
    is_free = np.array([free_columns >> column & 1 for column in range(n)], np.bool_)
    least = costs[~is_covered][:, is_free].min()
    costs[is_covered] += least
    costs[:, is_free] -= least
    zeros[:] = _find_zeros(costs)


def _find_zeros(costs: DoubleArray) -> list[int]:
    """Each row's zeros, column j as bit j."""
    packed = np.packbits(costs == 0, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]
