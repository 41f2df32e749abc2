"""The file of dense poses of a run, and its other forms."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from posetrack.errors import ResultsError
from posetrack.outputs import check_output_file
from posetrack.results.dense_file import DenseWriter, write_final_ids
from posetrack.results.dense_forms import DENSE_FORMS, export_dense, find_dense_form
from posetrack.results.dense_index import DenseFile, has_dense_header
from posetrack.results.dense_sources import check_is_of_run
from posetrack.results.files import cannot_write, check_own_folder, remove_own
from posetrack.results.jsonl import read_jsonl
from posetrack.results.jsonl_lines import measure_whole_lines
from posetrack.results.record import Header

_OWN = "npz"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DenseOutput:
    """Where a run writes its dense poses.

    Attributes:
        path: The `.npz` that is written while the run lasts, and that `poses.jsonl` refers to.
        forms: Keys of `posetrack.results.dense_forms.DENSE_FORMS`, to write beside it when the run has ended.

    Raises:
        ResultsError: There is no such form.
    """

    path: Path
    forms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.forms:
            find_dense_form(name)

    def add_forms_there(self) -> DenseOutput:
        """The same, with the forms that an earlier run has left: they would miss the frames that come now."""
        there = [name for name, path in self._list_forms().items() if path.exists()]
        return replace(self, forms=tuple(dict.fromkeys((*self.forms, *there))))

    def check_forms(self, *, may_replace: bool) -> None:
        """Check before any work that the other forms can be written.

        Args:
            may_replace: Whether those of an earlier run may be replaced.

        Raises:
            ResultsError: One is there and may not be replaced, or is something that no run has written.
        """
        for name, path in self._list_forms().items():
            if name not in self.forms or not os.path.lexists(path):
                continue
            if not may_replace:
                raise ResultsError(f"{path}: is there already; use --overwrite, or another --dense-out")
            own_files = DENSE_FORMS[name].own_files
            if own_files is None:
                check_output_file(path, option="--dense-out")
                continue
            try:
                check_own_folder(path, own_files)
            except OSError as error:
                raise cannot_write(path, error) from error

    def remove_forms(self) -> None:
        """Remove the other forms of an earlier run, and nothing else that is in their folders.

        Raises:
            OSError: They cannot be removed.
        """
        for name, path in self._list_forms().items():
            remove_own(path, DENSE_FORMS[name].own_files)

    def _list_forms(self) -> dict[str, Path]:
        """The file or folder of each other form, whether it is there or not."""
        return {
            name: self.path.parent / form.target.format(name=self.path.stem)
            for name, form in DENSE_FORMS.items()
            if name != _OWN
        }

    def open(self, poses: Path, header: Header, *, is_resumed: bool) -> DenseWriter:
        """Open the file for writing.

        Args:
            poses: The `poses.jsonl` of the run.
            header: Its header.
            is_resumed: Whether to go on behind the frames that both files have.

        Raises:
            ResultsError: The file cannot be written, or is of another kind.
        """
        saved = 0
        if is_resumed:
            saved = max(measure_whole_lines(poses).count - 1, 0)
            header = read_jsonl(poses)[0]
            if saved and not self.path.exists():
                # A killed run leaves one: it is elsewhere, as on a disk that is not mounted.
                raise ResultsError(
                    f"{self.path}: is missing, and {poses} has {saved} frames whose dense poses are in it; put "
                    "it there, or start over with --overwrite"
                )
            if has_dense_header(self.path):
                check_is_of_run(self.path, DenseFile(self.path).header, poses, header)
        writer = DenseWriter(self.path, header, is_resumed=is_resumed, keep_frames=saved)
        if writer.num_frames < saved:
            _log.warning(
                "%s: has the dense poses of %d frames of %d; the other frames are done again",
                self.path,
                writer.num_frames,
                saved,
            )
        return writer

    def finish(self, poses: Path, *, has_final_ids: bool) -> tuple[Path, ...]:
        """Write final ids and the other forms, when the run has ended.

        Args:
            poses: The `poses.jsonl` of the run.
            has_final_ids: Whether ids in it may be others than the tracker's.

        Returns:
            All files of dense poses.

        Raises:
            ResultsError: They cannot be written.
        """
        if has_final_ids:
            write_final_ids(self.path, np.array(list(_list_ids(self.path, poses)), np.int64))
        return self.path, *(
            export_dense(self.path, name, self.path.parent) for name in self.forms if name != _OWN
        )


def _list_ids(dense: Path, poses: Path) -> Iterator[int]:
    """The ids in `poses.jsonl` of all people of the file, in its order; -1 for who is not there any more."""
    file, (_, records) = DenseFile(dense), read_jsonl(poses)
    record = next(records, None)
    for place, frame in enumerate(file.frames):
        ids = np.full(len(file.read_saved(place).people), -1, np.int64)
        while record is not None and record.frame < frame:
            record = next(records, None)
        if record is not None and record.frame == frame:
            people = record.instances
            if people.dense_rows is not None and people.track_ids is not None:
                has_row = (people.dense_rows >= 0) & (people.dense_rows < len(ids))
                ids[people.dense_rows[has_row]] = people.track_ids[has_row]
        yield from ids.tolist()
