"""DensePose R-CNN: boxes of people from one pass over the image, and a dense pose in each.

Source: Güler et al., "DensePose: Dense Human Pose Estimation in the Wild", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from models.backbones.fpn import make_pyramid_backbone
from models.backbones.resnet_fpn import make_resnet_fpn
from models.backbones.variants import PyramidConfig
from models.densepose.losses import DenseLossConfig, balance_losses
from models.densepose.roi_heads import DENSE_LOSSES, DenseRoIHeads
from models.densepose.variants import DensePoseConfig
from models.detection.network import TwoStageNetwork, normalize_bytes
from models.detection.proposals import ProposalNetwork

_MEAN_BGR = (103.53, 116.28, 123.675)
_DEVIATION = 57.7
"""Of the pixels of photos, in bytes."""


class DensePoseRCNN(TwoStageNetwork):
    """A two-stage network with a dense head.

    In training, the losses are `objectness`, `proposal_box`, `person` and `box`, and those of
    `models.densepose.losses.compute_dense_losses` with `dense_` before their names. `find_people` gives the
    outputs of `models.densepose.heads.ChartPredictor` for each person.

    Args:
        config: Which one.
        losses: How the dense head's losses are computed and weighted.
        balance: K of UV R-CNN's balanced weighting, which then weighs all losses; None adds them.
        is_balance_detached: Whether the weights of that are constants; see `balance_losses`.
    """

    config: DensePoseConfig

    def __init__(
        self,
        config: DensePoseConfig,
        losses: DenseLossConfig | None = None,
        balance: float | None = None,
        *,
        is_balance_detached: bool = True,
    ) -> None:
        backbone = _make_backbone(config)
        proposals = ProposalNetwork(config)
        heads = DenseRoIHeads(config, losses or DenseLossConfig(confidences=config.confidences))
        normalize = normalize_bgr if config.pixels == "bgr" else normalize_bytes
        super().__init__(backbone, proposals, heads, normalize)
        self.config = config
        self.balance = balance
        self.is_balance_detached = is_balance_detached

    def weight_losses(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Balance the losses of detection and of dense poses, if so wanted."""
        if self.balance is None:
            return dict(losses)
        dense = {name: loss for name, loss in losses.items() if name.startswith(DENSE_LOSSES)}
        detection = {name: loss for name, loss in losses.items() if name not in dense}
        return balance_losses((detection, dense), (1.0, self.balance), is_detached=self.is_balance_detached)


def make_densepose(
    config: DensePoseConfig,
    losses: DenseLossConfig | None = None,
    balance: float | None = None,
    *,
    is_balance_detached: bool = True,
) -> DensePoseRCNN:
    """Make a network with random weights; see `DensePoseRCNN`."""
    return DensePoseRCNN(config, losses, balance, is_balance_detached=is_balance_detached)


def _make_backbone(config: DensePoseConfig) -> Any:
    if isinstance(config.backbone, PyramidConfig):
        return make_pyramid_backbone(config.backbone)
    backbone = make_resnet_fpn(config.backbone)
    if config.pixels == "bgr":
        # Otherwise random weights make features of hundreds; pretrained ones bring their own norms.
        backbone.body.bn1.weight.fill_(1 / _DEVIATION)
    return backbone


def normalize_bgr(images: Tensor) -> Tensor:
    """Turn (B, 3, H, W) uint8 RGB into BGR minus detectron2's mean; floats are normalised already."""
    if images.is_floating_point():
        return images
    mean = torch.tensor(_MEAN_BGR)[:, None, None].to(images.device, non_blocking=True)
    return images.flip(1).float() - mean
