"""Quantisation-aware training: layers that compute with the values that they will have in int8.

The inputs of convolutions and linear layers are rounded to 256 values of a range that follows what is seen in
training, and their weights to 255 values a channel. Gradients pass as if nothing was rounded. All else stays
float: the floating islands of Rakhimov et al., "Making DensePose fast and light", WACV 2021, section 3.4, and
sums in the body. A batch norm behind a convolution may be folded into it later: it scales channels, and so does
it their ranges.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

INT8_RANGES = "int8_ranges"
"""The note in the metadata of weights that were trained for int8: JSON, the range of inputs by layer."""

LAYERS = (nn.Conv2d, nn.Linear)
"""The layers that are quantised; transposed convolutions are none of them."""

_INPUTS = "input_range"
_WEIGHTS = ".parametrizations.weight.original"
_LARGEST_WEIGHT = 127
_STEPS = 255
_MOMENTUM = 0.05
_TINY = 1e-8


class InputRange(nn.Module):
    """Rounds a layer's inputs to the 256 values of a range, which it learns in training.

    Attributes:
        lower: The range's lower end, at most 0.
        upper: Its upper end, at least 0.
        is_set: Whether it has seen anything.
    """

    lower: Tensor
    upper: Tensor
    is_set: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("lower", torch.zeros(()))
        self.register_buffer("upper", torch.zeros(()))
        self.register_buffer("is_set", torch.zeros((), dtype=torch.bool))

    def forward(self, x: Tensor) -> Tensor:
        """Round values of any shape."""
        if self.training and x.numel():
            self._follow(x.detach().float())
        if not self.is_set:
            return x
        scale = ((self.upper - self.lower) / _STEPS).clamp_min(_TINY)
        zero = (-self.lower / scale).round().to(torch.int32)
        rounded: Tensor = torch.fake_quantize_per_tensor_affine(x.float(), scale, zero, 0, _STEPS)
        return rounded.to(x.dtype)

    @torch.no_grad()
    def _follow(self, x: Tensor) -> None:
        rate = torch.where(self.is_set, _MOMENTUM, 1.0)
        self.lower.lerp_(x.amin().clamp_max(0), rate)
        self.upper.lerp_(x.amax().clamp_min(0), rate)
        self.is_set.fill_(True)


class RoundedWeights(nn.Module):
    """Rounds weights to 255 values of each output channel, as a parametrisation."""

    def forward(self, weight: Tensor) -> Tensor:
        """Round (O, ...)."""
        scale = compute_largest(weight) / _LARGEST_WEIGHT
        zero = torch.zeros_like(scale, dtype=torch.int32)
        rounded: Tensor = torch.fake_quantize_per_channel_affine(
            weight.float(), scale.float(), zero, 0, -_LARGEST_WEIGHT, _LARGEST_WEIGHT
        )
        return rounded.to(weight.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weights that are rounded to these: themselves."""
        return weight


def compute_largest(weight: Tensor) -> Tensor:
    """The largest absolute weight of each output channel, (O,), above 0.

    Args:
        weight: (O, ...).
    """
    return weight.detach().flatten(1).abs().amax(1).clamp_min(_TINY)


def prepare_int8(network: nn.Module) -> None:
    """Let the layers of a network compute with values of int8 from now on."""
    for part in [part for part in network.modules() if isinstance(part, LAYERS)]:
        part.add_module(_INPUTS, InputRange().to(part.weight.device))
        part.register_forward_pre_hook(_round_input)
        parametrize.register_parametrization(part, "weight", RoundedWeights())


def split_ranges(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, tuple[float, float]]]:
    """Split the state of a network that may have been prepared for int8.

    Args:
        state: Its state by name.

    Returns:
        The state that the network has without preparation; and the ranges of inputs by the names of layers,
        empty where it was not prepared.
    """
    plain, ranges = {}, {}
    for name, value in state.items():
        layer, _, entry = name.rpartition(f".{_INPUTS}.")
        if not layer:
            plain[name.replace(_WEIGHTS, ".weight")] = value
        elif entry == "lower":
            upper = state[f"{layer}.{_INPUTS}.upper"]
            if state[f"{layer}.{_INPUTS}.is_set"]:
                ranges[layer] = float(value), float(upper)
    return plain, ranges


def encode_ranges(ranges: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    """Encode ranges as notes of metadata; none where there are no ranges."""
    return {INT8_RANGES: json.dumps(ranges)} if ranges else {}


def decode_ranges(notes: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """Read the ranges in the notes of metadata; empty where there are none.

    Raises:
        ValueError: They are damaged.
    """
    if INT8_RANGES not in notes:
        return {}
    content = json.loads(notes[INT8_RANGES])
    if not isinstance(content, dict):
        raise ValueError(f"{INT8_RANGES}: no JSON object")
    return {str(name): _decode_range(name, value) for name, value in content.items()}


def _decode_range(name: str, value: Any) -> tuple[float, float]:
    try:
        lower, upper = map(float, value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{INT8_RANGES}: {name}: expected two numbers") from error
    if not (math.isfinite(lower) and math.isfinite(upper) and lower <= 0 <= upper):
        raise ValueError(f"{INT8_RANGES}: {name}: {lower} to {upper} is no range with 0 in it")
    return lower, upper


def _round_input(part: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    first, *rest = inputs
    rounded: Tensor = part.get_submodule(_INPUTS)(first)
    return rounded, *rest
