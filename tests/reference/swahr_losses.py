"""SWAHR's and associative embedding's losses with plain loops, from the papers' text; slow on purpose."""

import math


def scaled_target(h, alpha, scaling):
    """Eq. 8, or Eq. 6 with 1/s = 1 + alpha."""
    if h <= 0:
        return 0.0
    if scaling == "power":
        return h ** (1 + alpha)
    return 0.5 * h * (1 + (1 + alpha * math.log(h)) ** 2)


def stage_losses(
    heatmaps,
    targets,
    mask,
    scale_maps=None,
    gamma=None,
    scaling="expansion",
    weight_target="unscaled",
    reduction="mean",
    scale_branch="alpha",
):
    """Losses of heatmaps and scale maps; without `scale_maps` targets stay, without `gamma` no weights."""
    B, K, H, W = heatmaps.shape
    heatmap_losses, scale_losses = [], []
    for b in range(B):
        heatmap_loss = scale_loss = 0.0
        for k in range(K):
            for row in range(H):
                for column in range(W):
                    p, h = float(heatmaps[b, k, row, column]), float(targets[b, k, row, column])
                    counts = float(mask[b, row, column])
                    alpha, scaled = 0.0, h
                    if scale_maps is not None:
                        if h > 0:
                            alpha = float(scale_maps[b, k, row, column])
                            if scale_branch == "scale":
                                alpha = 1 / math.exp(alpha) - 1
                        scaled = scaled_target(h, alpha, scaling)
                    weight = 1.0
                    if gamma is not None:
                        soft = (scaled if weight_target == "scaled" else h) ** gamma
                        weight = soft * abs(1 - p) + abs(p) * (1 - soft)
                    heatmap_loss += weight * (p - scaled) ** 2 * counts
                    scale_loss += alpha**2 * counts
        count = K * H * W if reduction == "mean" else 1
        heatmap_losses.append(heatmap_loss / count)
        scale_losses.append(scale_loss / count)
    return sum(heatmap_losses) / B, sum(scale_losses) / B


def tag_losses(tags, tag_xy, is_visible):
    """Push and pull."""
    B, M = is_visible.shape[:2]
    total_push = total_pull = 0.0
    for b in range(B):
        centres, pull = [], 0.0
        for m in range(M):
            own = [float(tags[b, k, y, x]) for k, (x, y) in enumerate(tag_xy[b, m]) if is_visible[b, m, k]]
            if not own:
                continue
            centre = sum(own) / len(own)
            centres.append(centre)
            pull += sum((tag - centre) ** 2 for tag in own) / len(own)
        n, push = len(centres), 0.0
        for i in range(n):
            for j in range(n):
                if i != j:
                    push += math.exp(-((centres[i] - centres[j]) ** 2))
        total_push += push / (n * (n - 1)) / 2 if n > 1 else 0.0
        total_pull += pull / n if n else 0.0
    return total_push / B, total_pull / B
