"""The region proposal network: anchors at every cell of the pyramid, of which the likely ones become proposals.

Training leaves out ignored regions: crowds, and people whose boxes are uncertain. The annotations do not say
who is there, so what lies there and matches no annotated person is neither a person nor background.

Source: Ren et al., "Faster R-CNN", NeurIPS 2015, through torchvision; Rakhimov et al., "Making DensePose fast
and light", WACV 2021, section 3 (separable convolutions).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers
from torchvision.ops import clip_boxes_to_image, remove_small_boxes

from models.detection.boxes import nms_by_group, promote
from models.detection.config import TwoStageConfig

IGNORED_OVERLAP = 0.5
"""A box lies in an ignored region if more than this fraction of its own area does."""

_CPU = torch.device("cpu")

Pyramid = dict[str, Tensor]
"""Maps by name, (B, C, H / s, W / s)."""

Targets = list[dict[str, Tensor]]
"""One dict an image; see `models.detection.network.TwoStageNetwork.forward`."""


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


class Anchors(AnchorGenerator):  # type: ignore[misc]
    """torchvision's anchors in float32 at least, optionally at exact strides.

    torchvision computes boxes in the maps' type, and bfloat16 has steps of 2 px from 256 px on. It also spaces
    anchors by the input's side divided by the map's, which is wrong where the side is not a multiple of the
    stride: 416 px have 7 cells of 64 px.

    Args:
        sizes_px: For each level, square roots of the areas.
        ratios: Heights divided by widths.
        strides: Of each level, in pixels; None computes them as torchvision does.
        is_rounded: Whether corners are rounded to whole pixels, as in torchvision.
    """

    def __init__(
        self,
        sizes_px: Sequence[tuple[int, ...]],
        ratios: tuple[float, ...],
        strides: tuple[int, ...] | None = None,
        *,
        is_rounded: bool = True,
    ) -> None:
        self._is_rounded = is_rounded
        super().__init__(tuple(sizes_px), (ratios,) * len(sizes_px))
        self.strides = strides

    def generate_anchors(
        self,
        scales: list[int],
        aspect_ratios: list[float],
        dtype: torch.dtype = torch.float32,
        device: torch.device = _CPU,
    ) -> Tensor:
        """The anchors of one cell around 0: (A, 4) xyxy, by ratio and then by size."""
        if self._is_rounded:
            anchors: Tensor = super().generate_anchors(scales, aspect_ratios, dtype, device)
            return anchors
        sizes = torch.tensor(scales, dtype=dtype, device=device)
        heights = torch.tensor(aspect_ratios, dtype=dtype, device=device).sqrt()[:, None] * sizes
        widths = sizes.square() / heights
        return torch.stack([-widths, -heights, widths, heights], -1).reshape(-1, 4) / 2

    def set_cell_anchors(self, dtype: torch.dtype, device: torch.device) -> None:
        """Move the anchors of one cell to the maps' device, but not to a less precise type."""
        super().set_cell_anchors(torch.promote_types(dtype, torch.float32), device)

    def grid_anchors(self, grid_sizes: list[list[int]], strides: list[list[Tensor]]) -> list[Tensor]:
        """Place the anchors in every cell, at the strides given to the constructor if any."""
        if self.strides is not None:
            device = strides[0][0].device
            strides = [[torch.tensor(stride, device=device)] * 2 for stride in self.strides]
        anchors: list[Tensor] = super().grid_anchors(grid_sizes, strides)
        return anchors


class SeparableRPNHead(nn.Module):
    """The head of a region proposal network with one depthwise separable convolution, shared by all levels.

    Args:
        channels: Channels of the pyramid.
        anchors: Number of anchors in each cell.
    """

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(),
        )
        self.cls_logits = nn.Conv2d(channels, anchors, 1)
        self.bbox_pred = nn.Conv2d(channels, anchors * 4, 1)
        for layer in (self.cls_logits, self.bbox_pred):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, pyramid: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Map each level (B, C, H, W) to objectness (B, A, H, W) and box deltas (B, 4 A, H, W)."""
        hidden = [self.conv(level) for level in pyramid]
        return [self.cls_logits(level) for level in hidden], [self.bbox_pred(level) for level in hidden]


class ProposalNetwork(RegionProposalNetwork):  # type: ignore[misc]
    """torchvision's region proposal network with ignored regions, and with boxes in float32 under autocast.

    Args:
        config: The network's configuration.
    """

    def __init__(self, config: TwoStageConfig) -> None:
        strides = config.backbone.strides if config.has_exact_strides else None
        anchors = Anchors(
            config.anchor_sizes_px, config.anchor_ratios, strides, is_rounded=config.has_rounded_anchors
        )
        make_head = SeparableRPNHead if config.is_rpn_separable else RPNHead
        super().__init__(
            anchors,
            make_head(config.backbone.channels, anchors.num_anchors_per_location()[0]),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=config.sampled_anchors,
            positive_fraction=0.5,
            pre_nms_top_n=dict(zip(("training", "testing"), config.proposals_per_level, strict=True)),
            post_nms_top_n=dict(zip(("training", "testing"), config.proposals, strict=True)),
            nms_thresh=config.proposal_nms_iou,
        )

    def forward(
        self,
        pyramid: Pyramid,
        input_hw: tuple[int, int],
        sizes_hw: list[tuple[int, int]],
        targets: Targets | None = None,
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Propose regions, and compute the losses in training.

        Args:
            pyramid: All maps, finest first.
            input_hw: Height and width of the batch.
            sizes_hw: Height and width of each image in it; proposals are clipped to them.
            targets: For each image, in training.

        Returns:
            For each image proposals (N, 4) xyxy; and `objectness` and `proposal_box`, scalars, in training.
        """
        objectness, deltas = self.head(list(pyramid.values()))
        proposals = self.propose(objectness, deltas, input_hw, sizes_hw)
        if not self.training:
            return proposals, {}
        assert targets is not None
        anchors = self._place_anchors(objectness, input_hw, sizes_hw)
        labels, boxes = self.assign_targets_to_anchors(anchors, targets)
        wanted = self.box_coder.encode(boxes, anchors)
        flat_objectness, flat_deltas = concat_box_prediction_layers(objectness, deltas)
        objectness_loss, box_loss = self.compute_loss(flat_objectness, flat_deltas, labels, wanted)
        return proposals, {"objectness": objectness_loss, "proposal_box": box_loss}

    def limit_proposals(self, number: int) -> None:
        """Set how many proposals an image has in inference, at most, instead of the configuration's number."""
        self._post_nms_top_n: dict[str, int] = {**self._post_nms_top_n, "testing": number}

    def propose(
        self,
        objectness: list[Tensor],
        deltas: list[Tensor],
        input_hw: tuple[int, int],
        sizes_hw: list[tuple[int, int]],
    ) -> list[Tensor]:
        """Choose proposals by what the head computed, here or in an engine.

        Args:
            objectness: For each level (B, A, H, W).
            deltas: For each level (B, 4 A, H, W).
            input_hw: Height and width of the batch.
            sizes_hw: Height and width of each image in it.

        Returns:
            For each image (N, 4) xyxy.
        """
        images = len(sizes_hw)
        counts = [level[0].numel() for level in objectness]
        flat_objectness, flat_deltas = concat_box_prediction_layers(objectness, deltas)
        likely = promote(flat_objectness.detach()).view(images, -1)
        # Of each level the likeliest; only these are decoded.
        rows = self._get_top_n_idx(likely, counts)
        levels = [min(count, self.pre_nms_top_n()) for count in counts]
        chosen = promote(flat_deltas.detach()).view(images, -1, 4).gather(1, rows[..., None].expand(-1, -1, 4))
        anchors = self._place_anchors(objectness, input_hw, sizes_hw)
        placed = [own[own_rows] for own, own_rows in zip(anchors, rows, strict=True)]
        boxes = self.box_coder.decode(chosen.flatten(0, 1), placed).view(images, -1, 4)
        choose = partial(self._choose, levels=levels)
        return list(map(choose, boxes, likely.gather(1, rows).sigmoid(), sizes_hw))

    def _choose(self, boxes: Tensor, scores: Tensor, size_hw: tuple[int, int], levels: Sequence[int]) -> Tensor:
        """Choose the proposals (N, 4) of one image, as torchvision does, from boxes of so many a level."""
        boxes = clip_boxes_to_image(boxes, size_hw)
        is_large = remove_small_boxes(boxes, self.min_size)
        level = torch.arange(len(levels), device=boxes.device).repeat_interleave(
            torch.tensor(levels, device=boxes.device)
        )
        boxes, scores, level = boxes[is_large], scores[is_large], level[is_large]
        kept = nms_by_group(boxes, scores, level, self.nms_thresh)
        return boxes[kept[: self.post_nms_top_n()]]

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: Targets
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Match anchors and people.

        Args:
            anchors: For each image (A, 4) xyxy.
            targets: For each image.

        Returns:
            For each image the labels (A,): 1 person, 0 background, -1 neither, which background in an ignored
            region becomes too; and the matched person's box of each anchor (A, 4).
        """
        labels, boxes = super().assign_targets_to_anchors(anchors, targets)
        for i, target in enumerate(targets):
            if "ignored_boxes" in target:
                is_ignored = find_ignored(anchors[i], target["ignored_boxes"].to(anchors[i]))
                labels[i] = torch.where(is_ignored & (labels[i] == 0), -1.0, labels[i])
        return labels, boxes

    def _place_anchors(
        self, levels: list[Tensor], input_hw: tuple[int, int], sizes_hw: list[tuple[int, int]]
    ) -> list[Tensor]:
        # Only the batch's shape matters.
        batch = torch.empty((len(sizes_hw), 3, *input_hw), device="meta")
        anchors: list[Tensor] = self.anchor_generator(ImageList(batch, sizes_hw), levels)
        return anchors
