"""The mask and keypoint heads, by one route in training and inference.

Source: Ye and Ma, "Offset Allows for Extra Flexibility", 2021, section 3.3; He et al., "Mask R-CNN", ICCV 2017,
through torchvision, whose names the modules have, so that its weights load.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import maskrcnn_inference

from models.detection.heads import BoxHeads, RegionPart, RunOnBoxes, select_people
from models.detection.pooling import make_pool
from models.detection.proposals import Targets
from models.rcnn.codec import decode_keypoints, score_peaks
from models.rcnn.losses import (
    compute_keypoint_entropy,
    compute_keypoint_loss,
    compute_mask_loss,
)
from models.rcnn.offsets import KEYPOINT_CELLS, KeypointPredictor, deform_convolutions
from models.rcnn.variants import RCNNConfig

MASK_CELLS = 14
"""Cells each way of the regions that the mask head gets."""


class MaskPart(RegionPart):
    """The mask head."""

    def forward(self, regions: Tensor) -> tuple[Tensor, ...]:
        """Map regions (N, C, 14, 14) to logits (N, classes, 28, 28)."""
        return (self.predictor(self.head(regions)),)


class KeypointPart(RegionPart):
    """The keypoint head; its predictor is a `models.rcnn.offsets.KeypointPredictor`."""

    def forward(self, regions: Tensor) -> tuple[Tensor, ...]:
        """Map regions (N, C, 14, 14) to heatmaps (N, K, 56, 56), not refined, and offsets (N, 2 K, 56, 56)."""
        return tuple(self.predictor(self.head(regions)))


class MultitaskRoIHeads(BoxHeads):
    """Box, mask and keypoint heads, with offset refinement and partly annotated people.

    Args:
        config: The network's configuration.
    """

    def __init__(self, config: RCNNConfig) -> None:
        channels = config.backbone.channels
        heads: dict[str, nn.Module] = {}
        if config.has_masks:
            width = config.mask_layers[-1]
            heads["mask_roi_pool"] = make_pool(config, MASK_CELLS)
            heads["mask_head"] = MaskRCNNHeads(channels, config.mask_layers, dilation=1)
            heads["mask_predictor"] = MaskRCNNPredictor(width, width, config.num_classes)
        if config.has_keypoints:
            heads["keypoint_roi_pool"] = make_pool(config, KEYPOINT_CELLS)
            heads["keypoint_head"] = KeypointRCNNHeads(channels, config.keypoint_layers)
            heads["keypoint_predictor"] = KeypointPredictor(
                config.keypoint_layers[-1],
                config.num_keypoints,
                has_offsets=config.has_offsets,
                loss=config.keypoint_loss,
            )
            if config.deformed == "backbone+head":
                deform_convolutions(heads["keypoint_head"], is_modulated=config.is_modulated)
        super().__init__(config, **heads)

    def region_parts(self) -> dict[str, nn.Module]:
        """The parts from regions to outputs: `box`, and `mask` and `keypoint` if there are such heads."""
        parts = super().region_parts()
        if self.has_mask():
            parts["mask"] = MaskPart(self.mask_head, self.mask_predictor)
        if self.has_keypoint():
            parts["keypoint"] = KeypointPart(self.keypoint_head, self.keypoint_predictor)
        return parts

    def add_to_people(self, people: list[dict[str, Tensor]], run: RunOnBoxes) -> None:
        """Add masks and keypoints to the people of each image, if there are such heads."""
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

    def compute_other_losses(
        self,
        run: RunOnBoxes,
        regions: list[Tensor],
        matched: list[Tensor],
        labels: list[Tensor],
        targets: Targets,
    ) -> dict[str, Tensor]:
        """Compute the losses `mask` and `keypoint` if there are such heads."""
        losses = {}
        if self.has_mask():
            boxes, rows = select_people(regions, matched, labels, targets, "has_masks")
            (logits,) = run("mask", boxes)
            losses["mask"] = compute_mask_loss(logits, boxes, rows, targets)
        if self.has_keypoint():
            boxes, rows = select_people(regions, matched, labels, targets, "has_keypoints")
            heatmaps = self.keypoint_predictor.refine(*run("keypoint", boxes))
            keypoints = torch.cat([t["keypoints"][own] for t, own in zip(targets, rows, strict=True)])
            are_logits = self.keypoint_predictor.are_logits
            compute = compute_keypoint_entropy if are_logits else compute_keypoint_loss
            losses["keypoint"] = compute(heatmaps, keypoints, torch.cat(boxes))
        return losses

    def _decode_heatmaps(self, heatmaps: Tensor, boxes_xyxy: Tensor) -> dict[str, Tensor]:
        """What `find_people` returns of the keypoints of an image's people."""
        keypoints, values = decode_keypoints(heatmaps, boxes_xyxy)
        scores = score_peaks(heatmaps) if self.keypoint_predictor.are_logits else values.clamp(0, 1)
        return {"keypoints": keypoints, "keypoint_values": values, "keypoint_scores": scores}
