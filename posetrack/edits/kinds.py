"""The kinds of edits; each holds all that is needed to apply it to one frame after another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.frame import Instances
from posetrack.results.people import complete_boxes


@dataclass(frozen=True)
class MergeIds:
    """Two ids are one person.

    Attributes:
        keep: The id that stays.
        other: The id that becomes the same.
    """

    keep: int
    other: int

    def map_id(self, track_id: int) -> int | None:
        """The id after the edit; None where the person is deleted."""
        return self.keep if track_id == self.other else track_id

    def __str__(self) -> str:
        return f"merge {self.keep} {self.other}"


@dataclass(frozen=True)
class SplitId:
    """An id is another person from a frame on.

    Attributes:
        track_id: The id.
        frame: The first frame of the other person.
        new: Their id, which was free.
    """

    track_id: int
    frame: int
    new: int

    def map_id(self, track_id: int) -> int | None:
        """The id after the edit, from `frame` on."""
        return self.new if track_id == self.track_id else track_id

    def __str__(self) -> str:
        return f"split {self.track_id} --frame {self.frame} (from there on {self.new})"


@dataclass(frozen=True)
class SwapIds:
    """Two ids change places from a frame on.

    Attributes:
        a: An id.
        b: Another.
        frame: The first frame in which they change.
    """

    a: int
    b: int
    frame: int

    def map_id(self, track_id: int) -> int | None:
        """The id after the edit, from `frame` on."""
        return {self.a: self.b, self.b: self.a}.get(track_id, track_id)

    def __str__(self) -> str:
        return f"swap {self.a} {self.b} --frame {self.frame}"


@dataclass(frozen=True)
class RenameId:
    """An id gets another number.

    Attributes:
        track_id: The id.
        new: Its number from now on, which was free.
    """

    track_id: int
    new: int

    def map_id(self, track_id: int) -> int | None:
        """The id after the edit."""
        return self.new if track_id == self.track_id else track_id

    def __str__(self) -> str:
        return f"rename {self.track_id} {self.new}"


@dataclass(frozen=True)
class DeletePerson:
    """A person is deleted, in all frames or in some.

    Attributes:
        track_id: Their id.
        first: First frame; None for the first of all.
        last: Last frame; None for the last of all.
    """

    track_id: int
    first: int | None = None
    last: int | None = None

    def map_id(self, track_id: int) -> int | None:
        """The id after the edit, in its frames; None where the person is deleted."""
        return None if track_id == self.track_id else track_id

    def __str__(self) -> str:
        return f"delete {self.track_id}{_show_range(self.first, self.last)}"


@dataclass(frozen=True)
class DropShort:
    """People who are seen only briefly are deleted.

    Attributes:
        seconds: Those who are on screen for less.
        track_ids: Who that was when the edit was made.
    """

    seconds: float
    track_ids: tuple[int, ...]

    def map_id(self, track_id: int) -> int | None:
        """The id after the edit; None where the person is deleted."""
        return None if track_id in self.track_ids else track_id

    def __str__(self) -> str:
        return f"drop-short --seconds {self.seconds:g} ({_count(len(self.track_ids), 'id')})"


@dataclass(frozen=True)
class MoveKeypoint:
    """A keypoint of a person is put where it belongs in one frame, or marked as absent there.

    Attributes:
        frame: The frame.
        track_id: The person.
        keypoint: Position of the keypoint in the skeleton.
        xy: Where it is, in pixels; None where it is not to be seen.
    """

    frame: int
    track_id: int
    keypoint: int
    xy: tuple[float, float] | None

    def apply_to(self, frame: int, time_s: float, people: Instances) -> Instances:
        """The people of a frame after the edit: the keypoint's score is 1 or 0, and the box holds it."""
        if frame != self.frame or people.track_ids is None or people.keypoints_xy is None:
            return people
        rows = np.flatnonzero(people.track_ids == self.track_id)
        if not len(rows):
            return people
        row, k = rows[0], self.keypoint
        scores = np.ones(people.keypoints_xy.shape[:2], np.float32)
        if people.keypoint_scores is not None:
            scores = people.keypoint_scores.copy()
        scores[row, k] = 0.0 if self.xy is None else 1.0
        if self.xy is None:
            return people.with_columns(keypoint_scores=scores)
        columns = {"keypoint_scores": scores}
        for name in ("keypoints_xy", "smoothed_xy"):
            points = getattr(people, name)
            if points is not None:
                columns[name] = points.copy()
                columns[name][row, k] = self.xy
        boxes = complete_boxes(people).copy()
        boxes[row, :2] = np.minimum(boxes[row, :2], self.xy)
        boxes[row, 2:] = np.maximum(boxes[row, 2:], self.xy)
        return people.with_columns(boxes_xyxy=boxes, **columns)

    def show(self, name: str) -> str:
        """The edit as words of the command line.

        Args:
            name: Of the keypoint.
        """
        place = "--absent" if self.xy is None else f"--at {self.xy[0]:.7g},{self.xy[1]:.7g}"
        return f"keypoint {self.track_id} {name} --frame {self.frame} {place}"

    def __str__(self) -> str:
        return self.show(str(self.keypoint))


@dataclass(frozen=True)
class KeyPose:
    """A person at one end of a gap.

    Attributes:
        frame: The frame.
        time_s: Its time.
        box_xyxy: Their box, pixels.
        score: Score of the box.
        keypoints: K keypoints, x, y and score each; empty where there are none.
        smoothed_xy: K smoothed keypoints; None where smoothing did not run.
    """

    frame: int
    time_s: float
    box_xyxy: tuple[float, ...]
    score: float
    keypoints: tuple[tuple[float, ...], ...]
    smoothed_xy: tuple[tuple[float, ...], ...] | None = None

    @classmethod
    def take(cls, frame: int, time_s: float, people: Instances, row: int) -> KeyPose:
        """Take one person of a frame.

        Args:
            frame: The frame.
            time_s: Its time.
            people: Its people.
            row: Which of them.
        """
        xy, scores, smoothed = people.keypoints_xy, people.keypoint_scores, people.smoothed_xy
        keypoints: list[list[float]] = []
        if xy is not None:
            row_scores = np.ones(xy.shape[1], np.float32) if scores is None else scores[row]
            keypoints = _round(np.concatenate([xy[row], row_scores[:, None]], axis=1))
        return cls(
            frame,
            time_s,
            tuple(_round(complete_boxes(people)[row])),
            1.0 if people.box_scores is None else round(float(people.box_scores[row]), 4),
            tuple(map(tuple, keypoints)),
            None if smoothed is None else tuple(map(tuple, _round(smoothed[row]))),
        )


@dataclass(frozen=True)
class Interpolate:
    """A person is placed in the frames of gaps, between the frames beside each gap.

    Attributes:
        track_id: The person.
        gaps: The poses before and after each gap.
    """

    track_id: int
    gaps: tuple[tuple[KeyPose, KeyPose], ...]

    def apply_to(self, frame: int, time_s: float, people: Instances) -> Instances:
        """The people of a frame after the edit; who was not there before is last, marked as interpolated."""
        gap = next((gap for gap in self.gaps if gap[0].frame < frame < gap[1].frame), None)
        if gap is None or (people.track_ids is not None and self.track_id in people.track_ids):
            return people
        placed = self._place(*gap, frame, time_s)
        # An empty frame of boxes has columns of keypoints all the same, which would become blank keypoints.
        return Instances.concatenate([people, placed]) if len(people) else placed

    def _place(self, before: KeyPose, after: KeyPose, frame: int, time_s: float) -> Instances:
        passed, whole = time_s - before.time_s, after.time_s - before.time_s
        if not 0 < passed < whole:  # Times of a damaged video may stand still, or go back.
            passed, whole = frame - before.frame, after.frame - before.frame
        part = np.float64(passed / whole)

        def mix(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float32]:
            mixed = (1 - part) * np.asarray(a, np.float64) + part * np.asarray(b, np.float64)
            return mixed.astype(np.float32)[None]

        columns: dict[str, object] = {}
        if before.keypoints and after.keypoints:
            a, b = np.array(before.keypoints), np.array(after.keypoints)
            columns["keypoints_xy"] = mix(a[:, :2], b[:, :2])
            columns["keypoint_scores"] = np.minimum(a[:, 2], b[:, 2])[None]
            if before.smoothed_xy is not None and after.smoothed_xy is not None:
                columns["smoothed_xy"] = mix(before.smoothed_xy, after.smoothed_xy)
        return Instances(
            boxes_xyxy=mix(before.box_xyxy, after.box_xyxy),
            box_scores=np.array([min(before.score, after.score)], np.float32),
            track_ids=np.array([self.track_id]),
            is_interpolated=np.ones(1, np.bool_),
        ).with_columns(**columns)

    def __str__(self) -> str:
        first, last = self.gaps[0][0].frame, self.gaps[-1][1].frame
        return f"interpolate {self.track_id}{_show_range(first, last)} ({_count(len(self.gaps), 'gap')})"


IdEdit = MergeIds | SplitId | SwapIds | RenameId | DeletePerson | DropShort
"""Edits that look at ids only: `map_id` says what becomes of each, in their frames."""

PoseEdit = MoveKeypoint | Interpolate
"""Edits that change where people are: `apply_to` takes the people of a frame."""

Edit = IdEdit | PoseEdit
"""Any edit."""


def get_frames(edit: Edit) -> tuple[int, float]:
    """The first and the last frame in which an edit changes anything; 0 and infinity where it may be all."""
    if isinstance(edit, SplitId | SwapIds):
        return edit.frame, math.inf
    if isinstance(edit, DeletePerson):
        return edit.first or 0, math.inf if edit.last is None else edit.last
    if isinstance(edit, MoveKeypoint):
        return edit.frame, edit.frame
    if isinstance(edit, Interpolate):
        return edit.gaps[0][0].frame, edit.gaps[-1][1].frame
    return 0, math.inf


def map_id(edits: Iterable[Edit], track_id: int) -> int | None:
    """The id after edits that all change the frame; None where the person is deleted."""
    now: int | None = track_id
    for edit in edits:
        if now is not None and not isinstance(edit, MoveKeypoint | Interpolate):
            now = edit.map_id(now)
    return now


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _show_range(first: int | None, last: int | None) -> str:
    ends: Mapping[str, int | None] = {"--first": first, "--last": last}
    return "".join(f" {name} {frame}" for name, frame in ends.items() if frame is not None)


def _round(values: npt.NDArray[np.float32]) -> list[Any]:
    rounded: list[Any] = np.round(values.astype(np.float64), 4).tolist()
    return rounded
