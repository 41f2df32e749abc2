"""HRNet's backbone: parallel branches of decreasing resolution with repeated fusion.

Source: Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019,
section 3 ("Network instantiation") and Fig. 1 and 3; variants of section 4.4. The names of the parts are those
of the published weights (github.com/leoxiaobin/deep-high-resolution-net.pytorch, MIT), so these load.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor, nn

from models.backbones.resnet import (
    BOTTLENECK_EXPANSION,
    BasicBlock,
    init_convolutions,
    make_bottlenecks,
)
from models.backbones.variants import NUM_BRANCHES, HRNetConfig


class HRNet(nn.Module):
    """HRNet's backbone; networks derive from it, because the published names have no prefix.

    Args:
        config: The variant.
        out_branches: The output branches of the last exchange unit, 0 the finest; the others are not computed.

    Raises:
        ValueError: There is no output branch, or one that does not exist.
    """

    def __init__(self, config: HRNetConfig, out_branches: Sequence[int] = (0,)) -> None:
        super().__init__()
        if not out_branches or not set(out_branches) <= set(range(NUM_BRANCHES)):
            raise ValueError(f"out_branches: expected some of 0 to {NUM_BRANCHES - 1}, got {out_branches}")
        self.out_branches = tuple(out_branches)
        stem = config.stem_channels
        self.conv1 = nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, stem, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem)
        self.layer1 = make_bottlenecks(stem, stem, config.bottlenecks)
        channels: tuple[int, ...] = (stem * BOTTLENECK_EXPANSION,)
        transitions, stages = [], []
        for i, (branches, modules) in enumerate(zip(config.branches, config.modules, strict=True)):
            transitions.append(_make_transition(channels, config.channels[:branches]))
            channels = config.channels[:branches]
            is_last = i == len(config.modules) - 1
            last_fused = self.out_branches if is_last else tuple(range(branches))
            fused = _plan_exchange(config.exchange, modules, branches, last_fused, is_last)
            stages.append(nn.Sequential(*(_ExchangeBlock(channels, config.blocks, rows) for rows in fused)))
        self.transition1, self.stage2 = transitions[0], stages[0]
        self.transition2, self.stage3 = transitions[1], stages[1]
        self.transition3, self.stage4 = transitions[2], stages[2]
        init_convolutions(self)

    def compute_features(self, images: Tensor) -> list[Tensor]:
        """Compute the maps of the output branches.

        Args:
            images: (B, 3, H, W), normalised; any size. Sides that are multiples of 32 are the fastest.

        Returns:
            For each of `out_branches` (B, C * 2 ** i, ceil(H / (4 * 2 ** i)), ceil(W / (4 * 2 ** i))).
        """
        x = F.relu(self.bn1(self.conv1(images)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        maps = [self.layer1(x)]
        for transition, stage in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            # A new branch starts from the coarsest one.
            maps = [change(maps[min(i, len(maps) - 1)]) for i, change in enumerate(transition)]
            maps = stage(maps)
        return maps


class _ExchangeBlock(nn.Module):
    """Residual units on each branch, then an exchange unit: Y_k = sum of a(X_i, k) over i (section 3).

    Args:
        channels: Channels of each branch, finest first.
        blocks: Number of residual units in each.
        fused: The k that are computed; None for no exchange unit.
    """

    def __init__(self, channels: tuple[int, ...], blocks: int, fused: tuple[int, ...] | None) -> None:
        super().__init__()
        self.fused = fused
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(count) for _ in range(blocks))) for count in channels
        )
        if fused is not None:
            # Rows keep their index, as in the published weights, which have all of them.
            self.fuse_layers = nn.ModuleList(
                nn.ModuleList(_make_resample(channels, i, k) for i in range(len(channels) if k in fused else 0))
                for k in range(max(fused) + 1)
            )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        if self.fused is None:
            return maps
        return [self._fuse(maps, k) for k in self.fused]

    def _fuse(self, maps: list[Tensor], k: int) -> Tensor:
        H, W = maps[k].shape[-2:]
        row = self.fuse_layers[k]
        assert isinstance(row, nn.ModuleList)
        total = maps[k]
        for i, resample in enumerate(row):
            if i == k:
                continue
            resampled = resample(maps[i])
            if i > k and resampled.shape != total.shape:
                # Odd sides are too long after upsampling; the excess is outside of the image.
                resampled = resampled[..., :H, :W]
            total = total + resampled
        return F.relu(total)


def _plan_exchange(
    exchange: str, modules: int, branches: int, last_fused: tuple[int, ...], is_last_stage: bool
) -> list[tuple[int, ...] | None]:
    """List the outputs that each exchange block of a stage fuses; None for no exchange unit (Table 6)."""
    if exchange not in ("all", "across", "final"):
        raise ValueError(f"exchange '{exchange}': known: all, across, final")
    within = tuple(range(branches)) if exchange == "all" else None
    has_last = is_last_stage or exchange != "final"
    return [within] * (modules - 1) + [last_fused if has_last else None]


def _make_resample(channels: tuple[int, ...], i: int, k: int) -> nn.Module:
    """Make a(X_i, k): 1x1 convolution and nearest upsampling, or strided 3x3 convolutions (Fig. 3)."""
    if i == k:
        return nn.Identity()
    if i > k:
        return nn.Sequential(
            nn.Conv2d(channels[i], channels[k], 1, bias=False),
            nn.BatchNorm2d(channels[k]),
            nn.Upsample(scale_factor=2 ** (i - k), mode="nearest"),
        )
    halvings = [_halve(channels[i], channels[i], nn.ReLU(inplace=True)) for _ in range(k - i - 1)]
    return nn.Sequential(*halvings, _halve(channels[i], channels[k]))


def _make_transition(before: tuple[int, ...], after: tuple[int, ...]) -> nn.ModuleList:
    """Make the transition to the branches of the next stage; a new one is downsampled from the coarsest."""
    changes: list[nn.Module] = []
    for i, count in enumerate(after):
        if i >= len(before):
            steps = i + 1 - len(before)
            ends = [before[-1]] * steps + [count]
            changes.append(
                nn.Sequential(*(_halve(ends[j], ends[j + 1], nn.ReLU(inplace=True)) for j in range(steps)))
            )
        elif count != before[i]:
            changes.append(
                nn.Sequential(
                    nn.Conv2d(before[i], count, 3, padding=1, bias=False),
                    nn.BatchNorm2d(count),
                    nn.ReLU(inplace=True),
                )
            )
        else:
            changes.append(nn.Identity())
    return nn.ModuleList(changes)


def _halve(in_channels: int, out_channels: int, *after: nn.Module) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), *after)
