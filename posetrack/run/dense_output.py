"""The file of dense poses of a run, and its other forms."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.results.dense_file import DenseWriter, write_final_ids
from posetrack.results.dense_forms import DENSE_FORMS, export_dense, find_dense_form
from posetrack.results.dense_index import DenseFile
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

    def list_forms(self) -> dict[str, Path]:
        """The file or folder of each other form, whether it is there or not."""
        return {
            name: self.path.parent / form.target.format(name=self.path.stem)
            for name, form in DENSE_FORMS.items()
            if name != _OWN
        }

    def list_forms_there(self) -> dict[str, Path]:
        """The same of those that are there."""
        return {name: path for name, path in self.list_forms().items() if path.exists()}

    def remove(self) -> None:
        """Remove what an earlier run has left.

        Raises:
            OSError: It cannot be removed.
        """
        self.path.unlink(missing_ok=True)
        for path in self.list_forms_there().values():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def open(self, poses: Path, header: Header, *, is_resumed: bool) -> DenseWriter:
        """Open the file for writing.

        Args:
            poses: The `poses.jsonl` of the run.
            header: Its header.
            is_resumed: Whether to go on behind the frames that both files have.

        Raises:
            ResultsError: The file cannot be written, or is of another kind.
        """
        saved = max(measure_whole_lines(poses).count - 1, 0) if is_resumed else 0
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
