"""The export formats by name. To add one: a module with its writer, and a line in `FORMATS`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from models.settings import suggest
from posetrack.errors import ResultsError
from posetrack.results.coco import write_coco
from posetrack.results.conversions import find_openpose_conversion, find_posetrack_conversion, list_able
from posetrack.results.csv import write_csv
from posetrack.results.mot import write_mot
from posetrack.results.openpose import write_openpose
from posetrack.results.people import KEEP_ALL, ConvertKeypoints, ExportOptions
from posetrack.results.posetrack17 import write_posetrack17
from posetrack.results.posetrack18 import write_posetrack18
from posetrack.results.record import Header, Record
from posetrack.skeleton import Skeleton

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exporter:
    """Writes one format.

    Attributes:
        target: Path in the output folder of what it writes; `{name}` is the name of the video.
        write: Takes the records, their header, the output folder and the options; returns what it wrote.
        find_conversion: How keypoints of a skeleton become those of the format, or None if it cannot hold them;
            without it, it holds any.
        has_sizes: Whether it tells the size of each image.
        has_truth: Whether it has a form for ground truth.
    """

    target: str
    write: Callable[[Iterable[Record], Header, Path, ExportOptions], Path]
    find_conversion: Callable[[Skeleton], ConvertKeypoints | None] | None = None
    has_sizes: bool = False
    has_truth: bool = False


FORMATS: dict[str, Exporter] = {
    "posetrack18": Exporter(
        "posetrack18/{name}.json", write_posetrack18, find_posetrack_conversion, has_truth=True
    ),
    "posetrack17": Exporter("posetrack17/{name}.json", write_posetrack17, find_posetrack_conversion),
    "coco": Exporter("coco.json", write_coco, has_sizes=True, has_truth=True),
    "mot": Exporter("mot.txt", write_mot),
    "csv": Exporter("poses.csv", write_csv),
    "openpose": Exporter("openpose", write_openpose, find_openpose_conversion),
}
"""Every export format by the name that the command line takes."""


def find_exporter(format_name: str, skeleton: Skeleton, *, is_truth: bool = False) -> Exporter:
    """Look a format up; call it before a long run to find a mistake early.

    Args:
        format_name: A key of `FORMATS`.
        skeleton: The keypoints that will be exported.
        is_truth: Whether they will be ground truth.

    Returns:
        The exporter.

    Raises:
        ResultsError: There is no such format, or it cannot hold this skeleton.
    """
    exporter = FORMATS.get(format_name)
    if exporter is None:
        raise ResultsError(f"unknown format '{format_name}'; {suggest(format_name, FORMATS)}")
    find = exporter.find_conversion
    if find is not None and find(skeleton) is None:
        able = ", ".join(name for name, other in FORMATS.items() if other.find_conversion is None)
        raise ResultsError(
            f"format {format_name}: cannot hold {skeleton.name} keypoints, only "
            f"those of {list_able(find)}, or others with their names; these formats can: {able}"
        )
    if is_truth and not exporter.has_truth:
        able = " or ".join(name for name, other in FORMATS.items() if other.has_truth)
        raise ResultsError(f"format {format_name}: has no form for ground truth; use {able}")
    return exporter


def list_outputs(header: Header, out_dir: Path) -> dict[str, Path]:
    """The file or folder of each format, whether it is there or not.

    Args:
        header: Of the video.
        out_dir: The output folder.
    """
    return {name: out_dir / each.target.format(name=header.video_name) for name, each in FORMATS.items()}


def export(
    records: Iterable[Record],
    header: Header,
    format_name: str,
    out_dir: Path,
    options: ExportOptions = KEEP_ALL,
) -> Path:
    """Write the frames of one video in another format.

    Smoothed keypoints go out where there are some. Nothing is left behind when it fails.

    Args:
        records: Frames in order; they are taken one at a time.
        header: Of the video.
        format_name: A key of `FORMATS`.
        out_dir: The folder to write into; it is made.
        options: Thresholds for people and keypoints.

    Returns:
        The file or folder written.

    Raises:
        ResultsError: The format is unknown or cannot hold the skeleton, a record cannot be read, or the
            output cannot be written.
    """
    exporter = find_exporter(format_name, header.skeleton, is_truth=options.is_truth)
    if not exporter.has_sizes:
        records = _watch_size(records, header, format_name)
    return exporter.write(records, header, out_dir, options)


def _watch_size(records: Iterable[Record], header: Header, format_name: str) -> Iterator[Record]:
    """Yield the records; log the first change of the image size, which the format cannot tell."""
    has_changed = False
    for record in records:
        size_wh = record.get_size_wh(header)
        if size_wh != header.size_wh and not has_changed:
            has_changed = True
            _log.warning(
                "format %s: has no image sizes, and the size changes at frame %d, from %dx%d to %dx%d; "
                "positions are in pixels of each frame's own image",
                *(format_name, record.frame, *header.size_wh, *size_wh),
            )
        yield record
