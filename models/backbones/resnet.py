"""Residual units, and ResNet's backbone.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, Fig. 5 and Table 1; the stride is
in the 3x3 convolution, as in the commonly published weights. Parameter names are those of torchvision and of
the HRNet releases, so that their weights load.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor, nn

from models.backbones.variants import ResNetConfig

BOTTLENECK_EXPANSION = 4
"""Output channels of a `Bottleneck` per channel of its 3x3 convolution."""


class BasicBlock(nn.Module):
    """Residual unit of two 3x3 convolutions and an identity.

    Args:
        channels: Channels of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        return F.relu(out + x, inplace=True)


class Bottleneck(nn.Module):
    """Residual unit of 1x1, 3x3 and 1x1 convolutions; where the shape changes, a 1x1 replaces the identity.

    Args:
        in_channels: Channels of the input.
        channels: Channels between; the output has four times as many.
        stride: Stride of the 3x3 convolution.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = channels * BOTTLENECK_EXPANSION
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, 4 * channels, ceil(H / stride), ceil(W / stride))."""
        identity = x if self.downsample is None else self.downsample(x)
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        return F.relu(out + identity, inplace=True)


class ResNet(nn.Module):
    """ResNet without its classifier.

    Differs from torchvision's class in having no classifier and not importing torchvision, which takes seconds.

    Args:
        config: The variant.
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, config.width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(config.width)
        channels = config.width
        stages = []
        for i, depth in enumerate(config.depths):
            stages.append(make_bottlenecks(channels, config.width << i, depth, stride=1 if i == 0 else 2))
            channels = (config.width << i) * BOTTLENECK_EXPANSION
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.out_channels = channels

    def compute_features(self, images: Tensor) -> list[Tensor]:
        """Compute the output of each stage.

        Args:
            images: (B, 3, H, W), normalised.

        Returns:
            Four maps at strides 4, 8, 16 and 32, finest first.
        """
        x = F.relu(self.bn1(self.conv1(images)), inplace=True)
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        features = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features


def make_bottlenecks(in_channels: int, channels: int, depth: int, stride: int = 1) -> nn.Sequential:
    """Make a sequence of bottlenecks, of which the first has the stride.

    Args:
        in_channels: Channels of the input.
        channels: Channels between; the output has four times as many.
        depth: Number of bottlenecks.
        stride: Stride of the first.
    """
    first = Bottleneck(in_channels, channels, stride)
    rest = (Bottleneck(channels * BOTTLENECK_EXPANSION, channels) for _ in range(depth - 1))
    return nn.Sequential(first, *rest)


def init_convolutions(module: nn.Module) -> None:
    """Initialise convolutions from He's normal distribution by fan-out, biases by 0 ("Delving Deep", 2015)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
