"""Int8 networks for OpenVINO, from the ranges of quantisation-aware training (`models.training.int8`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from models.engines.engine import EngineError
from models.engines.openvino_compiled import Converted
from models.engines.openvino_core import import_openvino

Range = tuple[float, float]

_KINDS = {"Convolution": 1, "GroupConvolution": 2, "MatMul": 1}
"""Operations of layers, with the number of leading axes of their weights that count output channels."""

_INPUT_LEVELS, _WEIGHT_LEVELS = 256, 255
_STEPS = 255
_TINY = 1e-8


def quantize_by_ranges(converted: Converted, module: nn.Module, ranges: Mapping[str, Range]) -> Converted:
    """Quantise layers by the ranges of their inputs; weights have the range of each output channel.

    Args:
        converted: The network, converted from `module` with its batch norms folded.
        module: The network.
        ranges: By the names of its layers.

    Raises:
        EngineError: A layer is not found.
    """
    ov = import_openvino()
    from openvino._offline_transformations import compress_quantize_weights_transformation

    model = converted.model.clone()
    layers = {name for name, _ in module.named_modules()} & ranges.keys()
    shared: dict[tuple[str, int, Range], Any] = {}
    found = set()
    for operation in model.get_ordered_ops():
        place = re.sub(r"^__module\.module\.|/.*", "", operation.get_friendly_name())
        if operation.get_type_name() not in _KINDS or place not in layers:
            continue
        found.add(place)
        source = operation.input_value(0)
        key = source.get_node().get_friendly_name(), source.get_index(), ranges[place]
        if key not in shared:
            # Layers side by side share their input, and so its rounding, which can be part of what is before.
            shared[key] = _round(ov, source, *_spread(ranges[place]), _INPUT_LEVELS)
        operation.input(0).replace_source_output(shared[key].output(0))
        _round_weights(ov, operation, place)
    if found != layers:
        raise EngineError(f"int8: layers without an operation: {', '.join(sorted(layers - found)[:3])}")
    model.validate_nodes_and_infer_types()
    compress_quantize_weights_transformation(model)
    return Converted(model, converted.outputs)


def _spread(span: Range) -> tuple[Any, Any]:
    """The smallest and largest of the 256 values, of which one is 0, as training has them."""
    lower, upper = span
    scale = max((upper - lower) / _STEPS, _TINY)
    zero = round(-lower / scale)
    return np.float32(-zero * scale), np.float32((_STEPS - zero) * scale)


def _round_weights(ov: Any, operation: Any, place: str) -> None:
    node = operation.input_value(1).get_node()
    if node.get_type_name() != "Constant":
        raise EngineError(f"int8: {place}: its weights are no constant")
    weights = np.array(node.data, np.float32)
    axes = tuple(range(_KINDS[operation.get_type_name()], weights.ndim))
    largest = np.maximum(np.abs(weights).max(axes, keepdims=True), _TINY)
    rounded = _round(ov, operation.input_value(1), -largest, largest, _WEIGHT_LEVELS)
    operation.input(1).replace_source_output(rounded.output(0))


def _round(ov: Any, source: Any, lower: Any, upper: Any, levels: int) -> Any:
    ends = [ov.opset13.constant(np.asarray(value, np.float32)) for value in (lower, upper, lower, upper)]
    return ov.opset13.fake_quantize(source, *ends, levels)
