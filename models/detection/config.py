"""The part of a two-stage network's configuration that all of them have; nothing here imports torch.

Source: Ren et al., "Faster R-CNN", NeurIPS 2015; Rakhimov et al., "Making DensePose fast and light", WACV 2021,
section 3 (separable convolutions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.backbones.variants import PyramidConfig, ResNetFPNConfig

PERSON_LABEL = 1
"""The class of people, which is COCO's category number; 0 is the background."""


@dataclass(frozen=True)
class BoxChoice:
    """How the boxes of an image are chosen.

    Attributes:
        score_threshold: Boxes need a higher score.
        nms_iou: Of two boxes of a class that overlap more than this, the lower-scoring one is dropped.
        is_nms_soft: It is not dropped, but its score is multiplied by 1 - IoU for each such better box. From a
            `score_threshold` of 1 - `nms_iou` on, that is the same.
        vote_iou: A chosen box becomes the mean of those of its class that overlap it by this or more, weighted
            by their scores; 1 leaves it as it is.

    Source: Bodla et al., "Soft-NMS", ICCV 2017, equation 2; Gidaris and Komodakis, "Object detection via a
    multi-region and semantic segmentation-aware CNN model", ICCV 2015, section 5 (voting).
    """

    score_threshold: float = 0.05
    nms_iou: float = 0.5
    is_nms_soft: bool = False
    vote_iou: float = 1.0


@dataclass(frozen=True)
class TwoStageConfig:
    """A backbone, proposals and a box head; the defaults are torchvision's Faster R-CNN with two classes.

    Attributes:
        backbone: Body and feature pyramid.
        num_classes: Number of classes, with the background; see `PERSON_LABEL`.
        anchor_sizes_px: For each level of the pyramid, square roots of the areas of its anchors.
        anchor_ratios: Heights of the anchors divided by their widths.
        has_exact_strides: Whether anchors lie at the pyramid's strides. Otherwise their spacing is the input's
            side divided by the map's, as in torchvision, which differs where the side is not a multiple of
            the stride.
        has_rounded_anchors: Whether the corners of anchors are rounded to whole pixels, as in torchvision.
        is_rpn_separable: Whether the head of the region proposal network is depthwise separable.
        proposals_per_level: Highest-scoring anchors of each level that enter non-maximum suppression, in
            training and in inference.
        proposals: Proposals of an image that the heads get, likewise.
        proposal_nms_iou: Of two proposals that overlap more than this, the lower-scoring one is dropped.
        sampled_anchors: Anchors of each image that the losses of proposals are computed on.
        sampled_proposals: Proposals of each image that the losses of the heads are computed on.
        box_cells: Regions are pooled to so many cells each way for the box head.
        box_width: Hidden features of the box head.
        box_convolutions: Number of 3x3 convolutions of a box head that has these alone; 0 is torchvision's, two
            linear layers.
        roi_canonical_px: Regions of this size are pooled from the map of stride 16.
        roi_samples: Points each way that are averaged in a cell of a region; 0 takes as many as the cell has
            cells of the map.
        is_roi_aligned: Whether the map's values lie at the middles of its cells, and regions may be smaller
            than a cell of it; torchvision's networks are half a cell off.
        score_threshold: Boxes with a lower score are dropped, unless `find_people` is given another.
        nms_iou: Of two boxes that overlap more than this, the lower-scoring one is dropped; likewise.
        max_people: Most boxes of an image, of all classes.
        input_sides_px: The longer and the shorter side that images are resized to in inference, as
            `models.data.letterbox.fit_to_sides` takes them, unless a recipe gives others.

    Raises:
        ValueError: The options do not fit together.
    """

    backbone: ResNetFPNConfig | PyramidConfig
    num_classes: int = 2
    anchor_sizes_px: tuple[tuple[int, ...], ...] = ((32,), (64,), (128,), (256,), (512,))
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    has_exact_strides: bool = False
    has_rounded_anchors: bool = True
    is_rpn_separable: bool = False
    proposals_per_level: tuple[int, int] = (2000, 1000)
    proposals: tuple[int, int] = (2000, 1000)
    proposal_nms_iou: float = 0.7
    sampled_anchors: int = 256
    sampled_proposals: int = 512
    box_cells: int = 7
    box_width: int = 1024
    box_convolutions: int = 0
    roi_canonical_px: int = 224
    roi_samples: int = 2
    is_roi_aligned: bool = False
    score_threshold: float = 0.05
    nms_iou: float = 0.5
    max_people: int = 100
    input_sides_px: tuple[int, int] = (512, 0)

    @property
    def box_features(self) -> int:
        """Features that the box head gives for a region."""
        return self.backbone.channels * self.box_cells**2 if self.box_convolutions else self.box_width

    def __post_init__(self) -> None:
        levels = len(self.backbone.strides)
        if len(self.anchor_sizes_px) != levels:
            raise ValueError(f"anchor_sizes_px: {len(self.anchor_sizes_px)} levels, the pyramid has {levels}")


LIGHT_DETECTOR: dict[str, Any] = {
    "anchor_sizes_px": ((16,), (32,), (64,), (128,), (256,)),
    "anchor_ratios": (0.7, 1.5, 3.0),
    "has_exact_strides": True,
    "is_rpn_separable": True,
    "proposals_per_level": (1000, 300),
    "proposals": (1000, 150),
    "sampled_proposals": 256,
    "box_width": 256,
    "roi_canonical_px": 112,
}
"""What our own small detectors of people have in common: upright anchors, for images of 320 to 512 px."""
