"""Our detectors of people: two stages on a mobile body, and keypoints where they are asked for.

Source: Ren et al., "Faster R-CNN", NeurIPS 2015, through torchvision; Rakhimov et al., "Making DensePose fast
and light", WACV 2021, section 3 (mobile body, BiFPN); Ye and Ma, "Offset Allows for Extra Flexibility", 2021,
section 3.3 (the keypoint head).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign

from models.backbones.fpn import PyramidBackbone
from models.backbones.mobile import EFFICIENTNET_LITE0, MobileBody, MobileConfig
from models.backbones.movenet import MOVENET_MULTIPOSE, MoveNetConfig, MoveNetMaps
from models.rcnn.heads import (
    KEYPOINT_CELLS,
    KeypointLoss,
    MultitaskRoIHeads,
    add_keypoints,
    make_keypoint_parts,
)
from models.rcnn.ignore import PROPOSAL_LOSSES, IgnoringRPN, Targets
from models.rcnn.inputs import list_sizes_hw, normalize_bytes
from models.rcnn.offsets import refine_heatmaps
from models.rcnn.proposals import SeparableRPNHead, StridedAnchors

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
        sampled_anchors: Anchors of each picture that are trained on.
        sampled_proposals: Proposals of each picture that are trained on.
        roi_cells: A proposal is looked at in so many cells each way.
        roi_canonical_px: Proposals of this size come from the map of stride 16.
        head_width: Hidden features of the second stage.
        keypoint_layers: Channels of the convolutions of the keypoint head; without any there are no keypoints.
        num_keypoints: K.
        keypoint_loss: `mse` or `cross_entropy`, as `models.rcnn.network.MultitaskConfig` has it.
        keypoint_weight: Of their loss, against those of boxes; 1 is Eq. 1 of the multitask paper.
        score_threshold: People with a lower score are left out.
        nms: Of two people with a larger IoU one goes.
        most_people: In one picture.
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


class PersonDetector(nn.Module):
    """A two-stage detector of people, which may give their keypoints, too.

    Pictures come letterboxed: all of one size, whose sides are multiples of 32.

    Args:
        config: Which one.
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = PyramidBackbone(
            _make_body(config.body), config.channels, config.pyramid, config.pyramid_layers
        )
        self.rpn = _make_rpn(config)
        self.roi_heads = _make_roi_heads(config)

    def forward(
        self,
        images: Tensor,
        targets: Targets | None = None,
        sizes_wh: Sequence[tuple[int, int]] | None = None,
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Compute the losses in training, and find people in evaluation.

        Args:
            images: (B, 3, H, W): normalised floats, or uint8 RGB, which is normalised here.
            targets: For each picture `boxes` (N, 4) xyxy in pixels of the batch and `labels` (N,), int64, all
                1; `ignored_boxes` (G, 4) where regions are to be left out; with a keypoint head `keypoints` and
                `has_keypoints`, as `models.rcnn.network.MultitaskRCNN` has them. Needed in training only.
            sizes_wh: Width and height of each picture within the batch, from the top left; boxes are clipped to
                it. Without, all of it.

        Returns:
            In training, scalars by name: `objectness`, `proposal_box`, `person` and `box`; with a keypoint head
            `keypoint`. In evaluation, for each picture, best first, `boxes` (N, 4) xyxy and `scores` (N,); with
            a keypoint head `keypoints` (N, K, 2) xy and `keypoint_scores` (N, K) in 0..1, the heatmaps' values
            or, after `cross_entropy`, what `models.rcnn.codec.score_peaks` makes of them.

        Raises:
            ValueError: There are no targets in training, or a side is not a multiple of 32.
        """
        if not self.training:
            outputs = DensePart(self)(images)
            return self.find_people(outputs, (images.shape[2], images.shape[3]), sizes_wh)
        if targets is None:
            raise ValueError("PersonDetector needs targets in training; call eval() to find people")
        images = normalize_bytes(images)
        sizes_hw = list_sizes_hw(images.shape, sizes_wh)
        pyramid = self.backbone(images)
        proposals, proposal_losses = self.rpn(ImageList(images, sizes_hw), pyramid, targets)
        _, losses = self.roi_heads(pyramid, proposals, sizes_hw, targets)
        named: dict[str, Tensor] = {PROPOSAL_LOSSES[name]: loss for name, loss in proposal_losses.items()}
        named.update(losses)
        if self.config.keypoint_layers:
            named["keypoint"] = named["keypoint"] * self.config.keypoint_weight
        return named

    def find_people(
        self,
        outputs: Sequence[Tensor],
        input_hw: tuple[int, int],
        sizes_wh: Sequence[tuple[int, int]] | None = None,
        box_part: Callable[[Tensor], Sequence[Tensor]] | None = None,
        keypoint_part: Callable[[Tensor], Sequence[Tensor]] | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find people from what the dense part gave, perhaps in an engine.

        Args:
            outputs: As `DensePart` returns them.
            input_hw: Height and width of the batch.
            sizes_wh: As for `forward`.
            box_part: Computes the second stage, as `BoxPart` does; without, `BoxPart` does.
            keypoint_part: Likewise, as `KeypointPart` does.

        Returns:
            For each picture what `forward` gives in evaluation.
        """
        maps = outputs[: len(_POOLED_LEVELS)]
        heads = outputs[len(_POOLED_LEVELS) :]
        objectness, deltas = list(heads[: len(heads) // 2]), list(heads[len(heads) // 2 :])
        sizes_hw = list_sizes_hw((len(maps[0]), 3, *input_hw), sizes_wh)
        proposals = self.rpn.propose(objectness, deltas, input_hw, sizes_hw)
        pyramid = OrderedDict(zip(_POOLED_LEVELS, maps, strict=True))
        pooled = self.roi_heads.box_roi_pool(pyramid, proposals, sizes_hw)
        logits, box_deltas = (box_part or BoxPart(self))(pooled)
        boxes, scores, _ = self.roi_heads.postprocess_detections(logits, box_deltas, proposals, sizes_hw)
        people = [{"boxes": b, "scores": s} for b, s in zip(boxes, scores, strict=True)]
        if self.config.keypoint_layers:
            pooled = self.roi_heads.keypoint_roi_pool(pyramid, boxes, sizes_hw)
            heatmaps, offsets_xy = (keypoint_part or KeypointPart(self))(pooled)
            refined = refine_heatmaps(heatmaps, offsets_xy.unflatten(1, (-1, 2)))
            add_keypoints(people, refined, are_shares_scored=self.config.keypoint_loss == "cross_entropy")
        return people


def make_person_detector(config: DetectorConfig) -> PersonDetector:
    """Make a detector with random weights; `models.rcnn.start.load_start` gives it a start.

    Args:
        config: Which one, such as `LITE0_DETECTOR`.
    """
    return PersonDetector(config)


class DensePart(nn.Module):
    """The part of a detector that looks at every pixel, in a form that engines take.

    Args:
        detector: Whose parameters it shares.
    """

    def __init__(self, detector: PersonDetector) -> None:
        super().__init__()
        self.backbone = detector.backbone
        self.head = detector.rpn.head
        self.train(detector.training)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute maps and what anchors there are people at.

        Args:
            images: (B, 3, H, W), as for `PersonDetector`.

        Returns:
            The maps that regions are cut from, four (B, C, H / s, W / s), s = 4, 8, 16, 32; the objectness of
            each level (B, A, H / s, W / s), s = 4 to 64; the box deltas of each level (B, 4 A, H / s, W / s).
        """
        pyramid = self.backbone(normalize_bytes(images))
        objectness, deltas = self.head(list(pyramid.values()))
        return (*(pyramid[name] for name in _POOLED_LEVELS), *objectness, *deltas)


class BoxPart(nn.Module):
    """The second stage of a detector, in a form that engines take: each region counts for itself.

    Args:
        detector: Whose parameters it shares.
    """

    def __init__(self, detector: PersonDetector) -> None:
        super().__init__()
        self.head = detector.roi_heads.box_head
        self.predictor = detector.roi_heads.box_predictor
        self.train(detector.training)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Map regions (N, C, 7, 7) to logits (N, 2), background and person, and box deltas (N, 8)."""
        logits, deltas = self.predictor(self.head(regions))
        return logits, deltas


class KeypointPart(nn.Module):
    """The keypoint head of a detector, in a form that engines take: each region counts for itself.

    Args:
        detector: Whose parameters it shares.
    """

    def __init__(self, detector: PersonDetector) -> None:
        super().__init__()
        self.head = detector.roi_heads.keypoint_head
        self.predictor = detector.roi_heads.keypoint_predictor
        self.train(detector.training)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Map regions (N, C, 14, 14) to heatmaps (N, K, 56, 56), not refined, and offsets (N, 2 K, 56, 56)."""
        heatmaps, offsets_xy = self.predictor.predict(self.head(regions))
        return heatmaps, offsets_xy.flatten(1, 2)


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
