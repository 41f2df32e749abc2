"""The weights that a training starts from: another network's body, or the whole of it."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from models.training import start
from models.training.start import load_whole

__all__ = ["load_body", "load_whole"]

# The last layer: of the keypoints, or of ImageNet's classes; and what `PoseMoveNet` has before it.
_HEADS = ("final_layer.", "neck.")
# Of SimpleBaseline; weights of ImageNet do not have them.
_DECONVOLUTIONS = "deconv_layers."


def load_body(network: nn.Module, path: Path) -> None:
    """Fill a network with the weights of another's body: of ImageNet, or of other keypoints.

    The last layer keeps its random weights, and so do SimpleBaseline's deconvolutions where the file has none.

    Args:
        network: To fill; its last layer is `final_layer`.
        path: A safetensors file of the same body.

    Raises:
        TrainingError: It is missing, unreadable, or of another body.
    """
    start.load_body(network, path, heads=_HEADS, optional=(_DECONVOLUTIONS,))
