"""Heatmap refinement: each cell of a heatmap takes the value from where its learnt offset points.

Source: Ye and Ma, "Offset Allows for Extra Flexibility", 2021, section 3.2, Eq. 2, 3 and 6.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor

from models.rcnn.precise import promote


def refine_heatmaps(heatmaps: Tensor, offsets_xy: Tensor, *, are_logits: bool = False) -> Tensor:
    """Move the values of heatmaps by offsets: y(p0) = x(p0 + dp) (Eq. 6).

    Args:
        heatmaps: (N, K, H, W).
        offsets_xy: (N, K, 2, H, W): dp of each cell, in cells.
        are_logits: The heatmaps are logits over their cells, of which 0 says nothing in particular: past the
            border x is what it is at the border.

    Returns:
        (N, K, H, W), float32 at least: x at p = p0 + dp by bilinear interpolation, x(p) = sum over q of x(q)
        g(q_x, p_x) g(q_y, p_y), g(a, b) = max(0, 1 - |a - b|) (Eq. 2, 3). q are the cells that there are: past
        the border x falls to 0 within one cell, but for logits.
    """
    N, K, H, W = heatmaps.shape
    # In bfloat16 a place among 56 cells is only known to a quarter of a cell.
    heatmaps, offsets_xy = promote(heatmaps), promote(offsets_xy)
    columns = torch.arange(W, dtype=offsets_xy.dtype, device=offsets_xy.device)
    rows = torch.arange(H, dtype=offsets_xy.dtype, device=offsets_xy.device)[:, None]
    # grid_sample counts continuous pixels from -1 to 1: the middle of cell c is (2 c + 1) / W - 1.
    x = (2 * (columns + offsets_xy[:, :, 0]) + 1) / W - 1
    y = (2 * (rows + offsets_xy[:, :, 1]) + 1) / H - 1
    grid = torch.stack([x, y], dim=-1).reshape(N * K, H, W, 2)
    refined = F.grid_sample(
        heatmaps.reshape(N * K, 1, H, W),
        grid,
        mode="bilinear",
        padding_mode="border" if are_logits else "zeros",
        align_corners=False,
    )
    return refined.reshape(N, K, H, W)
