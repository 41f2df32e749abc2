"""MoveNet's multipose decoding, read off the published graph: one person, keypoint and cell at a time."""

import math

import numpy as np


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def naive_decode_multiple(heads: dict[str, np.ndarray], score_threshold: float) -> list[dict[str, np.ndarray]]:
    """Heads (C, H, W) of one image -> people, best centre first; coordinates relative to the image."""
    _, H, W = heads["center"].shape
    K = heads["kpt_heatmap"].shape[0]
    center = [[_sigmoid(heads["center"][0, y, x]) for x in range(W)] for y in range(H)]
    peaks = []
    for y in range(H):
        for x in range(W):
            window = [
                center[v][u]
                for v in range(max(y - 2, 0), min(y + 3, H))
                for u in range(max(x - 2, 0), min(x + 3, W))
            ]
            if max(window) - center[y][x] < 1e-6 and center[y][x] >= score_threshold:
                peaks.append((center[y][x], y, x))
    peaks.sort(key=lambda peak: -peak[0])

    boxes, expected = [], []
    for _, y, x in peaks:
        h, w = np.maximum(heads["box_scale"][:, y, x], 0)
        my, mx = y + heads["box_offset"][0, y, x], x + heads["box_offset"][1, y, x]
        corners = [mx - w / 2, my - h / 2, mx + w / 2, my + h / 2]
        boxes.append(np.clip(corners, 0, [W, H, W, H]))
        expected.append(
            [
                (y + heads["kpt_regress"][2 * k, y, x], x + heads["kpt_regress"][2 * k + 1, y, x])
                for k in range(K)
            ]
        )

    def weigh(person: int, k: int, y: int, x: int) -> float:
        left, top, right, bottom = boxes[person]
        if not (top <= y < bottom and left <= x < right):
            return 0.0
        ey, ex = expected[person][k]
        spread = 0.300048828125 * min(H, W)
        return _sigmoid(heads["kpt_heatmap"][k, y, x]) * math.exp(-((y - ey) ** 2 + (x - ex) ** 2) / spread)

    people = []
    for i, (center_score, _, _) in enumerate(peaks):
        keypoints, scores = [], []
        for k in range(K):
            cells = [(y, x) for y in range(H) for x in range(W)]
            values = [weigh(i, k, y, x) for y, x in cells]
            y, x = cells[int(np.argmax(values))]
            # The graph reads the score off the maximum over people.
            scores.append(max(weigh(j, k, y, x) for j in range(len(peaks))))
            dy, dx = heads["kpt_offset"][2 * k : 2 * k + 2, y, x]
            keypoints.append([(x + dx) / W, (y + dy) / H])
        counted = [score for score in scores if score > 0.126953125]
        score = center_score * (sum(counted) / max(len(counted), 1))
        if score >= score_threshold:
            people.append(
                {
                    "box": boxes[i] / [W, H, W, H],
                    "score": np.float64(score),
                    "keypoints": np.array(keypoints),
                    "keypoint_scores": np.array(scores),
                }
            )
    return people
