"""The networks of the DensePose family by name, each as one configuration; nothing here imports torch.

Source: Güler et al., "DensePose", CVPR 2018, and detectron2's models of it; Yang et al., "Parsing R-CNN", CVPR
2019; UV R-CNN; Neverova et al., "Correlated Uncertainty for Learning Dense Correspondences from Noisy Labels",
NeurIPS 2019 (WC1, WC2); Rakhimov et al., "Making DensePose fast and light", WACV 2021 (Mobile Parsing R-CNN).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from models.backbones.variants import (
    MOVENET_MULTIPOSE,
    SINGLE_PATH,
    SINGLE_PATH_EXPANDED,
    TABLE_2_BODIES,
    MobileConfig,
    PyramidConfig,
    ResNetFPNConfig,
)
from models.densepose.parts import NUM_MASKS
from models.detection.config import LIGHT_DETECTOR, TwoStageConfig

DenseHead = Literal["convolutions", "deeplab", "gce", "gce_local", "gce_normed", "ladcem"]
DenseMaps = Literal["pyramid", "decoder", "finest"]
Confidences = Literal["none", "isotropic", "anisotropic"]
Pixels = Literal["rgb", "bgr"]

_OPTIONS = {
    "dense_head": ("convolutions", "deeplab", "gce", "gce_local", "gce_normed", "ladcem"),
    "dense_maps": ("pyramid", "decoder", "finest"),
    "confidences": ("none", "isotropic", "anisotropic"),
    "pixels": ("rgb", "bgr"),
}


@dataclass(frozen=True)
class DensePoseConfig(TwoStageConfig):
    """One network of the DensePose family.

    Attributes:
        pixels: Input: RGB with ImageNet's mean and deviation (`rgb`), or BGR in 0..255 minus the mean alone
            (`bgr`), as in detectron2.
        dense_maps: What regions of the dense head are pooled from: the level of the pyramid that their size
            asks for, the map of a decoder that joins all levels, or the finest level.
        dense_cells: Cells each way of these regions.
        dense_head: `convolutions` (eight), `deeplab`, `gce`, `gce_local`, which has no non-local block,
            `gce_normed`, that with batch norms, or `ladcem`; see `models.densepose.heads`.
        dense_width: Channels of the head's features.
        num_coarse: Coarse parts with the background: 15, or 2 for person and background.
        sampled_dense: Most regions of each image that the dense head's losses are computed on; 0 takes all.
        is_enlarged: Whether the outputs are enlarged once more, to four cells for each of the regions.
        confidences: Confidences of coordinates: none, one variance, or one with a direction.
        has_segment_confidences: Whether the parts have confidences too.

    Raises:
        ValueError: An option is unknown, or the options do not fit together.
    """

    backbone: ResNetFPNConfig | PyramidConfig
    pixels: Pixels = "bgr"
    dense_maps: DenseMaps = "pyramid"
    dense_cells: int = 14
    dense_head: DenseHead = "convolutions"
    dense_width: int = 512
    num_coarse: int = NUM_MASKS + 1
    sampled_dense: int = 0
    is_enlarged: bool = True
    confidences: Confidences = "none"
    has_segment_confidences: bool = False
    input_sides_px: tuple[int, int] = (1333, 800)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in _OPTIONS.items():
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name} '{value}': known: {', '.join(known)}")
        if self.pixels == "bgr" and not isinstance(self.backbone, ResNetFPNConfig):
            raise ValueError("pixels 'bgr': a mobile body takes rgb")
        if self.num_classes != 2:
            raise ValueError(f"num_classes {self.num_classes}: dense poses are of people alone, which is 2")
        if self.num_coarse not in (2, NUM_MASKS + 1):
            raise ValueError(f"num_coarse {self.num_coarse}: expected 2 or {NUM_MASKS + 1}")

    @property
    def dense_side(self) -> int:
        """Z, cells of the outputs each way."""
        return self.dense_cells * (4 if self.is_enlarged else 2)

    @property
    def confidence_names(self) -> tuple[str, ...]:
        """Names of the confidences of coordinates that the network predicts."""
        names = {"none": (), "isotropic": ("sigma_2",), "anisotropic": ("sigma_2", "kappa_u", "kappa_v")}
        return names[self.confidences]


_R50 = ResNetFPNConfig("resnet50", strides_first=True)
_R101 = ResNetFPNConfig("resnet101", strides_first=True)
_X101 = ResNetFPNConfig("resnext101_32x8d")

DENSEPOSE_R50 = DensePoseConfig(_R50, proposals=(1000, 1000), has_rounded_anchors=False, has_exact_strides=True)
"""DensePose R-CNN with ResNet-50; detectron2's `R_50_FPN_s1x_legacy`: 59.73 M parameters."""
DENSEPOSE_R50_IMPROVED = replace(DENSEPOSE_R50, dense_maps="decoder", dense_cells=28, num_coarse=2)
"""detectron2's `R_50_FPN_s1x`: regions of a decoder's map, at twice the resolution."""
DENSEPOSE_R50_DEEPLAB = replace(DENSEPOSE_R50_IMPROVED, dense_head="deeplab")
"""detectron2's `R_50_FPN_DL_s1x`."""
PARSING_R50 = replace(
    DENSEPOSE_R50, pixels="rgb", dense_maps="finest", dense_cells=32, dense_head="gce", is_enlarged=False
)
"""Parsing R-CNN with ResNet-50, as in "Making DensePose fast and light", Table 1."""
UV_RCNN_R50 = replace(PARSING_R50, dense_head="ladcem")
"""UV R-CNN with ResNet-50; its LADCEM is our reading, see `models.densepose.heads.LightContextHead`."""


def _make_mobile(backbone: ResNetFPNConfig | PyramidConfig) -> DensePoseConfig:
    """Mobile Parsing R-CNN: all parts as wide as the pyramid, convolutions for boxes, aligned pooling."""
    return replace(
        PARSING_R50,
        backbone=backbone,
        dense_head="gce_local",
        dense_width=backbone.channels,
        box_convolutions=2,
        roi_samples=0,
        is_roi_aligned=True,
        sampled_anchors=512,
        sampled_proposals=32,
    )


MOBILE_PARSING_A = _make_mobile(PyramidConfig(SINGLE_PATH, "fpn", 256, layers=1))
"""Mobile Parsing R-CNN (A) with the body that the paper chose: 11.35 M parameters."""
MOBILE_PARSING_B = _make_mobile(PyramidConfig(SINGLE_PATH_EXPANDED, "light_bifpn", 64, layers=1))
"""Mobile Parsing R-CNN (B): 3.35 M parameters."""
MOVENET_DENSEPOSE = DensePoseConfig(
    PyramidConfig(MOVENET_MULTIPOSE, channels=72),
    pixels="rgb",
    dense_maps="finest",
    dense_cells=32,
    dense_head="gce_normed",
    dense_width=72,
    is_enlarged=False,
    input_sides_px=(512, 0),
    **LIGHT_DETECTOR,
)
"""Our detector of people, and on its pyramid the dense head of Mobile Parsing R-CNN (B) with batch norms, with
which it learns in fewer steps: 6.36 M parameters."""


def _list_mobile() -> dict[str, DensePoseConfig]:
    """Mobile Parsing R-CNN by name: (A), with each body of Table 2 by timm's name; its pyramids; and (B)."""
    bodies = (MobileConfig(name, features="first_stage") for name in TABLE_2_BODIES.values())
    pyramids = (
        PyramidConfig(SINGLE_PATH_EXPANDED, "light_bifpn", channels, layers=1) for channels in (256, 112, 88)
    )
    return {
        "mobile-parsing-a": MOBILE_PARSING_A,
        **{
            f"mobile-parsing-a-{body.name}": _make_mobile(PyramidConfig(body, "fpn", 256, layers=1))
            for body in bodies
        },
        "mobile-parsing-a-r50": _make_mobile(_R50),
        **{f"mobile-parsing-bifpn-{pyramid.channels}": _make_mobile(pyramid) for pyramid in pyramids},
        "mobile-parsing-b": MOBILE_PARSING_B,
        "movenet-densepose": MOVENET_DENSEPOSE,
    }


def _list_confident(name: str, config: DensePoseConfig) -> dict[str, DensePoseConfig]:
    """The variants of a network with confidences, under detectron2's names for them."""
    kinds: dict[str, Confidences] = {"wc1": "isotropic", "wc2": "anisotropic"}
    variants = {f"{name}-{kind}": replace(config, confidences=value) for kind, value in kinds.items()}
    with_parts = {f"{key}m": replace(value, has_segment_confidences=True) for key, value in variants.items()}
    return variants | with_parts


NETWORKS: dict[str, DensePoseConfig] = {
    "densepose-r50": DENSEPOSE_R50,
    "densepose-r101": replace(DENSEPOSE_R50, backbone=_R101),
    "densepose-r50-improved": DENSEPOSE_R50_IMPROVED,
    "densepose-r101-improved": replace(DENSEPOSE_R50_IMPROVED, backbone=_R101),
    **_list_confident("densepose-r50-improved", DENSEPOSE_R50_IMPROVED),
    "densepose-r50-dl": DENSEPOSE_R50_DEEPLAB,
    "densepose-r101-dl": replace(DENSEPOSE_R50_DEEPLAB, backbone=_R101),
    **_list_confident("densepose-r50-dl", DENSEPOSE_R50_DEEPLAB),
    "parsing-r50": PARSING_R50,
    "uv-rcnn-r50": UV_RCNN_R50,
    "uv-rcnn-r101": replace(UV_RCNN_R50, backbone=_R101),
    "uv-rcnn-x101": replace(UV_RCNN_R50, backbone=_X101),
    **_list_mobile(),
}
"""Networks by name."""
