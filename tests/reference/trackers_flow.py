"""One point moved by bilinearly sampled flow, from the half-pixel convention."""

import math


def naive_move(point, flow, scale_xy) -> tuple[float, float]:
    height, width = len(flow), len(flow[0])
    if any(math.isnan(value) for value in point):
        return (math.nan, math.nan)
    # Pixel i covers [i, i + 1] of the reduced image, with its centre at i + 0.5.
    u = min(max(point[0] * scale_xy[0] - 0.5, 0), width - 1)
    v = min(max(point[1] * scale_xy[1] - 0.5, 0), height - 1)
    moved = []
    for axis in range(2):
        total = 0.0
        for j in range(height):
            for i in range(width):
                weight = max(0.0, 1 - abs(u - i)) * max(0.0, 1 - abs(v - j))
                total += weight * float(flow[j][i][axis])
        moved.append(point[axis] + total / scale_xy[axis])
    return (moved[0], moved[1])
