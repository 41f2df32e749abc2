"""Saved poses with their edits: what every reader of a `poses.jsonl` sees unless it asks for the raw file."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from posetrack.edits.apply import apply_edits
from posetrack.edits.kinds import Edit
from posetrack.edits.log import EditLog, name_log
from posetrack.results.jsonl import read_jsonl
from posetrack.results.record import Header, Record

_log = logging.getLogger(__name__)


def read_edits(poses: Path, header: Header) -> tuple[Edit, ...]:
    """The edits that lie beside a file of poses; that there are some is logged.

    Args:
        poses: The file.
        header: Its header.

    Raises:
        ResultsError: They are of other poses, cannot be read, or a line is not what it should be.
    """
    log = EditLog(poses, header.skeleton)
    if log.edits:
        count = "1 edit" if len(log.edits) == 1 else f"{len(log.edits)} edits"
        _log.info("%s: with %s of %s; --raw leaves them out", poses, count, log.path.name)
    return log.edits


def read_edited(path: Path | str, *, raw: bool = False) -> tuple[Header, Iterator[Record]]:
    """Read a file of poses frame by frame, with the edits that lie beside it.

    Args:
        path: A `poses.jsonl`.
        raw: Leave the edits out.

    Returns:
        The header, and the records in order.

    Raises:
        ResultsError: The file or its edits cannot be read, or a line is not what it should be; for the records
            it comes while they are iterated.
    """
    path = Path(path)
    header, records = read_jsonl(path)
    return header, records if raw else add_edits(records, path, read_edits(path, header))


def add_edits(
    records: Iterator[Record], poses: Path, edits: Sequence[Edit], *, keep_deleted: bool = False
) -> Iterator[Record]:
    """Apply the edits of a file of poses to its frames; see `apply_edits`."""
    if not edits:
        return records
    return apply_edits(records, edits, str(name_log(poses)), keep_deleted=keep_deleted)
