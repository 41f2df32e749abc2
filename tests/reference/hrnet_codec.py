"""Keypoints to heatmaps and back with plain loops, from the papers' text; slow on purpose."""

import math

import numpy as np

MARGIN = {"dark": 2, "udp": 1}


def cell_step(size_px: int, stride: int, kind: str) -> tuple[float, int]:
    """Input pixels a cell, and number of cells, along one axis."""
    cells = math.ceil(size_px / stride)
    return ((size_px - 1) / (cells - 1) if kind == "udp" else stride), cells


def encode(keypoints_xy, weights, input_wh, sigma, kind, stride=4):
    step_x, W = cell_step(input_wh[0], stride, kind)
    step_y, H = cell_step(input_wh[1], stride, kind)
    N, K = weights.shape
    heatmaps, kept = np.zeros((N, K, H, W)), np.array(weights, float)
    for n in range(N):
        for k in range(K):
            x, y = keypoints_xy[n, k, 0] / step_x, keypoints_xy[n, k, 1] / step_y
            cell_x, cell_y = math.floor(x + 0.5), math.floor(y + 0.5)
            reach = 3 * sigma
            if cell_x + reach < 0 or cell_y + reach < 0 or cell_x - reach >= W or cell_y - reach >= H:
                kept[n, k] = 0
            if kept[n, k] == 0:
                continue
            if kind == "offset":
                x, y = cell_x, cell_y
            for row in range(H):
                for column in range(W):
                    if kind == "offset" and max(abs(row - y), abs(column - x)) > reach:
                        continue
                    d2 = (row - y) ** 2 + (column - x) ** 2
                    heatmaps[n, k, row, column] = math.exp(-d2 / (2 * sigma**2))
    return heatmaps, kept


def decode(heatmaps, input_wh, sigma, kind, stride=4):
    step_x, W = cell_step(input_wh[0], stride, kind)
    step_y, _ = cell_step(input_wh[1], stride, kind)
    N, K = heatmaps.shape[:2]
    keypoints, scores = np.zeros((N, K, 2)), np.zeros((N, K))
    for n in range(N):
        for k in range(K):
            heatmap = heatmaps[n, k].astype(float)
            row, column = divmod(int(np.argmax(heatmap)), W)
            scores[n, k] = heatmap[row, column]
            if scores[n, k] <= 0:
                continue
            if kind == "offset":
                dx, dy = quarter_offset(heatmap, row, column)
            else:
                dx, dy = newton_offset(heatmap, row, column, sigma, MARGIN[kind])
            keypoints[n, k] = (column + dx) * step_x, (row + dy) * step_y
    return keypoints, scores


def quarter_offset(heatmap, row, column):
    H, W = heatmap.shape
    if not (1 < column < W - 1 and 1 < row < H - 1):
        return 0.0, 0.0
    dx = 0.25 * np.sign(heatmap[row, column + 1] - heatmap[row, column - 1])
    dy = 0.25 * np.sign(heatmap[row + 1, column] - heatmap[row - 1, column])
    return dx, dy


def newton_offset(heatmap, row, column, sigma, margin):
    H, W = heatmap.shape
    if min(row, column, H - 1 - row, W - 1 - column) < margin:
        return 0.0, 0.0
    radius = int(8 * sigma / 3)
    # The smoothing window is as wide as the borders allow, alike on all outputs and both sides.
    radius_y = min(radius, min(row, H - 1 - row) - margin)
    radius_x = min(radius, min(column, W - 1 - column) - margin)

    def log_at(dx, dy):
        total = 0.0
        for i in range(-radius_y, radius_y + 1):
            for j in range(-radius_x, radius_x + 1):
                height = math.exp(-(i * i + j * j) / (2 * sigma**2))
                total += height * heatmap[row + dy + i, column + dx + j]
        return math.log(max(total, 1e-10))

    m = margin
    gradient = np.array([log_at(1, 0) - log_at(-1, 0), log_at(0, 1) - log_at(0, -1)]) / 2
    xx = (log_at(m, 0) - 2 * log_at(0, 0) + log_at(-m, 0)) / m**2
    yy = (log_at(0, m) - 2 * log_at(0, 0) + log_at(0, -m)) / m**2
    xy = (log_at(1, 1) + log_at(-1, -1) - log_at(1, -1) - log_at(-1, 1)) / 4
    hessian = np.array([[xx, xy], [xy, yy]])
    if not (np.linalg.eigvalsh(hessian) < 0).all():
        return 0.0, 0.0
    dx, dy = np.clip(-np.linalg.solve(hessian, gradient), -1, 1)
    return dx, dy


def average_flipped(heatmaps, flipped, flip_index, is_shifted):
    N, K, H, W = heatmaps.shape
    averaged = np.zeros_like(heatmaps)
    for n in range(N):
        for k in range(K):
            for row in range(H):
                for column in range(W):
                    source = max(column - 1, 0) if is_shifted else column
                    mirrored = flipped[n, flip_index[k], row, W - 1 - source]
                    averaged[n, k, row, column] = (heatmaps[n, k, row, column] + mirrored) / 2
    return averaged


def heatmap_losses(heatmaps, targets, weights):
    """Half the mean squared weighted difference of each heatmap, (N, K)."""
    N, K, H, W = heatmaps.shape
    losses = np.zeros((N, K))
    for n in range(N):
        for k in range(K):
            for row in range(H):
                for column in range(W):
                    difference = heatmaps[n, k, row, column] - targets[n, k, row, column]
                    losses[n, k] += 0.5 * (weights[n, k] * difference) ** 2 / (H * W)
    return losses
