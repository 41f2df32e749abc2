"""The networks of the R-CNN family by name, each as one configuration; nothing here imports torch.

Source: Ren et al., "Faster R-CNN", NeurIPS 2015; He et al., "Mask R-CNN", ICCV 2017; Ye and Ma, "Offset Allows
for Extra Flexibility: Multitask System for Pose Estimation and Instance Segmentation", 2021; Rakhimov et al.,
"Making DensePose fast and light", WACV 2021, section 3 (mobile body, BiFPN).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from models.backbones.variants import (
    EFFICIENTNET_LITE0,
    MOVENET_MULTIPOSE,
    MULTI_SCALE,
    SINGLE_SCALE,
    PyramidConfig,
    ResNetFPNConfig,
)
from models.detection.config import LIGHT_DETECTOR, TwoStageConfig

KeypointLoss = Literal["mse", "cross_entropy"]
Deformed = Literal["none", "backbone", "backbone+head"]


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss in the sum that is minimised; all are 1 in Eq. 1 of the multitask paper.

    Attributes:
        objectness: Of the region proposal network's classification.
        proposal_box: Of its box regression.
        person: Of the box head's classification.
        box: Of its box regression.
        mask: Of the mask head.
        keypoint: Of the keypoint head.
    """

    objectness: float = 1.0
    proposal_box: float = 1.0
    person: float = 1.0
    box: float = 1.0
    mask: float = 1.0
    keypoint: float = 1.0


@dataclass(frozen=True)
class RCNNConfig(TwoStageConfig):
    """One network of the R-CNN family; the defaults are torchvision's Faster R-CNN with two classes.

    Attributes:
        mask_layers: Channels of the convolutions of the mask head; () is no mask head.
        keypoint_layers: Channels of the convolutions of the keypoint head; () is no keypoint head.
        num_keypoints: K.
        keypoint_loss: `mse` against Gaussians (Eq. 9), or `cross_entropy` over the cells, as in Mask R-CNN.
        has_offsets: Whether keypoint heatmaps are refined by learnt offsets (Eq. 6), which takes 3K channels
            for K.
        deformed: Where convolutions are deformable: nowhere, in conv3 to conv5 of a ResNet (`backbone`, RB in
            the tables), or there and in the keypoint head (`backbone+head`, RB+H).
        is_modulated: Whether deformable convolutions also learn a weight per sampled cell (version 2).
        loss_weights: Weights of the losses.

    Raises:
        ValueError: An option is unknown, or the options do not fit together.
    """

    mask_layers: tuple[int, ...] = ()
    keypoint_layers: tuple[int, ...] = ()
    num_keypoints: int = 17
    keypoint_loss: KeypointLoss = "cross_entropy"
    has_offsets: bool = False
    deformed: Deformed = "none"
    is_modulated: bool = False
    loss_weights: LossWeights = LossWeights()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keypoint_loss not in ("mse", "cross_entropy"):
            raise ValueError(f"keypoint_loss '{self.keypoint_loss}': known: mse, cross_entropy")
        if self.deformed not in ("none", "backbone", "backbone+head"):
            raise ValueError(f"deformed '{self.deformed}': known: none, backbone, backbone+head")
        if self.deformed != "none" and isinstance(self.backbone, PyramidConfig):
            raise ValueError(f"deformed '{self.deformed}': only a ResNet has deformable stages")

    @property
    def has_masks(self) -> bool:
        """Whether there is a mask head."""
        return bool(self.mask_layers)

    @property
    def has_keypoints(self) -> bool:
        """Whether there is a keypoint head."""
        return bool(self.keypoint_layers)


FASTER_RCNN = RCNNConfig(ResNetFPNConfig(norm_epsilon=0.0), num_classes=91)
"""torchvision's `fasterrcnn_resnet50_fpn`, weights COCO_V1."""
MASK_RCNN = replace(FASTER_RCNN, mask_layers=(256,) * 4)
"""torchvision's `maskrcnn_resnet50_fpn`, weights COCO_V1."""
KEYPOINT_RCNN = replace(FASTER_RCNN, num_classes=2, keypoint_layers=(512,) * 8)
"""torchvision's `keypointrcnn_resnet50_fpn`, weights COCO_V1."""

FULL = RCNNConfig(
    MULTI_SCALE,
    mask_layers=(256,) * 4,
    keypoint_layers=(512,) * 8,
    keypoint_loss="mse",
    has_offsets=True,
    deformed="backbone+head",
    anchor_sizes_px=((32, 48), (64, 96), (128, 192), (256, 512)),
)
"""The multitask paper's full model; Tables 1 and 2, multi-scale; Tables 3 to 5, "RB+H"; Table 6, "kps & mask".
With fewer maps in the pyramid, each has more anchors."""
FULL_SINGLE_SCALE = replace(FULL, backbone=SINGLE_SCALE, anchor_sizes_px=((32, 64, 128), (192, 256, 512)))
"""Table 2, single-scale."""
REGULAR = replace(FULL, deformed="none")
"""Tables 3 to 5, "Regular": plain convolutions. The tables change the convolutions alone, so heatmaps are
refined."""
REFINED_BACKBONE = replace(FULL, deformed="backbone")
"""Tables 3 to 5, "RB"."""
KEYPOINTS_ONLY = replace(FULL, mask_layers=())
"""Table 6, "kps-only"."""
UNREFINED = replace(FULL, deformed="none", has_offsets=False)
"""No refinement at all; Table 7 says so of the model whose numbers are those of "Regular"."""
MODULATED = replace(FULL, is_modulated=True)
"""The full model with modulated deformable convolutions; not in the paper's tables."""
CROSS_ENTROPY = replace(FULL, keypoint_loss="cross_entropy")
"""The full model with Mask R-CNN's loss of keypoints; not in the paper's tables."""

LITE0_DETECTOR = RCNNConfig(PyramidConfig(EFFICIENTNET_LITE0, channels=80), **LIGHT_DETECTOR)
"""A detector of people on a body pretrained for classification: 4.2 M parameters, in fp16 8.4 MB."""
MOVENET_DETECTOR = replace(
    LITE0_DETECTOR, backbone=PyramidConfig(MOVENET_MULTIPOSE, channels=72), roi_samples=1
)
"""The same on a body pretrained for keypoints: 5.9 M parameters, in fp16 11.8 MB. One sample a cell is a tenth
faster than the usual four, with which it was trained, and as good: box AP50 0.633 and 0.631 on dev."""
MOVENET_MULTITASK = replace(
    MOVENET_DETECTOR,
    roi_samples=2,
    keypoint_layers=(64,) * 4,
    has_offsets=True,
    loss_weights=LossWeights(keypoint=0.2),
)
"""The same with a keypoint head, whose heatmaps are refined by offsets."""

NETWORKS: dict[str, RCNNConfig] = {
    "lite0-person": LITE0_DETECTOR,
    "movenet-person": MOVENET_DETECTOR,
    "movenet-multitask": MOVENET_MULTITASK,
    "multitask-regular": REGULAR,
    "multitask-rb": REFINED_BACKBONE,
    "multitask-rb-h": FULL,
    "multitask-rb-h-single-scale": FULL_SINGLE_SCALE,
    "multitask-rb-h-keypoints-only": KEYPOINTS_ONLY,
    "multitask-unrefined": UNREFINED,
    "multitask-rb-h-modulated": MODULATED,
    "multitask-rb-h-cross-entropy": CROSS_ENTROPY,
    "faster-rcnn": FASTER_RCNN,
    "mask-rcnn": MASK_RCNN,
    "keypoint-rcnn": KEYPOINT_RCNN,
}
"""Networks by name; the last three are torchvision's."""
