"""Targets of bottom-up pose with plain loops, from the paper's text and the public code's rounding."""

import math

import numpy as np


def encode(keypoints_xy, is_known, map_wh, stride, sigmas):
    """(M, K, 2) input pixels to heatmaps (K, H, W); sigmas (M,) in cells."""
    W, H = map_wh
    M, K = is_known.shape
    heatmaps = np.zeros((K, H, W))
    for m in range(M):
        for k in range(K):
            cell = find_cell(keypoints_xy[m, k], is_known[m, k], map_wh, stride)
            if cell is None:
                continue
            reach = 3 * sigmas[m] + 1
            for y in range(H):
                for x in range(W):
                    dx, dy = x - cell[0], y - cell[1]
                    if max(abs(dx), abs(dy)) <= reach:
                        height = math.exp(-(dx * dx + dy * dy) / (2 * sigmas[m] ** 2))
                        heatmaps[k, y, x] = max(heatmaps[k, y, x], height)
    return heatmaps


def find_cell(point_xy, is_known, map_wh, stride):
    if not is_known:
        return None
    x, y = int(point_xy[0] / stride), int(point_xy[1] / stride)
    return (x, y) if 0 <= x < map_wh[0] and 0 <= y < map_wh[1] else None


def keypoint_masks(mask, heatmaps, boxes_xyxy, is_unknown, matrix, stride):
    """(H, W) mask to (K, H, W): boxes of people whose keypoint is unknown do not count for it."""
    K, H, W = heatmaps.shape
    masks = np.zeros((K, H, W))
    for k in range(K):
        for y in range(H):
            for x in range(W):
                px, py = matrix @ np.array([(x + 0.5) * stride, (y + 0.5) * stride, 1])
                counts = True
                for box, unknown in zip(boxes_xyxy, is_unknown[:, k], strict=True):
                    if unknown and box[0] <= px < box[2] and box[1] <= py < box[3]:
                        counts = False
                masks[k, y, x] = mask[y, x] * (counts or heatmaps[k, y, x] > 0)
    return masks
