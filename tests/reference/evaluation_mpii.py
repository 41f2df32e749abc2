"""PCKh from its definition: one joint of one person at a time."""

import math

LEFT_AND_RIGHT = {
    "Head": (9, 9),
    "Shoulder": (12, 13),
    "Elbow": (11, 14),
    "Wrist": (10, 15),
    "Hip": (2, 3),
    "Knee": (1, 4),
    "Ankle": (0, 5),
}
PELVIS, THORAX = 6, 7


def naive_pckh(predicted_xy, true_xy, annotated, head_boxes_xyxy, threshold) -> tuple[list[int], list[int]]:
    """How many of each joint are found, and how many are annotated."""
    found, counts = [0] * 16, [0] * 16
    for n, (x1, y1, x2, y2) in enumerate(head_boxes_xyxy):
        head_size = 0.6 * math.sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2)
        for k in range(16):
            if annotated[n][k]:
                dx, dy = predicted_xy[n][k][0] - true_xy[n][k][0], predicted_xy[n][k][1] - true_xy[n][k][1]
                counts[k] += 1
                found[k] += math.sqrt(dx * dx + dy * dy) / head_size <= threshold
    return found, counts


def naive_mpii_columns(predicted_xy, true_xy, annotated, head_boxes_xyxy) -> dict[str, float]:
    found, counts = naive_pckh(predicted_xy, true_xy, annotated, head_boxes_xyxy, 0.5)
    tenth, _ = naive_pckh(predicted_xy, true_xy, annotated, head_boxes_xyxy, 0.1)
    columns = {
        name: (found[a] / counts[a] + found[b] / counts[b]) / 2 for name, (a, b) in LEFT_AND_RIGHT.items()
    }
    total = sum(counts) - counts[PELVIS] - counts[THORAX]
    columns["Mean"] = (sum(found) - found[PELVIS] - found[THORAX]) / total
    columns["Mean@0.1"] = (sum(tenth) - tenth[PELVIS] - tenth[THORAX]) / total
    return columns
