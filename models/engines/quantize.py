"""Post-training quantisation to int8, by NNCF, which is the extra `int8`.

Convolutions and linear layers are computed in int8, and the body with all that is between its convolutions. The
rest are floating islands: input, outputs and, outside of the body, everything but convolutions (fusion and
up-sampling of pyramids, means, attention, norms), and transposed convolutions.

Source: Rakhimov et al., "Making DensePose fast and light", WACV 2021, section 3.4.
"""

from __future__ import annotations

import importlib
import io
import logging
import re
import warnings
from collections.abc import Collection, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from models.engines.engine import EngineError
from models.engines.onnx_engine import import_extra
from models.engines.openvino_compiled import Converted
from models.engines.openvino_core import without_telemetry
from models.extras import MissingPackageError

Array = npt.NDArray[Any]

# Of OpenVINO, and of ONNX. Others either have no numbers to quantise or let int8 through as it is.
_FLOAT_KINDS = {
    *("Add", "Subtract", "Multiply", "Divide", "Power", "Sqrt", "Exp", "Sigmoid", "Swish", "Softmax"),
    *("SoftMax", "ReduceMean", "ReduceSum", "MVN", "GroupNormalization", "Interpolate", "Broadcast"),
    *("MaxPool", "AvgPool", "MatMul", "StridedSlice", "Slice"),
    *("Sub", "Mul", "Div", "Pow", "Resize", "Upsample", "Expand", "AveragePool", "GlobalAveragePool", "Gemm"),
    *("InstanceNormalization",),
}
_TRANSPOSED = {"ConvolutionBackpropData", "GroupConvolutionBackpropData", "ConvTranspose"}
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_WRAPPER = "module."
"""In the names of what is inside of `models.engines.engine.TupleNetwork`."""


def quantize(
    converted: Converted | bytes, module: nn.Module, inputs: Sequence[Array], body: str = ""
) -> Converted | bytes:
    """Quantise a converted network.

    Args:
        converted: As `models.engines.export.convert_part` returns it.
        module: The network that was converted.
        inputs: Inputs (B, C, H, W) of it to find the ranges of values with.
        body: Name of the submodule that is quantised whole; empty for none.

    Returns:
        The same in int8.

    Raises:
        EngineError: NNCF cannot quantise it.
        MissingPackageError: NNCF is not installed.
    """
    nncf = import_nncf()
    layers = {name for name, part in module.named_modules() if isinstance(part, _LAYERS)}
    is_onnx = isinstance(converted, bytes)
    if isinstance(converted, bytes):
        model = import_extra("onnx").load_from_string(converted)
        islands = _list_onnx_islands(model, layers, body)
        (name,) = (entry.name for entry in model.graph.input)
        samples: list[Any] = [{name: array} for array in inputs]
    else:
        model = converted.model.clone()
        islands = _list_openvino_islands(model, layers, body)
        samples = [np.ascontiguousarray(array.transpose(0, 2, 3, 1)) for array in inputs]
    # `nncf.set_log_level` would set that of others' handlers too.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            quantized = nncf.quantize(
                model,
                nncf.Dataset(samples),
                subset_size=len(samples),
                # On MoveNet's body, errors are 18 % with these two instead of 35 %.
                preset=nncf.QuantizationPreset.MIXED,
                # The other kind of correction fails on ONNX.
                fast_bias_correction=is_onnx,
                ignored_scope=nncf.IgnoredScope(names=islands),
                advanced_parameters=_make_parameters(nncf, is_onnx=is_onnx),
            )
        except Exception as error:  # Whatever a compiler of other people may raise.
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise EngineError(f"int8: NNCF cannot quantise this network: {lines[0]}") from error
    if isinstance(converted, bytes):
        return bytes(quantized.SerializeToString())
    return Converted(quantized, converted.outputs)


def _make_parameters(nncf: Any, *, is_onnx: bool) -> Any:
    if not is_onnx:
        return None
    # ONNX Runtime has no ranges by channel for what goes into a convolution; NNCF has, for depthwise ones.
    module = nncf.quantization.advanced_parameters
    by_tensor = module.QuantizationParameters(per_channel=False)
    return module.AdvancedQuantizationParameters(activations_quantization_params=by_tensor)


def import_nncf() -> Any:
    """Import NNCF, without its telemetry.

    Raises:
        MissingPackageError: It is not installed.
    """
    # Torch's builder of extensions, which NNCF imports, tells that there is no CUDA.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    with without_telemetry(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("nncf")
        except ImportError as error:
            raise MissingPackageError("int8", "nncf", "int8") from error


def _is_island(kind: str, place: str, layers: Collection[str], body: str) -> bool:
    """Whether an operation stays float.

    Args:
        kind: Its type.
        place: Name of the submodule that it is in.
        layers: Names of the convolutions and linear layers.
        body: As for `quantize`.
    """
    if kind in _TRANSPOSED:
        return True
    is_in_body = bool(body) and (place == body or place.startswith(f"{body}."))
    return kind in _FLOAT_KINDS and place not in layers and not is_in_body


def _list_openvino_islands(model: Any, layers: Collection[str], body: str) -> list[str]:
    """Names of the operations that stay float; those of OpenVINO begin with the submodule's."""
    named = {operation.get_friendly_name(): operation.get_type_name() for operation in model.get_ordered_ops()}
    places = {name: re.sub(r"^(?:\d+ )?__module\.|/.*", "", name) for name in named}
    return [
        name
        for name, kind in named.items()
        if _is_island(kind, places[name].removeprefix(_WRAPPER), layers, body)
    ]


def _list_onnx_islands(model: Any, layers: Collection[str], body: str) -> list[str]:
    """Names of the operations that stay float; torch notes the submodules of each, outermost first."""
    islands = []
    for node in model.graph.node:
        notes = {entry.key: entry.value for entry in node.metadata_props}
        scopes = re.findall(r"'([^']*)'", notes.get("pkg.torch.onnx.name_scopes", ""))
        # The last one is the operation itself.
        place = scopes[-2].removeprefix(_WRAPPER) if len(scopes) > 1 else ""
        if _is_island(node.op_type, place, layers, body):
            islands.append(node.name)
    return islands
