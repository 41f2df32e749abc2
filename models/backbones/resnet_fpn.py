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
    BasicBlock,
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
    trainable; stages are to be frozen by the caller. With random weights, features keep the size of the input.

    Args:
        config: The variant.

    Returns:
        A module from (B, 3, H, W) to maps (B, channels, ceil(H / s), ceil(W / s)) by name, for each of
        `config.strides`: `map_names`, then `pool`. Its attribute `out_channels` is `config.channels`.
    """
    body = _MAKERS[config.name](weights=None, norm_layer=partial(FrozenBatchNorm2d, eps=config.norm_epsilon))
    if config.strides_first:
        _move_strides(body)
    _start_norms(body)
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


def _start_norms(body: Any) -> None:
    """Set the frozen norms so that features of random weights, which nothing normalises, keep their size.

    Every block adds its features to the input: without a factor the variance would double in each. Weights of
    grouped convolutions begin smaller, by the root of the groups, than their inputs ask for.
    """
    blocks = [part for part in body.modules() if isinstance(part, BasicBlock | Bottleneck)]
    for block in blocks:
        if isinstance(block, Bottleneck):
            block.bn2.weight.fill_(block.conv2.groups**0.5)
        last = block.bn3 if isinstance(block, Bottleneck) else block.bn2
        last.weight.fill_(len(blocks) ** -0.5)
