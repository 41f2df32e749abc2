"""Networks of top-down pose estimation, and their classification variants for pretraining on ImageNet.

Source: Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019,
section 3 and appendix; Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018,
section 2. Parameter names are those of the published weights, so these load strictly.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor, nn

from models.backbones.hrnet import HRNet
from models.backbones.movenet import MERGED_CHANNELS, MoveNetBody, start_as_movenet
from models.backbones.resnet import BOTTLENECK_EXPANSION, ResNet, init_convolutions, make_bottlenecks
from models.backbones.units import make_unit
from models.backbones.variants import NUM_BRANCHES, HRNetConfig, MoveNetConfig, ResNetConfig

HEATMAP_STRIDE = 4
"""Input pixels per cell of the finest heatmaps."""

_HEAD_STD = 0.001
_DECONV_CHANNELS = (256, 256, 256)
_DECONV_KERNEL = 4
# Channels inside the bottlenecks that widen each branch before the classifier, and after all of them.
_CLASS_CHANNELS = (32, 64, 128, 256)
_CLASS_FEATURES = 2048
# Of `PoseDecoder`: channels at strides 32, 16 and 8, and at stride 4.
_DECODER_WIDTH = 96
_DECODER_FINE_WIDTH = 48
# Its residual convolutions at strides 32, 16 and 8.
_DECODER_DEPTHS = (0, 1, 2)


class PoseHRNet(HRNet):
    """HRNet with a heatmap head, for the keypoints of one person.

    Args:
        config: The variant, such as `HRNET_W32`.
        num_keypoints: K.
        heatmap_branch: The branch from which the heatmaps are computed: 0 is the finest, as published; 1 and 2
            have half and a quarter of its resolution (Fig. 5).
    """

    def __init__(self, config: HRNetConfig, num_keypoints: int, heatmap_branch: int = 0) -> None:
        super().__init__(config, out_branches=(heatmap_branch,))
        self.config = config
        self.stride = HEATMAP_STRIDE << heatmap_branch
        self.final_layer = _make_final_layer(config.channels[heatmap_branch], num_keypoints)

    def forward(self, images: Tensor) -> Tensor:
        """Compute heatmaps.

        Args:
            images: (B, 3, H, W) RGB, normalised by `normalize_images`; any size, multiples of 32 are the
                fastest.

        Returns:
            (B, K, ceil(H / stride), ceil(W / stride)), about 1 at a keypoint; the stride is 4 for the finest
            branch.
        """
        (features,) = self.compute_features(images)
        heatmaps: Tensor = self.final_layer(features)
        return heatmaps


class ClassificationHRNet(HRNet):
    """HRNet with a classifier, to pretrain its backbone (appendix, "Results on the ImageNet").

    Each branch is widened by a bottleneck, and each is added to the next coarser one by a strided 3x3
    convolution, down to one map, whose mean is classified.

    Args:
        config: The variant.
        num_classes: Number of classes.
    """

    def __init__(self, config: HRNetConfig, num_classes: int = 1000) -> None:
        super().__init__(config, out_branches=range(NUM_BRANCHES))
        self.config = config
        wide = [channels * BOTTLENECK_EXPANSION for channels in _CLASS_CHANNELS]
        self.incre_modules = nn.ModuleList(
            make_bottlenecks(channels, inside, depth=1)
            for channels, inside in zip(config.channels, _CLASS_CHANNELS, strict=True)
        )
        self.downsamp_modules = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(wide[i], wide[i + 1], 3, stride=2, padding=1),
                nn.BatchNorm2d(wide[i + 1]),
                nn.ReLU(inplace=True),
            )
            for i in range(NUM_BRANCHES - 1)
        )
        self.final_layer = nn.Sequential(
            nn.Conv2d(wide[-1], _CLASS_FEATURES, 1), nn.BatchNorm2d(_CLASS_FEATURES), nn.ReLU(inplace=True)
        )
        init_convolutions(self)
        self.classifier = nn.Linear(_CLASS_FEATURES, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the classes' logits (B, num_classes) from `normalize_images` images (B, 3, H, W)."""
        maps = self.compute_features(images)
        total = self.incre_modules[0](maps[0])
        for i, halve in enumerate(self.downsamp_modules, start=1):
            total = self.incre_modules[i](maps[i]) + halve(total)
        logits: Tensor = self.classifier(self.final_layer(total).mean(dim=(2, 3)))
        return logits


class SimpleBaseline(ResNet):
    """SimpleBaseline: ResNet, three deconvolutions and a heatmap head, for the keypoints of one person.

    Args:
        config: The variant, such as `RESNET_50`.
        num_keypoints: K.
    """

    def __init__(self, config: ResNetConfig, num_keypoints: int) -> None:
        super().__init__(config)
        self.config = config
        self.stride = HEATMAP_STRIDE
        layers: list[nn.Module] = []
        channels = self.out_channels
        for out_channels in _DECONV_CHANNELS:
            layers.append(
                nn.ConvTranspose2d(channels, out_channels, _DECONV_KERNEL, stride=2, padding=1, bias=False)
            )
            layers += [nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]
            channels = out_channels
        init_convolutions(self)
        self.deconv_layers = nn.Sequential(*layers)
        for layer in layers[::3]:
            assert isinstance(layer, nn.ConvTranspose2d)
            nn.init.normal_(layer.weight, std=_HEAD_STD)
        self.final_layer = _make_final_layer(channels, num_keypoints)

    def forward(self, images: Tensor) -> Tensor:
        """Compute heatmaps.

        Args:
            images: (B, 3, H, W) RGB, normalised by `normalize_images`; H and W are multiples of 32.

        Returns:
            (B, K, H / 4, W / 4), about 1 at a keypoint.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        H, W = images.shape[-2:]
        if H % 32 or W % 32:
            raise ValueError(f"SimpleBaseline takes sides that are multiples of 32 px, got {W} x {H}")
        heatmaps: Tensor = self.final_layer(self.deconv_layers(self.compute_features(images)[-1]))
        return heatmaps


class PoseMoveNet(MoveNetBody):
    """MoveNet's backbone with a decoder and a heatmap head, instead of its regression and offsets.

    MoveNet's own pyramid has 24 channels at the heatmaps' resolution; the decoder adds what 24 cannot hold. The
    heatmaps are initialised as MoveNet's.

    Args:
        config: The variant of MoveNet.
        num_keypoints: K, which MoveNet's weights must have, too.
    """

    def __init__(self, config: MoveNetConfig, num_keypoints: int) -> None:
        super().__init__(config, num_keypoints)
        self.stride = HEATMAP_STRIDE
        merged = (*MERGED_CHANNELS, 0)
        own = (*self.backbone.lateral_channels, self.backbone.last.out_channels)
        self.decoder = PoseDecoder([sum(pair) for pair in zip(own, merged, strict=True)])
        self.final_layer = _make_final_layer(self.feature_channels + self.decoder.out_channels, num_keypoints)
        start_as_movenet(self.final_layer, num_keypoints)

    def forward(self, images: Tensor) -> Tensor:
        """Compute heatmaps.

        Args:
            images: (B, 3, H, W) RGB, normalised by `normalize_images`; H and W are multiples of 32.

        Returns:
            (B, K, H / 4, W / 4), about 1 at a keypoint.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        *laterals, last = self.compute_backbone(images)
        merged = self.pyramid.merge(*laterals, last)
        maps = [torch.cat(pair, dim=1) for pair in zip(laterals, merged, strict=True)]
        heatmaps: Tensor = self.final_layer(
            torch.cat([*self.describe(merged[0]), self.decoder([*maps, last])], dim=1)
        )
        return heatmaps


class PoseDecoder(nn.Module):
    """From maps at strides 4, 8, 16 and 32 to one at stride 4, with most of the work at 1/8.

    From coarse to fine, a map is enlarged, added to the next one, and passed through residual convolutions.

    Args:
        channels: Of the maps, finest first.

    Attributes:
        out_channels: Channels of its output.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        fine, *others = channels
        self.out_channels = _DECODER_FINE_WIDTH
        self.inputs = nn.ModuleList(make_unit(count, _DECODER_WIDTH, kernel=1) for count in reversed(others))
        self.blocks = nn.ModuleList(
            nn.ModuleList(make_unit(_DECODER_WIDTH, _DECODER_WIDTH) for _ in range(depth))
            for depth in _DECODER_DEPTHS
        )
        self.narrow = nn.Conv2d(_DECODER_WIDTH, _DECODER_FINE_WIDTH, 1)
        self.skip = make_unit(fine, _DECODER_FINE_WIDTH, kernel=1)
        self.last = make_unit(_DECODER_FINE_WIDTH, _DECODER_FINE_WIDTH)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map four (B, c, H / s, W / s), s = 4, 8, 16 and 32, to (B, out_channels, H / 4, W / 4)."""
        fine, *others = maps
        x: Tensor | None = None
        for features, enter, blocks in zip(reversed(others), self.inputs, self.blocks, strict=True):
            entered = enter(features)
            x = entered if x is None else _double(x) + entered
            for block in blocks.children():
                x = x + block(x)
        assert x is not None
        out: Tensor = self.last(_double(self.narrow(x)) + self.skip(fine))
        return out


def _double(x: Tensor) -> Tensor:
    """Enlarge a map to twice its sides."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class ClassificationResNet(ResNet):
    """ResNet with a classifier, to pretrain SimpleBaseline's backbone.

    Args:
        config: The variant.
        num_classes: Number of classes.
    """

    def __init__(self, config: ResNetConfig, num_classes: int = 1000) -> None:
        super().__init__(config)
        self.config = config
        init_convolutions(self)
        self.fc = nn.Linear(self.out_channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the classes' logits (B, num_classes) from `normalize_images` images (B, 3, H, W)."""
        logits: Tensor = self.fc(self.compute_features(images)[-1].mean(dim=(2, 3)))
        return logits


def _make_final_layer(channels: int, num_keypoints: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, num_keypoints, 1)
    nn.init.normal_(layer.weight, std=_HEAD_STD)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def make_pose_network(
    config: HRNetConfig | ResNetConfig | MoveNetConfig, num_keypoints: int, heatmap_branch: int = 0
) -> nn.Module:
    """Make a network of top-down pose with random weights.

    Args:
        config: Its body; on a ResNet it is SimpleBaseline.
        num_keypoints: K.
        heatmap_branch: HRNet's branch that the heatmaps come from, 0 the finest.
    """
    if isinstance(config, ResNetConfig):
        return SimpleBaseline(config, num_keypoints)
    if isinstance(config, MoveNetConfig):
        return PoseMoveNet(config, num_keypoints)
    return PoseHRNet(config, num_keypoints, heatmap_branch)
