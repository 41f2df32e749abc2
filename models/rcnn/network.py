"""R-CNN: boxes of people from one pass over the image, and masks and keypoints if there are heads for them.

Source: Ren et al., "Faster R-CNN", NeurIPS 2015; Ye and Ma, "Offset Allows for Extra Flexibility: Multitask
System for Pose Estimation and Instance Segmentation", 2021. Without what is new in the latter it is
torchvision's Faster, Mask or Keypoint R-CNN, whose weights load strictly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.backbones.fpn import make_pyramid_backbone
from models.backbones.resnet_fpn import make_resnet_fpn
from models.backbones.variants import PyramidConfig
from models.detection.network import TwoStageNetwork
from models.detection.proposals import ProposalNetwork
from models.rcnn.losses import weight_losses
from models.rcnn.offsets import deform_convolutions
from models.rcnn.roi_heads import MultitaskRoIHeads
from models.rcnn.variants import RCNNConfig

# conv3 to conv5.
_DEFORMED_STAGES = ("layer2", "layer3", "layer4")


class RCNN(TwoStageNetwork):
    """A two-stage network with heads for boxes, masks and keypoints.

    In training, the losses are `objectness`, `proposal_box`, `person` and `box`; with heads for them `mask` and
    `keypoint`. Targets may have `masks` (N, H, W), and `has_masks` (N,) bool where some lack one; `keypoints`
    (N, K, 3), x, y and above 0 if known, and `has_keypoints` (N,) bool likewise.

    `find_people` gives, with a mask head, `masks` (N, 28, 28), probabilities over the boxes, which
    `models.rcnn.codec.decode_masks` pastes into the image; with a keypoint head, `keypoints` (N, K, 2) xy,
    `keypoint_values` (N, K), the heatmaps' values there, and `keypoint_scores` (N, K) in 0..1:
    `models.rcnn.codec.score_peaks` of logits, otherwise the values.

    Args:
        config: Which one.
    """

    config: RCNNConfig

    def __init__(self, config: RCNNConfig) -> None:
        backbone = _make_backbone(config)
        super().__init__(backbone, ProposalNetwork(config), MultitaskRoIHeads(config))
        self.config = config

    def weight_losses(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weight the losses, whose sum is Eq. 1 of the multitask paper."""
        return weight_losses(losses, self.config.loss_weights)


def make_rcnn(config: RCNNConfig) -> RCNN:
    """Make a network with random weights; `models.detection.start.load_start` loads what training starts from.

    Args:
        config: Which one, such as `models.rcnn.variants.LITE0_DETECTOR`.
    """
    return RCNN(config)


def _make_backbone(config: RCNNConfig) -> Any:
    if isinstance(config.backbone, PyramidConfig):
        return make_pyramid_backbone(config.backbone)
    backbone = make_resnet_fpn(config.backbone)
    if config.deformed != "none":
        for stage in _DEFORMED_STAGES:
            deform_convolutions(backbone.body[stage], is_modulated=config.is_modulated)
    return backbone
