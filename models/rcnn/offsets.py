"""Learnt offsets: the keypoint predictor whose heatmaps they refine, and deformable convolutions.

Source: Ye and Ma, "Offset Allows for Extra Flexibility", 2021, section 3.2, Eq. 2, 3, 5 and 6; Zhu et al.,
"Deformable ConvNets v2", CVPR 2019 (modulation), through torchvision.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor, nn
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNPredictor
from torchvision.ops import DeformConv2d

from models.detection.boxes import promote
from models.rcnn.codec import SIGMA_CELLS
from models.rcnn.variants import KeypointLoss

KEYPOINT_CELLS = 14
"""Cells each way of the regions that the keypoint head gets; its heatmaps have four times as many."""

# Heatmaps start at their targets' mean: the sum of a Gaussian divided by the number of cells. From higher
# values all cells first fall together, and Adam's memory of these large gradients holds the peaks back.
_INITIAL_HEAT = 2 * math.pi * SIGMA_CELLS**2 / (4 * KEYPOINT_CELLS) ** 2


def refine_heatmaps(heatmaps: Tensor, offsets_xy: Tensor, *, are_logits: bool = False) -> Tensor:
    """Resample heatmaps at learnt offsets: y(p0) = x(p0 + dp) (Eq. 6).

    Args:
        heatmaps: (N, K, H, W).
        offsets_xy: (N, K, 2, H, W): dp of each cell, in cells.
        are_logits: Whether the heatmaps are logits over their cells, for which 0 has no meaning: outside the
            map, x then has the value at the border.

    Returns:
        (N, K, H, W), float32 at least: x at p = p0 + dp by bilinear interpolation, x(p) = sum over q of x(q)
        g(q_x, p_x) g(q_y, p_y), g(a, b) = max(0, 1 - |a - b|) (Eq. 2, 3), where q are the cells of the map:
        outside it x falls to 0 within one cell, except for logits.
    """
    N, K, H, W = heatmaps.shape
    # In bfloat16 a position among 56 cells is only known to a quarter of a cell.
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


class KeypointPredictor(KeypointRCNNPredictor):  # type: ignore[misc]
    """The last layer of the keypoint head: heatmaps of a region, and the offsets that refine them.

    It has K or 3K channels: K heatmaps, then x and y of the offset of each keypoint. Offsets start at 0.

    Args:
        in_channels: Channels of the region's features.
        num_keypoints: K.
        has_offsets: Whether offsets are learnt.
        loss: `mse`: the heatmaps are sigmoids, in 0..1. `cross_entropy`: they are logits.
    """

    def __init__(self, in_channels: int, num_keypoints: int, *, has_offsets: bool, loss: KeypointLoss) -> None:
        super().__init__(in_channels, num_keypoints * (3 if has_offsets else 1))
        self.num_keypoints = num_keypoints
        self.has_offsets = has_offsets
        self.are_logits = loss == "cross_entropy"
        with torch.no_grad():
            self.kps_score_lowres.weight[:, num_keypoints:] = 0
            if not self.are_logits:
                self.kps_score_lowres.bias[:num_keypoints] = math.log(_INITIAL_HEAT / (1 - _INITIAL_HEAT))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Compute heatmaps before their refinement, and the offsets if there are any; see `refine`.

        Args:
            features: (N, in_channels, S / 4, S / 4).

        Returns:
            (N, K, S, S), in 0..1 or logits; with offsets also (N, 2 K, S, S), x and y of each keypoint in turn,
            in cells.
        """
        maps = super().forward(features)
        K = self.num_keypoints
        heatmaps = maps[:, :K] if self.are_logits else maps[:, :K].sigmoid()
        return (heatmaps, maps[:, K:]) if self.has_offsets else (heatmaps,)

    def refine(self, heatmaps: Tensor, offsets: Tensor | None = None) -> Tensor:
        """Refine heatmaps (N, K, S, S) by offsets (N, 2 K, S, S), as `forward` returns them.

        The sigmoid comes before the refinement, so that an offset that leads outside the region reads 0: no
        keypoint. Logits are continued outside the region.
        """
        if offsets is None:
            return heatmaps
        N, K, S, _ = heatmaps.shape
        return refine_heatmaps(heatmaps, offsets.reshape(N, K, 2, S, S), are_logits=self.are_logits)


class DeformableConv2d(DeformConv2d):  # type: ignore[misc]
    """A deformable convolution together with the convolution that computes its offsets.

    `weight` and `bias` are those of the plain convolution that it replaces, so that its weights load. Offsets
    start at 0.

    Args:
        plain: The convolution to replace, whose shape and weights are taken over.
        is_modulated: Whether each cell of the kernel also has a learnt weight in 0..1 that starts at 0.5
            (version 2).
    """

    def __init__(self, plain: nn.Conv2d, *, is_modulated: bool) -> None:
        super().__init__(
            plain.in_channels,
            plain.out_channels,
            plain.kernel_size,
            stride=plain.stride,
            padding=plain.padding,
            dilation=plain.dilation,
            groups=plain.groups,
            bias=plain.bias is not None,
        )
        self.weight, self.bias = plain.weight, plain.bias
        self.is_modulated = is_modulated
        self._cells = plain.kernel_size[0] * plain.kernel_size[1]
        self.offset = nn.Conv2d(
            plain.in_channels,
            self._cells * (3 if is_modulated else 2),
            plain.kernel_size,  # type: ignore[arg-type]
            stride=plain.stride,  # type: ignore[arg-type]
            padding=plain.padding,  # type: ignore[arg-type]
            dilation=plain.dilation,  # type: ignore[arg-type]
        )
        nn.init.zeros_(self.offset.weight)
        assert self.offset.bias is not None
        nn.init.zeros_(self.offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H', W'), the shape that the plain one gives."""
        offsets = self.offset(x)
        mask = offsets[:, 2 * self._cells :].sigmoid() if self.is_modulated else None
        y: Tensor = super().forward(x, offsets[:, : 2 * self._cells], mask)
        return y


def deform_convolutions(module: nn.Module, *, is_modulated: bool) -> None:
    """Replace all 3x3 convolutions of a module by deformable ones.

    Args:
        module: A stage of a body, or a head; it is changed.
        is_modulated: See `DeformableConv2d`.
    """
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3):
            module.set_submodule(name, DeformableConv2d(part, is_modulated=is_modulated))
