"""Loading of pretrained weights before a training: of a backbone, or of a whole network."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor, nn

from models.metadata import read_metadata
from models.stored_weights import read_stored
from models.training.errors import TrainingError


def load_body(network: nn.Module, path: Path, heads: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    """Load pretrained weights of a backbone into a network; its heads keep their initial weights.

    Args:
        network: The network.
        path: A safetensors file with the same backbone; other tensors in it are not used.
        heads: Prefixes of the names of weights that are not loaded.
        optional: Prefixes of the names of weights that are loaded if the file has them.

    Raises:
        TrainingError: The file is missing, unreadable, or of another backbone.
    """
    state = _read_weights(path)
    own = network.state_dict()
    body = {name: value for name, value in state.items() if name in own and not name.startswith(heads)}
    wrong = [name for name in own if name not in body and not name.startswith((*heads, *optional))]
    wrong += _find_other_shapes(body, own)
    if wrong:
        raise TrainingError(
            f"{path}: does not fit the network's body: {', '.join(wrong[:3])}{_name_network(path)}"
        )
    network.load_state_dict(body, strict=False)


def load_whole(network: nn.Module, path: Path) -> None:
    """Load the weights of the same network including its heads, to continue at another input size.

    Args:
        network: The network.
        path: A safetensors file of the same network, with the same keypoints in the same order.

    Raises:
        TrainingError: The file is missing, unreadable, or of another network.
    """
    state = _read_weights(path)
    own = network.state_dict()
    wrong = [name for name in own if name not in state]
    wrong += [name for name in state if name not in own]
    wrong += _find_other_shapes({name: value for name, value in state.items() if name in own}, own)
    if wrong:
        raise TrainingError(
            f"{path}: does not fit the whole network: {', '.join(wrong[:3])}{_name_network(path)}; name it in "
            "network.body to start from all but the last layer"
        )
    network.load_state_dict(state)


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return read_stored(path)
    except FileNotFoundError as error:
        raise TrainingError(
            f"{path}: no such weights; give their name or path with --weights, make them with "
            "`posetrack weights import`, or take network.body or .weights out of the recipe to start at random"
        ) from error
    except (OSError, SafetensorError, ValueError) as error:
        raise TrainingError(f"{path}: not readable as safetensors ({error})") from error


def _name_network(path: Path) -> str:
    """Name the network that weights say they are of, for an error; empty where they say nothing."""
    try:
        metadata = read_metadata(path)
    except ValueError:
        return ""
    return "" if metadata is None else f" (these are weights of {metadata.network})"


def _find_other_shapes(state: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
    return [name for name, value in state.items() if value.shape != own[name].shape]
