"""Freezing of parts of a pretrained backbone."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.backbones.mobile import MobileBody
from models.backbones.movenet import MoveNetBody, MoveNetMaps
from models.training.errors import TrainingError


def freeze_body(
    body: nn.Module, *, stages: int, is_batch_norm_frozen: bool = False, is_batch_norm_constant: bool = False
) -> tuple[nn.Module, ...]:
    """Freeze the first stages of a backbone.

    Args:
        body: The backbone: a `MobileBody`, torchvision's ResNet, or MoveNet's, whose stages are the blocks of
            its MobileNetV2, and behind them its pyramid with the heatmaps.
        stages: Number of stages, the stem included, that get no gradients.
        is_batch_norm_frozen: Whether all its batch norms keep their statistics, besides those of these stages.
        is_batch_norm_constant: Whether these get no gradients either.

    Returns:
        The batch norms whose statistics are frozen, in evaluation mode: see `make_detection_losses`.

    Raises:
        TrainingError: It has fewer stages.
    """
    parts = _list_stages(body)
    if stages > len(parts):
        raise TrainingError(f"network.frozen_stages: the body has {len(parts)} stages, got {stages}")
    if isinstance(body, MoveNetBody | MoveNetMaps):
        body.pyramid.balance()
    frozen = [module for stage in parts[:stages] for module in stage]
    for module in frozen:
        module.requires_grad_(False)
    kept = [body] if is_batch_norm_frozen or is_batch_norm_constant else frozen
    norms = tuple(norm for part in kept for norm in part.modules() if isinstance(norm, _BatchNorm))
    for norm in norms:
        norm.eval()
        if is_batch_norm_constant:
            norm.requires_grad_(False)
    return norms


def freeze_movenet(network: nn.Module, *, stages: int) -> tuple[str, ...]:
    """Freeze the first blocks of a network with MoveNet's backbone.

    Args:
        network: The network; networks with other backbones are not changed.
        stages: Number of blocks, the stem included, that get no gradients.

    Returns:
        Prefixes of the names of MoveNet's weights; empty for other networks.

    Raises:
        TrainingError: It has fewer blocks.
    """
    if not isinstance(network, MoveNetBody):
        return ()
    freeze_body(network, stages=stages)
    return network.body_parts


def _list_stages(body: nn.Module) -> list[list[nn.Module]]:
    """List the modules of each stage: the stem, then the stages of blocks."""
    if isinstance(body, MobileBody):
        parts = dict(body.network.named_children())
        blocks = parts.pop("blocks")
        return [list(parts.values()), *([stage] for stage in blocks.children())]
    if isinstance(body, MoveNetBody | MoveNetMaps):
        mobile = body.backbone
        return [[mobile.stem], *([block] for block in mobile.blocks), [mobile.last], [body.pyramid, body.heads]]
    parts = dict(body.named_children())
    stages = [[part] for name, part in parts.items() if name.startswith("layer")]
    return [[part for name, part in parts.items() if not name.startswith("layer")], *stages]
