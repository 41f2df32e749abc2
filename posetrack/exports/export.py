"""Export of weights as one file that an engine runs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.engines.choice import INSTALL, is_installed
from models.engines.engine import EngineError
from models.engines.export import convert_part, measure_export, pack_part
from models.engines.exported import RUNNERS, Export, write_export
from models.settings import suggest
from posetrack.errors import PoseTrackError
from posetrack.exports.parts import PartedNetwork, read_network
from posetrack.outputs import check_output_file
from posetrack.results.files import open_whole_bytes


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes:
        path: The file.
        export: Its content.
        size_bytes: Its size.
        differences: For each part the largest difference of its outputs from torch's, relative to the largest
            value.
    """

    path: Path
    export: Export
    size_bytes: int
    differences: Mapping[str, float]


def export_weights(weights: str, out: Path, kind: str, *, is_overwritten: bool = False) -> ExportReport:
    """Export weights in float.

    Args:
        weights: The name of embedded or published weights, or a file.
        out: The file to write, whole or not at all.
        kind: A key of `models.engines.exported.RUNNERS`.
        is_overwritten: Whether a file that is there is replaced.

    Raises:
        PoseTrackError: The weights cannot be read, or their network cannot be exported so.
        ResultsError: The file cannot be written, or is there already.
    """
    check_export(weights, out, kind, is_overwritten=is_overwritten)
    network = read_network(weights)
    try:
        parts = {
            name: pack_part(convert_part(module, name, example, kind), example, network.metadata, name)
            for name, (module, example) in network.parts.items()
        }
        export = Export(kind, "f32", network.metadata, parts)
        return write_report(export, network, out)
    except EngineError as error:
        raise PoseTrackError(f"{weights}: {error}") from error


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


def write_report(export: Export, network: PartedNetwork, out: Path) -> ExportReport:
    """Compare an export with torch, and write it.

    Raises:
        EngineError: It cannot be run.
        ResultsError: The file cannot be written.
    """
    differences = measure_export(export, network.parts, RUNNERS[export.kind][0])
    with open_whole_bytes(out) as file:
        write_export(file, export)
    return ExportReport(out, export, out.stat().st_size, differences)


def measure_size(export: Export) -> int:
    """The size of an export's file, in bytes."""
    buffer = io.BytesIO()
    write_export(buffer, export)
    return buffer.tell()
