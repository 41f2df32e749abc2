"""The heads on regions: boxes, masks and keypoints, each of which can be left out.

Source: Ye and Ma, "Offset Allows for Extra Flexibility", 2021, section 3.3; He et al., "Mask R-CNN", ICCV 2017,
through torchvision, whose names the parts have, so that its weights load.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.roi_heads import (
    fastrcnn_loss,
    maskrcnn_inference,
)
from torchvision.ops import MultiScaleRoIAlign

from models.rcnn.codec import SIGMA_CELLS, decode_keypoints, score_peaks
from models.rcnn.ignore import IgnoringRoIHeads, Targets
from models.rcnn.losses import compute_keypoint_entropy, compute_keypoint_loss, compute_mask_loss
from models.rcnn.offsets import refine_heatmaps
from models.rcnn.parts import BoxPart, KeypointPart, MaskPart, RunPart

KeypointLoss = Literal["mse", "cross_entropy"]

Pyramid = OrderedDict[str, Tensor]

KEYPOINT_CELLS = 14
"""Each way, of the regions that the keypoint head looks at."""

# Heatmaps begin as their targets' mean: what a Gaussian adds up to, shared among all cells. From higher they
# first fall together, and what Adam remembers of such large gradients then holds back the small ones of peaks.
_FIRST_VALUE = 2 * math.pi * SIGMA_CELLS**2 / (4 * KEYPOINT_CELLS) ** 2


class KeypointPredictor(KeypointRCNNPredictor):  # type: ignore[misc]
    """Heatmaps from a region's features, refined by offsets: K or 3K channels.

    Channels: K heatmaps, then for each keypoint the offset's x and y. Offsets begin at 0.

    Args:
        in_channels: Of the features.
        num_keypoints: K.
        has_offsets: Whether offsets are learnt and the heatmaps refined by them.
        loss: `mse`: the heatmaps are sigmoids, in 0..1. `cross_entropy`: they are logits.
    """

    def __init__(self, in_channels: int, num_keypoints: int, *, has_offsets: bool, loss: KeypointLoss) -> None:
        super().__init__(in_channels, num_keypoints * (3 if has_offsets else 1))
        self.num_keypoints = num_keypoints
        self.has_offsets = has_offsets
        self.is_sigmoid = loss == "mse"
        with torch.no_grad():
            self.kps_score_lowres.weight[:, num_keypoints:] = 0
            if self.is_sigmoid:
                self.kps_score_lowres.bias[:num_keypoints] = math.log(_FIRST_VALUE / (1 - _FIRST_VALUE))

    def predict(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute heatmaps before their refinement, and the offsets.

        Args:
            features: (N, in_channels, S / 4, S / 4).

        Returns:
            (N, K, S, S), in 0..1 or logits; and (N, K, 2, S, S) in cells, None without offsets.
        """
        maps = super().forward(features)
        K = self.num_keypoints
        heatmaps = maps[:, :K].sigmoid() if self.is_sigmoid else maps[:, :K]
        if not self.has_offsets:
            return heatmaps, None
        return heatmaps, maps[:, K:].reshape(-1, K, 2, *maps.shape[-2:])

    def forward(self, features: Tensor) -> Tensor:
        """Compute refined heatmaps (N, K, S, S) from features (N, in_channels, S / 4, S / 4).

        The sigmoid comes before the refinement, so that what an offset finds past the border, 0, means that
        there is no keypoint. Logits go on past the border as they are there.
        """
        heatmaps, offsets_xy = self.predict(features)
        if offsets_xy is None:
            return heatmaps
        return refine_heatmaps(heatmaps, offsets_xy, are_logits=not self.is_sigmoid)


def make_keypoint_parts(
    pool: MultiScaleRoIAlign,
    in_channels: int,
    layers: tuple[int, ...],
    num_keypoints: int,
    *,
    has_offsets: bool,
    loss: KeypointLoss,
) -> dict[str, nn.Module]:
    """Make what `MultitaskRoIHeads` takes to find keypoints, under its names.

    Args:
        pool: Cuts regions of `KEYPOINT_CELLS` cells each way out of the pyramid.
        in_channels: Of the pyramid.
        layers: Channels of the head's convolutions.
        num_keypoints: K.
        has_offsets: As for `KeypointPredictor`.
        loss: Likewise.
    """
    return {
        "keypoint_roi_pool": pool,
        "keypoint_head": KeypointRCNNHeads(in_channels, layers),
        "keypoint_predictor": KeypointPredictor(layers[-1], num_keypoints, has_offsets=has_offsets, loss=loss),
    }


def add_keypoints(people: list[dict[str, Tensor]], heatmaps: Tensor, *, are_logits: bool) -> None:
    """Find the keypoints of each image's people, and put them beside their boxes.

    Args:
        people: For each image `boxes` (N, 4); they get `keypoints` (N, K, 2) xy, `keypoint_values` (N, K),
            the heatmaps' values there, and `keypoint_scores` (N, K) in 0..1.
        heatmaps: (M, K, S, S), refined, of the people of all images.
        are_logits: The heatmaps are logits, and the scores what `models.rcnn.codec.score_peaks` makes of them;
            otherwise the scores are the values.
    """
    for person, own in zip(people, torch.split(heatmaps, [len(each["boxes"]) for each in people]), strict=True):
        person["keypoints"], values = decode_keypoints(own, person["boxes"])
        person["keypoint_values"] = values
        person["keypoint_scores"] = score_peaks(own) if are_logits else values.clamp(0, 1)


class MultitaskRoIHeads(IgnoringRoIHeads):
    """torchvision's heads with the multitask paper's losses, and with people that lack masks or keypoints."""

    def forward(
        self,
        features: Pyramid,
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: Targets | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Compute people in evaluation and losses in training.

        Args:
            features: The pyramid's maps by name.
            proposals: For each image (N, 4) xyxy.
            image_shapes: Height and width of each image.
            targets: For each image, in training; see `models.rcnn.stages.TwoStageNetwork`.

        Returns:
            For each image what `find_people` gives, empty in training; and `person`, `box`, `mask` and
            `keypoint`, scalars, empty in evaluation.
        """
        if self.training:
            assert targets is not None
            return [], self._compute_losses(features, proposals, image_shapes, targets)
        return self.find_people(features, proposals, image_shapes, self.region_parts()), {}

    @property
    def map_names(self) -> list[str]:
        """Of the maps that regions are cut from."""
        names: list[str] = self.box_roi_pool.featmap_names
        return names

    def region_parts(self) -> dict[str, nn.Module]:
        """The parts that look at regions, `box`, `mask` and `keypoint` if there; they share the parameters."""
        parts: dict[str, nn.Module] = {"box": BoxPart(self.box_head, self.box_predictor)}
        if self.has_mask():
            parts["mask"] = MaskPart(self.mask_head, self.mask_predictor)
        if self.has_keypoint():
            parts["keypoint"] = KeypointPart(self.keypoint_head, self.keypoint_predictor)
        return parts

    def count_cells(self, part: str) -> int:
        """How many cells each way the regions of one of these parts have."""
        cells: int = getattr(self, f"{part}_roi_pool").output_size[0]
        return cells

    def find_people(
        self,
        features: Pyramid,
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        parts: Mapping[str, RunPart],
    ) -> list[dict[str, Tensor]]:
        """Find people in proposals; see `models.rcnn.stages.TwoStageNetwork.find_people`.

        Args:
            features: The pyramid's maps by name.
            proposals: For each image (N, 4) xyxy.
            image_shapes: Height and width of each image.
            parts: Who computes what of regions: `region_parts`, or engines that run them.
        """
        logits, deltas = parts["box"](self.box_roi_pool(features, proposals, image_shapes))
        boxes, scores, labels = self.postprocess_detections(logits, deltas, proposals, image_shapes)
        people = [{"boxes": b, "labels": k, "scores": s} for b, k, s in zip(boxes, labels, scores, strict=True)]
        if "mask" in parts:
            (logits,) = parts["mask"](self.mask_roi_pool(features, boxes, image_shapes))
            for person, mask in zip(people, maskrcnn_inference(logits, labels), strict=True):
                person["masks"] = mask[:, 0]
        if "keypoint" in parts:
            heatmaps, *offsets = parts["keypoint"](self.keypoint_roi_pool(features, boxes, image_shapes))
            are_logits = not self.keypoint_predictor.is_sigmoid
            if offsets:
                N, K, S, _ = heatmaps.shape
                offsets_xy = offsets[0].reshape(N, K, 2, S, S)
                heatmaps = refine_heatmaps(heatmaps, offsets_xy, are_logits=are_logits)
            add_keypoints(people, heatmaps, are_logits=are_logits)
        return people

    def _run_boxes(
        self, features: Pyramid, boxes: list[Tensor], shapes: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor]:
        logits, deltas = self.box_predictor(self.box_head(self.box_roi_pool(features, boxes, shapes)))
        return logits, deltas

    def _run_masks(self, features: Pyramid, boxes: list[Tensor], shapes: list[tuple[int, int]]) -> Tensor:
        pooled = self.mask_roi_pool(features, boxes, shapes)
        logits: Tensor = self.mask_predictor(self.mask_head(pooled))
        return logits

    def _run_keypoints(self, features: Pyramid, boxes: list[Tensor], shapes: list[tuple[int, int]]) -> Tensor:
        pooled = self.keypoint_roi_pool(features, boxes, shapes)
        heatmaps: Tensor = self.keypoint_predictor(self.keypoint_head(pooled))
        return heatmaps

    def _compute_losses(
        self, features: Pyramid, proposals: list[Tensor], shapes: list[tuple[int, int]], targets: Targets
    ) -> dict[str, Tensor]:
        drawn, matched, labels, box_targets = self.select_training_samples(proposals, targets)
        logits, deltas = self._run_boxes(features, drawn, shapes)
        person, box = fastrcnn_loss(logits, deltas, labels, box_targets)
        losses = {"person": person, "box": box}
        if self.has_mask():
            boxes, rows = _take_people(drawn, matched, labels, targets, "has_masks")
            losses["mask"] = self._compute_mask_loss(features, boxes, rows, shapes, targets)
        if self.has_keypoint():
            boxes, rows = _take_people(drawn, matched, labels, targets, "has_keypoints")
            heatmaps = self._run_keypoints(features, boxes, shapes)
            keypoints = torch.cat([t["keypoints"][own] for t, own in zip(targets, rows, strict=True)])
            compute = compute_keypoint_loss if self.keypoint_predictor.is_sigmoid else compute_keypoint_entropy
            losses["keypoint"] = compute(heatmaps, keypoints, torch.cat(boxes))
        return losses

    def _compute_mask_loss(
        self,
        features: Pyramid,
        boxes: list[Tensor],
        rows: list[Tensor],
        shapes: list[tuple[int, int]],
        targets: Targets,
    ) -> Tensor:
        """The mean over regions; an image at a time, because only that keeps the masks' sizes apart."""
        logits = self._run_masks(features, boxes, shapes)
        total = logits.sum() * 0
        for part, own_boxes, own, target in zip(
            torch.split(logits, [len(b) for b in boxes]), boxes, rows, targets, strict=True
        ):
            if len(own):
                loss = compute_mask_loss(part, target["masks"], target["labels"], own, own_boxes)
                total = total + loss * len(own)
        return total / max(len(logits), 1)


def _take_people(
    boxes: list[Tensor], matched: list[Tensor], labels: list[Tensor], targets: Targets, marker: str
) -> tuple[list[Tensor], list[Tensor]]:
    """The regions that are people and, where the targets say which, have what a head learns; who they are."""
    taken_boxes, rows = [], []
    for own_boxes, own_matched, own_labels, target in zip(boxes, matched, labels, targets, strict=True):
        is_taken = own_labels > 0
        if marker in target and len(target[marker]):
            is_taken = is_taken & target[marker][own_matched]
        taken_boxes.append(own_boxes[is_taken])
        rows.append(own_matched[is_taken])
    return taken_boxes, rows
