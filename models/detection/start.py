"""Loading of the weights that the training of a two-stage network starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError

from safetensors import SafetensorError
from torch import Tensor, nn

from models.backbones.mobile import MobileBody
from models.backbones.mobile_weights import load_imagenet_weights
from models.backbones.movenet import MoveNetMaps
from models.detection.network import TwoStageNetwork
from models.stored_weights import read_stored
from models.training.errors import TrainingError
from models.training.start import load_body

Convert = Callable[[dict[str, Tensor]], dict[str, Tensor]]

# Parts of ImageNet's networks that bodies lack: the classifier, and the counters of batch norms.
_UNUSED = ("fc.",)
_COUNTER = "num_batches_tracked"
# What names of our mobile bodies begin with, unlike timm's.
_MOBILE = "network."
# Parameters of deformable convolutions besides their kernels.
_OFFSETS = ".offset."


def load_start(
    network: TwoStageNetwork,
    path: Path,
    optional: tuple[str, ...] = (),
    convert: Convert | None = None,
) -> bool:
    """Load pretrained weights into a network, or into its body.

    Args:
        network: The network, which is changed.
        path: A `.safetensors` file of the whole network, or of its body: ImageNet's ResNet under
            torchvision's names, whose kernels deformable convolutions take over, or MoveNet. A mobile body
            takes the files of `models.backbones.mobile_weights.load_imagenet_weights`, `.pth` too.
        optional: What the names of weights begin with that a file of the whole network may lack, all or none;
            they keep their initial values.
        convert: Converts the weights of a whole network of another kind to those of this one, by name.

    Returns:
        Whether the whole network was loaded.

    Raises:
        TrainingError: It is missing, unreadable, or of another network.
    """
    if not path.is_file():
        raise TrainingError(
            f"{path}: no such weights; give their name or path with --weights, or take network.body out of the "
            "recipe to start at random"
        )
    body = network.backbone.body
    try:
        if path.suffix != ".safetensors":
            if not isinstance(body, MobileBody):
                raise TrainingError(f"{path}: weights of this network are a .safetensors file")
            load_imagenet_weights(body, path)
            return False
        state = read_stored(path)
        if any(name.startswith("rpn.") for name in state):
            _load_whole(network, convert(state) if convert else state, optional)
            return True
        if isinstance(body, MoveNetMaps):
            load_body(body, path, heads=())
            return False
        if isinstance(body, MobileBody) and not any(name.startswith(_MOBILE) for name in state):
            load_imagenet_weights(body, path)
            return False
        wrong = _load_resnet(body, state)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: cannot be read ({error})") from error
    except (EOFError, UnpicklingError) as error:
        raise TrainingError(f"{path}: no PyTorch file of tensors only, and nothing else is read") from error
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(f"{path}: does not fit the network: {reason}") from error
    if wrong:
        raise TrainingError(f"{path}: does not fit the network's body: {', '.join(wrong[:3])}")
    return False


def _load_resnet(body: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """Load ImageNet's weights into a ResNet; returns the names that only one of both has."""
    kept = {
        name: value
        for name, value in state.items()
        if not name.startswith(_UNUSED) and not name.endswith(_COUNTER)
    }
    missing, unknown = body.load_state_dict(kept, strict=False)
    # ImageNet's networks have no offsets, which start at 0.
    lacking = [name for name in missing if _OFFSETS not in name and not name.endswith(_COUNTER)]
    return lacking + list(unknown)


def _load_whole(network: TwoStageNetwork, state: dict[str, Tensor], optional: tuple[str, ...]) -> None:
    """Load the weights of the whole network; optional ones that they lack keep the network's own."""
    own = network.state_dict()
    if optional and not any(name.startswith(optional) for name in state):
        state = state | {name: value for name, value in own.items() if name.startswith(optional)}
    network.load_state_dict(state)
