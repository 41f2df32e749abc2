"""ResNet and ResNeXt with a feature pyramid, with torchvision's parameter names, so that its weights load.

Source: Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017; the scales: Ye and Ma, "Offset
Allows for Extra Flexibility", 2021, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.resnet import (
    Bottleneck,
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
    """Make torchvision's backbone with a pyramid.

    The batch norms are frozen, because the batches of detectors are too small. All other parameters are
    trainable; stages are to be frozen by the caller.

    Args:
        config: The variant.

    Returns:
        A module from (B, 3, H, W) to maps (B, channels, ceil(H / s), ceil(W / s)) by name, for each of
        `config.strides`: `map_names`, then `pool`. Its attribute `out_channels` is `config.channels`.
    """
    body = _MAKERS[config.name](weights=None, norm_layer=partial(FrozenBatchNorm2d, eps=config.norm_epsilon))
    if config.strides_first:
        _move_strides(body)
    stages = SCALES[config.scales]
    # Stage i has half the channels of stage i + 1; torchvision knows those of the last.
    channels = [body.inplanes * STAGE_STRIDES[stage] // STAGE_STRIDES["layer4"] for stage in stages]
    names = {stage: str(i) for i, stage in enumerate(stages)}
    return BackboneWithFPN(body, names, channels, config.channels)


def _move_strides(body: Any) -> None:
    """Move the stride of each bottleneck from its 3x3 convolution to the 1x1 before it."""
    for block in body.modules():
        if isinstance(block, Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
