"""Export of the parts of a network: conversion, and comparison of what was converted with torch."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from models.engines import onnx_engine, openvino_engine
from models.engines.compare import compute_difference
from models.engines.engine import EngineError, make_examples, name_outputs
from models.engines.exported import Export, ExportedPart
from models.engines.failures import explain_failures
from models.engines.fold import fold_batch_norms
from models.engines.onnx_engine import import_extra
from models.engines.openvino_compiled import Converted
from models.engines.openvino_files import serialize
from models.metadata import WeightsMetadata, encode_metadata

_LEAST_HW = (128, 192)
_TINY = 1e-30


def convert_part(module: nn.Module, name: str, example: Tensor, kind: str) -> Converted | bytes:
    """Convert a part of a network, with its batch norms folded.

    Args:
        module: The part, float32; it is not changed.
        name: Its name in messages.
        example: As for the engines.
        kind: A key of `models.engines.exported.RUNNERS`.

    Returns:
        For `openvino` a `Converted`, for `onnx` the file.

    Raises:
        EngineError: It cannot be converted, or its outputs differ after the conversion.
    """
    folded = fold_batch_norms(copy.deepcopy(module).cpu().float(), example)
    if example.dtype == torch.uint8:
        # Large enough that no map has a side of one cell, which would be noted as the only one possible.
        _, C, H, W = example.shape
        example = example.new_zeros(1, C, max(H, _LEAST_HW[0]), max(W, _LEAST_HW[1]))
    if kind == "onnx":
        return onnx_engine.convert(folded, name, example)
    return openvino_engine.convert(folded, name, example)


def pack_part(
    converted: Converted | bytes, example: Tensor, metadata: WeightsMetadata, part: str
) -> ExportedPart:
    """Serialise a converted part, with the metadata inside.

    Args:
        converted: What `convert_part` returned.
        example: As for the engines; its dtype and C are noted.
        metadata: Those of the weights.
        part: The part's name.

    Raises:
        EngineError: It cannot be serialised: the disk is full.
    """
    texts = {**encode_metadata(metadata), "part": part}
    if isinstance(converted, bytes):
        outputs, files = _note_in_onnx(converted, texts)
    else:
        outputs, files = converted.outputs, _note_in_openvino(converted, texts)
    dtype = str(example.dtype).removeprefix("torch.")
    return ExportedPart(outputs, dtype, example.shape[1], files)


def measure_export(
    export: Export, parts: Mapping[str, tuple[nn.Module, Tensor]], engine: str
) -> dict[str, float]:
    """Run an export on made inputs, and measure how much its outputs differ from those of torch.

    Args:
        export: The export, in float.
        parts: For each part the module, and an example as for the engines.
        engine: One that runs it.

    Returns:
        For each part the largest difference of an output relative to its largest value; see
        `models.engines.compare.compute_difference`.

    Raises:
        EngineError: It cannot be run.
    """
    inputs = {name: make_examples(example) for name, (_, example) in parts.items()}
    return {
        name: max(compute_difference(*pair) for pair in outputs)
        for name, outputs in _run_both(export, parts, engine, inputs)
    }


def measure_error(
    export: Export,
    parts: Mapping[str, tuple[nn.Module, Tensor]],
    engine: str,
    inputs: Mapping[str, Sequence[Tensor]],
) -> dict[str, float]:
    """Run an export on real inputs, and measure the error of its outputs.

    Args:
        export: The export, in int8.
        parts: As for `measure_export`.
        engine: One that runs it.
        inputs: For each part batches (B, C, H, W).

    Returns:
        For each part sqrt(mean (found - expected)^2 / mean expected^2), over the output where it is largest.

    Raises:
        EngineError: It cannot be run.
    """
    errors = {}
    for name, outputs in _run_both(export, parts, engine, inputs):
        number = len(outputs) // len(inputs[name])
        columns = [outputs[i::number] for i in range(number)]
        errors[name] = max(
            math.sqrt(sum(float((b - a).square().sum()) for a, b in column))
            / max(math.sqrt(sum(float(a.square().sum()) for a, _ in column)), _TINY)
            for column in columns
        )
    return errors


def _run_both(
    export: Export,
    parts: Mapping[str, tuple[nn.Module, Tensor]],
    engine: str,
    inputs: Mapping[str, Sequence[Tensor]],
) -> Iterator[tuple[str, list[tuple[Tensor, Tensor]]]]:
    """Yield for each part the outputs of torch and of the export, of all inputs."""
    for name, (module, example) in parts.items():
        run = export.make_engine(name, example, engine, "f32")
        module = copy.deepcopy(module).cpu().float().eval()
        outputs = []
        for images in inputs[name]:
            with torch.inference_mode():
                expected = name_outputs(module(images))
            with explain_failures(engine, name):
                found = run(images)
            outputs += [(value, found[key]) for key, value in expected.items()]
        yield name, outputs


def _note_in_openvino(converted: Converted, texts: Mapping[str, str]) -> dict[str, bytes]:
    model = converted.model.clone()
    for key, text in texts.items():
        model.set_rt_info(text, ["posetrack", key])
    try:
        description, weights = serialize(Converted(model, converted.outputs))
    except (OSError, RuntimeError) as error:
        raise EngineError(
            f"openvino: cannot serialise: {error}; free some space for temporary files"
        ) from error
    return {".xml": description, ".bin": weights}


def _note_in_onnx(payload: bytes, texts: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, bytes]]:
    onnx = import_extra("onnx")
    model = onnx.load_from_string(payload)
    onnx.helper.set_model_props(model, dict(texts))
    return tuple(output.name for output in model.graph.output), {".onnx": model.SerializeToString()}
