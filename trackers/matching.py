"""One-to-one matching of rows and columns by a table of similarities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def match_greedy(similarity: FloatArray, minimum: float) -> tuple[IntArray, IntArray]:
    """Take the most similar pair of all, then the most similar of the rest, and so on.

    Equal similarities go by row, then by column, so that the result is deterministic.

    Args:
        similarity: (N, M); NaN never matches.
        minimum: Least similarity of a pair.

    Returns:
        Rows and columns of the pairs, both (P,), in the order in which they were taken.
    """
    rows, cols = np.nonzero(similarity >= minimum)
    order = np.argsort(-similarity[rows, cols], kind="stable")
    row_free, col_free = np.ones((2, max(similarity.shape)), np.bool_).tolist()
    pairs = []
    for row, col in zip(rows[order].tolist(), cols[order].tolist(), strict=True):
        if row_free[row] and col_free[col]:
            row_free[row] = col_free[col] = False
            pairs.append((row, col))
    matched = np.array(pairs, np.int64).reshape(-1, 2)
    return matched[:, 0], matched[:, 1]


def match_hungarian(similarity: FloatArray, minimum: float) -> tuple[IntArray, IntArray]:
    """Choose the pairs whose similarities have the largest sum.

    Pairs under the minimum count as 0 before the solution, not after it: so none of them can take a row or
    column from a pair that is allowed.

    Args:
        similarity: (N, M); NaN never matches.
        minimum: Least similarity of a pair.

    Returns:
        Rows, ascending, and columns of the pairs, both (P,).
    """
    # Half a second to import, and the recipes that ship match greedily.
    from scipy.optimize import linear_sum_assignment

    allowed = similarity >= minimum
    rows, cols = linear_sum_assignment(np.where(allowed, similarity, 0), maximize=True)
    kept = allowed[rows, cols]
    return rows[kept].astype(np.int64), cols[kept].astype(np.int64)


MATCHERS: dict[str, Callable[[FloatArray, float], tuple[IntArray, IntArray]]] = {
    "greedy": match_greedy,
    "hungarian": match_hungarian,
}
