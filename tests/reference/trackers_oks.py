"""OKS as COCO's "Keypoint Evaluation" page writes it, one pair and one keypoint at a time."""

import math


def naive_oks(
    keypoints_xy, visible, others_xy, others_visible, areas_px2, others_areas_px2, sigmas
) -> list[list[float]]:
    table = []
    for points, seen, area in zip(keypoints_xy, visible, areas_px2, strict=True):
        row = []
        for others, others_seen, other_area in zip(others_xy, others_visible, others_areas_px2, strict=True):
            s_squared = (float(area) + float(other_area)) / 2
            terms = []
            for k, sigma in enumerate(sigmas):
                if not (seen[k] and others_seen[k]):
                    continue
                d_squared = sum((float(points[k][i]) - float(others[k][i])) ** 2 for i in range(2))
                terms.append(math.exp(-d_squared / (2 * s_squared * (2 * float(sigma)) ** 2)))
            row.append(sum(terms) / len(terms) if terms else 0.0)
        table.append(row)
    return table
