"""Training that leaves ignored regions out: crowds, and people whose boxes are in doubt.

Where a region is ignored, nobody says who is there: to learn that nobody is would be wrong. What lies in it and
belongs to no person of the targets is neither a person nor background.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, concat_box_prediction_layers
from torchvision.ops import box_iou

from models.rcnn.precise import PreciseAnchors, PreciseBoxCoder, promote

IGNORED_OVERLAP = 0.5
"""A box lies in an ignored region if more than this fraction of its own area does."""

PROPOSAL_LOSSES = {"loss_objectness": "objectness", "loss_rpn_box_reg": "proposal_box"}
"""What torchvision calls the losses of proposals, and what we do."""

Targets = list[dict[str, Tensor]]
"""One dict an image: `boxes` (N, 4) xyxy and `labels` (N,); `ignored_boxes` (G, 4) where there are any."""


def find_ignored(boxes_xyxy: Tensor, ignored_xyxy: Tensor) -> Tensor:
    """Find the boxes that lie in an ignored region.

    Args:
        boxes_xyxy: (N, 4).
        ignored_xyxy: (G, 4).

    Returns:
        (N,) bool: whether more than `IGNORED_OVERLAP` of the box's own area lies in one of the regions. A box
        without area does not.
    """
    top_left = torch.maximum(boxes_xyxy[:, None, :2], ignored_xyxy[None, :, :2])
    bottom_right = torch.minimum(boxes_xyxy[:, None, 2:], ignored_xyxy[None, :, 2:])
    shared = (bottom_right - top_left).clamp(min=0).prod(dim=2)
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).clamp(min=0).prod(dim=1)
    return (shared > IGNORED_OVERLAP * areas[:, None]).any(dim=1)


class IgnoringRPN(RegionProposalNetwork):  # type: ignore[misc]
    """torchvision's region proposal network, which knows ignored regions.

    Boxes are float32 under autocast too.

    Args:
        anchors: Of each level.
        head: From the maps to objectness and box deltas.
        sampled_anchors: Anchors of each image that are trained on.
        proposals_a_level: How many of each map compete, in training and in use.
        proposals: How many go on, likewise.
        nms: Of two proposals with a larger IoU one goes.
    """

    def __init__(
        self,
        anchors: PreciseAnchors,
        head: nn.Module,
        *,
        sampled_anchors: int,
        proposals_a_level: tuple[int, int],
        proposals: tuple[int, int],
        nms: float,
    ) -> None:
        super().__init__(
            anchors,
            head,
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=sampled_anchors,
            positive_fraction=0.5,
            pre_nms_top_n=dict(zip(("training", "testing"), proposals_a_level, strict=True)),
            post_nms_top_n=dict(zip(("training", "testing"), proposals, strict=True)),
            nms_thresh=nms,
        )
        self.box_coder = PreciseBoxCoder((1.0, 1.0, 1.0, 1.0))

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: Targets
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Match anchors and people.

        Args:
            anchors: For each image (A, 4) xyxy.
            targets: For each image.

        Returns:
            For each image the labels (A,): 1 person, 0 background, -1 neither, which also counts for
            background in an ignored region; and the person's box for each anchor (A, 4).
        """
        labels, boxes = super().assign_targets_to_anchors(anchors, targets)
        for i, target in enumerate(targets):
            if "ignored_boxes" in target:
                is_ignored = find_ignored(anchors[i], target["ignored_boxes"].to(anchors[i]))
                labels[i] = torch.where(is_ignored & (labels[i] == 0), -1.0, labels[i])
        return labels, boxes

    def filter_proposals(
        self,
        proposals: Tensor,
        objectness: Tensor,
        image_shapes: list[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Choose proposals (B, A, 4) by their objectness (B A, 1), as torchvision, but precisely."""
        boxes, scores = super().filter_proposals(
            proposals, promote(objectness), image_shapes, num_anchors_per_level
        )
        return boxes, scores

    def propose(
        self,
        objectness: list[Tensor],
        deltas: list[Tensor],
        input_hw: tuple[int, int],
        sizes_hw: list[tuple[int, int]],
    ) -> list[Tensor]:
        """Make proposals from what the head gave elsewhere, such as in an engine.

        Args:
            objectness: For each level (B, A, H, W).
            deltas: For each level (B, 4 * A, H, W).
            input_hw: Height and width of the batch.
            sizes_hw: Height and width of each image in it.

        Returns:
            For each image (N, 4) xyxy.
        """
        B = len(sizes_hw)
        # Only the shape of the images counts.
        images = ImageList(torch.empty((B, 3, *input_hw), device="meta"), sizes_hw)
        anchors = self.anchor_generator(images, objectness)
        counts = [level.shape[1] * level.shape[2] * level.shape[3] for level in objectness]
        flat_objectness, flat_deltas = concat_box_prediction_layers(objectness, deltas)
        decoded = self.box_coder.decode(flat_deltas, anchors).view(B, -1, 4)
        proposals, _ = self.filter_proposals(decoded, flat_objectness, sizes_hw, counts)
        return proposals


class IgnoringRoIHeads(RoIHeads):  # type: ignore[misc]
    """torchvision's heads on regions, which know ignored regions; boxes and scores are float32 at least."""

    def postprocess_detections(
        self,
        class_logits: Tensor,
        box_regression: Tensor,
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Decode and choose boxes, as torchvision, but precisely.

        Args:
            class_logits: (N, classes), of the regions of all images.
            box_regression: (N, 4 classes), deltas.
            proposals: For each image (N, 4) xyxy.
            image_shapes: Height and width of each image.

        Returns:
            For each image boxes (N, 4), scores (N,) and labels (N,), best first.
        """
        boxes, scores, labels = super().postprocess_detections(
            promote(class_logits), promote(box_regression), proposals, image_shapes
        )
        return boxes, scores, labels

    def select_training_samples(
        self, proposals: list[Tensor], targets: Targets
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """Draw the regions to train on.

        Args:
            proposals: For each image (N, 4) xyxy.
            targets: For each image.

        Returns:
            As torchvision: for each image the regions, the index of the person of each, the labels (1
            person, 0 background) and the regression targets.
        """
        kept = [
            boxes[~self.is_left_out(boxes, target)] for boxes, target in zip(proposals, targets, strict=True)
        ]
        return super().select_training_samples(kept, targets)  # type: ignore[no-any-return]

    def is_left_out(self, proposals: Tensor, target: dict[str, Tensor]) -> Tensor:
        """Find the proposals that lie in an ignored region and belong to no person.

        Args:
            proposals: (N, 4) xyxy.
            target: Of their image.

        Returns:
            (N,) bool.
        """
        if "ignored_boxes" not in target:
            return torch.zeros(len(proposals), dtype=torch.bool, device=proposals.device)
        is_ignored = find_ignored(proposals, target["ignored_boxes"].to(proposals))
        if len(target["boxes"]) == 0:
            return is_ignored
        best = box_iou(target["boxes"].to(proposals), proposals).amax(dim=0)
        is_matched: Tensor = best >= self.proposal_matcher.high_threshold
        return is_ignored & ~is_matched
