"""Multitask R-CNN: boxes, masks and keypoints of people in one pass, with refinement by learnt offsets.

Source: Ye and Ma, "Offset Allows for Extra Flexibility: Multitask System for Pose Estimation and Instance
Segmentation", 2021. With all that is new in it switched off, it is torchvision's Faster, Mask or Keypoint
R-CNN, whose weights load strictly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from torchvision.models.detection.faster_rcnn import (
    FastRCNNPredictor,
    TwoMLPHead,
)
from torchvision.models.detection.mask_rcnn import (
    MaskRCNNHeads,
    MaskRCNNPredictor,
)
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign

from models.backbones.resnet_fpn import make_resnet_fpn
from models.backbones.variants import MULTI_SCALE, SINGLE_SCALE, ResNetFPNConfig
from models.rcnn.deform import deform_convolutions
from models.rcnn.heads import KEYPOINT_CELLS, KeypointLoss, MultitaskRoIHeads, make_keypoint_parts
from models.rcnn.ignore import IgnoringRPN
from models.rcnn.precise import PreciseAnchors
from models.rcnn.stages import TwoStageNetwork

ANCHOR_SIZES_PX = {
    "all": ((32,), (64,), (128,), (256,), (512,)),
    "multi": ((32, 48), (64, 96), (128, 192), (256, 512)),
    "single": ((32, 64, 128), (192, 256, 512)),
}
"""Of each map, the last being `pool`. `all` is as published; where finer maps are missing, the others have
more."""

PERSON_LABEL = 1
"""The class of people, as COCO's number of them; 0 is the background."""

# Stages of the body that are deformed: conv3 to conv5.
_DEFORMED_STAGES = ("layer2", "layer3", "layer4")


@dataclass(frozen=True)
class MultitaskConfig:
    """One network of the family.

    Attributes:
        backbone: Body and pyramid.
        num_classes: With the background; see `PERSON_LABEL`.
        has_masks: Whether there is a mask head.
        has_keypoints: Whether there is a keypoint head.
        num_keypoints: K.
        has_offsets: Whether heatmaps are refined by learnt offsets (Eq. 6): 3K channels for K.
        keypoint_loss: `mse`, with Gaussians (Eq. 9), or `cross_entropy`, as Mask R-CNN has it.
        deformed: Where convolutions are deformable: nowhere (`none`), in conv3 to conv5 (`backbone`, RB in the
            tables), or there and in the keypoint head (`backbone+head`, RB+H).
        is_modulated: Whether these also weigh each cell (version 2).
        anchor_ratios: Height by width.
        proposals: How many go on to the heads in training and in use, of each level and in all.
        sampled_proposals: Proposals of each image that are trained on.
        box_width: Hidden features of the box head.
        mask_layers: Channels of the convolutions of the mask head.
        keypoint_layers: Channels of the convolutions of the keypoint head.
        score_threshold: People with a lower score are left out.
        nms: Of two people with a larger IoU one goes.
        most_people: In one image.
    """

    backbone: ResNetFPNConfig = MULTI_SCALE
    num_classes: int = 2
    has_masks: bool = True
    has_keypoints: bool = True
    num_keypoints: int = 17
    has_offsets: bool = True
    keypoint_loss: KeypointLoss = "mse"
    deformed: Literal["none", "backbone", "backbone+head"] = "backbone+head"
    is_modulated: bool = False
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    proposals: tuple[int, int] = (2000, 1000)
    sampled_proposals: int = 512
    box_width: int = 1024
    mask_layers: tuple[int, ...] = (256,) * 4
    keypoint_layers: tuple[int, ...] = (512,) * 8
    score_threshold: float = 0.05
    nms: float = 0.5
    most_people: int = 100

    def __post_init__(self) -> None:
        if self.keypoint_loss not in ("mse", "cross_entropy"):
            raise ValueError(f"keypoint_loss '{self.keypoint_loss}': known: mse, cross_entropy")
        if self.deformed not in ("none", "backbone", "backbone+head"):
            raise ValueError(f"deformed '{self.deformed}': known: none, backbone, backbone+head")


FULL = MultitaskConfig()
"""The paper's full model; Tables 1 and 2, multi-scale; Tables 3 to 5, "RB+H"; Table 6, "kps & mask"."""
FULL_SINGLE_SCALE = replace(FULL, backbone=SINGLE_SCALE)
"""Table 2, single-scale."""
REGULAR = replace(FULL, deformed="none")
"""Tables 3 to 5, "Regular": plain convolutions. The tables change the convolutions alone, so heatmaps are
refined."""
REFINED_BACKBONE = replace(FULL, deformed="backbone")
"""Tables 3 to 5, "RB"."""
KEYPOINTS_ONLY = replace(FULL, has_masks=False)
"""Table 6, "kps-only"."""
UNREFINED = replace(FULL, deformed="none", has_offsets=False)
"""No refinement at all; Table 7 says so of the model whose numbers are those of "Regular"."""
MODULATED = replace(FULL, is_modulated=True)
"""The full model with modulated deformable convolutions; not in the paper's tables."""
CROSS_ENTROPY = replace(FULL, keypoint_loss="cross_entropy")
"""The full model with Mask R-CNN's loss of keypoints; not in the paper's tables."""

FASTER_RCNN = MultitaskConfig(
    backbone=ResNetFPNConfig(norm_epsilon=0.0),
    num_classes=91,
    has_masks=False,
    has_keypoints=False,
    has_offsets=False,
    keypoint_loss="cross_entropy",
    deformed="none",
    proposals=(2000, 1000),
)
"""torchvision's `fasterrcnn_resnet50_fpn`, weights COCO_V1."""
MASK_RCNN = replace(FASTER_RCNN, has_masks=True)
"""torchvision's `maskrcnn_resnet50_fpn`, weights COCO_V1."""
KEYPOINT_RCNN = replace(FASTER_RCNN, num_classes=2, has_keypoints=True)
"""torchvision's `keypointrcnn_resnet50_fpn`, weights COCO_V1."""


class MultitaskRCNN(TwoStageNetwork):
    """Boxes, masks and keypoints of people.

    Args:
        config: Which one.
    """

    def __init__(self, config: MultitaskConfig) -> None:
        backbone = make_resnet_fpn(config.backbone)
        if config.deformed != "none":
            for stage in _DEFORMED_STAGES:
                deform_convolutions(backbone.body[stage], is_modulated=config.is_modulated)
        super().__init__(backbone, _make_rpn(config), _make_roi_heads(config))
        self.config = config


def _make_rpn(config: MultitaskConfig) -> IgnoringRPN:
    sizes = ANCHOR_SIZES_PX[config.backbone.scales]
    anchors = PreciseAnchors(sizes, (config.anchor_ratios,) * len(sizes))
    return IgnoringRPN(
        anchors,
        RPNHead(config.backbone.channels, anchors.num_anchors_per_location()[0]),
        sampled_anchors=256,
        proposals_a_level=config.proposals,
        proposals=config.proposals,
        nms=0.7,
    )


def _make_roi_heads(config: MultitaskConfig) -> MultitaskRoIHeads:
    channels = config.backbone.channels
    pools: dict[str, Any] = {}
    if config.has_masks:
        layers = config.mask_layers
        pools |= {
            "mask_roi_pool": _make_pool(config, 14),
            "mask_head": MaskRCNNHeads(channels, layers, dilation=1),
            "mask_predictor": MaskRCNNPredictor(layers[-1], layers[-1], config.num_classes),
        }
    if config.has_keypoints:
        pools |= make_keypoint_parts(
            _make_pool(config, KEYPOINT_CELLS),
            channels,
            config.keypoint_layers,
            config.num_keypoints,
            has_offsets=config.has_offsets,
            loss=config.keypoint_loss,
        )
        if config.deformed == "backbone+head":
            deform_convolutions(pools["keypoint_head"], is_modulated=config.is_modulated)
    return MultitaskRoIHeads(
        _make_pool(config, 7),
        TwoMLPHead(channels * 7**2, config.box_width),
        FastRCNNPredictor(config.box_width, config.num_classes),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=config.sampled_proposals,
        positive_fraction=0.25,
        bbox_reg_weights=None,
        score_thresh=config.score_threshold,
        nms_thresh=config.nms,
        detections_per_img=config.most_people,
        **pools,
    )


def _make_pool(config: MultitaskConfig, cells: int) -> MultiScaleRoIAlign:
    return MultiScaleRoIAlign(list(config.backbone.map_names), cells, sampling_ratio=2)
