"""MoveNet as a body: what it has learnt to see, for networks with other heads."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.backbones.imagenet import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from models.movenet.network import PYRAMID_CHANNELS, MoveNet, MoveNetConfig

_NECK_CHANNELS = 48


class MoveNetBody(nn.Module):
    """Features at 1/4 of the picture from MoveNet: of its pyramid, and its own heatmaps.

    The names of what is MoveNet's are those of `MoveNet`, so that its weights are a start; the neck is new.

    Args:
        config: Which MoveNet.
        num_keypoints: K, which MoveNet's weights must have, too.

    Attributes:
        feature_channels: Of the features.
    """

    body_parts = ("backbone.", "pyramid.", "heads.")
    """How the names of the weights begin that are MoveNet's, and may learn at a rate of their own."""

    input_gain: Tensor
    input_offset: Tensor

    def __init__(self, config: MoveNetConfig, num_keypoints: int) -> None:
        super().__init__()
        self.config = config
        self.feature_channels = _NECK_CHANNELS + num_keypoints + 1
        movenet = MoveNet(replace(config, num_keypoints=num_keypoints))
        self.backbone, self.pyramid = movenet.backbone, movenet.pyramid
        self.heads = nn.ModuleDict({name: movenet.heads[name] for name in ("kpt_heatmap", "center")})
        self.neck = nn.Sequential(
            nn.Conv2d(PYRAMID_CHANNELS[0], _NECK_CHANNELS, 3, padding=1, bias=False),
            nn.BatchNorm2d(_NECK_CHANNELS),
            nn.ReLU(inplace=True),
        )
        # From ImageNet's normalisation to MoveNet's, -1 to 1.
        mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (IMAGENET_MEAN_RGB, IMAGENET_STD_RGB))
        self.register_buffer("input_gain", 2 * std, persistent=False)
        self.register_buffer("input_offset", 2 * mean - 1, persistent=False)

    def compute_features(self, images: Tensor) -> Tensor:
        """Compute the features.

        Args:
            images: (B, 3, H, W) RGB, as `normalize_images` gives them; H and W are multiples of 32.

        Returns:
            (B, feature_channels, H / 4, W / 4): the neck's, MoveNet's heatmaps of the K keypoints, and that of
            people's centres, in 0..1.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        H, W = images.shape[-2:]
        if H % 32 or W % 32:
            raise ValueError(f"MoveNet takes sides that are multiples of 32 px, got {W} x {H}")
        x = images * self.input_gain + self.input_offset
        features = self.pyramid(*self.backbone(x.contiguous(memory_format=torch.channels_last)))
        guesses = [self.heads[name](features).sigmoid() for name in ("kpt_heatmap", "center")]
        return torch.cat([self.neck(features), *guesses], dim=1)


@torch.no_grad()
def start_as_movenet(layer: nn.Conv2d, num_keypoints: int) -> None:
    """Let a last layer's first K maps start as MoveNet's heatmaps.

    Args:
        layer: A 1x1 convolution of `MoveNetBody`'s features, with small weights.
        num_keypoints: K.
    """
    layer.weight[:num_keypoints, _NECK_CHANNELS:-1] += torch.eye(num_keypoints)[..., None, None]
