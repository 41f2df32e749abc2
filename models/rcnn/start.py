"""Loading of the weights that the training of an R-CNN starts from."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.backbones.mobile import MobileBody, load_lite0_weights
from models.backbones.movenet import MoveNetMaps
from models.rcnn.network import RCNN
from models.training.errors import TrainingError
from models.training.start import load_body

# Parts of ImageNet's networks that bodies lack: the classifier, and the counters of batch norms.
_UNUSED = ("fc.",)
_COUNTER = "num_batches_tracked"
# Parameters of deformable convolutions besides their kernels.
_OFFSETS = ".offset."
_KEYPOINT_HEAD = ("roi_heads.keypoint_head.", "roi_heads.keypoint_predictor.")


def load_start(network: RCNN, path: Path) -> None:
    """Load pretrained weights into a network, or into its body.

    Args:
        network: The network, which is changed.
        path: A `.safetensors` file of the whole network, whose keypoint head may be missing, or of its body:
            ImageNet's ResNet under torchvision's names, whose kernels deformable convolutions take over, or
            MoveNet. A mobile body takes the `.pth` file of `models.backbones.mobile.load_lite0_weights`.

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
        if any(name.startswith("rpn.") for name in state):
            _load_whole(network, state)
            return
        if isinstance(body, MoveNetMaps):
            load_body(body, path, heads=())
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
    # ImageNet's networks have no offsets, which start at 0.
    wrong = [name for name in missing if _OFFSETS not in name and not name.endswith(_COUNTER)] + unknown
    if wrong:
        raise TrainingError(f"{path}: does not fit the network's body: {', '.join(wrong[:3])}")


def _load_whole(network: RCNN, state: dict[str, Tensor]) -> None:
    """Load the weights of the whole network; a keypoint head that they lack keeps its own."""
    own = network.state_dict()
    if not any(name.startswith(_KEYPOINT_HEAD) for name in state):
        state = state | {name: value for name, value in own.items() if name.startswith(_KEYPOINT_HEAD)}
    network.load_state_dict(state)
