"""Converted networks as bytes: OpenVINO's files, ONNX, and what the cache keeps."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from models.engines.openvino_compiled import Converted
from models.engines.openvino_core import import_openvino, open_core


def serialize(converted: Converted) -> tuple[bytes, bytes]:
    """Serialise a network as OpenVINO's description (.xml) and weights (.bin).

    Raises:
        OSError: The disk of the temporary folder is full; or, as OpenVINO says it, RuntimeError.
    """
    with tempfile.TemporaryDirectory() as folder:
        xml, weights = Path(folder) / "model.xml", Path(folder) / "model.bin"
        import_openvino().serialize(converted.model, str(xml), str(weights))
        return xml.read_bytes(), weights.read_bytes()


def deserialize(description: bytes, weights: bytes, outputs: tuple[str, ...]) -> Converted:
    """Read what `serialize` returned.

    Args:
        description: The .xml file.
        weights: The .bin file.
        outputs: The names of the outputs, in order.
    """
    return Converted(open_core().read_model(description, weights), outputs)


def read_onnx(payload: bytes, outputs: tuple[str, ...]) -> Converted:
    """Read an ONNX file of one input (B, C, H, W).

    Args:
        payload: The file.
        outputs: The names of the outputs, in order.
    """
    return Converted(take_channels_last(open_core().read_model(payload, b"")), outputs)


def take_channels_last(model: Any) -> Any:
    """Let a model of images (B, C, H, W) take them as (B, H, W, C)."""
    ov = import_openvino()
    steps = ov.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    return steps.build()


def pack(converted: Converted) -> bytes | None:
    """Serialise a network: a line of JSON, the description, the weights. None on a full disk."""
    try:
        text, weights = serialize(converted)
    except (OSError, RuntimeError):
        return None
    header = json.dumps({"outputs": converted.outputs, "description_bytes": len(text)})
    return header.encode() + b"\n" + text + weights


def unpack(payload: bytes) -> Converted:
    """Read what `pack` returned."""
    start = payload.index(b"\n") + 1
    end = start + json.loads(payload[:start])["description_bytes"]
    return deserialize(payload[start:end], payload[end:], read_outputs(payload))


def read_outputs(payload: bytes) -> tuple[str, ...]:
    """Read the names of the outputs of what `pack` returned."""
    return tuple(json.loads(payload[: payload.index(b"\n")])["outputs"])
