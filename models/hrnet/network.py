"""Networks of top-down pose estimation, and their classification variants for pretraining on ImageNet.

Source: Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019,
section 3 and appendix; Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018,
section 2. Parameter names are those of the published weights, so these load strictly.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.backbones.hrnet import HRNet
from models.backbones.movenet import MoveNetBody, start_as_movenet
from models.backbones.resnet import BOTTLENECK_EXPANSION, ResNet, init_convolutions, make_bottlenecks
from models.backbones.variants import NUM_BRANCHES, HRNetConfig, MoveNetConfig, ResNetConfig

HEATMAP_STRIDE = 4
"""Input pixels per cell of the finest heatmaps."""

_HEAD_STD = 0.001
_DECONV_CHANNELS = (256, 256, 256)
_DECONV_KERNEL = 4
# Channels inside the bottlenecks that widen each branch before the classifier, and after all of them.
_CLASS_CHANNELS = (32, 64, 128, 256)
_CLASS_FEATURES = 2048


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
    """MoveNet's backbone with a heatmap head, instead of its regression and offsets.

    The heatmaps are initialised as MoveNet's.

    Args:
        config: The variant of MoveNet.
        num_keypoints: K, which MoveNet's weights must have, too.
    """

    def __init__(self, config: MoveNetConfig, num_keypoints: int) -> None:
        super().__init__(config, num_keypoints)
        self.stride = HEATMAP_STRIDE
        self.final_layer = _make_final_layer(self.feature_channels, num_keypoints)
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
        heatmaps: Tensor = self.final_layer(self.compute_features(images))
        return heatmaps


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
