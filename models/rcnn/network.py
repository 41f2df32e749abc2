"""R-CNN: boxes of people from one pass over the image, and masks and keypoints if there are heads for them.

Source: Ren et al., "Faster R-CNN", NeurIPS 2015; Ye and Ma, "Offset Allows for Extra Flexibility: Multitask
System for Pose Estimation and Instance Segmentation", 2021. Without what is new in the latter it is
torchvision's Faster, Mask or Keypoint R-CNN, whose weights load strictly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from models.backbones.fpn import make_pyramid_backbone
from models.backbones.imagenet import normalize_images
from models.backbones.resnet_fpn import make_resnet_fpn
from models.backbones.variants import PyramidConfig
from models.rcnn.losses import weight_losses
from models.rcnn.offsets import deform_convolutions
from models.rcnn.roi_heads import MultitaskRoIHeads, RunPart
from models.rcnn.rpn import ProposalNetwork, Targets
from models.rcnn.variants import RCNNConfig

# conv3 to conv5.
_DEFORMED_STAGES = ("layer2", "layer3", "layer4")


class DensePart(nn.Module):
    """Backbone and head of the region proposal network as one module, which shares their parameters.

    It maps batches to tensors of fixed shapes, which engines can take. What follows depends on the proposals.

    Args:
        backbone: From images to a pyramid of maps by name.
        head: From the maps to the objectness and the box deltas of their anchors.
        map_names: The maps that regions are pooled from.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, map_names: Sequence[str]) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.map_names = tuple(map_names)
        self.train(backbone.training)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the pyramid, and objectness and box deltas of all anchors.

        Args:
            images: (B, 3, H, W): normalised floats, or uint8 RGB, which is normalised here.

        Returns:
            The maps that regions are pooled from, (B, C, H / s, W / s); the objectness of each level of the
            pyramid, (B, A, H / s, W / s), of which there may be more; the box deltas of each, (B, 4 A, ...).
        """
        pyramid = self.backbone(normalize_bytes(images))
        objectness, deltas = self.head(list(pyramid.values()))
        return (*(pyramid[name] for name in self.map_names), *objectness, *deltas)


class RCNN(nn.Module):
    """A two-stage network: proposals from the whole image, then heads for boxes, masks and keypoints.

    Images come letterboxed, all of one size, with sides that are multiples of 32.

    Args:
        config: Which one.
    """

    def __init__(self, config: RCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = _make_backbone(config)
        self.rpn = ProposalNetwork(config)
        self.roi_heads = MultitaskRoIHeads(config)

    def forward(
        self,
        images: Tensor,
        targets: Targets | None = None,
        sizes_wh: Sequence[tuple[int, int]] | None = None,
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Compute the losses in training, whose sum is Eq. 1 of the multitask paper; find people in inference.

        Args:
            images: (B, 3, H, W): normalised floats, or uint8 RGB, which is normalised here.
            targets: For each image `boxes` (N, 4) xyxy in pixels of the batch and `labels` (N,), int64, 1 for
                people; `ignored_boxes` (G, 4) where regions are to be left out. With a mask head `masks` (N, H,
                W), and `has_masks` (N,) bool where some lack one; with a keypoint head `keypoints` (N, K, 3),
                x, y and above 0 if known, and `has_keypoints` (N,) bool likewise. Needed in training only.
            sizes_wh: Width and height of each image within the batch, from the top left; boxes are clipped to
                it. None takes all of it.

        Returns:
            In training, scalars by name: `objectness`, `proposal_box`, `person` and `box`; with heads for them
            `mask` and `keypoint`. In inference, for each image, what `find_people` returns.

        Raises:
            ValueError: There are no targets in training, the number of `sizes_wh` is not that of the images, or
                the backbone cannot take the sides.
        """
        if self.training and targets is None:
            raise ValueError("an R-CNN needs targets in training; call eval() to find people")
        input_hw, sizes_hw = _list_sizes_hw(images.shape, sizes_wh)
        pyramid = self.backbone(normalize_bytes(images))
        proposals, proposal_losses = self.rpn(pyramid, input_hw, sizes_hw, targets)
        people, head_losses = self.roi_heads(pyramid, proposals, sizes_hw, targets)
        if not self.training:
            return people  # type: ignore[no-any-return]
        return weight_losses(proposal_losses | head_losses, self.config.loss_weights)

    def dense_part(self) -> DensePart:
        """The part that runs once per batch, such as in an engine; `find_people` does the rest."""
        return DensePart(self.backbone, self.rpn.head, self.roi_heads.map_names)

    def find_people(
        self,
        outputs: Sequence[Tensor],
        input_hw: tuple[int, int],
        sizes_wh: Sequence[tuple[int, int]] | None = None,
        parts: Mapping[str, RunPart] | None = None,
        *,
        score_threshold: float | None = None,
        nms_iou: float | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find people from the outputs of the dense part.

        Args:
            outputs: As `DensePart` returns them.
            input_hw: Height and width of the batch.
            sizes_wh: As for `forward`.
            parts: Engines that run `roi_heads.region_parts()`; None runs the parts themselves.
            score_threshold: Boxes with a lower score are dropped; None takes the configuration's.
            nms_iou: Of two boxes that overlap more than this, the lower-scoring one is dropped; likewise.

        Returns:
            For each image, best first, `boxes` (N, 4) xyxy, `labels` (N,) and `scores` (N,). With a mask head
            `masks` (N, 28, 28), probabilities over the boxes, which `models.rcnn.codec.decode_masks` pastes
            into the image. With a keypoint head `keypoints` (N, K, 2) xy; `keypoint_values` (N, K), the
            heatmaps' values there; and `keypoint_scores` (N, K) in 0..1, `models.rcnn.codec.score_peaks` of
            logits, otherwise the values.
        """
        names = self.roi_heads.map_names
        maps, rest = outputs[: len(names)], list(outputs[len(names) :])
        objectness, deltas = rest[: len(rest) // 2], rest[len(rest) // 2 :]
        _, sizes_hw = _list_sizes_hw((len(maps[0]), 3, *input_hw), sizes_wh)
        proposals = self.rpn.propose(objectness, deltas, input_hw, sizes_hw)
        pyramid = dict(zip(names, maps, strict=True))
        return self.roi_heads.find_people(
            pyramid, proposals, sizes_hw, parts, score_threshold=score_threshold, nms_iou=nms_iou
        )


def make_rcnn(config: RCNNConfig) -> RCNN:
    """Make a network with random weights; `models.rcnn.start.load_start` loads what training starts from.

    Args:
        config: Which one, such as `models.rcnn.variants.LITE0_DETECTOR`.
    """
    return RCNN(config)


def normalize_bytes(images: Tensor) -> Tensor:
    """Normalise (B, 3, H, W) uint8 RGB as for ImageNet's networks; floats are normalised already."""
    return images if images.is_floating_point() else normalize_images(images)


def _make_backbone(config: RCNNConfig) -> Any:
    if isinstance(config.backbone, PyramidConfig):
        return make_pyramid_backbone(config.backbone)
    backbone = make_resnet_fpn(config.backbone)
    if config.deformed != "none":
        for stage in _DEFORMED_STAGES:
            deform_convolutions(backbone.body[stage], is_modulated=config.is_modulated)
    return backbone


def _list_sizes_hw(
    shape: Sequence[int], sizes_wh: Sequence[tuple[int, int]] | None
) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """Height and width of a batch (B, C, H, W), and of each image in it; without `sizes_wh`, all of it."""
    B, _, H, W = shape
    if sizes_wh is None:
        return (H, W), [(H, W)] * B
    if len(sizes_wh) != B:
        raise ValueError(f"sizes_wh: {len(sizes_wh)} sizes for {B} images")
    return (H, W), [(height, width) for width, height in sizes_wh]
