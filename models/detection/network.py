"""A two-stage network: proposals from the whole image, then heads on regions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from models.backbones.imagenet import normalize_images
from models.detection.config import BoxChoice, TwoStageConfig
from models.detection.heads import BoxHeads, RunPart
from models.detection.proposals import ProposalNetwork, Pyramid, Targets


class ImagePart(nn.Module):
    """What runs once for each batch of images, as one module, which shares its parameters.

    Backbone and head of the region proposal network map batches to tensors of fixed shapes, which engines can
    take. What follows depends on the proposals.

    Args:
        network: The network.
    """

    def __init__(self, network: TwoStageNetwork) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.head = network.rpn.head
        self.maps = network.roi_heads.maps
        self.map_names = tuple(network.roi_heads.map_names)
        self._normalize = network.normalize
        self.train(network.training)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps, and objectness and box deltas of all anchors.

        Args:
            images: (B, 3, H, W): normalised floats, or uint8 RGB, which is normalised here.

        Returns:
            The maps that regions are pooled from, (B, C, H / s, W / s); the objectness of each level of the
            pyramid, (B, A, H / s, W / s), of which there may be more; the box deltas of each, (B, 4 A, ...).
        """
        pyramid = self.backbone(self._normalize(images))
        objectness, deltas = self.head(list(pyramid.values()))
        maps = self.maps(pyramid)
        return (*(maps[name] for name in self.map_names), *objectness, *deltas)


class TwoStageNetwork(nn.Module):
    """A backbone with a pyramid, proposals from the whole image, and heads on regions.

    Images come letterboxed, all of one size, with sides that are multiples of 32.

    Args:
        backbone: From images to a pyramid of maps by name.
        proposals: The region proposal network.
        heads: On regions.
        normalize: Normalises batches (B, 3, H, W) of uint8 RGB, and leaves floats.

    Attributes:
        config: The network's configuration.
    """

    config: TwoStageConfig

    def __init__(
        self,
        backbone: nn.Module,
        proposals: ProposalNetwork,
        heads: BoxHeads,
        normalize: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.normalize = normalize or normalize_bytes
        self.backbone: Any = backbone
        self.rpn = proposals
        self.roi_heads = heads

    def forward(
        self,
        images: Tensor,
        targets: Targets | None = None,
        sizes_wh: Sequence[tuple[int, int]] | None = None,
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Compute the losses in training; find people in inference.

        Args:
            images: (B, 3, H, W): normalised floats, or uint8 RGB, which is normalised here.
            targets: For each image `boxes` (N, 4) xyxy in pixels of the batch and `labels` (N,), int64, 1 for
                people; `ignored_boxes` (G, 4) where regions are to be left out; and what other heads learn.
                Needed in training only.
            sizes_wh: Width and height of each image within the batch, from the top left; boxes are clipped to
                it. None takes all of it.

        Returns:
            In training, scalars by name: `objectness`, `proposal_box`, `person`, `box`, and those of other
            heads. In inference, for each image, what `find_people` returns.

        Raises:
            ValueError: There are no targets in training, the number of `sizes_wh` is not that of the images, or
                the backbone cannot take the sides.
        """
        if self.training and targets is None:
            raise ValueError("a detector needs targets in training; call eval() to find people")
        input_hw, sizes_hw = _list_sizes_hw(images.shape, sizes_wh)
        pyramid = self.backbone(self.normalize(images))
        proposals, proposal_losses = self.rpn(pyramid, input_hw, sizes_hw, targets)
        people, head_losses = self.roi_heads(self.roi_heads.maps(pyramid), proposals, sizes_hw, targets)
        if not self.training:
            return people  # type: ignore[no-any-return]
        return self.weight_losses(proposal_losses | head_losses)

    def image_part(self) -> ImagePart:
        """The part that runs once per batch, such as in an engine; `find_people` does the rest."""
        return ImagePart(self)

    def find_people(
        self,
        outputs: Sequence[Tensor],
        input_hw: tuple[int, int],
        sizes_wh: Sequence[tuple[int, int]] | None = None,
        parts: Mapping[str, RunPart] | None = None,
        choice: BoxChoice | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find people from the outputs of the image part.

        Args:
            outputs: As `ImagePart` returns them.
            input_hw: Height and width of the batch.
            sizes_wh: As for `forward`.
            parts: Engines that run `roi_heads.region_parts()`; None runs the parts themselves.
            choice: How boxes are chosen; None takes the configuration's.

        Returns:
            For each image, best first, `boxes` (N, 4) xyxy, `labels` (N,) and `scores` (N,), and what other
            heads find.
        """
        pyramid, objectness, deltas = self._split_outputs(outputs)
        _, sizes_hw = _list_sizes_hw((len(outputs[0]), 3, *input_hw), sizes_wh)
        proposals = self.rpn.propose(objectness, deltas, input_hw, sizes_hw)
        return self.roi_heads.find_people(pyramid, proposals, sizes_hw, parts, choice)

    def describe_people(
        self,
        outputs: Sequence[Tensor],
        input_hw: tuple[int, int],
        boxes_xyxy: Sequence[Tensor],
        sizes_wh: Sequence[tuple[int, int]] | None = None,
        parts: Mapping[str, RunPart] | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find what other heads find, for people in given boxes.

        Args:
            outputs: As `ImagePart` returns them.
            input_hw: Height and width of the batch.
            boxes_xyxy: For each image the boxes (N, 4) of people, in pixels of the batch.
            sizes_wh: As for `forward`.
            parts: As for `find_people`.

        Returns:
            For each image what `find_people` returns, without `scores`.
        """
        pyramid, _, _ = self._split_outputs(outputs)
        _, sizes_hw = _list_sizes_hw((len(outputs[0]), 3, *input_hw), sizes_wh)
        return self.roi_heads.describe_people(pyramid, list(boxes_xyxy), sizes_hw, parts)

    def _split_outputs(self, outputs: Sequence[Tensor]) -> tuple[Pyramid, list[Tensor], list[Tensor]]:
        """The maps by name, objectness and deltas of the outputs of the image part."""
        names = self.roi_heads.map_names
        maps, rest = outputs[: len(names)], list(outputs[len(names) :])
        pyramid = dict(zip(names, maps, strict=True))
        return pyramid, rest[: len(rest) // 2], rest[len(rest) // 2 :]

    @abstractmethod
    def weight_losses(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weight the losses by name, so that their sum is minimised."""


def normalize_bytes(images: Tensor) -> Tensor:
    """Normalise (B, 3, H, W) uint8 RGB as for ImageNet's networks; floats are normalised already."""
    return images if images.is_floating_point() else normalize_images(images)


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
