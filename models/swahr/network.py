"""HigherHRNet and SWAHR: networks with heatmaps, tags and scale maps of all people in an image.

Source: Luo et al., "Rethinking the Heatmap Regression for Bottom-up Human Pose Estimation", CVPR 2021, section
3.5 and Fig. 4; Cheng et al., "HigherHRNet: Scale-Aware Representation Learning for Bottom-Up Human Pose
Estimation", CVPR 2020, section 3. Parameter names are those of the published weights
(github.com/HRNet/HigherHRNet-Human-Pose-Estimation, MIT, and github.com/greatlog/SWAHR-HumanPose), so these
load strictly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.backbones.hrnet import HRNet
from models.backbones.movenet import MoveNetBody, start_as_movenet
from models.backbones.resnet import BasicBlock, init_convolutions
from models.backbones.variants import HRNetConfig, MoveNetConfig
from models.swahr.variants import SwahrConfig

STAGE_STRIDES = (4, 2)
"""Input pixels per cell of each stage's maps."""

_HEAD_STD = 0.001
_DECONV_KERNEL = 4
# The scale branch is depthwise: one kernel per keypoint.
_SCALE_KERNEL = 9
# Channels of the features at 1/2 with MoveNet's backbone.
_FINER_CHANNELS = 32


class StageMaps(NamedTuple):
    """The maps of one stage.

    Attributes:
        alpha: (B, K, H, W), 1/s - 1 of the scale s; None for a network without scale maps.
        heatmaps: (B, K, H, W), about 1 at a keypoint.
        tags: (B, K, H, W), similar for the keypoints of one person; None at the second stage.
    """

    alpha: Tensor | None
    heatmaps: Tensor
    tags: Tensor | None


class BottomUpNetwork(nn.Module):
    """The heads: heatmaps at 1/4 and 1/2 of the image and tags at 1/4, optionally with SWAHR's scale maps.

    Their input is a backbone's features at 1/4; `HigherHRNet` and `HigherMoveNet` have the backbones.
    """

    final_layers: nn.ModuleList
    deconv_layers: nn.ModuleList
    conv_scale_layers: nn.ModuleList | None

    def make_heads(
        self,
        num_keypoints: int,
        widths: tuple[int, int],
        has_scale_maps: bool,
        dilations: tuple[int, ...],
    ) -> None:
        """Make all layers after the backbone, with random weights.

        Args:
            num_keypoints: K.
            widths: Channels of the features at 1/4, and of those at 1/2.
            has_scale_maps: Whether each stage has SWAHR's scale branch; HigherHRNet has none.
            dilations: Dilation of each residual unit after the deconvolution (SWAHR, Table 7).
        """
        self.num_keypoints = num_keypoints
        counts = 2 * num_keypoints, num_keypoints
        self.final_layers = nn.ModuleList(
            _make_final_layer(width, count) for width, count in zip(widths, counts, strict=True)
        )
        self.deconv_layers = nn.ModuleList((_make_deconvolution(widths[0] + counts[0], widths[1], dilations),))
        self.conv_scale_layers = None
        if has_scale_maps:
            self.conv_scale_layers = nn.ModuleList(_make_scale_branch(width, num_keypoints) for width in widths)

    def map_features(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the maps of both stages; `split_outputs` names them.

        Args:
            features: (B, C, h, w), at 1/4.

        Returns:
            At 1/4, (B, 3K, h, w): alpha, heatmaps, tags. At 1/2, (B, 2K, 2h, 2w): alpha, heatmaps. Without
            scale maps there is no alpha, and there are K channels less.
        """
        first = self.final_layers[0](features)
        finer = self.deconv_layers[0](torch.cat((features, first), dim=1))
        second: Tensor = self.final_layers[1](finer)
        if self.conv_scale_layers is None:
            return first, second
        alphas = [branch(x) for branch, x in zip(self.conv_scale_layers, (features, finer), strict=True)]
        return torch.cat((alphas[0], first), dim=1), torch.cat((alphas[1], second), dim=1)

    def remove_scale_maps(self) -> None:
        """Remove the scale branch, which only training needs."""
        self.conv_scale_layers = None


class HigherHRNet(HRNet, BottomUpNetwork):
    """HigherHRNet or, with scale maps, SWAHR.

    Args:
        config: The backbone, such as `HRNET_W32`; the deconvolution has as many channels as its finest branch.
        num_keypoints: K.
        has_scale_maps: As for `make_heads`.
        dilations: As for `make_heads`.
    """

    def __init__(
        self,
        config: HRNetConfig,
        num_keypoints: int,
        has_scale_maps: bool = False,
        dilations: tuple[int, ...] = (1, 1, 1, 1),
    ) -> None:
        super().__init__(config, out_branches=(0,))
        self.config = config
        self.make_heads(num_keypoints, (config.width, config.width), has_scale_maps, dilations)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the maps of both stages.

        Args:
            images: (B, 3, H, W) RGB, normalised by `normalize_images`; any size, multiples of 32 are the
                fastest.

        Returns:
            As `map_features`, with h = ceil(H / 4), w = ceil(W / 4).
        """
        (features,) = self.compute_features(images)
        return self.map_features(features)


class HigherMoveNet(MoveNetBody, BottomUpNetwork):
    """HigherHRNet's or SWAHR's heads on MoveNet's backbone, for CPUs.

    The heatmaps at 1/4 are initialised as MoveNet's.

    Args:
        config: The variant of MoveNet.
        num_keypoints: K, which MoveNet's weights must have, too.
        has_scale_maps: As for `make_heads`.
        dilations: As for `make_heads`.
    """

    def __init__(
        self,
        config: MoveNetConfig,
        num_keypoints: int,
        has_scale_maps: bool = False,
        dilations: tuple[int, ...] = (1,),
    ) -> None:
        super().__init__(config, num_keypoints)
        self.make_heads(num_keypoints, (self.feature_channels, _FINER_CHANNELS), has_scale_maps, dilations)
        first = self.final_layers[0]
        assert isinstance(first, nn.Conv2d)
        start_as_movenet(first, num_keypoints)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the maps of both stages.

        Args:
            images: (B, 3, H, W) RGB, normalised by `normalize_images`; H and W are multiples of 32.

        Returns:
            As `map_features`, with h = H / 4, w = W / 4.
        """
        return self.map_features(self.compute_features(images))


def split_outputs(outputs: Sequence[Tensor], num_keypoints: int) -> tuple[StageMaps, StageMaps]:
    """Split the outputs of a `BottomUpNetwork` into named maps.

    Args:
        outputs: Outputs of both stages, (B, C, H, W) each, with or without alpha.
        num_keypoints: K.

    Returns:
        The maps at 1/4 and at 1/2.

    Raises:
        ValueError: There are not two stages, or one has another number of channels.
    """
    K = num_keypoints
    if len(outputs) != len(STAGE_STRIDES):
        raise ValueError(f"outputs: expected those of {len(STAGE_STRIDES)} stages, got {len(outputs)}")
    stages = []
    for i, maps in enumerate(outputs):
        counts = [K, K] if i == 0 else [K]
        if maps.shape[1] == sum(counts) + K:
            alpha, *rest = torch.split(maps, [K, *counts], dim=1)
        elif maps.shape[1] == sum(counts):
            alpha, rest = None, list(torch.split(maps, counts, dim=1))
        else:
            raise ValueError(
                f"stage {i}: {maps.shape[1]} channels; {K} keypoints have {sum(counts)}, or {sum(counts) + K} "
                "with scale maps"
            )
        stages.append(StageMaps(alpha, rest[0], rest[1] if i == 0 else None))
    return stages[0], stages[1]


def _make_final_layer(channels: int, num_outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, num_outputs, 1)
    nn.init.normal_(layer.weight, std=_HEAD_STD)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _make_deconvolution(in_channels: int, channels: int, dilations: tuple[int, ...]) -> nn.Sequential:
    """Make the deconvolution, which doubles the resolution, and residual units."""
    deconv = nn.ConvTranspose2d(in_channels, channels, _DECONV_KERNEL, stride=2, padding=1, bias=False)
    nn.init.normal_(deconv.weight, std=_HEAD_STD)
    double = nn.Sequential(deconv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
    units = nn.Sequential(*(nn.Sequential(_make_dilated(channels, dilation)) for dilation in dilations))
    init_convolutions(units)
    return nn.Sequential(double, *units)


def _make_dilated(channels: int, dilation: int) -> BasicBlock:
    block = BasicBlock(channels)
    if dilation != 1:
        block.conv1, block.conv2 = (
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False) for _ in range(2)
        )
    return block


def _make_scale_branch(channels: int, num_keypoints: int) -> nn.Sequential:
    """Make the branch that computes alpha; it is initialised to 0, which leaves targets unchanged."""
    inner = nn.Conv2d(channels, num_keypoints, 1)
    padding = _SCALE_KERNEL // 2
    last = nn.Conv2d(num_keypoints, num_keypoints, _SCALE_KERNEL, padding=padding, groups=num_keypoints)
    branch = nn.Sequential(inner, nn.BatchNorm2d(num_keypoints), nn.ReLU(inplace=True), last)
    init_convolutions(branch)
    nn.init.zeros_(last.weight)
    return branch


def make_swahr_network(config: SwahrConfig, num_keypoints: int) -> BottomUpNetwork:
    """Make a network with random weights.

    Args:
        config: The network, such as `NETWORKS["swahr-w32"]`.
        num_keypoints: K.
    """
    if isinstance(config.body, MoveNetConfig):
        return HigherMoveNet(config.body, num_keypoints, config.has_scale_maps, config.dilations)
    return HigherHRNet(config.body, num_keypoints, config.has_scale_maps, config.dilations)
