"""Matching, the plain way: look for the best free pair again and again, or try every assignment."""

from itertools import permutations


def naive_greedy(similarity, minimum) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    while True:
        best = None
        for i in range(len(similarity)):
            for j in range(len(similarity[i])):
                free = all(i != row and j != col for row, col in pairs)
                if not free or not similarity[i][j] >= minimum:
                    continue
                if best is None or similarity[i][j] > similarity[best[0]][best[1]]:
                    best = (i, j)
        if best is None:
            return pairs
        pairs.append(best)


def best_sum(similarity, minimum) -> float:
    """The largest sum of allowed similarities over all one-to-one assignments; for tiny tables."""
    rows, cols = len(similarity), len(similarity[0]) if len(similarity) else 0
    width = max(rows, cols)
    best = 0.0
    for order in permutations(range(width)):
        total = 0.0
        for i, j in enumerate(order):
            if i < rows and j < cols and similarity[i][j] >= minimum:
                total += float(similarity[i][j])
        best = max(best, total)
    return best
