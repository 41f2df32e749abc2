"""Resuming of an interrupted run: saved frames keep their people and ids, the others are processed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from posetrack.errors import ResultsError
from posetrack.frame import Frame
from posetrack.pipeline import FrameProcessor
from posetrack.processors.stitch import StitcherConfig
from posetrack.results.dense_poses import DenseOfPoses
from posetrack.results.jsonl import read_jsonl
from posetrack.results.provenance import Provenance, describe_differences, digest_settings
from posetrack.results.record import Header, Record
from posetrack.skeleton import Skeleton
from posetrack.video.base import VideoSource
from posetrack.video.fingerprint import fingerprint_files

_log = logging.getLogger(__name__)


def describe_run(
    pipeline: Provenance | None, video: VideoSource, stitcher: StitcherConfig | None
) -> Provenance | None:
    """Complete what decides the poses of a run.

    Args:
        pipeline: That of the pipeline; None where it is not known.
        video: The open source.
        stitcher: Settings of the joining of tracks; None for none.

    Returns:
        It all; None where that of the pipeline is not known.
    """
    if pipeline is None:
        return None
    part = video.selection
    used = {} if stitcher is None else {"stitcher": digest_settings(stitcher)}
    return replace(
        pipeline,
        recipe={**pipeline.recipe, **used},
        start_s=part.start_s,
        end_s=part.end_s,
        every=part.every,
        source=fingerprint_files(video.list_files()),
    )


def open_saved(path: Path, header: Header) -> Iterator[Record]:
    """Open the results of a run to resume.

    Args:
        path: Its `poses.jsonl`.
        header: The header of this run.

    Returns:
        The saved frames, in order.

    Raises:
        ResultsError: The file cannot be read, or its header is that of another run.
    """
    saved, records = read_jsonl(path)
    differences = _compare(saved, header, str(path)) + _compare_dense(saved.dense, header.dense)
    if differences:
        raise ResultsError(f"{path}: {'; '.join(differences)}; resume with the same, or use --overwrite")
    return records


def _compare(saved: Header, header: Header, where: str) -> list[str]:
    """Name what differs; where a header does not say what decided its poses, the names alone are compared."""
    before, now = saved.provenance, header.provenance
    is_known = before is not None and now is not None
    names = ["width", "height", "fps", "skeleton"]
    same_content = before is not None and now is not None and None not in (before.source, now.source)
    names += [] if same_content else ["source"]
    details: list[str] = []
    if before is not None and now is not None:
        same_name = saved.recipe == header.recipe
        details = describe_differences(before, now, same_recipe_name=same_name)
        names += [] if same_name or before.recipe == now.recipe else ["recipe"]
    else:
        names.append("recipe")
    values = [(name, *(getattr(each, name) for each in (saved, header))) for name in names]
    found = [f"{name}: {_name(old)}, but this run has {_name(new)}" for name, old, new in values if old != new]
    if not is_known and now is not None:
        _log.warning(
            "%s: does not say which settings, weights and content it was made with; only names are compared",
            where,
        )
    elif is_known and not same_content:
        _log.warning(
            "%s: %s: no file, so its content is not compared with that of the saved run", where, header.source
        )
    if saved.has_blurred_faces and not header.has_blurred_faces:
        details.append("faces: blurred (--blur-faces), but this run shows them")
    leaves_out = now is not None and bool(now.selection or now.processors)
    if header.has_blurred_faces and not saved.has_blurred_faces and leaves_out:
        details.append("faces: those of people who were left out are not known, and this run is to blur them")
    return found + details


def _compare_dense(before: Path | None, now: Path | None) -> list[str]:
    """Name the difference of the files of dense poses."""
    if before is None and now is not None:
        return ["dense poses: none were saved"]
    if before is not None and now is None:
        return ["dense poses: were saved, but this run has none"]
    if before is not None and now is not None and before.absolute().resolve() != now.absolute().resolve():
        return [f"dense poses: are in {before} (--dense-out {before.parent}), but this run writes {now}"]
    return []


def _name(value: object) -> object:
    return value.name if isinstance(value, Skeleton) else value


def fill_dense(records: Iterable[Record], path: Path) -> Iterator[Record]:
    """Give saved frames their dense poses; the file of them is opened at once, since it grows later.

    Args:
        records: Frames of a results file.
        path: The file.

    Raises:
        ResultsError: The dense poses cannot be read; for a frame it comes in iteration.
    """
    saved = DenseOfPoses(path)
    return (replace(record, instances=saved.fill(record)) for record in records)


def restore(records: Iterable[Record], where: str) -> FrameProcessor:
    """Make the processor that restores the saved people of the first frames, ids included.

    Args:
        records: The saved frames, in order from the source's first one on.
        where: Name of their file in messages.

    Returns:
        A processor that marks these frames as restored; it raises ResultsError if the saved frames are not
        those of the source.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        saved = iter(records)
        for frame in frames:
            record = next(saved, None)
            if record is None:
                yield from chain([frame], frames)
                return
            if record.frame != frame.index:
                raise ResultsError(
                    f"{where}: continues with frame {record.frame}, where this run has frame {frame.index}; "
                    "give --start, --end and --every as before, or --overwrite"
                )
            faces = record.faces_xyxy
            yield replace(frame, instances=record.instances, faces_xyxy=faces, is_restored=True)

    return process
