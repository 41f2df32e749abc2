"""Exported networks: one zip file with each part of a network in the format of an engine, and what it is.

    export.json             format, kind, precision, the weights' metadata, and the parts with their outputs
    PART.onnx               a part of kind `onnx`: takes (B, C, H, W)
    PART.xml, PART.bin      a part of kind `openvino`: takes (B, H, W, C)

Each .onnx and .xml has the metadata too. Batch and sides are free; images are uint8 RGB.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from models.engines.engine import Engine, EngineError
from models.engines.onnx_engine import OnnxEngine
from models.engines.openvino_engine import OpenVinoEngine
from models.engines.openvino_files import deserialize, read_onnx
from models.metadata import (
    EXPORT_HEADER,
    WeightsMetadata,
    decode_metadata,
    encode_metadata,
    read_export_header,
)

FORMAT = "posetrack-export/1"

RUNNERS = {"openvino": ("openvino",), "onnx": ("onnxruntime", "openvino")}
"""The engines that run each kind of export."""

EXPORT_PRECISIONS = ("f32", "int8")

_SUFFIXES = {"openvino": (".xml", ".bin"), "onnx": (".onnx",)}
_DTYPES = {"uint8": torch.uint8, "float32": torch.float32}
_TEXTS = (".json", ".xml")
# The same bytes at each export: zip files note no time before this.
_TIME = (1980, 1, 1, 0, 0, 0)


class ExportError(Exception):
    """An export is damaged, or made by another version; the message does not name the file."""


@dataclass(frozen=True)
class ExportedPart:
    """A part of a network as it is in an export.

    Attributes:
        outputs: The names of its outputs, in order.
        dtype: `uint8` or `float32`, of its input.
        channels: C of its input.
        files: Its files by suffix.
    """

    outputs: tuple[str, ...]
    dtype: str
    channels: int
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Export:
    """An exported network.

    Attributes:
        kind: A key of `RUNNERS`.
        precision: One of `EXPORT_PRECISIONS`.
        metadata: Those of the weights.
        parts: The parts by name.
    """

    kind: str
    precision: str
    metadata: WeightsMetadata
    parts: Mapping[str, ExportedPart]

    def make_engine(self, part: str, example: Tensor, engine: str, precision: str) -> Engine:
        """Make the engine of a part.

        Args:
            part: Its name.
            example: (B, C, H, W) like its inputs; its dtype and C are used.
            engine: A key of `models.engines.make.ENGINES`.
            precision: Of what is not int8.

        Raises:
            EngineError: The engine does not run this kind of export, or the part is of another network.
        """
        name = f"{self.metadata.network}: {part}"
        runners = RUNNERS[self.kind]
        if engine not in runners:
            what = f"{self.precision} export of {self.metadata.network} to {self.kind}"
            raise EngineError(
                f"engine {engine}: cannot run the {what}; use --device cpu --engine {' or '.join(runners)}"
            )
        found = self.parts.get(part)
        if found is None or (_DTYPES[found.dtype], found.channels) != (example.dtype, example.shape[1]):
            raise EngineError(f"{name}: not in this export as this version needs it; export the weights again")
        try:
            if engine == "onnxruntime":
                return OnnxEngine(found.files[".onnx"], name=name, example=example)
            if self.kind == "onnx":
                network = read_onnx(found.files[".onnx"], found.outputs)
            else:
                network = deserialize(found.files[".xml"], found.files[".bin"], found.outputs)
        except EngineError:
            raise
        except Exception as error:  # Of a damaged file the engines' libraries may raise anything.
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise EngineError(f"{name}: damaged ({lines[0]}); export the weights again") from error
        return OpenVinoEngine(network, name=name, example=example, precision=precision)


def write_export(file: IO[bytes], export: Export) -> None:
    """Write an export.

    Args:
        file: Open for writing.
        export: The export.

    Raises:
        OSError: It cannot be written.
    """
    header = {
        "format": FORMAT,
        "kind": export.kind,
        "precision": export.precision,
        "metadata": encode_metadata(export.metadata),
        "parts": {
            name: {"outputs": part.outputs, "dtype": part.dtype, "channels": part.channels}
            for name, part in export.parts.items()
        },
    }
    with zipfile.ZipFile(file, "w") as archive:
        _add(archive, EXPORT_HEADER, json.dumps(header, indent=2).encode())
        for name, part in export.parts.items():
            for suffix, content in part.files.items():
                _add(archive, f"{name}{suffix}", content)


def read_export(path: Path) -> Export | None:
    """Read an export.

    Returns:
        None where the file is none.

    Raises:
        ExportError: It is damaged, or of a later version.
        OSError: It cannot be read.
    """
    try:
        header = read_export_header(path)
        if not header:
            return None
        if header.get("format") != FORMAT:
            raise ExportError(
                f"its format is {str(header.get('format'))[:40]!r}, not {FORMAT}; update PoseTrack"
            )
        with zipfile.ZipFile(path) as archive:
            return _read(header, archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ExportError(f"damaged ({error}); export the weights again") from error
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ExportError(f"its {EXPORT_HEADER} is damaged ({error}); export the weights again") from error


def find_part(name: str, network: str) -> str:
    """Find a part's name in an export from the name of its engine: `image`, or what follows the network's."""
    return name.removeprefix(network).removeprefix("-") or "image"


def _read(header: Mapping[str, Any], archive: zipfile.ZipFile) -> Export:
    kind, precision = str(header["kind"]), str(header["precision"])
    metadata = decode_metadata(header["metadata"])
    if kind not in RUNNERS or precision not in EXPORT_PRECISIONS or metadata is None:
        raise ValueError(f"kind {kind[:40]}, precision {precision[:40]}")
    parts = {
        str(name): ExportedPart(
            outputs=tuple(map(str, entry["outputs"])),
            dtype={key: key for key in _DTYPES}[entry["dtype"]],
            channels=int(entry["channels"]),
            files={suffix: archive.read(f"{name}{suffix}") for suffix in _SUFFIXES[kind]},
        )
        for name, entry in header["parts"].items()
    }
    return Export(kind, precision, metadata, parts)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _TIME)
    # Numbers are not compressed: that would save little, and take longer than all else at the start of a run.
    info.compress_type = zipfile.ZIP_DEFLATED if name.endswith(_TEXTS) else zipfile.ZIP_STORED
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)
