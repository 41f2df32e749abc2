"""The box head on regions, and what other heads on regions have in common with it.

Each head is pooling, then a part from regions to outputs (`BoxPart`). Engines may stand in for the parts in
inference.

Source: Ren et al., "Faster R-CNN", NeurIPS 2015, through torchvision, whose names the modules have, so that its
weights load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import box_iou

from models.detection.boxes import choose_boxes, promote
from models.detection.config import PERSON_LABEL, BoxChoice, TwoStageConfig
from models.detection.losses import compute_box_losses
from models.detection.pooling import make_pool
from models.detection.proposals import Pyramid, Targets, find_ignored

RunPart = Callable[[Tensor], Sequence[Tensor]]
"""A part, or an engine that runs it."""

RunOnBoxes = Callable[[str, list[Tensor]], Sequence[Tensor]]
"""Pools the regions of boxes for a part, by its name, and runs it."""


class RegionPart(nn.Module):
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


class BoxPart(RegionPart):
    """The box head."""

    def forward(self, regions: Tensor) -> tuple[Tensor, ...]:
        """Map regions (N, C, 7, 7) to logits (N, classes) and box deltas (N, 4 classes)."""
        return tuple(self.predictor(self.head(regions)))


class ConvolutionBoxHead(nn.Module):
    """A box head of 3x3 convolutions, whose cells are all features: far smaller than linear layers.

    Args:
        channels: Channels of the regions, and of the features.
        number: Number of convolutions.
    """

    def __init__(self, channels: int, number: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True))
                for _ in range(number)
            )
        )
        for part in self.convolutions.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
                assert part.bias is not None
                nn.init.zeros_(part.bias)

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, C S S)."""
        features: Tensor = self.convolutions(regions).flatten(1)
        return features


class BoxHeads(RoIHeads):  # type: ignore[misc]
    """torchvision's box head with ignored regions, settings as arguments, and room for other heads.

    Boxes and scores are float32 at least.

    Args:
        config: The network's configuration.
        predictor: From the features of the box head to logits and deltas; None is torchvision's.
        heads: Other heads as torchvision's class takes them.

    Attributes:
        maps: From the pyramid to the maps that regions are pooled from, by name; at first the same.
    """

    def __init__(self, config: TwoStageConfig, predictor: nn.Module | None = None, **heads: nn.Module) -> None:
        super().__init__(
            make_pool(config, config.box_cells),
            _make_box_head(config),
            predictor or FastRCNNPredictor(config.box_features, config.num_classes),
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
        self.maps: nn.Module = nn.Identity()

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
            targets: For each image, in training; see `models.detection.network.TwoStageNetwork.forward`.

        Returns:
            For each image what `find_people` returns, none in training; and the losses by name, scalars,
            in training.
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
        """The parts from regions to outputs by name: `box`, and those of other heads."""
        return {"box": BoxPart(self.box_head, self.box_predictor)}

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
        choice: BoxChoice | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find people in proposals; see `models.detection.network.TwoStageNetwork.find_people`.

        Args:
            pyramid: Its maps by name.
            proposals: For each image (N, 4) xyxy.
            sizes_hw: Height and width of each image.
            parts: Engines that run `region_parts()`; None runs the parts themselves.
            choice: How boxes are chosen; None takes the configuration's.
        """
        run = partial(self._run_part, parts or self.region_parts(), pyramid, sizes_hw)
        choice = choice or BoxChoice(self.score_thresh, self.nms_thresh)
        choose = partial(choose_boxes, choice=choice, max_boxes=self.detections_per_img)
        logits, deltas = run("box", proposals)
        people = list(map(choose, *self._decode_boxes(logits, deltas, proposals), sizes_hw))
        self.add_to_people(people, run)
        return people

    def describe_people(
        self,
        pyramid: Pyramid,
        boxes: list[Tensor],
        sizes_hw: list[tuple[int, int]],
        parts: Mapping[str, RunPart] | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find what other heads find in given boxes; see `models.detection.network.TwoStageNetwork`.

        Args:
            pyramid: Its maps by name.
            boxes: For each image (N, 4) xyxy.
            sizes_hw: Height and width of each image.
            parts: As for `find_people`.
        """
        people = [
            {"boxes": own, "labels": torch.full((len(own),), PERSON_LABEL, device=own.device)} for own in boxes
        ]
        self.add_to_people(people, partial(self._run_part, parts or self.region_parts(), pyramid, sizes_hw))
        return people

    def compute_losses(
        self, pyramid: Pyramid, proposals: list[Tensor], sizes_hw: list[tuple[int, int]], targets: Targets
    ) -> dict[str, Tensor]:
        """Compute the losses `person` and `box`, and those of other heads.

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
        return losses | self.compute_other_losses(run, regions, matched, labels, targets)

    def add_to_people(self, people: list[dict[str, Tensor]], run: RunOnBoxes) -> None:
        """Add what other heads find about the chosen people of each image."""

    def compute_other_losses(
        self,
        run: RunOnBoxes,
        regions: list[Tensor],
        matched: list[Tensor],
        labels: list[Tensor],
        targets: Targets,
    ) -> dict[str, Tensor]:
        """Compute the losses of other heads.

        Args:
            run: Runs a part on the regions of boxes.
            regions: For each image the sampled regions (n, 4).
            matched: For each image the person of each region (n,).
            labels: For each image (n,); 0 is the background.
            targets: For each image.
        """
        return {}

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
        # torchvision leaves boxes flat where no image has a proposal.
        boxes = boxes.reshape(len(logits), logits.shape[1], 4)
        scores = promote(logits).softmax(dim=1)
        return torch.split(boxes, counts), torch.split(scores, counts)

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


def _make_box_head(config: TwoStageConfig) -> nn.Module:
    channels = config.backbone.channels
    if config.box_convolutions:
        return ConvolutionBoxHead(channels, config.box_convolutions)
    head: nn.Module = TwoMLPHead(channels * config.box_cells**2, config.box_width)
    return head


def select_people(
    boxes: list[Tensor], matched: list[Tensor], labels: list[Tensor], targets: Targets, marker: str
) -> tuple[list[Tensor], list[Tensor]]:
    """Select the regions of people who have what a head learns.

    Args:
        boxes: For each image its regions (n, 4).
        matched: For each image the person of each region (n,).
        labels: For each image (n,); 0 is the background.
        targets: For each image.
        marker: Name of the column (P,) bool that marks these people; without it, it is all of them.

    Returns:
        For each image their regions, and the rows of their people.
    """
    selected, rows = [], []
    for own_boxes, own_matched, own_labels, target in zip(boxes, matched, labels, targets, strict=True):
        is_selected = own_labels > 0
        if marker in target and len(target[marker]):
            is_selected = is_selected & target[marker][own_matched]
        selected.append(own_boxes[is_selected])
        rows.append(own_matched[is_selected])
    return selected, rows
