"""The layers of the dense heads: convolutions with or without norms, and what lets a cell see its whole region.

Source: Chen et al., "Rethinking Atrous Convolution" (DeepLab v3), 2017; Wang et al., "Non-local Neural
Networks", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["none", "group", "batch"]

_GROUPS = 32
# Of the reading of LADCEM.
_SQUEEZE = 16


def make_convolutions(in_channels: int, width: int, number: int, *, norm: Norm = "none") -> nn.Sequential:
    """Make 3x3 convolutions with ReLU; normed ones have a norm in between and no bias.

    Args:
        in_channels: Channels of the regions.
        width: Channels after each convolution.
        number: How many.
        norm: Their norms.
    """
    return nn.Sequential(
        *(_make_conv(in_channels if i == 0 else width, width, 3, norm=norm) for i in range(number))
    )


class RegionNorm(nn.BatchNorm2d):
    """A batch norm that takes no regions too: in training, none may lie well on a person."""

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to the same shape."""
        return super().forward(regions) if len(regions) else regions * self.weight[:, None, None]


class SpatialPyramid(nn.Module):
    """Atrous spatial pyramid pooling: a region seen at several rates at once (Chen et al., DeepLab v3).

    Args:
        in_channels: Channels of the regions.
        branch_channels: Channels of each of the five branches: 1x1, 3x3 at three rates, the region's mean.
        out_channels: Channels after the 1x1 convolution that joins them.
        rates: Dilations of the 3x3 convolutions.
        norm: The norms of the branches, which then have no biases; the joining convolution then has neither.
            The region's mean, a single cell, has no batch norm.
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int,
        out_channels: int,
        rates: Sequence[int],
        *,
        norm: Norm,
    ) -> None:
        super().__init__()
        sides = [(1, 1), *((3, rate) for rate in rates), (1, 1)]
        self.branches = nn.ModuleList(
            _make_conv(in_channels, branch_channels, side, dilation=rate, norm=norm)
            for side, rate in sides[:-1]
        )
        of_mean: Norm = "none" if norm == "batch" else norm
        self.branches.append(_make_conv(in_channels, branch_channels, 1, norm=of_mean))
        self.join = nn.Conv2d(len(sides) * branch_channels, out_channels, 1, bias=norm == "none")

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, out_channels, S, S)."""
        *local, pooled = self.branches
        features = [branch(regions) for branch in local]
        mean = pooled(regions.mean((2, 3), keepdim=True))
        features.append(mean.expand(-1, -1, *regions.shape[2:]))
        joined: Tensor = self.join(torch.cat(features, 1)).relu()
        return joined


class NonLocal(nn.Module):
    """Non-local block: every cell sees all others, by the similarity of their features; added to the input.

    Embedded Gaussian of Wang et al., "Non-local Neural Networks", CVPR 2018, with keys and values at half of
    the resolution and without scaling. The last norm starts at zero, so that at first the block does nothing.

    Args:
        channels: Channels of the regions.
        inner_channels: Channels of queries, keys and values.
        has_batch_norm: Whether the last norm is a batch norm, otherwise a group norm.
    """

    def __init__(self, channels: int, inner_channels: int, *, has_batch_norm: bool) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, inner_channels, 1)
        self.key = nn.Conv2d(channels, inner_channels, 1)
        self.value = nn.Conv2d(channels, inner_channels, 1)
        self.out = nn.Conv2d(inner_channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels) if has_batch_norm else nn.GroupNorm(_GROUPS, channels)

    def start(self) -> None:
        """Set the last norm to zero."""
        nn.init.zeros_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to the same shape."""
        query = self.query(regions).flatten(2).transpose(1, 2)
        key = functional.max_pool2d(self.key(regions), 2).flatten(2)
        value = functional.max_pool2d(self.value(regions), 2).flatten(2).transpose(1, 2)
        seen = (query @ key).softmax(-1) @ value
        added: Tensor = self.norm(self.out(seen.transpose(1, 2).unflatten(2, regions.shape[2:])))
        return added + regions


class LightAttention(nn.Module):
    """Channel and place attention of few parameters: squeeze-and-excitation, then a gate for each cell.

    Args:
        channels: Channels of the regions.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // _SQUEEZE, 1)
        self.excite = nn.Conv2d(channels // _SQUEEZE, channels, 1)
        self.gate = nn.Conv2d(channels, 1, 1)

    def start(self) -> None:
        """Set the weights so that no sigmoid begins saturated."""
        for layer in (self.squeeze, self.excite, self.gate):
            nn.init.xavier_normal_(layer.weight)

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to the same shape."""
        weights = self.excite(self.squeeze(regions.mean((2, 3), keepdim=True)).relu()).sigmoid()
        weighted = regions * weights
        gated: Tensor = weighted * self.gate(weighted).sigmoid()
        return gated


def start_dense_layers(module: nn.Module) -> None:
    """Set convolutions to He et al.'s normal distribution (fan out), biases to zero, and start attention."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            # Each output sees its own group's inputs alone.
            with torch.no_grad():
                part.weight *= part.groups**0.5
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for part in module.modules():
        if isinstance(part, NonLocal | LightAttention):
            part.start()


def _make_conv(
    in_channels: int, out_channels: int, side: int, *, dilation: int = 1, norm: Norm
) -> nn.Sequential:
    padding = dilation if side > 1 else 0
    conv = nn.Conv2d(in_channels, out_channels, side, padding=padding, dilation=dilation, bias=norm == "none")
    norms: list[nn.Module] = []
    if norm == "group":
        norms = [nn.GroupNorm(_GROUPS, out_channels)]
    elif norm == "batch":
        norms = [RegionNorm(out_channels)]
    return nn.Sequential(conv, *norms, nn.ReLU(inplace=True))
