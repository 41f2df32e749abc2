"""MoveNet's backbone, and its feature maps and heatmaps for networks with other heads.

Source: MoveNet's published graphs (Google, Apache-2.0); MobileNetV2, Sandler et al., CVPR 2018. The graphs ship
with batch norms folded, so convolutions carry biases.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor, nn

from models.backbones.imagenet import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from models.backbones.variants import MoveNetConfig

# Expansion, channels before the width multiplier, repeats, stride (MobileNetV2, Table 2).
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# The pyramid's lateral connections start after these blocks, at strides 4, 8 and 16.
_LATERAL_BLOCKS = (2, 5, 9)
PYRAMID_CHANNELS = (24, 32, 64)
"""Channels of the sums in the feature pyramid at strides 4, 8 and 16."""
MERGED_CHANNELS = (PYRAMID_CHANNELS[0], *PYRAMID_CHANNELS[:-1])
"""Channels of the pyramid's maps at these strides."""
_LAST_CHANNELS = 1280
_HEAD_CHANNELS = 96
_NECK_CHANNELS = 48


class _MoveNetTrunk(nn.Module):
    """MoveNet's pretrained layers for other networks, with the names in `models.movenet.network.MoveNet`."""

    input_gain: Tensor
    input_offset: Tensor

    def __init__(self, config: MoveNetConfig, num_keypoints: int) -> None:
        super().__init__()
        self.config = config
        self.backbone = MobileNetV2(config.width)
        self.pyramid = MoveNetPyramid(self.backbone.lateral_channels)
        counts = {"kpt_heatmap": num_keypoints, "center": 1}
        self.heads = nn.ModuleDict({name: MoveNetHead(PYRAMID_CHANNELS[0], n) for name, n in counts.items()})
        # Converts ImageNet's normalisation to MoveNet's, -1 to 1.
        mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (IMAGENET_MEAN_RGB, IMAGENET_STD_RGB))
        self.register_buffer("input_gain", 2 * std, persistent=False)
        self.register_buffer("input_offset", 2 * mean - 1, persistent=False)

    def compute_backbone(self, images: Tensor) -> list[Tensor]:
        """Compute MobileNetV2's maps at strides 4, 8, 16 and 32 of images normalised by `normalize_images`."""
        x = images * self.input_gain + self.input_offset
        maps: list[Tensor] = self.backbone(x.contiguous(memory_format=torch.channels_last))
        return maps

    def guess(self, features: Tensor) -> list[Tensor]:
        """Compute MoveNet's heatmaps of K keypoints and people's centres, in 0..1, from the finest map."""
        return [self.heads[name](features).sigmoid() for name in ("kpt_heatmap", "center")]


class MoveNetBody(_MoveNetTrunk):
    """A backbone with features at 1/4 of the image's resolution: of MoveNet's pyramid, and its heatmaps.

    Layers of MoveNet have the names of `models.movenet.network.MoveNet`, so that its weights can be loaded; the
    neck is new.

    Args:
        config: The variant of MoveNet.
        num_keypoints: K, which MoveNet's weights must have, too.

    Attributes:
        feature_channels: Channels of the features.
    """

    body_parts = ("backbone.", "pyramid.", "heads.")
    """Prefixes of the names of MoveNet's weights, which may have a learning rate of their own."""

    def __init__(self, config: MoveNetConfig, num_keypoints: int) -> None:
        super().__init__(config, num_keypoints)
        self.feature_channels = _NECK_CHANNELS + num_keypoints + 1
        self.neck = nn.Sequential(
            nn.Conv2d(PYRAMID_CHANNELS[0], _NECK_CHANNELS, 3, padding=1, bias=False),
            nn.BatchNorm2d(_NECK_CHANNELS),
            nn.ReLU(inplace=True),
        )

    def compute_features(self, images: Tensor) -> Tensor:
        """Compute the features.

        Args:
            images: (B, 3, H, W) RGB, normalised by `normalize_images`; H and W are multiples of 32.

        Returns:
            (B, feature_channels, H / 4, W / 4): the neck's features, MoveNet's heatmaps of the K keypoints, and
            that of people's centres, in 0..1.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        return torch.cat(self.describe(self.pyramid(*self.compute_backbone(images))), dim=1)

    def describe(self, finest: Tensor) -> list[Tensor]:
        """Compute the parts of these features from the pyramid's finest map."""
        return [self.neck(finest), *self.guess(finest)]


class MoveNetMaps(_MoveNetTrunk):
    """A backbone with maps of four resolutions, of MoveNet's backbone and its pyramid, for another pyramid.

    Args:
        config: The variant of MoveNet.

    Attributes:
        channels: Channels of each map, finest first.
    """

    def __init__(self, config: MoveNetConfig) -> None:
        super().__init__(config, config.num_keypoints)
        fine, middle, coarse = self.backbone.lateral_channels
        merged_fine, merged_middle, merged_coarse = MERGED_CHANNELS
        self.channels: tuple[int, ...] = (
            fine + merged_fine + config.num_keypoints + 1,
            middle + merged_middle,
            coarse + merged_coarse,
            _LAST_CHANNELS,
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the maps.

        Args:
            images: (B, 3, H, W) RGB, normalised by `normalize_images`; H and W are multiples of 32.

        Returns:
            For each of the strides 4, 8, 16 and 32 (B, channels, H / stride, W / stride): the pyramid's input
            and, except for the coarsest, its output; the finest also has MoveNet's heatmaps, as in
            `MoveNetBody`.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        *laterals, last = self.compute_backbone(images)
        merged = self.pyramid.merge(*laterals, last)
        fine, *others = zip(laterals, merged, strict=True)
        maps = [(*fine, *self.guess(merged[0])), *others]
        return [*(torch.cat(parts, dim=1) for parts in maps), last]


@torch.no_grad()
def start_as_movenet(layer: nn.Conv2d, num_keypoints: int) -> None:
    """Initialise a last layer so that its first K maps are MoveNet's heatmaps.

    Args:
        layer: A 1x1 convolution of `MoveNetBody`'s features, or of these and more, with small weights.
        num_keypoints: K.
    """
    guesses = slice(_NECK_CHANNELS, _NECK_CHANNELS + num_keypoints)
    layer.weight[:num_keypoints, guesses] += torch.eye(num_keypoints)[..., None, None]


class MobileNetV2(nn.Module):
    """MobileNetV2, the first part of MoveNet's backbone.

    Args:
        width: Width multiplier.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        in_channels = _scale_channels(32, width)
        self.stem = nn.Conv2d(3, in_channels, 3, stride=2)
        self.blocks = nn.ModuleList()
        for expansion, channels, repeats, stride in _STAGES:
            out_channels = _scale_channels(channels, width)
            for i in range(repeats):
                block = _InvertedResidual(in_channels, out_channels, expansion, stride if i == 0 else 1)
                self.blocks.append(block)
                in_channels = out_channels
        self.last = nn.Conv2d(in_channels, _LAST_CHANNELS, 1)
        self.lateral_channels = tuple(_scale_channels(channels, width) for channels in (24, 32, 64))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) in -1..1 to maps at strides 4, 8, 16 and 32.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        H, W = x.shape[-2:]
        if H % 32 or W % 32:
            raise ValueError(f"MoveNet takes sides that are multiples of 32 px, got {W} x {H}")
        x = F.relu6(_same_stride_2(self.stem, x))
        laterals = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in _LATERAL_BLOCKS:
                laterals.append(x)
        return [*laterals, F.relu6(self.last(x))]


class _InvertedResidual(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = nn.Conv2d(in_channels, hidden, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(hidden, hidden, 3, stride, padding=2 - stride, groups=hidden)
        self.project = nn.Conv2d(hidden, out_channels, 1)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if self.expand is None else F.relu6(self.expand(x))
        if self.depthwise.stride == (2, 2):
            hidden = F.relu6(_same_stride_2(self.depthwise, hidden))
        else:
            hidden = F.relu6(self.depthwise(hidden))
        out: Tensor = self.project(hidden)
        return x + out if self.is_residual else out


class MoveNetPyramid(nn.Module):
    """Top-down pyramid: lateral 1x1, bilinear x2, sum, separable 3x3, from stride 32 to stride 4.

    Args:
        lateral_channels: Channels of the backbone's maps at strides 4, 8 and 16.
    """

    def __init__(self, lateral_channels: tuple[int, ...]) -> None:
        super().__init__()
        self.top = nn.Conv2d(_LAST_CHANNELS, PYRAMID_CHANNELS[-1], 1)
        self.laterals = nn.ModuleList(
            nn.Conv2d(c_in, c_out, 1) for c_in, c_out in zip(lateral_channels, PYRAMID_CHANNELS, strict=True)
        )
        self.merges = nn.ModuleList(
            _Separable(c_in, c_out) for c_in, c_out in zip(PYRAMID_CHANNELS, MERGED_CHANNELS, strict=True)
        )

    def forward(self, *features: Tensor) -> Tensor:
        """Compute the finest map of `merge` from the backbone's four maps."""
        return self.merge(*features)[0]

    def merge(self, *features: Tensor) -> list[Tensor]:
        """Map the backbone's maps to one (B, c, H / s, W / s) for each c of MERGED_CHANNELS, s = 4, 8, 16."""
        *laterals, last = features
        x: Tensor = self.top(last)
        merged: list[Tensor] = []
        for level in reversed(range(len(laterals))):
            raised = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = self.merges[level](raised + self.laterals[level](laterals[level]))
            merged.insert(0, x)
        return merged

    def balance(self) -> None:
        """Make the published weights fit for training; the maps stay the same.

        The published 1x1 convolutions that merge two maps have weights of about 3e-4 behind depthwise ones of
        about 2. A step of Adam is as long as the learning rate, whatever the weight: the first steps would wipe
        them out, and with them every heatmap.
        """
        for merge in self.merges:
            cast("_Separable", merge).balance()


class _Separable(nn.Module):
    """Depthwise 3x3 without bias, then 1x1 and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.pointwise(self.depthwise(x)))

    @torch.no_grad()
    def balance(self) -> None:
        """Give both convolutions weights of like size, channel by channel; what they compute stays the same."""
        sizes = [self.depthwise.weight.flatten(1).norm(dim=1), self.pointwise.weight.flatten(1).norm(dim=0)]
        factor = (sizes[1].clamp(min=1e-12) / sizes[0].clamp(min=1e-12)).sqrt()
        self.depthwise.weight *= factor[:, None, None, None]
        self.pointwise.weight /= factor[:, None, None]


class MoveNetHead(nn.Module):
    """One of MoveNet's heads: a separable 3x3, then 1x1.

    Args:
        in_channels: Channels of the pyramid's map.
        out_channels: Number of outputs per cell.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.hidden = _Separable(in_channels, _HEAD_CHANNELS)
        self.out = nn.Conv2d(_HEAD_CHANNELS, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, h, w) to (B, out_channels, h, w), before any activation."""
        out: Tensor = self.out(self.hidden(x))
        return out


def _same_stride_2(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply TensorFlow's SAME padding for a 3x3 of stride 2 on even sides: one row below, one column right."""
    out: Tensor = conv(F.pad(x, (0, 1, 0, 1)))
    return out


def _scale_channels(channels: int, width: float) -> int:
    """Multiply channels by the width, rounded to a multiple of 8 but never down by more than 10 %."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded
