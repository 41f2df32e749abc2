"""PosesEditor: edits that are checked against the poses before they are saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from posetrack.edits.apply import apply_edits
from posetrack.edits.index import PosesIndex, Progress
from posetrack.edits.index_cache import open_index
from posetrack.edits.kinds import (
    DeletePerson,
    DropShort,
    Edit,
    Interpolate,
    KeyPose,
    MergeIds,
    MoveKeypoint,
    RenameId,
    SplitId,
    SwapIds,
)
from posetrack.edits.log import EditLog
from posetrack.edits.tracks import EditedTracks
from posetrack.errors import ResultsError
from posetrack.results.record import Record

_LARGEST_ID = 999_999_999
"""The largest new id: those that splits make go on from the largest, and must stay whole numbers everywhere."""


class PosesEditor:
    """A file of poses that is being corrected: its index, its log, and its tracks as they are now.

    >>> from tempfile import TemporaryDirectory
    >>> from posetrack import Tracker, read_poses
    >>> from posetrack.edits.editor import PosesEditor
    >>> with TemporaryDirectory() as folder:
    ...     report = Tracker("fast").run("docs/media/street.mp4", folder, start_s=3.2, end_s=3.3)
    ...     editor = PosesEditor(f"{folder}/poses.jsonl")
    ...     print(editor.rename(1, 12))
    ...     print(read_poses(f"{folder}/poses.jsonl").list_ids())
    ...     print(read_poses(f"{folder}/poses.jsonl", raw=True).list_ids())
    rename 1 12
    [12]
    [1]

    Every edit is on the disk when its method returns, and other programs may edit the same poses meanwhile.

    Args:
        path: A `poses.jsonl`, which is not changed.
        with_suspects: Look for frames in which an id may have become another person.
        progress: Called while a long file is read, with the fraction that is done.
        num_workers: As of `open_index`.

    Attributes:
        index: Of the file, without edits.
        log: The edits.
        tracks: Who is seen when, with the edits.

    Raises:
        ResultsError: The poses or their edits cannot be read.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        with_suspects: bool = True,
        progress: Progress | None = None,
        num_workers: int = 1,
    ) -> None:
        self.log = EditLog.open(path)
        self.index: PosesIndex = open_index(
            path, with_suspects=with_suspects, progress=progress, num_workers=num_workers
        )
        self._edits = self.log.edits
        self.tracks = EditedTracks.of(self.index, self._edits)

    @property
    def path(self) -> Path:
        """The file of poses."""
        return self.log.poses

    def read(self, start: int, stop: int) -> list[Record]:
        """Read frames with their edits.

        Args:
            start: Position of the first one in the file.
            stop: Position behind the last one.

        Raises:
            ResultsError: The file cannot be read any more, or has changed.
        """
        return list(apply_edits(self.index.read(start, stop), self._edits, str(self.log.path)))

    def refresh(self) -> bool:
        """Read the edits that other programs have made meanwhile; whether there were any."""
        with self.log.hold():
            return self._follow_log()

    def merge(self, keep: int, other: int) -> Edit:
        """Make two ids one person, who keeps the first.

        Raises:
            ResultsError: An id is not there, or both are in one frame.
        """
        with self._hold():
            self._check_ids(keep, other)
            shared = self.tracks.find_shared(keep, other)
            if shared is not None:
                raise self._refuse(
                    f"merge: {keep} and {other} are both in frame {shared}; delete one there first"
                )
            return self._add(MergeIds(keep, other))

    def split(self, track_id: int, frame: int) -> SplitId:
        """Make an id another person from a frame on, with a new id.

        Raises:
            ResultsError: The id is not there, or not both before the frame and from it on.
        """
        with self._hold():
            self._check_ids(track_id)
            first, last = self._find_ends(track_id)
            if not first < frame <= last:
                raise self._refuse(
                    f"split: {track_id} is in frames {first} to {last}; split it after the first"
                )
            edit = SplitId(track_id, frame, self._find_free())
            self._add(edit)
            return edit

    def swap(self, a: int, b: int, frame: int) -> Edit:
        """Swap two ids from a frame on.

        Raises:
            ResultsError: An id is not there, or neither is from the frame on.
        """
        with self._hold():
            self._check_ids(a, b)
            last = max(self._find_ends(a)[1], self._find_ends(b)[1])
            if frame > last or frame < 0:
                raise self._refuse(f"swap: {a} and {b} are not there from frame {frame} on; last in {last}")
            return self._add(SwapIds(a, b, frame))

    def rename(self, track_id: int, new: int) -> Edit:
        """Give an id another number.

        Raises:
            ResultsError: The id is not there, or the number is taken or below 1.
        """
        with self._hold():
            self._check_ids(track_id)
            if not 1 <= new <= _LARGEST_ID:
                raise self._refuse(f"rename: {new}: expected an id from 1 to {_LARGEST_ID}")
            if new in self.tracks.runs:
                raise self._refuse(f"rename: id {new} is there already; merge them, or use another number")
            return self._add(RenameId(track_id, new))

    def delete(self, track_id: int, first: int | None = None, last: int | None = None) -> Edit:
        """Delete a person.

        Args:
            track_id: Their id.
            first: First frame in which they are deleted; None for their first.
            last: Last frame; None for their last.

        Raises:
            ResultsError: The id is not there, or not in these frames.
        """
        with self._hold():
            self._check_ids(track_id)
            low, high = self._find_ends(track_id)
            start, stop = self.tracks.find_positions(first or 0, math.inf if last is None else last)
            runs = self.tracks.runs[track_id]
            if start >= stop or not ((runs[:, 0] < stop) & (runs[:, 1] > start)).any():
                raise self._refuse(f"delete: {track_id} is in none of these frames; it is in {low} to {high}")
            return self._add(DeletePerson(track_id, first, last))

    def drop_short(self, seconds: float) -> DropShort:
        """Delete everybody who is on screen for less than some seconds in all.

        Raises:
            ResultsError: Nobody is, or the time is not above 0.
        """
        with self._hold():
            if not 0 < seconds < math.inf:
                raise self._refuse(f"drop-short: {seconds:g} seconds: expected more than 0")
            lasts_s = self.tracks.measure_s()
            # Times have six decimals, so that a second of frames may come out a little below one.
            short = tuple(track_id for track_id, each in lasts_s.items() if each < seconds - 1e-4)
            if not short:
                least = f"; the shortest is {min(lasts_s.values()):.2f} s" if lasts_s else ""
                raise self._refuse(f"drop-short: nobody is seen for less than {seconds:g} s{least}")
            edit = DropShort(seconds, short)
            self._add(edit)
            return edit

    def move_keypoint(
        self, track_id: int, frame: int, keypoint: str | int, xy: tuple[float, float] | None
    ) -> Edit:
        """Put a keypoint of a person where it belongs in one frame; its score becomes 1.

        Args:
            track_id: The person.
            frame: The frame.
            keypoint: Name or position of the keypoint.
            xy: Where it is, in pixels; None where it is not to be seen: its score becomes 0.

        Raises:
            ResultsError: The person is not in the frame, has no keypoints or not this one, or the place is far
                outside of the image.
        """
        with self._hold():
            record, _ = self._read_person(track_id, frame, "keypoint")
            number = self._find_keypoint(keypoint)
            if record.instances.keypoints_xy is None:
                raise self._refuse("keypoint: these poses have boxes only")
            if xy is not None:
                sizes = record.get_size_wh(self.index.header)
                if not all(-size <= each <= 2 * size for each, size in zip(xy, sizes, strict=True)):
                    raise self._refuse(
                        f"keypoint: {xy[0]:g},{xy[1]:g} is far outside of the image, {sizes[0]} x {sizes[1]} px"
                    )
                xy = round(float(xy[0]), 2), round(float(xy[1]), 2)
            return self._add(MoveKeypoint(frame, track_id, number, xy))

    def interpolate(self, track_id: int, first: int | None = None, last: int | None = None) -> Interpolate:
        """Place a person in the frames of gaps, on the way between the frames beside each gap.

        Args:
            track_id: The person.
            first: Frame before the first gap, or in it; None for all.
            last: Frame after the last gap, or in it; None for all.

        Raises:
            ResultsError: The id is not there, or has no gap there.
        """
        with self._hold():
            self._check_ids(track_id)
            gaps = self.tracks.list_gaps(track_id, first or 0, math.inf if last is None else last)
            if not gaps:
                low, high = self._find_ends(track_id)
                raise self._refuse(f"interpolate: {track_id}, in frames {low} to {high}, has no gap there")
            poses = [tuple(self._take_pose(track_id, position) for position in gap) for gap in gaps]
            edit = Interpolate(track_id, tuple((before, after) for before, after in poses))
            self._add(edit)
            return edit

    def undo(self) -> Edit:
        """Take back the last edit that holds, and return it.

        Raises:
            ResultsError: There is none.
        """
        with self._hold():
            return self._then_follow(self.log.undo)

    def redo(self) -> Edit:
        """Make the last edit again that was taken back, and return it.

        Raises:
            ResultsError: There is none.
        """
        with self._hold():
            return self._then_follow(self.log.redo)

    @contextmanager
    def _hold(self) -> Iterator[None]:
        with self.log.hold():
            self._follow_log()
            yield

    def _follow_log(self) -> bool:
        if self._edits == self.log.edits:
            return False
        self._edits = self.log.edits
        self.tracks = EditedTracks.of(self.index, self._edits)
        return True

    def _then_follow(self, step: Callable[[], Edit]) -> Edit:
        edit = step()
        self._follow_log()
        return edit

    def _add(self, edit: Edit) -> Edit:
        self.log.add(edit)
        self._edits = self.log.edits
        self.tracks = self.tracks.apply(edit)
        return edit

    def _refuse(self, reason: str) -> ResultsError:
        return ResultsError(f"{self.path}: {reason}")

    def _check_ids(self, *ids: int) -> None:
        runs = self.tracks.runs
        for track_id in ids:
            if track_id not in runs:
                known = list(runs)
                shown = ", ".join(map(str, known if len(known) <= 12 else [*known[:10], "...", known[-1]]))
                raise self._refuse(f"no id {track_id}; ids there: {shown or 'none'}")
        if len(set(ids)) < len(ids):
            raise self._refuse(f"{ids[0]} twice; give two ids")

    def _find_ends(self, track_id: int) -> tuple[int, int]:
        """The first and the last frame of an id."""
        runs = self.tracks.runs[track_id]
        return int(self.index.frames[runs[0, 0]]), int(self.index.frames[runs[-1, 1] - 1])

    def _find_free(self) -> int:
        """An id that neither the file nor an edit has ever had."""
        edits = (*self.log.edits, *self.log.undone)
        made = [edit.new for edit in edits if isinstance(edit, SplitId | RenameId)]
        return max([*self.index.runs, *made], default=0) + 1

    def _find_keypoint(self, keypoint: str | int) -> int:
        names = self.index.header.skeleton.names
        if isinstance(keypoint, str) and keypoint in names:
            return names.index(keypoint)
        if isinstance(keypoint, int) and 0 <= keypoint < len(names):
            return keypoint
        raise self._refuse(f"keypoint: no {keypoint}; there are {', '.join(names)}")

    def _read_person(self, track_id: int, frame: int, what: str) -> tuple[Record, int]:
        self._check_ids(track_id)
        position = self.index.find(frame)
        if position is None:
            raise self._refuse(f"{what}: no frame {frame}; {self._describe_frames()}")
        record = self.read(position, position + 1)[0]
        ids = record.instances.track_ids
        rows = np.zeros(0, np.int64) if ids is None else np.flatnonzero(ids == track_id)
        if not len(rows):
            first, last = self._find_ends(track_id)
            raise self._refuse(f"{what}: {track_id} is not in frame {frame}; it is in {first} to {last}")
        return record, int(rows[0])

    def _describe_frames(self) -> str:
        frames = self.index.frames
        return f"the file has {frames[0]} to {frames[-1]}" if len(frames) else "the file has none"

    def _take_pose(self, track_id: int, position: int) -> KeyPose:
        record, row = self._read_person(track_id, int(self.index.frames[position]), "interpolate")
        return KeyPose.take(record.frame, record.time_s, record.instances, row)
