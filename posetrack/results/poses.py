"""Saved poses as frames: a `poses.jsonl` in the form in which trackers give people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, Frame, ImageArray
from posetrack.notebook import show_facts
from posetrack.selection.people import EVERYONE, PeopleSelection

if TYPE_CHECKING:
    from pandas import DataFrame

    from posetrack.edits.kinds import Edit
    from posetrack.results.record import Header


class SavedPoses:
    """The header and the frames of a `poses.jsonl`; may be iterated more than once.

    >>> from tempfile import TemporaryDirectory
    >>> from posetrack import Tracker, read_poses
    >>> with TemporaryDirectory() as folder:
    ...     report = Tracker("fast").run("docs/media/street.mp4", folder, start_s=3.2, end_s=3.3)
    ...     poses = read_poses(f"{folder}/poses.jsonl")
    ...     print(poses.list_ids(), [len(frame.instances) for frame in poses])
    [1] [1, 1, 1]

    Frames are read as they are asked for, so a long file takes no more memory than a short one. The file holds
    no images: those of its frames are black, of the image's size, and take no memory either.

    Attributes:
        path: The file.
        header: The source, its `width`, `height` and `fps`, the `skeleton` and the `recipe`.
        selection: Whom of the file's people the frames hold; see `select`.
        edits: The edits that lie beside the file (`posetrack edit`), which the frames show.
        is_raw: Whether they were left out.
    """

    path: Path
    header: Header
    selection: PeopleSelection
    edits: tuple[Edit, ...]
    is_raw: bool

    def __init__(self, path: str | Path, selection: PeopleSelection = EVERYONE, *, raw: bool = False) -> None:
        """Read the header, and the edits.

        Raises:
            ResultsError: The file cannot be read, or is no results file; or its edits cannot, or are of others.
            PoseTrackError: A region of the selection lies outside the image.
        """
        from posetrack.edits.read import read_edits
        from posetrack.results.jsonl import read_jsonl

        self.path = find_poses(path)
        self.header, _ = read_jsonl(self.path)
        self.is_raw = raw
        self._keeps_deleted = False
        self.edits = () if raw else read_edits(self.path, self.header)
        self.selection = selection
        selection.check_size(self.header.size_wh, str(self.path))

    def select(self, selection: PeopleSelection) -> SavedPoses:
        """The same poses with chosen people only; all frames remain.

        >>> from tempfile import TemporaryDirectory
        >>> from posetrack import PeopleSelection, Tracker, read_poses
        >>> with TemporaryDirectory() as folder:
        ...     report = Tracker("fast").run("docs/media/street.mp4", folder, start_s=3.2, end_s=3.3)
        ...     others = read_poses(f"{folder}/poses.jsonl").select(PeopleSelection(drop={1}))
        ...     print([len(frame.instances) for frame in others])
        [0, 0, 0]

        Args:
            selection: Whom to keep of all the file's people, instead of an earlier selection.

        Raises:
            ResultsError: A line of the file is not what it should be.
            PoseTrackError: A track id is not there, or a region lies outside the image.
        """
        if selection.chooses_ids:
            selection.check_ids(self.select(EVERYONE).list_ids(), str(self.path))
        return SavedPoses(self.path, selection, raw=self.is_raw)

    def with_deleted(self) -> SavedPoses:
        """The same poses of everybody, those too whom edits have deleted; they have no id.

        Their faces are in the video all the same.
        """
        everyone = SavedPoses(self.path, raw=self.is_raw)
        everyone._keeps_deleted = True
        return everyone

    def list_ids(self) -> list[int]:
        """The track ids, ascending; the file is read to its end.

        Raises:
            ResultsError: A line is not what it should be.
        """
        ids: set[int] = set()
        for frame in self:
            if frame.instances.track_ids is not None:
                ids.update(frame.instances.track_ids.tolist())
        return sorted(ids - {UNTRACKED})

    def __iter__(self) -> Iterator[Frame]:
        """Read the frames.

        Yields:
            Frames with their people, in order, marked as restored.

        Raises:
            ResultsError: A line is not what it should be; it names the line and the field.
        """
        if self.selection.is_everyone:
            return self._read()
        # The pipeline, which it needs, takes longer to import than the package.
        from posetrack.selection.choose import choose_saved

        return choose_saved(self.selection)(self._read())

    def _read(self) -> Iterator[Frame]:
        from posetrack.edits.read import add_edits
        from posetrack.results.jsonl import read_jsonl

        header, records = read_jsonl(self.path)
        for record in add_edits(records, self.path, self.edits, keep_deleted=self._keeps_deleted):
            black = make_black_image(record.get_size_wh(header))
            yield Frame(
                record.frame,
                record.time_s,
                black,
                record.instances,
                header.skeleton,
                is_restored=True,
                faces_xyxy=record.faces_xyxy,
            )

    @property
    def has_keypoints(self) -> bool:
        """Whether people have keypoints; the file is read up to the first of them. True where nobody is.

        Raises:
            ResultsError: A line is not what it should be.
        """
        first = next((frame.instances for frame in self if len(frame.instances)), None)
        return first is None or first.keypoints_xy is not None

    def __repr__(self) -> str:
        header = self.header
        chosen = "" if self.selection.is_everyone else f", {self.selection}"
        chosen += f", edits: {len(self.edits)}" if self.edits else ""
        return f"SavedPoses({str(self.path)!r}: {header.skeleton.name} of {header.source!r}{chosen})"

    def _repr_html_(self) -> str:
        header = self.header
        facts: dict[str, object] = {
            "file": self.path,
            "source": header.source,
            "image": f"{header.width} x {header.height} px, {float(header.fps):g} frames/s",
            "skeleton": f"{header.skeleton.name}, {header.skeleton.num_keypoints} keypoints",
            "recipe": header.recipe,
        }
        if not self.selection.is_everyone:
            facts["selection"] = self.selection
        if self.edits:
            facts["edits"] = len(self.edits)
        return show_facts(facts)

    def to_dataframe(self, *, wide: bool = False) -> DataFrame:
        """The poses as a table of pandas; see `posetrack.results.data_frame` for its columns.

        >>> from tempfile import TemporaryDirectory
        >>> from posetrack import Tracker, read_poses
        >>> with TemporaryDirectory() as folder:
        ...     report = Tracker("fast").run("docs/media/street.mp4", folder, start_s=3.2, end_s=3.3)
        ...     table = read_poses(f"{folder}/poses.jsonl").to_dataframe()
        >>> list(table.columns)
        ['frame', 'time', 'track_id', 'keypoint', 'x', 'y', 'score']
        >>> table[table.keypoint == "nose"].frame.tolist()
        [80, 81, 82]

        Args:
            wide: One row a person and frame, as in the format `csv`, instead of one a keypoint.

        Raises:
            MissingPackageError: pandas is not installed; it comes with `posetrack[pandas]`.
            ResultsError: A line of the file is not what it should be.
        """
        from posetrack.results.data_frame import make_long_table, make_wide_table

        make_table = make_wide_table if wide else make_long_table
        return make_table(self, self.header.skeleton)


def find_poses(path: str | Path) -> Path:
    """The file of poses that is meant: it, or that of a run whose folder it is.

    Raises:
        ResultsError: A folder has none.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    file = path / "poses.jsonl"
    if not file.exists():
        raise ResultsError(f"{path}: no poses.jsonl in this folder; give the file of poses, or a run's folder")
    return file


def make_black_image(size_wh: tuple[int, int]) -> ImageArray:
    """A black image (H, W, 3) that takes no memory, for frames whose image is not there."""
    width, height = size_wh
    return np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))


def read_poses(path: str | Path, *, raw: bool = False) -> SavedPoses:
    """Read poses that a run has saved, with the edits that lie beside them (`posetrack edit`).

    >>> from tempfile import TemporaryDirectory
    >>> from posetrack import Tracker
    >>> with TemporaryDirectory() as folder:
    ...     report = Tracker("fast").run("docs/media/street.mp4", folder, start_s=3.2, end_s=3.3)
    ...     poses = read_poses(f"{folder}/poses.jsonl")
    ...     for frame in poses:
    ...         print(frame.index, frame.time_s, frame.instances.track_ids, frame.keypoint_names[0])
    80 3.2 [1] nose
    81 3.24 [1] nose
    82 3.28 [1] nose
    >>> poses.header.fps, poses.header.recipe
    (Fraction(25, 1), 'fast')

    Args:
        path: A `poses.jsonl`, or the folder of a run.
        raw: Leave the edits out.

    Returns:
        Its header and its frames; may be iterated more than once.

    Raises:
        ResultsError: The file or its edits cannot be read, or it is no results file, or the edits are of other
            poses; other lines are checked in iteration.
    """
    return SavedPoses(path, raw=raw)
