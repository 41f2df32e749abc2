"""ResNet and ResNeXt with a feature pyramid, under torchvision's names, so that its weights load.

Source: Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017; the scales: Ye and Ma, "Offset
Allows for Extra Flexibility", 2021, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.resnet import (
    resnet18,
    resnet50,
    resnet101,
    resnext101_32x8d,
)
from torchvision.ops import FrozenBatchNorm2d

from models.backbones.variants import SCALES, STAGE_STRIDES, ResNetFPNConfig

_MAKERS: dict[str, Callable[..., Any]] = {
    "resnet18": resnet18,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnext101_32x8d": resnext101_32x8d,
}


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
    body = _MAKERS[config.name](weights=None, norm_layer=partial(FrozenBatchNorm2d, eps=config.norm_epsilon))
    stages = SCALES[config.scales]
    # The channels of stage i are a half of those of stage i + 1; torchvision keeps the last's.
    channels = [body.inplanes * STAGE_STRIDES[stage] // STAGE_STRIDES["layer4"] for stage in stages]
    names = {stage: str(i) for i, stage in enumerate(stages)}
    return BackboneWithFPN(body, names, channels, config.channels)
