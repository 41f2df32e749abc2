"""The box head and the dense head on regions."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from models.densepose.decoder import PyramidDecoder
from models.densepose.heads import (
    ChartPredictor,
    ContextHead,
    ConvolutionHead,
    DeepLabHead,
    LightContextHead,
)
from models.densepose.layers import start_dense_layers
from models.densepose.losses import DenseLossConfig, compute_dense_losses, compute_limb_loss
from models.densepose.targets import PersonPoints
from models.densepose.variants import DensePoseConfig
from models.detection.config import PERSON_LABEL
from models.detection.heads import BoxHeads, RegionPart, RunOnBoxes
from models.detection.pooling import make_pool
from models.detection.proposals import Pyramid, Targets

DENSE_LOSSES = "dense_"
"""What the names of the dense head's losses begin with."""

_LEAST_IOU = 0.7
_JOINED = "joined"


class PersonPredictor(nn.Module):
    """From the features of the box head to logits of background and person, and one box.

    torchvision's predictor has a box for the background too, which nothing uses.

    Args:
        width: Features of the box head.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(width, 2)
        self.bbox_pred = nn.Linear(width, 4)
        for layer, deviation in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            nn.init.normal_(layer.weight, std=deviation)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, width) to logits (N, 2) and box deltas (N, 8), zero for the background."""
        deltas = self.bbox_pred(features)
        return self.cls_score(features), torch.cat([torch.zeros_like(deltas), deltas], 1)


class JoinedMaps(nn.Module):
    """The pyramid with one more map: the decoder's, which joins its levels.

    Args:
        decoder: The decoder.
        names: The levels that it joins, finest first.
    """

    def __init__(self, decoder: PyramidDecoder, names: tuple[str, ...]) -> None:
        super().__init__()
        self.decoder = decoder
        self.names = names

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Add `joined`, (B, C, H / 4, W / 4)."""
        joined = self.decoder([pyramid[name] for name in self.names])
        return OrderedDict([*pyramid.items(), (_JOINED, joined)])


class SurfacePart(RegionPart):
    """The dense head; its predictor is a `models.densepose.heads.ChartPredictor`."""

    def forward(self, regions: Tensor) -> tuple[Tensor, ...]:
        """Map regions (N, C, S, S) to the predictor's outputs, in the order of its layers."""
        return tuple(self.predictor(self.head(regions)).values())


class DenseRoIHeads(BoxHeads):
    """The box head, and the dense head on the boxes that it chose.

    Targets of training have, for the people with dense annotations (`has_dense`, (N,) bool), in their order:
    `dense_boxes` (D, 4), the boxes that were annotated, whole where `boxes` are cut; `dense_counts` (D,) int64,
    the number of points of each; `dense_points_xy` (P, 2), `dense_charts` (P,), `dense_coordinates_uv` (P, 2)
    of all; `has_dense_mask` (D,) bool and `dense_masks` (M, 256, 256) uint8; see
    `models.densepose.targets.PersonPoints`; and perhaps `dense_has_limbs_alone` (D,) bool. Regions are compared
    with `boxes`.

    Args:
        config: The network's configuration.
        losses: How the dense head's losses are computed.
    """

    def __init__(self, config: DensePoseConfig, losses: DenseLossConfig) -> None:
        super().__init__(config, PersonPredictor(config.box_features))
        names = config.backbone.map_names
        channels = config.backbone.channels
        if config.dense_maps == "decoder":
            self.maps = JoinedMaps(PyramidDecoder(channels, channels, len(names)), names)
            names = (_JOINED,)
        elif config.dense_maps == "finest":
            names = names[:1]
        self._dense_names = names
        self.dense_roi_pool = make_pool(config, config.dense_cells, names)
        self.dense_head = _make_head(config)
        self.dense_predictor = ChartPredictor(
            config.dense_width,
            config.num_coarse,
            is_enlarged=config.is_enlarged,
            coordinate_confidences=config.confidence_names,
            has_segment_confidences=config.has_segment_confidences,
        )
        for part in (self.maps, self.dense_head, self.dense_predictor):
            start_dense_layers(part)
        self._losses = losses
        self._sampled = config.sampled_dense

    @property
    def map_names(self) -> list[str]:
        """Names of the maps that regions are pooled from."""
        names = super().map_names
        return [*names, *(name for name in self._dense_names if name not in names)]

    def region_parts(self) -> dict[str, nn.Module]:
        """The parts from regions to outputs: `box` and `dense`."""
        return super().region_parts() | {"dense": SurfacePart(self.dense_head, self.dense_predictor)}

    def add_to_people(self, people: list[dict[str, Tensor]], run: RunOnBoxes) -> None:
        """Add the outputs of the dense head to the people of each image."""
        boxes = [each["boxes"] for each in people]
        for name, output in zip(self.dense_predictor.layers, run("dense", boxes), strict=True):
            for each, own in zip(people, torch.split(output, [len(own) for own in boxes]), strict=True):
                each[name] = own

    def compute_other_losses(
        self,
        run: RunOnBoxes,
        regions: list[Tensor],
        matched: list[Tensor],
        labels: list[Tensor],
        targets: Targets,
    ) -> dict[str, Tensor]:
        """Compute the losses of the dense head on regions that lie well on people with dense annotations."""
        chosen, boxes, people = [], [], []
        for own, rows, label, target in zip(regions, matched, labels, targets, strict=True):
            is_person = label == PERSON_LABEL
            regions_of_people, rows_of_people = own[is_person], rows[is_person]
            true = target["boxes"][rows_of_people].to(own)
            is_near = torch.diagonal(box_iou(regions_of_people, true)) > _LEAST_IOU
            taken = self._sample(is_near & target["has_dense"][rows_of_people])
            annotated = _list_people(target)
            places = (target["has_dense"].cumsum(0) - 1)[rows_of_people[taken]]
            chosen.append(regions_of_people[taken])
            boxes.append(target["dense_boxes"].to(own)[places])
            people += [annotated[i] for i in places.tolist()]
        outputs = dict(zip(self.dense_predictor.layers, run("dense", chosen), strict=True))
        found = self._compute_dense_losses(outputs, people, torch.cat(boxes), torch.cat(chosen))
        return {f"{DENSE_LOSSES}{name}": loss for name, loss in found.items()}

    def _sample(self, is_usable: Tensor) -> Tensor:
        """Of the usable regions of an image, (N,) bool, as many as the losses are computed on, at random."""
        rows = is_usable.nonzero()[:, 0]
        if not self._sampled or len(rows) <= self._sampled:
            return is_usable
        sampled = torch.zeros_like(is_usable)
        sampled[rows[torch.randperm(len(rows), device=rows.device)[: self._sampled]]] = True
        return sampled

    def _compute_dense_losses(
        self, outputs: dict[str, Tensor], people: list[PersonPoints], boxes: Tensor, regions: Tensor
    ) -> dict[str, Tensor]:
        """The losses of the people with dense annotations, and of those of whom the limbs alone are known."""
        if not self._losses.limb_weight:
            return compute_dense_losses(outputs, people, boxes, regions, self._losses)
        groups = [
            [i for i, person in enumerate(people) if person.has_limbs_alone is alone] for alone in (False, True)
        ]
        whole, limbs = (
            (
                {name: output[rows] for name, output in outputs.items()},
                [people[i] for i in rows],
                boxes[rows],
                regions[rows],
            )
            for rows in groups
        )
        losses = compute_dense_losses(*whole, self._losses)
        return losses | {"limbs": compute_limb_loss(*limbs, self._losses.limb_weight)}


def _make_head(config: DensePoseConfig) -> nn.Module:
    channels, width = config.backbone.channels, config.dense_width
    match config.dense_head:
        case "convolutions":
            return ConvolutionHead(channels, width)
        case "deeplab":
            return DeepLabHead(channels, width)
        case "gce":
            return ContextHead(channels, channels, width, width // 2)
        case "gce_local":
            return ContextHead(channels, channels, width, 0)
        case "gce_normed":
            return ContextHead(channels, channels, width, 0, norm="batch")
        case "ladcem":
            return LightContextHead(channels, channels, width)


def _list_people(target: dict[str, Tensor]) -> list[PersonPoints]:
    """The annotations of the people of one image who have them."""
    counts = target["dense_counts"].tolist()
    names = ("points_xy", "charts", "coordinates_uv")
    columns = (torch.split(target[f"dense_{name}"], counts) for name in names)
    masks = iter(target["dense_masks"])
    limbs_alone = target.get("dense_has_limbs_alone", torch.zeros(len(counts), dtype=torch.bool))
    return [
        PersonPoints(points, charts, coordinates, next(masks) if has_mask else None, has_limbs_alone)
        for points, charts, coordinates, has_mask, has_limbs_alone in zip(
            *columns, target["has_dense_mask"].tolist(), limbs_alone.tolist(), strict=True
        )
    ]
