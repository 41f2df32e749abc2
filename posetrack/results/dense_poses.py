"""Saved dense poses as frames: a file of dense poses, or a `poses.jsonl` that refers to one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posetrack.frame import NO_DENSE, Frame, Instances
from posetrack.results.poses import SavedPoses, make_black_image

if TYPE_CHECKING:
    from posetrack.edits.kinds import Edit
    from posetrack.results.dense_index import DenseFile, SavedFrame
    from posetrack.results.record import Header, Record


class SavedDense:
    """The header and the frames of a file of dense poses; may be iterated more than once.

    Frames are read as they are asked for, so a long file takes little more memory than a short one. Their
    images are black, as those of saved poses.

    >>> from fractions import Fraction
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from posetrack.results.dense_file import DenseWriter
    >>> from posetrack.results.record import Header
    >>> from posetrack.skeleton import COCO_17
    >>> pose = np.full((2, 3, 3), 1, np.uint8)
    >>> people = Instances(boxes_xyxy=[[10, 20, 13, 22]], box_scores=[0.9], track_ids=[7], dense=(pose,))
    >>> with TemporaryDirectory() as folder:
    ...     path = f"{folder}/clip.npz"
    ...     with DenseWriter(path, Header("clip.mp4", 64, 48, Fraction(25), COCO_17, "densepose")) as writer:
    ...         rows = writer.write(4, 0.16, people)
    ...     saved = SavedDense(path)
    ...     for frame in saved:
    ...         print(frame.index, frame.time_s, frame.instances.track_ids, frame.instances.dense[0].shape)
    ...     print(saved.read_frame(5))
    4 0.16 [7] (2, 3, 3)
    None

    Attributes:
        path: The file.
        header: The source, its `width`, `height` and `fps`, the `skeleton` and the `recipe`.
    """

    path: Path
    header: Header

    def __init__(self, path: str | Path) -> None:
        """Read the header, and where the frames are.

        Raises:
            ResultsError: The file cannot be read, or is no file of dense poses.
        """
        from posetrack.results.dense_index import DenseFile

        self.path = Path(path)
        self._file = DenseFile(self.path)
        self.header = self._file.header

    def __iter__(self) -> Iterator[Frame]:
        """Read the frames.

        Yields:
            Frames in order, marked as restored; their people have `boxes_xyxy`, `box_scores`, `track_ids`,
            `dense` and `dense_rows`. After the joining of tracks they have their final ids, and people who were
            left out then are left out.

        Raises:
            ResultsError: A frame is damaged; it is named.
        """
        for place in range(len(self._file.frames)):
            saved = self._file.read(place)
            people = _decode(self._file, saved)
            yield _make_frame(saved.frame_index, saved.time_s, saved.size_wh, people, self.header)

    def read_frame(self, index: int) -> Instances | None:
        """Read the people of one frame.

        Args:
            index: Its position in the source.

        Returns:
            The people as in iteration; None where the frame is not in the file.

        Raises:
            ResultsError: The frame is damaged.
        """
        place = self._file.find(index)
        return None if place is None else _decode(self._file, self._file.read(place))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}: {self.header.source!r})"


class DenseOfPoses(SavedDense):
    """The dense poses of a `poses.jsonl`, with the people, ids and boxes of that.

    Args:
        path: The file.
        edits: Edits of its people (`SavedPoses.edits`), which are applied.
    """

    def __init__(self, path: str | Path, edits: Sequence[Edit] = ()) -> None:
        from posetrack.results.dense_sources import open_dense_of

        self.path = Path(path)
        self._edits = edits
        self._file, self.header = open_dense_of(self.path)

    def __iter__(self) -> Iterator[Frame]:
        for record in self._read_records():
            size_wh = record.get_size_wh(self.header)
            frame = _make_frame(record.frame, record.time_s, size_wh, self.fill(record), self.header)
            yield replace(frame, faces_xyxy=record.faces_xyxy)

    def read_frame(self, index: int) -> Instances | None:
        """Read the people of one frame; the lines before it are read as well."""
        for record in self._read_records():
            if record.frame >= index:
                return self.fill(record) if record.frame == index else None
        return None

    def _read_records(self) -> Iterator[Record]:
        from posetrack.edits.read import add_edits
        from posetrack.results.jsonl import read_jsonl

        return add_edits(read_jsonl(self.path)[1], self.path, self._edits)

    def fill(self, record: Record) -> Instances:
        """The people of a record of the file with their dense poses, and with boxes before they were rounded.

        Raises:
            ResultsError: The file of dense poses lacks one of them, or it is damaged.
        """
        from posetrack.results.people import complete_boxes

        people, rows = record.instances, record.instances.dense_rows
        if rows is None:
            rows = np.full(len(people), -1, np.int64)
        boxes, dense = complete_boxes(people).copy(), [NO_DENSE] * len(people)
        if (rows >= 0).any():
            saved = self._file.pick(record.frame, rows, f"{self.path}: frame {record.frame}")
            found = _decode(self._file, saved)
            filled = np.flatnonzero(rows >= 0)
            boxes[filled] = found.boxes_xyxy
            for i, pose in zip(filled, found.dense or (), strict=True):
                dense[i] = pose
        return people.with_columns(boxes_xyxy=boxes, dense=tuple(dense), dense_rows=rows)


def _decode(file: DenseFile, saved: SavedFrame) -> Instances:
    from posetrack.results.dense_records import decode_people

    pngs = file.read_pngs(saved.place) if len(saved.people) else np.zeros(0, np.uint8)
    return decode_people(saved.people, saved.rows, pngs, saved.where)


def _make_frame(
    index: int, time_s: float, size_wh: tuple[int, int], instances: Instances, header: Header
) -> Frame:
    black = make_black_image(size_wh)
    return Frame(index, time_s, black, instances, header.skeleton, is_restored=True)


def read_dense(path: str | Path, *, raw: bool = False) -> SavedDense:
    """Read dense poses that a run has saved.

    >>> from fractions import Fraction
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from posetrack.results.dense_file import DenseWriter
    >>> from posetrack.results.record import Header
    >>> from posetrack.skeleton import COCO_17
    >>> pose = np.full((2, 3, 3), 1, np.uint8)
    >>> people = Instances(boxes_xyxy=[[10, 20, 13, 22]], box_scores=[0.9], track_ids=[7], dense=(pose,))
    >>> with TemporaryDirectory() as folder:
    ...     path = f"{folder}/clip.npz"
    ...     with DenseWriter(path, Header("clip.mp4", 64, 48, Fraction(25), COCO_17, "densepose")) as writer:
    ...         rows = writer.write(0, 0.0, people)
    ...     for frame in read_dense(path):
    ...         print(frame.index, frame.instances.track_ids, frame.instances.dense[0][..., 0].tolist())
    0 [7] [[1, 1, 1], [1, 1, 1]]

    Args:
        path: A file of dense poses (`.npz`); or a `poses.jsonl` that refers to one, for the people, ids and
            keypoints of that. Boxes of people with a dense pose are as they were before `poses.jsonl` rounded
            them, so that the dense pose is of their size; people without one have an empty array (0, 0, 3).
        raw: Leave out the edits that lie beside a `poses.jsonl`.

    Returns:
        Its header and its frames; may be iterated more than once. `read_frame` reads a single one.

    Raises:
        ResultsError: The file cannot be read, is of neither kind, or refers to no dense poses; frames are
            checked in iteration.
    """
    from posetrack.results.dense_index import is_dense_file

    if is_dense_file(Path(path)):
        return SavedDense(path)
    return DenseOfPoses(path, SavedPoses(path, raw=raw).edits)
