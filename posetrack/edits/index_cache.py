"""Indexes of long files of poses, kept on the disk: making one takes a pass over the file."""

from __future__ import annotations

import hashlib
import logging
import os
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.edits.index import PosesIndex, Progress, Spans, index_poses
from posetrack.edits.index_parts import index_in_parts
from posetrack.edits.marks import Suspect
from posetrack.outputs import make_part
from posetrack.results.jsonl import read_jsonl
from posetrack.results.record import Header
from posetrack.video.fingerprint import fingerprint_files

_LAYOUT = "1"
_LEAST_BYTES = 20 * 2**20
"""Shorter files are indexed in a second or two."""
_MOST_FILES = 20
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

_log = logging.getLogger(__name__)


def open_index(
    path: Path | str,
    *,
    with_suspects: bool = True,
    progress: Progress | None = None,
    num_workers: int = 1,
    least_bytes: int = _LEAST_BYTES,
) -> PosesIndex:
    """The index of a file of poses: the one that was kept, or else a new one.

    Args:
        path: A `poses.jsonl`.
        with_suspects: Look for jumps of ids, which takes longer; an index that is kept always has them.
        progress: As of `index_poses`.
        num_workers: Number of processes for a long file; with more than one the caller's script needs the
            `__main__` guard.
        least_bytes: Indexes of shorter files are not kept.

    Raises:
        ResultsError: As `index_poses`.
    """
    path = Path(path)
    header, _ = read_jsonl(path)
    if path.stat().st_size < least_bytes:
        return index_poses(path, with_suspects=with_suspects, progress=progress)
    kept = _find_place(path)
    index = None if kept is None else _read(kept, path, header)
    if index is None:
        index = index_in_parts(path, num_workers, progress=progress)
        if kept is not None and kept == _find_place(path):  # Not if the file has grown meanwhile.
            _write(kept, index)
    return index


def _find_place(path: Path) -> Path | None:
    """The file for the index; None where the poses cannot be told from others."""
    from models.cache_folder import find_cache_folder

    fingerprint = fingerprint_files([path])
    if fingerprint is None:
        return None
    state = path.stat()
    parts = _LAYOUT, os.path.realpath(path), state.st_size, state.st_mtime_ns, fingerprint
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    return find_cache_folder().parent / "poses" / f"{digest[:32]}.npz"


def _write(kept: Path, index: PosesIndex) -> None:
    """Keep an index; where that fails, the next one is made anew."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = make_part(kept, f".{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                arrays: dict[str, Any] = _encode(index)
                np.savez(file, **arrays)
            part.replace(kept)
        finally:
            part.unlink(missing_ok=True)
        files = sorted(kept.parent.glob("*.npz"), key=lambda each: each.stat().st_mtime)
        for old in files[:-_MOST_FILES]:
            old.unlink(missing_ok=True)
    except OSError as error:
        _log.debug("%s: cannot be kept: %s", kept, error)


def _encode(index: PosesIndex) -> dict[str, npt.NDArray[Any]]:
    fields: dict[str, npt.NDArray[Any]] = {
        "frames": index.frames,
        "times_s": index.times_s,
        "offsets": index.offsets,
        "num_people": index.num_people,
    }
    for name, spans in (("runs", index.runs), ("low", index.low)):
        fields[f"{name}_ids"] = np.array(list(spans), np.int64)
        fields[f"{name}_counts"] = np.array([len(own) for own in spans.values()], np.int64)
        fields[f"{name}_spans"] = np.concatenate([np.zeros((0, 2), np.int64), *spans.values()])
    fields["suspects"] = np.array(
        [
            (each.frame, each.track_id, -1 if each.other is None else each.other, each.oks, each.speed_hps)
            for each in index.suspects
        ],
        np.float64,
    ).reshape(-1, 5)
    return fields


def _read(kept: Path, path: Path, header: Header) -> PosesIndex | None:
    """The index that was kept; None where there is none, or it is damaged."""
    try:
        with kept.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            index = PosesIndex(
                path,
                header,
                frames=saved["frames"],
                times_s=saved["times_s"],
                offsets=saved["offsets"],
                num_people=saved["num_people"],
                runs=_decode_spans(saved, "runs"),
                low=_decode_spans(saved, "low"),
                suspects=list(_decode_suspects(saved["suspects"])),
            )
    except _DAMAGED:
        return None
    with suppress(OSError):  # The newest ones stay.
        os.utime(kept, (time.time(), time.time()))
    return index


def _decode_spans(saved: Any, name: str) -> Spans:
    ends = np.cumsum(saved[f"{name}_counts"])
    parts = np.split(saved[f"{name}_spans"], ends[:-1]) if len(ends) else []
    return dict(zip(saved[f"{name}_ids"].tolist(), parts, strict=True))


def _decode_suspects(rows: npt.NDArray[np.float64]) -> Iterator[Suspect]:
    for frame, track_id, other, oks, speed in rows.tolist():
        yield Suspect(int(frame), int(track_id), None if other < 0 else int(other), oks, speed)
