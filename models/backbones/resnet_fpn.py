"""ResNet and ResNeXt with a feature pyramid, under torchvision's names, so that its weights load.

Source: Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017; the scales: Ye and Ma, "Offset
Allows for Extra Flexibility", 2021, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.resnet import (
    resnet18,
    resnet50,
    resnet101,
    resnext101_32x8d,
)
from torchvision.ops import FrozenBatchNorm2d

RESNETS: dict[str, Callable[..., Any]] = {
    "resnet18": resnet18,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnext101_32x8d": resnext101_32x8d,
}
"""The bodies, by torchvision's names."""

SCALES = {
    "all": ("layer1", "layer2", "layer3", "layer4"),
    "multi": ("layer2", "layer3", "layer4"),
    "single": ("layer4",),
}
"""The stages that the pyramid stands on: conv2 to conv5, as published; conv3 to conv5; conv5 alone."""

_STRIDES = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}


@dataclass(frozen=True)
class ResNetFPNConfig:
    """One ResNet with a pyramid.

    Attributes:
        name: One of `RESNETS`.
        scales: One of `SCALES`.
        channels: Of the pyramid.
        norm_epsilon: Of the frozen batch norms; 0 in torchvision's published detectors, version 1.
    """

    name: str = "resnet50"
    scales: Literal["all", "multi", "single"] = "all"
    channels: int = 256
    norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if self.name not in RESNETS:
            raise ValueError(f"body '{self.name}': known: {', '.join(RESNETS)}")
        if self.scales not in SCALES:
            raise ValueError(f"scales '{self.scales}': known: {', '.join(SCALES)}")

    @property
    def strides(self) -> tuple[int, ...]:
        """Input pixels per cell of the pyramid's maps, of which the last is `pool`."""
        strides = tuple(_STRIDES[stage] for stage in SCALES[self.scales])
        return (*strides, strides[-1] * 2)

    @property
    def map_names(self) -> tuple[str, ...]:
        """The maps that regions are cut from, finest first: all but `pool`."""
        return tuple(str(i) for i in range(len(SCALES[self.scales])))


MULTI_SCALE = ResNetFPNConfig(scales="multi")
"""The multi-scale pyramid of the multitask paper: conv3 to conv5."""
SINGLE_SCALE = ResNetFPNConfig(scales="single")
"""The single-scale one: conv5."""


def make_resnet_fpn(config: ResNetFPNConfig) -> BackboneWithFPN:
    """Make torchvision's body and pyramid.

    The batch norms are frozen: detectors see too few images at a time. All else
    learns; freeze stages outside.

    Args:
        config: Which one.

    Returns:
        A module from (B, 3, H, W) to maps (B, channels, ceil(H / s), ceil(W / s)) by name, for each of
        `config.strides`: `map_names`, then `pool`. Its attribute `out_channels` is `config.channels`.
    """
    body = RESNETS[config.name](weights=None, norm_layer=partial(FrozenBatchNorm2d, eps=config.norm_epsilon))
    stages = SCALES[config.scales]
    # The channels of stage i are a half of those of stage i + 1; torchvision keeps the last's.
    channels = [body.inplanes * _STRIDES[stage] // _STRIDES["layer4"] for stage in stages]
    names = {stage: str(i) for i, stage in enumerate(stages)}
    return BackboneWithFPN(body, names, channels, config.channels)
