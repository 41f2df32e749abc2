"""Configurations of all backbones, as plain values.

This module does not import torch, so that names of networks can be looked up quickly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NUM_BRANCHES = 4
"""Resolutions of HRNet."""


@dataclass(frozen=True)
class HRNetConfig:
    """One variant of HRNet.

    Attributes:
        width: C, channels of the finest branch; branch i has `C * 2 ** i`.
        exchange: The exchange units (Table 6): `all` of them (c), only those `across` stages, at the end of
            each (b), or only the `final` one (a).
        starts_with_all: Whether all four branches begin at stage 2, instead of one more in each stage (section
            4.4, "Resolution maintenance"). Stage 1 is the same.
        has_finest_only: Whether the finest branch is the only one in all stages (the end of the same section).
        modules: Number of exchange blocks in stages 2, 3 and 4.
        blocks: Number of residual units in each branch of an exchange block.
        stem_channels: Channels of the stem and inside the bottlenecks of stage 1.
        bottlenecks: Number of residual units in stage 1.
    """

    width: int
    exchange: Literal["all", "across", "final"] = "all"
    starts_with_all: bool = False
    has_finest_only: bool = False
    modules: tuple[int, int, int] = (1, 4, 3)
    blocks: int = 4
    stem_channels: int = 64
    bottlenecks: int = 4

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each branch, finest first."""
        return tuple(self.width << i for i in range(NUM_BRANCHES))

    @property
    def branches(self) -> tuple[int, int, int]:
        """Number of branches in stages 2, 3 and 4."""
        if self.has_finest_only:
            return (1, 1, 1)
        return (4, 4, 4) if self.starts_with_all else (2, 3, 4)


HRNET_W18 = HRNetConfig(width=18)

HRNET_W24 = HRNetConfig(width=24)

HRNET_W32 = HRNetConfig(width=32)

HRNET_W48 = HRNetConfig(width=48)

HRNET_W32_FINAL_EXCHANGE = HRNetConfig(width=32, exchange="final")
"""Table 6 (a): only the final exchange unit."""

HRNET_W32_ACROSS_EXCHANGE = HRNetConfig(width=32, exchange="across")
"""Table 6 (b): exchange units across stages."""

HRNET_W24_FROM_START = HRNetConfig(width=24, starts_with_all=True)
"""Section 4.4, "Resolution maintenance". The paper gives no width, only that the cost is similar to W32's; 24
has 34.3 M parameters and 6.3 GFLOPs, W32 28.5 M and 7.1."""

HRNET_W60_FINEST_ONLY = HRNetConfig(width=60, has_finest_only=True)
"""Section 4.4, the "simple high-resolution network", whose width and AP the paper does not give. It cannot have
both W32's parameters and its operations: 60 has as many operations, 7.3 GFLOPs, and 2.5 M parameters."""


@dataclass(frozen=True)
class ResNetConfig:
    """One depth of ResNet.

    Attributes:
        depths: Number of bottlenecks in each of the four stages.
        width: Channels of the stem; stage i has `width * 2 ** i * 4` at its end.
    """

    depths: tuple[int, int, int, int]
    width: int = 64


RESNET_50 = ResNetConfig(depths=(3, 4, 6, 3))

RESNET_101 = ResNetConfig(depths=(3, 4, 23, 3))

RESNET_152 = ResNetConfig(depths=(3, 8, 36, 3))


RESNETS = ("resnet18", "resnet50", "resnet101", "resnext101_32x8d")
"""Backbones with a pyramid, by torchvision's names."""

SCALES = {
    "all": ("layer1", "layer2", "layer3", "layer4"),
    "multi": ("layer2", "layer3", "layer4"),
    "single": ("layer4",),
}
"""The stages used by the pyramid: conv2 to conv5, as published; conv3 to conv5; conv5 alone."""


STAGE_STRIDES = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}
"""Input pixels per cell of a ResNet's stages."""


@dataclass(frozen=True)
class ResNetFPNConfig:
    """One ResNet with a pyramid.

    Attributes:
        name: One of `RESNETS`.
        scales: One of `SCALES`.
        channels: Channels of the pyramid.
        norm_epsilon: Epsilon of the frozen batch norms; 0 in torchvision's published detectors, version 1.
        strides_first: Whether a bottleneck strides in its first convolution, 1x1, as in detectron2's networks,
            instead of in its 3x3 convolution.
    """

    name: str = "resnet50"
    scales: Literal["all", "multi", "single"] = "all"
    channels: int = 256
    norm_epsilon: float = 1e-5
    strides_first: bool = False

    def __post_init__(self) -> None:
        if self.name not in RESNETS:
            raise ValueError(f"body '{self.name}': known: {', '.join(RESNETS)}")
        if self.scales not in SCALES:
            raise ValueError(f"scales '{self.scales}': known: {', '.join(SCALES)}")

    @property
    def strides(self) -> tuple[int, ...]:
        """Input pixels per cell of the pyramid's maps, of which the last is `pool`."""
        strides = tuple(STAGE_STRIDES[stage] for stage in SCALES[self.scales])
        return (*strides, strides[-1] * 2)

    @property
    def map_names(self) -> tuple[str, ...]:
        """The maps from which regions are pooled, finest first: all but `pool`."""
        return tuple(str(i) for i in range(len(SCALES[self.scales])))


MULTI_SCALE = ResNetFPNConfig(scales="multi")
"""The multi-scale pyramid of the multitask paper: conv3 to conv5."""

SINGLE_SCALE = ResNetFPNConfig(scales="single")
"""The single-scale one: conv5."""


TABLE_2_BODIES = {
    "EfficientNet-B3": "tf_efficientnet_b3",
    "EfficientNet-EdgeTPU-L": "tf_efficientnet_el",
    "MixNet-XL": "mixnet_xl",
    "EfficientNet-B2": "efficientnet_b2",
    "MixNet-L": "mixnet_l",
    "EfficientNet-EdgeTPU-M": "tf_efficientnet_em",
    "EfficientNet-B1": "efficientnet_b1",
    "CondConv-EfficientNet-B0": "tf_efficientnet_cc_b0_4e",
    "EfficientNet-EdgeTPU-S": "tf_efficientnet_es",
    "MixNet-M": "mixnet_m",
    "EfficientNet-B0": "efficientnet_b0",
    "MixNet-S": "mixnet_s",
    "MobileNetV3-Large-1.0": "tf_mobilenetv3_large_100",
    "MnasNet-A1": "semnasnet_100",
    "FBNet-C": "fbnetc_100",
    "MnasNet-B1": "mnasnet_100",
    "Single-Path": "spnasnet_100",
    "MobileNetV3-Large-0.75": "tf_mobilenetv3_large_075",
    "MobileNetV3-Large-1.0 (minimal)": "tf_mobilenetv3_large_minimal_100",
    "MobileNetV3-Small-1.0": "tf_mobilenetv3_small_100",
    "MobileNetV3-Small-0.75": "tf_mobilenetv3_small_075",
    "MobileNetV3-Small-1.0 (minimal)": "tf_mobilenetv3_small_minimal_100",
}
"""The mobile backbones of Table 2: timm's names by the paper's names."""

MOBILE_BODIES = frozenset(TABLE_2_BODIES.values()) | {"tf_efficientnet_lite0"}
"""timm's names of all mobile backbones."""


@dataclass(frozen=True)
class MobileConfig:
    """One mobile backbone.

    Attributes:
        name: timm's name, one of `MOBILE_BODIES`.
        features: Where the maps are taken: after the last block of each resolution (`bottleneck`); inside that
            block, before its linear 1x1 convolution (`expansion`), where there are more channels; or after the
            first stage of each resolution (`first_stage`). What comes behind the last map is cut off.
        is_whole: Whether the layers that `expansion` cuts off keep their weights, unused and frozen, as in
            published files.
    """

    name: str
    features: Literal["bottleneck", "expansion", "first_stage"] = "bottleneck"
    is_whole: bool = False

    def __post_init__(self) -> None:
        if self.name not in MOBILE_BODIES:
            raise ValueError(f"mobile body '{self.name}': known: {', '.join(sorted(MOBILE_BODIES))}")
        if self.features not in ("bottleneck", "expansion", "first_stage"):
            raise ValueError(f"features '{self.features}': known: bottleneck, expansion, first_stage")
        if self.is_whole and self.features != "expansion":
            raise ValueError(f"is_whole: only expansion has layers to keep, features is {self.features}")


EFFICIENTNET_LITE0 = MobileConfig("tf_efficientnet_lite0")

SINGLE_PATH = MobileConfig("spnasnet_100", features="first_stage")
"""The backbone of Mobile Parsing R-CNN (A)."""

SINGLE_PATH_EXPANDED = MobileConfig("spnasnet_100", features="expansion", is_whole=True)
"""The backbone of Mobile Parsing R-CNN (B)."""


@dataclass(frozen=True)
class MoveNetConfig:
    """One variant of MoveNet.

    Attributes:
        width: Width multiplier of MobileNetV2.
        num_keypoints: K.
        has_boxes: Whether it has box heads, for several people.
    """

    width: float
    num_keypoints: int
    has_boxes: bool


MOVENET_THUNDER = MoveNetConfig(width=1.75, num_keypoints=17, has_boxes=False)

MOVENET_MULTIPOSE = MoveNetConfig(width=1.5, num_keypoints=17, has_boxes=True)

MOVENET_STAGES = 20
"""Stages of MoveNet that training can freeze: stem, 17 blocks, the last convolution, pyramid with heatmaps."""


FUSION_EPSILON = 1e-4
"""What keeps the sum of the fusion weights of BiFPN above 0."""

PyramidKind = Literal["fpn", "bifpn", "light_bifpn"]


@dataclass(frozen=True)
class PyramidConfig:
    """A mobile or MoveNet body with a feature pyramid on its maps of strides 4 to 32.

    Attributes:
        body: Its variant.
        kind: `fpn`; `bifpn`, EfficientDet's; or `light_bifpn`, Mobile Parsing R-CNN's.
        channels: Channels of the pyramid.
        layers: Layers of `bifpn`; the others have one.
    """

    body: MobileConfig | MoveNetConfig
    kind: PyramidKind = "bifpn"
    channels: int = 64
    layers: int = 2

    @property
    def strides(self) -> tuple[int, ...]:
        """Input pixels per cell of the pyramid's maps, of which the last is `pool`."""
        return (4, 8, 16, 32, 64)

    @property
    def map_names(self) -> tuple[str, ...]:
        """The maps that regions are pooled from, finest first: all but `pool`."""
        return ("0", "1", "2", "3")
