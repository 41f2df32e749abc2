"""The two stages of every network of the R-CNN family: proposals from the whole image, heads on regions.

Source: Ren et al., "Faster R-CNN", NeurIPS 2015, through torchvision.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from models.rcnn.heads import MultitaskRoIHeads
from models.rcnn.ignore import PROPOSAL_LOSSES, IgnoringRPN, Targets
from models.rcnn.inputs import list_sizes_hw, normalize_bytes
from models.rcnn.parts import DensePart, RunPart


class TwoStageNetwork(nn.Module):
    """Boxes of people, and their masks and keypoints where there are heads for them.

    Images come letterboxed, all of one size.

    Args:
        backbone: A module from images to a pyramid of maps by name; has a `body`, and `out_channels`.
        rpn: Proposes regions.
        roi_heads: Look at them.
        keypoint_weight: Of the loss of keypoints, against those of boxes; 1 is Eq. 1 of the multitask paper.
    """

    def __init__(
        self,
        backbone: Any,
        rpn: IgnoringRPN,
        roi_heads: MultitaskRoIHeads,
        *,
        keypoint_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads
        self.keypoint_weight = keypoint_weight

    def forward(
        self,
        images: Tensor,
        targets: Targets | None = None,
        sizes_wh: Sequence[tuple[int, int]] | None = None,
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Compute the losses in training, whose sum is Eq. 1 of the multitask paper; find people in evaluation.

        Args:
            images: (B, 3, H, W): normalised floats, or uint8 RGB, which is normalised here.
            targets: For each image `boxes` (N, 4) xyxy in pixels of the batch and `labels` (N,), int64, 1 for
                people; `ignored_boxes` (G, 4) where regions are to be left out. With a mask head `masks` (N, H,
                W), and `has_masks` (N,) bool where some lack one; with a keypoint head `keypoints` (N, K, 3),
                x, y and above 0 if known, and `has_keypoints` (N,) bool likewise. Needed in training only.
            sizes_wh: Width and height of each image within the batch, from the top left; boxes are clipped to
                it. Without, all of it.

        Returns:
            In training, scalars by name: `objectness`, `proposal_box`, `person` and `box`; with heads for them
            `mask` and `keypoint`. In evaluation, for each image, what `find_people` gives.

        Raises:
            ValueError: There are no targets in training, `sizes_wh` are not as many as images, or the sides
                are not what the body takes.
        """
        if not self.training:
            return self.find_people(self.dense_part()(images), (images.shape[2], images.shape[3]), sizes_wh)
        if targets is None:
            raise ValueError(f"{type(self).__name__} needs targets in training; call eval() to find people")
        sizes_hw = list_sizes_hw(images.shape, sizes_wh)
        images = normalize_bytes(images)
        pyramid = self.backbone(images)
        proposals, proposal_losses = self.rpn(ImageList(images, sizes_hw), pyramid, targets)
        _, losses = self.roi_heads(pyramid, proposals, sizes_hw, targets)
        named: dict[str, Tensor] = {PROPOSAL_LOSSES[name]: loss for name, loss in proposal_losses.items()}
        named.update(losses)
        if "keypoint" in named:
            named["keypoint"] = named["keypoint"] * self.keypoint_weight
        return named

    def dense_part(self) -> DensePart:
        """The part that looks at every pixel; it shares the parameters."""
        return DensePart(self.backbone, self.rpn.head, self.roi_heads.map_names)

    def find_people(
        self,
        outputs: Sequence[Tensor],
        input_hw: tuple[int, int],
        sizes_wh: Sequence[tuple[int, int]] | None = None,
        parts: Mapping[str, RunPart] | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find people from what the dense part gave, perhaps in an engine.

        Args:
            outputs: As `DensePart` returns them.
            input_hw: Height and width of the batch.
            sizes_wh: As for `forward`.
            parts: Who computes what of regions: engines that run `roi_heads.region_parts()`; without, these.

        Returns:
            For each image, best first, `boxes` (N, 4) xyxy, `labels` (N,) and `scores` (N,); with the heads
            `masks` (N, 28, 28) in 0..1 over the boxes, which `models.rcnn.codec.decode_masks` lays into the
            image, and what `models.rcnn.heads.add_keypoints` adds.
        """
        names = self.roi_heads.map_names
        maps, heads = outputs[: len(names)], outputs[len(names) :]
        objectness, deltas = list(heads[: len(heads) // 2]), list(heads[len(heads) // 2 :])
        sizes_hw = list_sizes_hw((len(maps[0]), 3, *input_hw), sizes_wh)
        proposals = self.rpn.propose(objectness, deltas, input_hw, sizes_hw)
        pyramid = OrderedDict(zip(names, maps, strict=True))
        return self.roi_heads.find_people(pyramid, proposals, sizes_hw, parts or self.roi_heads.region_parts())
