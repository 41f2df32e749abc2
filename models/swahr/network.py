"""HigherHRNet and SWAHR's scale branch: from a picture to the heatmaps and tags of everybody in it.

Source: Luo et al., "Rethinking the Heatmap Regression for Bottom-up Human Pose Estimation", CVPR 2021, section
3.5 and Fig. 4; Cheng et al., "HigherHRNet: Scale-Aware Representation Learning for Bottom-Up Human Pose
Estimation", CVPR 2020, section 3. The names of the parts are those of the published weights
(github.com/HRNet/HigherHRNet-Human-Pose-Estimation, MIT, and github.com/greatlog/SWAHR-HumanPose), so these
load strictly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.backbones.hrnet import HRNet, HRNetConfig
from models.backbones.resnet import BasicBlock, init_convolutions

STAGE_STRIDES = (4, 2)
"""Input pixels per cell of each stage's maps."""

_HEAD_STD = 0.001
_DECONV_KERNEL = 4
# The scale branch looks about itself, each keypoint for itself.
_SCALE_KERNEL = 9


class StageMaps(NamedTuple):
    """One stage's maps by name.

    Attributes:
        alpha: (B, K, H, W), 1/s - 1 of the scale s; None of a network without scale maps.
        heatmaps: (B, K, H, W), about 1 at a keypoint.
        tags: (B, K, H, W), alike for the keypoints of one person; None at the second stage.
    """

    alpha: Tensor | None
    heatmaps: Tensor
    tags: Tensor | None


class HigherHRNet(HRNet):
    """Heatmaps at 1/4 and 1/2 of the picture and tags at 1/4, with SWAHR's scale maps where wanted.

    Args:
        config: Which body, such as `HRNET_W32`; the deconvolution has as many channels as its finest branch.
        num_keypoints: K.
        has_scale_maps: Whether there is SWAHR's scale branch at each stage; HigherHRNet has none.
        dilations: Of the convolutions in each residual unit behind the deconvolution (SWAHR, Table 7).
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
        self.num_keypoints = num_keypoints
        C, first_outputs = config.width, 2 * num_keypoints
        self.final_layers = nn.ModuleList(
            _make_final_layer(C, count) for count in (first_outputs, num_keypoints)
        )
        self.deconv_layers = nn.ModuleList((_make_deconvolution(C + first_outputs, C, dilations),))
        self.conv_scale_layers: nn.ModuleList | None = None
        if has_scale_maps:
            self.conv_scale_layers = nn.ModuleList(_make_scale_branch(C, num_keypoints) for _ in STAGE_STRIDES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the maps of both stages; `split_outputs` names them.

        Args:
            images: (B, 3, H, W) RGB of ImageNet's mean 0 and standard deviation 1; any size, multiples of 32
                are the fastest.

        Returns:
            At 1/4, (B, 3K, h, w) with h = ceil(H / 4), w = ceil(W / 4): alpha, heatmaps, tags. At 1/2, (B, 2K,
            2h, 2w): alpha, heatmaps. Without scale maps there is no alpha, and K channels less.
        """
        (features,) = self.compute_features(images)
        first = self.final_layers[0](features)
        finer = self.deconv_layers[0](torch.cat((features, first), dim=1))
        second: Tensor = self.final_layers[1](finer)
        if self.conv_scale_layers is None:
            return first, second
        alphas = [branch(x) for branch, x in zip(self.conv_scale_layers, (features, finer), strict=True)]
        return torch.cat((alphas[0], first), dim=1), torch.cat((alphas[1], second), dim=1)

    def remove_scale_maps(self) -> None:
        """Leave out the scale branch, which training needs and the finding of people does not."""
        self.conv_scale_layers = None


def split_outputs(outputs: Sequence[Tensor], num_keypoints: int) -> tuple[StageMaps, StageMaps]:
    """Name the maps that `HigherHRNet` puts out.

    Args:
        outputs: Of both stages, (B, C, H, W) each, with or without alpha.
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
    """Twice the resolution, then residual units."""
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
    """From features to alpha; it starts at 0, where targets are what they were."""
    inner = nn.Conv2d(channels, num_keypoints, 1)
    padding = _SCALE_KERNEL // 2
    last = nn.Conv2d(num_keypoints, num_keypoints, _SCALE_KERNEL, padding=padding, groups=num_keypoints)
    branch = nn.Sequential(inner, nn.BatchNorm2d(num_keypoints), nn.ReLU(inplace=True), last)
    init_convolutions(branch)
    nn.init.zeros_(last.weight)
    return branch
