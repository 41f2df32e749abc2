r"""`edits.jsonl`: the edits of a file of poses, beside it, written as they are made.

    {"schema": "posetrack-edits/1", "poses": "6f1c..."}
    {"edit": "swap", "a": 3, "b": 7, "frame": 120}
    {"edit": "undo"}

The edits of `poses.jsonl` are in `edits.jsonl`, those of any other `NAME.jsonl` in `NAME.edits.jsonl`. The log
is only ever appended to; each line is on the disk when the edit returns. "undo" takes back the last edit that
holds, "redo" makes the last one again that was taken back, until there is a new one. "poses" is a fingerprint
of the poses (`posetrack.video.fingerprint`), so that edits of other poses are refused.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

from models.json_text import parse_json
from posetrack.edits.codec import decode_edit, encode_edit
from posetrack.edits.kinds import Edit
from posetrack.errors import ResultsError
from posetrack.json_fields import show
from posetrack.results.files import cannot_write
from posetrack.results.jsonl import read_jsonl
from posetrack.results.jsonl_lines import WholeLines, measure_whole_lines, read_lines
from posetrack.skeleton import Skeleton
from posetrack.video.fingerprint import fingerprint_files

if sys.platform != "win32":
    import fcntl

EDITS_SCHEMA = "posetrack-edits/1"
"""Name and version of the layout of `edits.jsonl`."""

_UNDO, _REDO = "undo", "redo"

_log = logging.getLogger(__name__)


def name_log(poses: Path) -> Path:
    """The log of a file of poses, whether it is there or not."""
    return poses.with_name("edits.jsonl" if poses.name == "poses.jsonl" else f"{poses.stem}.edits.jsonl")


def is_log(path: Path) -> bool:
    """Whether a file is the log of others by its name."""
    return path.name == "edits.jsonl" or path.name.endswith(".edits.jsonl")


def set_aside(poses: Path) -> None:
    """Rename the log of poses that are about to be replaced, which is logged; nothing where there is none.

    Raises:
        OSError: It cannot be renamed.
    """
    path = name_log(poses)
    if not os.path.lexists(path):
        return
    numbers = (f"{path.stem}.old{'' if i == 1 else i}.jsonl" for i in count(1))
    new = next(each for each in map(path.with_name, numbers) if not os.path.lexists(each))
    path.rename(new)
    _log.warning("%s: edits of the poses that are replaced; renamed to %s", path, new.name)


class EditLog:
    """The edits of one file of poses; several programs may add to it at the same time.

    Args:
        poses: The file of poses.
        skeleton: Of the poses.

    Attributes:
        poses: The file of poses.
        path: The log.
        skeleton: Of the poses.
        edits: The edits that hold, in order.
        undone: Edits that were taken back; the last one is the next to be made again.

    Raises:
        ResultsError: The log is of other poses, cannot be read, or a line is not what it should be.
    """

    def __init__(self, poses: Path, skeleton: Skeleton) -> None:
        self.poses, self.path = Path(poses), name_log(Path(poses))
        self.skeleton = skeleton
        self.edits: tuple[Edit, ...] = ()
        self.undone: tuple[Edit, ...] = ()
        self._whole = self._size_bytes = 0
        self._is_new = self._has_end = True
        self._is_held = False
        self._fingerprint: str | None = None
        """Of the poses when they were opened to be edited."""
        self.refresh()

    @classmethod
    def open(cls, poses: Path | str) -> Self:
        """Open the log of a file of poses; it is created by the first edit.

        Raises:
            ResultsError: The poses cannot be read, or the log is of others, cannot be read, or has a line that
                is not what it should be.
        """
        fingerprint = fingerprint_files([Path(poses)])
        header, _ = read_jsonl(poses)
        log = cls(Path(poses), header.skeleton)
        log._fingerprint = fingerprint
        return log

    def add(self, edit: Edit) -> None:
        """Append an edit; it is on the disk when this returns. Those that were taken back are forgotten.

        Whether the ids are there is not checked; `posetrack.edits.editor.PosesEditor` does that.

        Raises:
            ResultsError: The edit has a value that the log cannot hold, the poses have changed since they were
                opened, or the log cannot be written; it stays as it was.
        """
        with self.hold():
            fields = encode_edit(edit, self.skeleton)
            decode_edit(fields, self.skeleton, f"{self.path}: {edit}")  # What is written can be read.
            self._append(fields)
            self.edits, self.undone = (*self.edits, edit), ()

    def undo(self) -> Edit:
        """Take back the last edit that holds, and return it.

        Raises:
            ResultsError: There is none, or the log cannot be written.
        """
        with self.hold():
            if not self.edits:
                raise ResultsError(f"{self.path}: nothing to undo")
            self._append({"edit": _UNDO})
            *edits, last = self.edits
            self.edits, self.undone = tuple(edits), (*self.undone, last)
            return last

    def redo(self) -> Edit:
        """Make the last edit again that was taken back, and return it.

        Raises:
            ResultsError: There is none, or the log cannot be written.
        """
        with self.hold():
            if not self.undone:
                raise ResultsError(f"{self.path}: nothing to redo")
            self._append({"edit": _REDO})
            *undone, last = self.undone
            self.edits, self.undone = (*self.edits, last), tuple(undone)
            return last

    def refresh(self) -> None:
        """Read what other programs have appended.

        Raises:
            ResultsError: As when it was opened.
        """
        edits: list[Edit] = []
        undone: list[Edit] = []
        whole, number = WholeLines(0, 0, True, 0), 0
        if os.path.lexists(self.path):
            whole = measure_whole_lines(self.path)
            for number, line in self._read_whole(whole):
                where = f"{self.path}: line {number}"
                fields = _parse(line, where)
                if number == 1:
                    self._check_header(fields, where)
                else:
                    self._replay(fields, where, edits, undone)
        if whole.rest_bytes:
            what = f"the {number} lines before it are whole" if number else "there is none before it"
            _log.warning("%s: the last line was cut short and is left out; %s", self.path, what)
        self.edits, self.undone = tuple(edits), tuple(undone)
        self._is_new, self._has_end = number == 0, whole.has_end
        self._whole, self._size_bytes = whole.size_bytes, whole.size_bytes + whole.rest_bytes

    def _read_whole(self, whole: WholeLines) -> Iterator[tuple[int, bytes]]:
        """The whole lines without blank ones, numbered from 1."""
        lines = (line for _, line in read_lines(self.path) if line.strip())
        return zip(range(1, whole.count + 1), lines, strict=False)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other programs from adding edits meanwhile; theirs up to now are read first.

        Where the system has no locks, nothing is held.
        """
        if self._is_held:
            yield
            return
        with ExitStack() as stack:
            if sys.platform != "win32":
                with suppress(OSError):
                    # The poses: the log is not there before its first edit.
                    descriptor = os.open(self.poses, os.O_RDONLY)
                    stack.callback(os.close, descriptor)
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
            size_bytes = self.path.stat().st_size if self.path.is_file() else 0
            if size_bytes != self._size_bytes:
                self.refresh()
            self._is_held = True
            try:
                yield
            finally:
                self._is_held = False

    def _check_header(self, fields: Any, where: str) -> None:
        if not isinstance(fields, dict) or fields.get("schema") != EDITS_SCHEMA:
            found = fields.get("schema") if isinstance(fields, dict) else fields
            raise ResultsError(f"{where}: schema: expected '{EDITS_SCHEMA}', found {show(found)}")
        if fields.get("poses") != fingerprint_files([self.poses]):
            raise ResultsError(
                f"{self.path}: edits of other poses than {self.poses.name}, which may have been made anew; "
                "move the edits away, or read the poses without them (--raw)"
            )

    def _replay(self, fields: Any, where: str, edits: list[Edit], undone: list[Edit]) -> None:
        kind = fields.get("edit") if isinstance(fields, dict) else None
        if kind not in (_UNDO, _REDO):
            edits.append(decode_edit(fields, self.skeleton, where))
            undone.clear()
            return
        source, target = (edits, undone) if kind == _UNDO else (undone, edits)
        if not source:
            raise ResultsError(f"{where}: nothing to {kind}")
        target.append(source.pop())

    def _append(self, fields: dict[str, Any]) -> None:
        fingerprint = fingerprint_files([self.poses])
        if self._fingerprint not in (None, fingerprint):
            raise ResultsError(
                f"{self.poses}: the poses have changed since they were opened, and the edit may not fit; "
                "open them again"
            )
        lines = [fields]
        if self._is_new:
            lines.insert(0, {"schema": EDITS_SCHEMA, "poses": fingerprint})
        content = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode()
        content = content if self._has_end else b"\n" + content
        is_there = os.path.lexists(self.path)
        try:
            with self.path.open("r+b" if is_there else "xb", buffering=0) as file:
                # What a crash has left of a line is cut off, and so is what a full disk has.
                file.truncate(self._whole)
                file.seek(self._whole)
                try:
                    rest = memoryview(content)
                    while rest:
                        rest = rest[file.write(rest) :]
                    os.fsync(file.fileno())
                except OSError:
                    with suppress(OSError):
                        file.truncate(self._whole)
                    raise
            if not is_there:
                _sync_folder(self.path.parent)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._whole += len(content)
        self._size_bytes, self._is_new, self._has_end = self._whole, False, True


def _parse(line: bytes, where: str) -> Any:
    try:
        return parse_json(line)
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{where}: not JSON; take the line out") from error


def _sync_folder(folder: Path) -> None:
    """Put the name of a new file on the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
