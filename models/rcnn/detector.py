"""Our detectors of people: two stages on a mobile body, and keypoints where they are asked for.

Source: Ren et al., "Faster R-CNN", NeurIPS 2015, through torchvision; Rakhimov et al., "Making DensePose fast
and light", WACV 2021, section 3 (mobile body, BiFPN); Ye and Ma, "Offset Allows for Extra Flexibility", 2021,
section 3.3 (the keypoint head).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from torch import nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign

from models.backbones.fpn import PyramidBackbone
from models.backbones.mobile import MobileBody
from models.backbones.movenet import MoveNetMaps
from models.backbones.variants import EFFICIENTNET_LITE0, MOVENET_MULTIPOSE, MobileConfig, MoveNetConfig
from models.rcnn.heads import (
    KEYPOINT_CELLS,
    KeypointLoss,
    MultitaskRoIHeads,
    make_keypoint_parts,
)
from models.rcnn.ignore import IgnoringRPN
from models.rcnn.proposals import SeparableRPNHead, StridedAnchors
from models.rcnn.stages import TwoStageNetwork

NUM_CLASSES = 2
"""Background and person."""

_POOLED_LEVELS = ("0", "1", "2", "3")


@dataclass(frozen=True)
class DetectorConfig:
    """One detector of people.

    Attributes:
        body: The mobile body, or MoveNet's; its maps have strides 4 to 32.
        pyramid: `fpn` or `bifpn`.
        channels: Of the pyramid.
        pyramid_layers: Of BiFPN.
        strides: Input pixels per cell of the pyramid's maps.
        anchor_sizes_px: Root of the area of the anchors of each map.
        anchor_ratios: Height by width of the anchors.
        proposals: How many go on to the second stage in training and in use.
        proposals_a_level: How many of each map compete for that.
        proposal_nms: Of two proposals with a larger IoU one goes.
        sampled_anchors: Anchors of each image that are trained on.
        sampled_proposals: Proposals of each image that are trained on.
        roi_cells: A proposal is looked at in so many cells each way.
        roi_canonical_px: Proposals of this size come from the map of stride 16.
        head_width: Hidden features of the second stage.
        keypoint_layers: Channels of the convolutions of the keypoint head; without any there are no keypoints.
        num_keypoints: K.
        keypoint_loss: `mse` or `cross_entropy`, as `models.rcnn.network.MultitaskConfig` has it.
        keypoint_weight: Of their loss, against those of boxes; 1 is Eq. 1 of the multitask paper.
        score_threshold: People with a lower score are left out.
        nms: Of two people with a larger IoU one goes.
        most_people: In one image.
    """

    body: MobileConfig | MoveNetConfig
    pyramid: Literal["fpn", "bifpn"] = "bifpn"
    channels: int = 64
    pyramid_layers: int = 2
    strides: tuple[int, ...] = (4, 8, 16, 32, 64)
    anchor_sizes_px: tuple[int, ...] = (16, 32, 64, 128, 256)
    anchor_ratios: tuple[float, ...] = (0.7, 1.5, 3.0)
    proposals: tuple[int, int] = (1000, 150)
    proposals_a_level: tuple[int, int] = (1000, 300)
    proposal_nms: float = 0.7
    sampled_anchors: int = 256
    sampled_proposals: int = 256
    roi_cells: int = 7
    roi_canonical_px: int = 112
    head_width: int = 256
    keypoint_layers: tuple[int, ...] = ()
    num_keypoints: int = 17
    keypoint_loss: KeypointLoss = "cross_entropy"
    keypoint_weight: float = 0.2
    score_threshold: float = 0.05
    nms: float = 0.5
    most_people: int = 100


LITE0_DETECTOR = DetectorConfig(EFFICIENTNET_LITE0, channels=80)
"""On a body that learnt to tell things apart: 4.2 M parameters, in fp16 8.4 MB."""
MOVENET_DETECTOR = DetectorConfig(MOVENET_MULTIPOSE, channels=72)
"""On a body that learnt to find keypoints: 5.9 M parameters, in fp16 11.8 MB."""
MOVENET_MULTITASK = replace(MOVENET_DETECTOR, keypoint_layers=(64,) * 4)
"""The same, which also finds the keypoints of everyone, refined by offsets."""


class PersonDetector(TwoStageNetwork):
    """A two-stage detector of people, which may give their keypoints, too.

    Sides of images are multiples of 32.

    Args:
        config: Which one.
    """

    def __init__(self, config: DetectorConfig) -> None:
        backbone = PyramidBackbone(
            _make_body(config.body), config.channels, config.pyramid, config.pyramid_layers
        )
        super().__init__(
            backbone, _make_rpn(config), _make_roi_heads(config), keypoint_weight=config.keypoint_weight
        )
        self.config = config


def make_person_detector(config: DetectorConfig) -> PersonDetector:
    """Make a detector with random weights; `models.rcnn.start.load_start` gives it a start.

    Args:
        config: Which one, such as `LITE0_DETECTOR`.
    """
    return PersonDetector(config)


def _make_body(config: MobileConfig | MoveNetConfig) -> MobileBody | MoveNetMaps:
    return MoveNetMaps(config) if isinstance(config, MoveNetConfig) else MobileBody(config)


def _make_rpn(config: DetectorConfig) -> IgnoringRPN:
    anchors = StridedAnchors(config.anchor_sizes_px, config.anchor_ratios, config.strides)
    return IgnoringRPN(
        anchors,
        SeparableRPNHead(config.channels, len(config.anchor_ratios)),
        sampled_anchors=config.sampled_anchors,
        proposals_a_level=config.proposals_a_level,
        proposals=config.proposals,
        nms=config.proposal_nms,
    )


def _make_roi_heads(config: DetectorConfig) -> MultitaskRoIHeads:
    keypoint_parts: dict[str, nn.Module] = {}
    if config.keypoint_layers:
        pool = _make_pool(config, KEYPOINT_CELLS)
        keypoint_parts = make_keypoint_parts(
            pool,
            config.channels,
            config.keypoint_layers,
            config.num_keypoints,
            has_offsets=True,
            loss=config.keypoint_loss,
        )
    return MultitaskRoIHeads(
        _make_pool(config, config.roi_cells),
        TwoMLPHead(config.channels * config.roi_cells**2, config.head_width),
        FastRCNNPredictor(config.head_width, NUM_CLASSES),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=config.sampled_proposals,
        positive_fraction=0.25,
        bbox_reg_weights=None,
        score_thresh=config.score_threshold,
        nms_thresh=config.nms,
        detections_per_img=config.most_people,
        **keypoint_parts,
    )


def _make_pool(config: DetectorConfig, cells: int) -> MultiScaleRoIAlign:
    return MultiScaleRoIAlign(
        list(_POOLED_LEVELS), cells, sampling_ratio=2, canonical_scale=config.roi_canonical_px
    )
