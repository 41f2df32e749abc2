"""Minimum cost assignment with the tie-breaking of the Python package munkres.

Grouping by tags rounds distances, so that many assignments have the same cost, and ties decide which person
gets which keypoint. The public code uses the Python package munkres (1.0 and 1.1), which visits rows and
columns in a certain order. This implementation uses the same order, with sets of zeros as the bits of integers.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
import numpy.typing as npt

DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# The cost of a row without a column; from the public code.
_NO_COLUMN_COST = 1e10


def assign_rows(costs: DoubleArray) -> IntArray:
    """Assign a column to each row with minimum total cost (Munkres, 1957).

    Args:
        costs: (N, M), finite and much below 1e10.

    Returns:
        (N,), each row's column; -1 for unassigned rows if N > M.
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
    """Find the column of each row of a square table, which is modified."""
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
        # Along the path, each prime becomes a star and replaces the star in its column.
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
    """Prime zeros until one is in a row without a star; returns that row and the prime of each row."""
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
        # The last one in cyclic order from the previous column.
        primes[row] = (before or bits).bit_length() - 1
        if star_of_row[row] < 0:
            return row, primes
        column = star_of_row[row]
        free_columns |= 1 << column


def _find_row(zeros: list[int], primes: list[int], free_columns: int, start: int) -> int:
    """Find the first row, in cyclic order from `start`, with a zero in a free column and no prime; else -1."""
    n = len(zeros)
    for row in chain(range(start, n), range(start)):
        if primes[row] < 0 and zeros[row] & free_columns:
            return row
    return -1


def _make_zeros(costs: DoubleArray, zeros: list[int], primes: list[int], free_columns: int) -> None:
    """Subtract the smallest uncovered cost from rows and add it to columns, so that it becomes 0."""
    n = len(costs)
    is_covered = np.array(primes) >= 0
    is_free = np.array([free_columns >> column & 1 for column in range(n)], np.bool_)
    least = costs[~is_covered][:, is_free].min()
    costs[is_covered] += least
    costs[:, is_free] -= least
    zeros[:] = _find_zeros(costs)


def _find_zeros(costs: DoubleArray) -> list[int]:
    """Encode the zeros of each row, column j as bit j."""
    packed = np.packbits(costs == 0, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]
