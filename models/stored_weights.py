"""Weights in safetensors files: as they are, or in 8 bits.

Of a weight in 8 bits the file has an int8 tensor under the weight's name, and under that name with `SCALE`
behind it one scale for each entry of its first dimension, an output of the layer: the weight is their product.
Layers compute with floats; only the file is smaller. (`posetrack export --int8` makes layers compute in int8.)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

SCALE = ".scale8"
"""Ends the name of a weight's scales."""

_LARGEST = 127
# Smaller weights are kept in half precision: all of them together are little.
_LEAST_NUMBERS = 1024


def read_stored(path: Path) -> dict[str, Tensor]:
    """Read a file's weights by name, those of 8 bits as float32.

    Raises:
        OSError: It cannot be read.
        SafetensorError: It is no safetensors file.
        ValueError: A weight of 8 bits has no scales, or others than it needs.
    """
    state = load_file(path)
    packed = [name for name, tensor in state.items() if tensor.dtype == torch.int8]
    for name in packed:
        tensor, scale = state[name], state.pop(name + SCALE, None)
        if scale is None or scale.shape != (tensor.shape[:1] + (1,) * (tensor.dim() - 1)):
            raise ValueError(f"{name}: 8 bits without a scale for each output")
        state[name] = tensor.float() * scale
    return state


def pack_halves(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert floats to half precision.

    Raises:
        ValueError: A number is too large for it, or not finite.
    """
    halves = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    for name, value in halves.items():
        if not torch.isfinite(value.float()).all():
            raise ValueError(f"{name} does not fit into half precision")
    return halves


def pack_bytes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert weights of layers to 8 bits, and other floats to half precision.

    Raises:
        ValueError: A number is too large for half precision, or not finite.
    """
    halves = pack_halves(state)
    for name, value in state.items():
        if value.is_floating_point() and value.dim() > 1 and value.numel() >= _LEAST_NUMBERS:
            weight = value.float()
            largest = weight.abs().amax(dim=tuple(range(1, weight.dim())), keepdim=True)
            scale = (largest / _LARGEST).clamp(min=torch.finfo(torch.float32).tiny)
            halves[name] = (weight / scale).round().clamp(-_LARGEST, _LARGEST).to(torch.int8)
            halves[name + SCALE] = scale
    return halves
