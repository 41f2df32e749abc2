"""What a network of the R-CNN family starts from, and what of it stays as it is."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.backbones.mobile import MobileBody, load_lite0_weights
from models.rcnn.detector import PersonDetector
from models.rcnn.network import MultitaskRCNN
from models.training.errors import TrainingError

# Parts of ImageNet's networks that bodies do not have: the classifier, and counters that frozen norms lack.
_UNUSED = ("fc.",)
_COUNTER = "num_batches_tracked"
# What deformable convolutions have besides their kernels.
_OFFSETS = ".offset."


def freeze_body(body: nn.Module, *, stages: int, is_batch_norm_frozen: bool) -> tuple[nn.Module, ...]:
    """Keep parts of a body from learning.

    Args:
        body: Of a network: a `MobileBody` or torchvision's ResNet.
        stages: So many of its parts that have weights, from the stem on, get no gradients.
        is_batch_norm_frozen: Whether all its batch norms keep their statistics, besides those of these stages.

    Returns:
        The batch norms whose statistics are to be kept: see `make_detection_losses`.

    Raises:
        TrainingError: It has fewer stages.
    """
    parts = _list_stages(body)
    if stages > len(parts):
        raise TrainingError(f"network.frozen_stages: the body has {len(parts)} stages, got {stages}")
    frozen = [module for stage in parts[:stages] for module in stage]
    for module in frozen:
        module.requires_grad_(False)
    kept = [body] if is_batch_norm_frozen else frozen
    return tuple(norm for part in kept for norm in part.modules() if isinstance(norm, _BatchNorm))


def load_start(network: PersonDetector | MultitaskRCNN, path: Path) -> None:
    """Fill a network with what it starts from.

    Args:
        network: To fill.
        path: A `.safetensors` file of the whole network, or of its body: ImageNet's ResNet by torchvision's
            names, of which deformable convolutions take the kernels. A mobile body takes the `.pth` file that
            `models.backbones.mobile.load_lite0_weights` does.

    Raises:
        TrainingError: It is missing, unreadable, or of another network.
    """
    if not path.is_file():
        raise TrainingError(
            f"{path}: no such weights; give their path with --weights, or take network.body out of the recipe "
            "to start at random"
        )
    body = network.backbone.body
    try:
        if path.suffix != ".safetensors":
            if not isinstance(body, MobileBody):
                raise TrainingError(f"{path}: weights of this network are a .safetensors file")
            load_lite0_weights(body, path)
            return
        state = load_file(path)
        if any(name.startswith("backbone.") for name in state):
            network.load_state_dict(state)
            return
        kept = {
            name: value
            for name, value in state.items()
            if not name.startswith(_UNUSED) and not name.endswith(_COUNTER)
        }
        missing, unknown = body.load_state_dict(kept, strict=False)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: cannot be read ({error})") from error
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(f"{path}: does not fit the network: {reason}") from error
    # Offsets start at 0, which ImageNet's networks do not have.
    wrong = [name for name in missing if _OFFSETS not in name and not name.endswith(_COUNTER)] + unknown
    if wrong:
        raise TrainingError(f"{path}: does not fit the network's body: {', '.join(wrong[:3])}")


def _list_stages(body: nn.Module) -> list[list[nn.Module]]:
    """The stem, then the stages of blocks."""
    if isinstance(body, MobileBody):
        parts = dict(body.network.named_children())
        blocks = parts.pop("blocks")
        return [list(parts.values()), *([stage] for stage in blocks.children())]
    parts = dict(body.named_children())
    stages = [[part] for name, part in parts.items() if name.startswith("layer")]
    return [[part for name, part in parts.items() if not name.startswith("layer")], *stages]
