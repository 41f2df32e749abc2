"""Parts of a network of the R-CNN family in a form that engines take: each image or region counts for itself.

In between, proposals are chosen and regions cut out: see `models.rcnn.stages`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from models.rcnn.inputs import normalize_bytes

RunPart = Callable[[Tensor], Sequence[Tensor]]
"""A part, or an engine that runs it."""


class DensePart(nn.Module):
    """What looks at every pixel.

    Args:
        backbone: From images to a pyramid of maps by name.
        head: From the maps to the objectness and the box deltas of their anchors.
        map_names: Of the maps that regions are cut from.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, map_names: Sequence[str]) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.map_names = tuple(map_names)
        self.train(backbone.training)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute maps and where anchors are people.

        Args:
            images: (B, 3, H, W): normalised floats, or uint8 RGB, which is normalised here.

        Returns:
            The maps that regions are cut from, (B, C, H / s, W / s); the objectness of each level of the
            pyramid, (B, A, H / s, W / s), of which there may be more; the box deltas of each, (B, 4 A, ...).
        """
        pyramid = self.backbone(normalize_bytes(images))
        objectness, deltas = self.head(list(pyramid.values()))
        return (*(pyramid[name] for name in self.map_names), *objectness, *deltas)


class _RegionPart(nn.Module):
    """A head and what comes last.

    Args:
        head: From regions to features.
        predictor: From features to what is asked for.
    """

    def __init__(self, head: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.head = head
        self.predictor = predictor
        self.train(head.training)


class BoxPart(_RegionPart):
    """The heads of boxes."""

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Map regions (N, C, 7, 7) to logits (N, classes) and box deltas (N, 4 classes)."""
        logits, deltas = self.predictor(self.head(regions))
        return logits, deltas


class MaskPart(_RegionPart):
    """The heads of masks."""

    def forward(self, regions: Tensor) -> tuple[Tensor]:
        """Map regions (N, C, 14, 14) to logits (N, classes, 28, 28)."""
        return (self.predictor(self.head(regions)),)


class KeypointPart(_RegionPart):
    """The heads of keypoints, perhaps without offsets; the last is a `models.rcnn.heads.KeypointPredictor`."""

    def forward(self, regions: Tensor) -> tuple[Tensor, ...]:
        """Map regions (N, C, 14, 14) to heatmaps (N, K, 56, 56), not refined, and offsets (N, 2 K, 56, 56)."""
        heatmaps, offsets_xy = self.predictor.predict(self.head(regions))  # type: ignore[operator]
        return (heatmaps,) if offsets_xy is None else (heatmaps, offsets_xy.flatten(1, 2))
