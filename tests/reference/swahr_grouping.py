"""Peaks, grouping, adjusting and filling in, step by step as HigherHRNet's public code goes; slow on purpose.

The assignment is Munkres' with rows and columns gone through as the Python package munkres 1.1 does.
"""

import numpy as np
from scipy.ndimage import maximum_filter


def decode(heatmaps, tags, order, min_score=0.1, max_people=30, max_distance=1.0, window=5, refine=True):
    """Maps (K, H, W) and (K, H, W, T) to people (N, K, 3), x, y, score, and their scores (N,)."""
    peaks = [list_peaks(heatmap, max_people, window) for heatmap in heatmaps]
    people = group(heatmaps, tags, peaks, order, min_score, max_people, max_distance)
    return finish(heatmaps, tags, people, refine)


def finish(heatmaps, tags, people, refine=True):
    found = np.zeros((len(people), len(heatmaps), 3), np.float32)
    for n, person in enumerate(people):
        for k, (x, y) in person["cells"].items():
            found[n, k] = *quarter(heatmaps[k], x, y), heatmaps[k, y, x]
    scores = [float(person[:, 2].mean()) for person in found]
    if refine:
        for n, person in enumerate(people):
            fill_in(found[n], person["cells"], heatmaps, tags)
    return found, scores


def list_peaks(heatmap, max_peaks, window):
    largest = maximum_filter(heatmap, window, mode="constant", cval=-np.inf)
    peaks = [(-heatmap[y, x], y, x) for y, x in zip(*np.nonzero(heatmap == largest), strict=True)]
    return [(x, y) for _, y, x in sorted(peaks)[:max_peaks]]


def group(heatmaps, tags, peaks, order, min_score, max_people, max_distance):
    people = []
    for k in order:
        cells = [(x, y) for x, y in peaks[k] if float(heatmaps[k, y, x]) > min_score]
        if not cells:
            continue
        known = people[:max_people]
        means = [np.mean(person["tags"], axis=0) for person in known]
        distances, costs = np.zeros((2, len(cells), len(known)))
        for i, (x, y) in enumerate(cells):
            for j, mean in enumerate(means):
                distances[i, j] = np.linalg.norm(tags[k, y, x].astype(np.float64) - mean)
                costs[i, j] = np.round(distances[i, j]) * 100 - float(heatmaps[k, y, x])
        columns = assign(costs) if known else [-1] * len(cells)
        for i, (x, y) in enumerate(cells):
            j = columns[i]
            if j >= 0 and distances[i, j] < max_distance:
                people[j]["cells"][k] = (x, y)
                people[j]["tags"].append(tags[k, y, x])
            else:
                people.append({"cells": {k: (x, y)}, "tags": [tags[k, y, x]]})
    return people


def quarter(heatmap, x, y):
    H, W = heatmap.shape
    dx = 0.25 if heatmap[y, min(x + 1, W - 1)] > heatmap[y, max(x - 1, 0)] else -0.25
    dy = 0.25 if heatmap[min(y + 1, H - 1), x] > heatmap[max(y - 1, 0), x] else -0.25
    return x + 0.5 + dx, y + 0.5 + dy


def fill_in(found, cells, heatmaps, tags):
    mean = np.mean([tags[k, cells[k][1], cells[k][0]] for k in sorted(cells)], axis=0)
    for k in range(len(found)):
        if found[k, 2] != 0:
            continue
        distances = ((tags[k] - mean) ** 2).sum(axis=2) ** 0.5
        values = heatmaps[k] - np.round(distances)
        y, x = np.unravel_index(np.argmax(values), values.shape)
        if heatmaps[k, y, x] > 0:
            found[k] = *quarter(heatmaps[k], x, y), heatmaps[k, y, x]


def assign(costs):
    """Column of each row or -1; padded to a square by 0 below and by 1e10 at the right."""
    N, M = costs.shape
    n = max(N, M)
    table = [[float(costs[i, j]) if j < M else 1e10 for j in range(n)] for i in range(N)]
    table += [[0.0] * n for _ in range(n - N)]
    for row in table:
        row[:] = [value - least for least in [min(row)] for value in row]
    stars = {}
    for i in range(n):
        for j in range(n):
            if table[i][j] == 0 and i not in stars and j not in stars.values():
                stars[i] = j
    while len(stars) < n:
        add_star(table, stars)
    return [stars[i] if stars[i] < M else -1 for i in range(N)]


def add_star(table, stars):
    n = len(table)
    rows_covered, columns_covered = set(), set(stars.values())
    primes = {}
    at = (0, 0)
    while True:
        zero = find_zero(table, rows_covered, columns_covered, *at)
        if zero is None:
            free = [
                (i, j) for i in range(n) for j in range(n) if i not in rows_covered and j not in columns_covered
            ]
            least = min(table[i][j] for i, j in free)
            for i in range(n):
                for j in range(n):
                    if i in rows_covered:
                        table[i][j] += least
                    if j not in columns_covered:
                        table[i][j] -= least
            at = (0, 0)
            continue
        i, j = zero
        primes[i] = j
        if i not in stars:
            break
        rows_covered.add(i)
        columns_covered.discard(stars[i])
        at = (i, stars[i])
    while True:
        rival = next((row for row, column in stars.items() if column == j), None)
        stars[i] = j
        if rival is None:
            return
        i, j = rival, primes[rival]


def find_zero(table, rows_covered, columns_covered, first_row, first_column):
    """The last zero of the first row that has any, both counted on from where the last search ended."""
    n = len(table)
    for step in range(n):
        i = (first_row + step) % n
        found = None
        for move in range(n):
            j = (first_column + move) % n
            if table[i][j] == 0 and i not in rows_covered and j not in columns_covered:
                found = (i, j)
        if found:
            return found
    return None
