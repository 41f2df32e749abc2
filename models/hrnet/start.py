"""Pretrained weights for the training of top-down networks."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from models.training import start
from models.training.start import load_whole

__all__ = ["load_body", "load_whole"]

# The last layer, of keypoints or of ImageNet's classes, and `PoseMoveNet`'s layers before it.
_HEADS = ("final_layer.", "neck.", "decoder.")
# SimpleBaseline's deconvolutions, which ImageNet's weights lack.
_DECONVOLUTIONS = "deconv_layers."


def load_body(network: nn.Module, path: Path) -> None:
    """Load the pretrained weights of a backbone: from ImageNet, or from a network of other keypoints.

    The last layer keeps its random weights, and so do SimpleBaseline's deconvolutions if the file has none.

    Args:
        network: The network; its last layer is `final_layer`.
        path: A safetensors file with the same backbone.

    Raises:
        TrainingError: The file is missing, unreadable, or of another backbone.
    """
    start.load_body(network, path, heads=_HEADS, optional=(_DECONVOLUTIONS,))
