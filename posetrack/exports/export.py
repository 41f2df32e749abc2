"""Export of weights as one file that an engine runs."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from models.engines.choice import INSTALL, is_installed
from models.engines.engine import EngineError
from models.engines.export import convert_part, measure_error, measure_export, pack_part
from models.engines.exported import RUNNERS, Export, write_export
from models.engines.openvino_compiled import Converted
from models.engines.quantize import import_nncf, quantize
from models.engines.ranges import quantize_by_ranges
from models.settings import suggest
from posetrack.errors import PoseTrackError
from posetrack.exports.calibrate import Inputs, collect_inputs
from posetrack.exports.parts import PartedNetwork, read_network
from posetrack.outputs import check_output_file
from posetrack.results.files import open_whole_bytes

_FEW = 8
"""Inputs of each part on which an int8 network is compared with torch."""


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes:
        path: The file.
        export: Its content.
        size_bytes: Its size.
        float_bytes: The size that it has, or would have, in float.
        differences: For each part how much its outputs differ from torch's: in float see
            `models.engines.export.measure_export`, in int8 `measure_error`, if there were images.
    """

    path: Path
    export: Export
    size_bytes: int
    float_bytes: int
    differences: Mapping[str, float]


@dataclass(frozen=True)
class Calibration:
    """How the ranges of an int8 network's values are found.

    Attributes:
        source: A folder of images, or a video.
        num_images: How many of them are used.
        report: Called after each with the number so far.
    """

    source: Path
    num_images: int = 100
    report: Callable[[int], None] | None = None


def export_weights(
    weights: str,
    out: Path,
    kind: str,
    *,
    is_int8: bool = False,
    calibration: Calibration | None = None,
    is_overwritten: bool = False,
) -> ExportReport:
    """Export weights, in float or in int8.

    Args:
        weights: The name of embedded or published weights, or a file.
        out: The file to write, whole or not at all.
        kind: A key of `models.engines.exported.RUNNERS`.
        is_int8: Whether in int8.
        calibration: How its ranges are found; None for weights that were trained for it.
        is_overwritten: Whether a file that is there is replaced.

    Raises:
        PoseTrackError: The weights cannot be read, or their network cannot be exported so.
        ResultsError: The file cannot be written, or is there already.
        VideoError: The images of the calibration cannot be read.
        MissingPackageError: Int8 needs a package that is not installed.
    """
    check_export(weights, out, kind, is_overwritten=is_overwritten)
    if is_int8 and calibration is not None:
        import_nncf()
    network = read_network(weights)
    if is_int8:
        _check_int8(network, weights, kind, calibration)
    inputs = None
    if is_int8 and calibration is not None:
        inputs = collect_inputs(network, calibration.source, calibration.num_images, calibration.report)
    try:
        converted = {
            name: convert_part(module, name, example, kind) for name, (module, example) in network.parts.items()
        }
        export = _pack(network, kind, converted)
        float_bytes = measure_size(export)
        if is_int8:
            quantized = {name: _quantize(network, name, converted[name], inputs) for name in network.parts}
            export = _pack(network, kind, quantized, "int8")
        return _write(export, network, inputs, out, float_bytes)
    except EngineError as error:
        raise PoseTrackError(f"{weights}: {error}") from error


def _check_int8(network: PartedNetwork, weights: str, kind: str, calibration: Calibration | None) -> None:
    if network.role.int8_body is None:
        raise PoseTrackError(
            f"{weights}: {network.metadata.network} has no int8 form, which networks have that detect people "
            "with proposals, or look at crops of them; leave --int8 out"
        )
    if calibration is not None:
        return
    if not any(network.ranges.values()):
        raise PoseTrackError(
            f"{weights}: was not trained for int8; give images to find its ranges with --calibrate FOLDER"
        )
    unseen = next((name for name, ranges in network.ranges.items() if not ranges), None)
    if unseen is not None:
        raise PoseTrackError(
            f"{weights}: its training for int8 never ran the part '{unseen}', whose ranges are not known; "
            "train it on people that have what it learns, or give images with --calibrate FOLDER"
        )
    if kind != "openvino":
        raise PoseTrackError(
            f"{weights}: the ranges that it was trained with are exported to openvino only; for --to {kind} "
            "give images with --calibrate FOLDER"
        )


def _quantize(
    network: PartedNetwork, name: str, converted: Converted | bytes, inputs: Inputs | None
) -> Converted | bytes:
    module = network.parts[name][0]
    if inputs is not None:
        return quantize(converted, module, inputs[name], network.role.int8_body or "")
    assert isinstance(converted, Converted)
    return quantize_by_ranges(converted, module, network.ranges[name])


def _pack(
    network: PartedNetwork, kind: str, converted: Mapping[str, Converted | bytes], precision: str = "f32"
) -> Export:
    parts = {
        name: pack_part(converted[name], example, network.metadata, name)
        for name, (_, example) in network.parts.items()
    }
    return Export(kind, precision, network.metadata, parts)


def check_export(weights: str, out: Path, kind: str, *, is_overwritten: bool) -> None:
    """Check what is asked for, before any work; see `export_weights`."""
    if kind not in RUNNERS:
        raise PoseTrackError(f"--to {kind}: no such format; {suggest(kind, RUNNERS)}")
    engine = RUNNERS[kind][0]
    if not is_installed(engine):
        raise PoseTrackError(f"--to {kind}: {engine} is not installed; {INSTALL[engine]}")
    check_output_file(out, [Path(weights)])
    if out.exists() and not is_overwritten:
        raise PoseTrackError(f"{out}: is there already; use --overwrite to replace it, or another --out")


def measure_size(export: Export) -> int:
    """The size of an export's file, in bytes."""
    buffer = io.BytesIO()
    write_export(buffer, export)
    return buffer.tell()


def _write(
    export: Export, network: PartedNetwork, inputs: Inputs | None, out: Path, float_bytes: int
) -> ExportReport:
    """Compare an export with torch, and write it."""
    engine = RUNNERS[export.kind][0]
    if inputs is None and export.precision == "int8":
        # Of made inputs, which real ranges do not fit, a difference would say nothing.
        differences: Mapping[str, float] = {}
    elif inputs is None:
        differences = measure_export(export, network.parts, engine)
    else:
        few = {name: [torch.from_numpy(array) for array in own[:_FEW]] for name, own in inputs.items()}
        differences = measure_error(export, network.parts, engine, few)
    with open_whole_bytes(out) as file:
        write_export(file, export)
    return ExportReport(out, export, out.stat().st_size, float_bytes, differences)
