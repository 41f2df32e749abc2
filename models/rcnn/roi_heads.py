"""The heads on regions: boxes, masks and keypoints, by one route in training and inference.

Each head is pooling, then a part from regions to outputs (`BoxPart`, `MaskPart`, `KeypointPart`). Engines may
stand in for the parts in inference.

Source: Ye and Ma, "Offset Allows for Extra Flexibility", 2021, section 3.3; He et al., "Mask R-CNN", ICCV 2017,
through torchvision, whose names the modules have, so that its weights load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads, maskrcnn_inference
from torchvision.ops import MultiScaleRoIAlign, box_iou
from torchvision.ops.poolers import LevelMapper

from models.rcnn.codec import choose_boxes, decode_keypoints, promote, score_peaks
from models.rcnn.losses import (
    compute_box_losses,
    compute_keypoint_entropy,
    compute_keypoint_loss,
    compute_mask_loss,
)
from models.rcnn.offsets import KEYPOINT_CELLS, KeypointPredictor, deform_convolutions
from models.rcnn.rpn import Pyramid, Targets, find_ignored
from models.rcnn.variants import RCNNConfig

MASK_CELLS = 14
"""Cells each way of the regions that the mask head gets."""

RunPart = Callable[[Tensor], Sequence[Tensor]]
"""A part, or an engine that runs it."""


class _RegionPart(nn.Module):
    """A head and its predictor as one module, which shares their parameters.

    Args:
        head: From regions to features.
        predictor: From features to outputs.
    """

    def __init__(self, head: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.head = head
        self.predictor = predictor
        self.train(head.training)


class BoxPart(_RegionPart):
    """The box head."""

    def forward(self, regions: Tensor) -> tuple[Tensor, ...]:
        """Map regions (N, C, 7, 7) to logits (N, classes) and box deltas (N, 4 classes)."""
        return tuple(self.predictor(self.head(regions)))


class MaskPart(_RegionPart):
    """The mask head."""

    def forward(self, regions: Tensor) -> tuple[Tensor, ...]:
        """Map regions (N, C, 14, 14) to logits (N, classes, 28, 28)."""
        return (self.predictor(self.head(regions)),)


class KeypointPart(_RegionPart):
    """The keypoint head; its predictor is a `models.rcnn.offsets.KeypointPredictor`."""

    def forward(self, regions: Tensor) -> tuple[Tensor, ...]:
        """Map regions (N, C, 14, 14) to heatmaps (N, K, 56, 56), not refined, and offsets (N, 2 K, 56, 56)."""
        return tuple(self.predictor(self.head(regions)))


class MultitaskRoIHeads(RoIHeads):  # type: ignore[misc]
    """torchvision's heads on regions with offset refinement, ignored regions and partly annotated people.

    Boxes and scores are float32 at least.

    Args:
        config: The network's configuration.
    """

    def __init__(self, config: RCNNConfig) -> None:
        channels = config.backbone.channels
        heads: dict[str, nn.Module] = {}
        if config.has_masks:
            width = config.mask_layers[-1]
            heads["mask_roi_pool"] = _make_pool(config, MASK_CELLS)
            heads["mask_head"] = MaskRCNNHeads(channels, config.mask_layers, dilation=1)
            heads["mask_predictor"] = MaskRCNNPredictor(width, width, config.num_classes)
        if config.has_keypoints:
            heads["keypoint_roi_pool"] = _make_pool(config, KEYPOINT_CELLS)
            heads["keypoint_head"] = KeypointRCNNHeads(channels, config.keypoint_layers)
            heads["keypoint_predictor"] = KeypointPredictor(
                config.keypoint_layers[-1],
                config.num_keypoints,
                has_offsets=config.has_offsets,
                loss=config.keypoint_loss,
            )
            if config.deformed == "backbone+head":
                deform_convolutions(heads["keypoint_head"], is_modulated=config.is_modulated)
        super().__init__(
            _make_pool(config, config.box_cells),
            TwoMLPHead(channels * config.box_cells**2, config.box_width),
            FastRCNNPredictor(config.box_width, config.num_classes),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=config.sampled_proposals,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=config.score_threshold,
            nms_thresh=config.nms_iou,
            detections_per_img=config.max_people,
            **heads,
        )

    def forward(
        self,
        pyramid: Pyramid,
        proposals: list[Tensor],
        sizes_hw: list[tuple[int, int]],
        targets: Targets | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Find people in inference, and compute the losses in training.

        Args:
            pyramid: Its maps by name.
            proposals: For each image (N, 4) xyxy.
            sizes_hw: Height and width of each image.
            targets: For each image, in training; see `models.rcnn.network.RCNN.forward`.

        Returns:
            For each image what `find_people` returns, none in training; and `person`, `box`, `mask` and
            `keypoint`, scalars, in training.
        """
        if not self.training:
            return self.find_people(pyramid, proposals, sizes_hw), {}
        assert targets is not None
        return [], self.compute_losses(pyramid, proposals, sizes_hw, targets)

    @property
    def map_names(self) -> list[str]:
        """Names of the maps that regions are pooled from."""
        names: list[str] = self.box_roi_pool.featmap_names
        return names

    def region_parts(self) -> dict[str, nn.Module]:
        """The parts from regions to outputs: `box`, and `mask` and `keypoint` if there are such heads."""
        parts: dict[str, nn.Module] = {"box": BoxPart(self.box_head, self.box_predictor)}
        if self.has_mask():
            parts["mask"] = MaskPart(self.mask_head, self.mask_predictor)
        if self.has_keypoint():
            parts["keypoint"] = KeypointPart(self.keypoint_head, self.keypoint_predictor)
        return parts

    def count_cells(self, part: str) -> int:
        """Number of cells each way of the regions that one of the parts gets."""
        cells: int = getattr(self, f"{part}_roi_pool").output_size[0]
        return cells

    def find_people(
        self,
        pyramid: Pyramid,
        proposals: list[Tensor],
        sizes_hw: list[tuple[int, int]],
        parts: Mapping[str, RunPart] | None = None,
        *,
        score_threshold: float | None = None,
        nms_iou: float | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find people in proposals; see `models.rcnn.network.RCNN.find_people`.

        Args:
            pyramid: Its maps by name.
            proposals: For each image (N, 4) xyxy.
            sizes_hw: Height and width of each image.
            parts: Engines that run `region_parts()`; None runs the parts themselves.
            score_threshold: Boxes with a lower score are dropped; None takes the configuration's.
            nms_iou: Of two boxes that overlap more than this, the lower-scoring one is dropped; likewise.
        """
        run = partial(self._run_part, parts or self.region_parts(), pyramid, sizes_hw)
        score_threshold = self.score_thresh if score_threshold is None else score_threshold
        nms_iou = self.nms_thresh if nms_iou is None else nms_iou
        choose = partial(
            choose_boxes,
            score_threshold=score_threshold,
            nms_iou=nms_iou,
            max_boxes=self.detections_per_img,
        )
        logits, deltas = run("box", proposals)
        people = list(map(choose, *self._decode_boxes(logits, deltas, proposals), sizes_hw))
        boxes = [each["boxes"] for each in people]
        if self.has_mask():
            (logits,) = run("mask", boxes)
            masks = maskrcnn_inference(logits, [each["labels"] for each in people])
            for each, own in zip(people, masks, strict=True):
                each["masks"] = own[:, 0]
        if self.has_keypoint():
            heatmaps = self.keypoint_predictor.refine(*run("keypoint", boxes))
            for each, own in zip(people, heatmaps.split([len(own) for own in boxes]), strict=True):
                each |= self._decode_heatmaps(own, each["boxes"])
        return people

    def compute_losses(
        self, pyramid: Pyramid, proposals: list[Tensor], sizes_hw: list[tuple[int, int]], targets: Targets
    ) -> dict[str, Tensor]:
        """Compute the losses `person` and `box`, and `mask` and `keypoint` if there are such heads.

        Args:
            pyramid: Its maps by name.
            proposals: For each image (N, 4) xyxy.
            sizes_hw: Height and width of each image.
            targets: For each image.
        """
        run = partial(self._run_part, self.region_parts(), pyramid, sizes_hw)
        regions, matched, labels, wanted = self.select_training_samples(proposals, targets)
        logits, deltas = run("box", regions)
        losses = compute_box_losses(logits, deltas, labels, wanted)
        if self.has_mask():
            boxes, rows = _select_people(regions, matched, labels, targets, "has_masks")
            (logits,) = run("mask", boxes)
            losses["mask"] = compute_mask_loss(logits, boxes, rows, targets)
        if self.has_keypoint():
            boxes, rows = _select_people(regions, matched, labels, targets, "has_keypoints")
            heatmaps = self.keypoint_predictor.refine(*run("keypoint", boxes))
            keypoints = torch.cat([t["keypoints"][own] for t, own in zip(targets, rows, strict=True)])
            are_logits = self.keypoint_predictor.are_logits
            compute = compute_keypoint_entropy if are_logits else compute_keypoint_loss
            losses["keypoint"] = compute(heatmaps, keypoints, torch.cat(boxes))
        return losses

    def select_training_samples(
        self, proposals: list[Tensor], targets: Targets
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """Sample the regions to train on, without those in ignored regions that match no person.

        Args:
            proposals: For each image (N, 4) xyxy.
            targets: For each image.

        Returns:
            As torchvision: for each image the regions, the index of the person of each, the labels (1
            person, 0 background) and the regression targets.
        """
        kept = [
            boxes[~self._is_left_out(boxes, target)] for boxes, target in zip(proposals, targets, strict=True)
        ]
        return super().select_training_samples(kept, targets)  # type: ignore[no-any-return]

    def _decode_boxes(
        self, logits: Tensor, deltas: Tensor, proposals: list[Tensor]
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Boxes (N, classes, 4) and scores (N, classes) of each image, from the box head's outputs for all."""
        counts = [len(own) for own in proposals]
        boxes: Tensor = self.box_coder.decode(promote(deltas), proposals)
        scores = promote(logits).softmax(dim=1)
        return torch.split(boxes, counts), torch.split(scores, counts)

    def _decode_heatmaps(self, heatmaps: Tensor, boxes_xyxy: Tensor) -> dict[str, Tensor]:
        """What `find_people` returns of the keypoints of an image's people."""
        keypoints, values = decode_keypoints(heatmaps, boxes_xyxy)
        scores = score_peaks(heatmaps) if self.keypoint_predictor.are_logits else values.clamp(0, 1)
        return {"keypoints": keypoints, "keypoint_values": values, "keypoint_scores": scores}

    def _is_left_out(self, proposals: Tensor, target: dict[str, Tensor]) -> Tensor:
        """Whether each proposal lies in an ignored region and matches no person, (N,) bool."""
        if "ignored_boxes" not in target:
            return torch.zeros(len(proposals), dtype=torch.bool, device=proposals.device)
        is_ignored = find_ignored(proposals, target["ignored_boxes"].to(proposals))
        if len(target["boxes"]) == 0:
            return is_ignored
        best = box_iou(target["boxes"].to(proposals), proposals).amax(dim=0)
        is_matched: Tensor = best >= self.proposal_matcher.high_threshold
        return is_ignored & ~is_matched

    def _run_part(
        self,
        parts: Mapping[str, RunPart],
        pyramid: Pyramid,
        sizes_hw: list[tuple[int, int]],
        name: str,
        boxes: list[Tensor],
    ) -> Sequence[Tensor]:
        """Pool the regions of a part and run it."""
        return parts[name](getattr(self, f"{name}_roi_pool")(pyramid, boxes, sizes_hw))


def _make_pool(config: RCNNConfig, cells: int) -> MultiScaleRoIAlign:
    names = list(config.backbone.map_names)
    pool = MultiScaleRoIAlign(names, cells, sampling_ratio=2, canonical_scale=config.roi_canonical_px)
    # torchvision infers the strides from the first image, which padding can mislead.
    pool.scales = [1 / stride for stride in config.backbone.strides[: len(names)]]
    levels = [stride.bit_length() - 1 for stride in config.backbone.strides[: len(names)]]
    pool.map_levels = LevelMapper(levels[0], levels[-1], config.roi_canonical_px)
    return pool


def _select_people(
    boxes: list[Tensor], matched: list[Tensor], labels: list[Tensor], targets: Targets, marker: str
) -> tuple[list[Tensor], list[Tensor]]:
    """The regions of people who have what a head learns, where the targets mark it, and their people's rows."""
    selected, rows = [], []
    for own_boxes, own_matched, own_labels, target in zip(boxes, matched, labels, targets, strict=True):
        is_selected = own_labels > 0
        if marker in target and len(target[marker]):
            is_selected = is_selected & target[marker][own_matched]
        selected.append(own_boxes[is_selected])
        rows.append(own_matched[is_selected])
    return selected, rows
