"""The keypoints of each person of saved poses over time, as arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from posetrack.errors import PoseTrackError, ResultsError
from posetrack.frame import UNTRACKED, BoolArray, Frame, IntArray
from posetrack.low_pass import MOST_STEPS, DoubleArray
from posetrack.results.poses import SavedPoses

MOST_HELD = 200_000
"""People of all frames up to which keypoints are kept when people are counted; longer files are read again."""

_LEAST_RISING = 0.5
"""Part of the times that must rise, or the clock of the file counts as broken."""


@dataclass(frozen=True, eq=False)
class MotionTrack:
    """One person from the first frame with them to the last one.

    Attributes:
        track_id: Of the person.
        frames: (T,) indices of the frames, also of those without the person.
        times_s: (T,) rising.
        xy: (T, K, 2) pixels, as the networks found them or as they were corrected; NaN without the person.
        scores: (T, K), 0 without the person.
        seen: (T,) whether the person is there.
        interpolated: (T,) whether the person was not found there, but was interpolated by the run or by hand.
        steps_s: (T,) how long each frame lasts.
    """

    track_id: int
    frames: IntArray
    times_s: DoubleArray
    xy: DoubleArray
    scores: DoubleArray
    seen: BoolArray
    interpolated: BoolArray
    steps_s: DoubleArray


@dataclass(frozen=True, eq=False)
class PosesClock:
    """The frames of a file and their times, and how often each person is seen.

    Attributes:
        frames: (F,) indices of the frames whose times rise; all of them where the file's clock is broken.
        times_s: (F,) rising.
        counts: Number of frames with each track id.
        num_left_out: Number of frames whose time is not later than all before.
        is_broken: Whether the times are not those of the file, but counted by its frame rate.
        held: What was read of each person already, by id; None where it was too much.
    """

    frames: IntArray
    times_s: DoubleArray
    counts: dict[int, int]
    num_left_out: int = 0
    is_broken: bool = False
    held: Mapping[int, TrackBuilder] | None = None

    def find_steps_s(self) -> DoubleArray:
        """How long each frame lasts, (F,): until the next one; the last one as long as the one before.

        A frame before a pause, as of a camera that was away, lasts as long as a usual one.
        """
        steps_s = np.diff(self.times_s)
        if len(steps_s):
            usual_s = float(np.median(steps_s))
            steps_s = np.where(steps_s > MOST_STEPS * usual_s * (1 + 1e-6) + 1e-6, usual_s, steps_s)
        return np.append(steps_s, steps_s[-1:]) if len(steps_s) else np.zeros(len(self.times_s))


def read_clock(poses: SavedPoses) -> PosesClock:
    """Read the times of all frames, and count people; of a file that is not too long, keep them.

    Raises:
        ResultsError: The file cannot be read, nobody in it has keypoints, or a track id.
    """
    frames, times_s = array("q"), array("d")
    counts: dict[int, int] = {}
    num_people, has_keypoints = 0, False
    held: dict[int, TrackBuilder] | None = {}
    for position, frame in enumerate(poses):
        frames.append(frame.index)
        times_s.append(frame.time_s)
        people = frame.instances
        num_people += len(people)
        has_keypoints |= people.keypoints_xy is not None and len(people) > 0
        for track_id in [] if people.track_ids is None else people.track_ids.tolist():
            if track_id != UNTRACKED:
                counts[track_id] = counts.get(track_id, 0) + 1
                if held is not None:
                    held.setdefault(track_id, TrackBuilder())
        if held is not None:
            _add(frame, position, poses.header.size_wh, held)
            held = held if num_people <= MOST_HELD else None
    if not num_people:
        chosen = "nobody is in it" if poses.selection.is_everyone else f"nobody fits {poses.selection}"
        raise ResultsError(f"{poses.path}: {chosen}, so there is nobody to measure")
    if not has_keypoints:
        raise ResultsError(
            f"{poses.path}: has boxes without keypoints; measure poses of a recipe that gives some"
        )
    if not counts:
        raise ResultsError(f"{poses.path}: nobody has a track id; give them some with posetrack retrack")
    clock = _make_clock(poses, np.array(frames, np.int64), np.array(times_s, np.float64), counts)
    # Positions are those of all frames.
    return clock if clock.num_left_out else replace(clock, held=held)


def _make_clock(
    poses: SavedPoses, frames: IntArray, times_s: DoubleArray, counts: dict[int, int]
) -> PosesClock:
    highest_s = np.concatenate([[-np.inf], np.maximum.accumulate(times_s)[:-1]])
    rises = times_s > highest_s
    if rises.mean() < _LEAST_RISING:
        return PosesClock(frames, frames / float(poses.header.fps), counts, is_broken=True)
    return PosesClock(frames[rises], times_s[rises], counts, int((~rises).sum()))


def read_tracks(poses: SavedPoses, clock: PosesClock, ids: frozenset[int]) -> Iterator[MotionTrack]:
    """Read some people of a file, one after the other in the order of their ids.

    Args:
        poses: The file.
        clock: Of it.
        ids: The track ids.

    Raises:
        ResultsError: The file cannot be read.
    """
    if clock.held is not None:
        builders = {track_id: clock.held[track_id] for track_id in ids}
    else:
        builders = {track_id: TrackBuilder() for track_id in ids}
        position = 0
        for frame in poses:
            if position < len(clock.frames) and frame.index == clock.frames[position]:
                _add(frame, position, poses.header.size_wh, builders)
                position += 1
    steps_s, K = clock.find_steps_s(), poses.header.skeleton.num_keypoints
    for track_id in sorted(ids):
        builder = builders.pop(track_id)
        if builder.positions:
            yield builder.build(track_id, clock, steps_s, K)


def group_ids(counts: dict[int, int], most: int) -> Iterator[frozenset[int]]:
    """Groups of track ids that are measured together, in the order of the ids.

    Args:
        counts: Number of frames with each id.
        most: Most people of all frames in a group, unless one alone has more.
    """
    group: list[int] = []
    held = 0
    for track_id in sorted(counts):
        if group and held + counts[track_id] > most:
            yield frozenset(group)
            group, held = [], 0
        group.append(track_id)
        held += counts[track_id]
    if group:
        yield frozenset(group)


def check_ids(ids: frozenset[int], clock: PosesClock, where: str) -> None:
    """Check that track ids are in a file.

    Args:
        ids: The ids.
        clock: Of the file.
        where: Name of the file, and of the option.

    Raises:
        PoseTrackError: One is not there.
    """
    for track_id in sorted(ids - clock.counts.keys()):
        there = ", ".join(map(str, sorted(clock.counts)[:20]))
        more = ", ..." if len(clock.counts) > 20 else ""
        raise PoseTrackError(f"{where}: no id {track_id}; ids there: {there}{more}")


@dataclass
class TrackBuilder:
    """What was read of one person: a row a frame with them, by position among the frames."""

    positions: list[int] = field(default_factory=list)
    xy: list[DoubleArray] = field(default_factory=list)
    scores: list[DoubleArray] = field(default_factory=list)
    interpolated: list[bool] = field(default_factory=list)

    def build(self, track_id: int, clock: PosesClock, steps_s: DoubleArray, K: int) -> MotionTrack:
        """The person from the first frame with them to the last one.

        Args:
            track_id: Of the person.
            clock: Of the file.
            steps_s: How long each of its frames lasts, (F,).
            K: Number of keypoints.
        """
        first, last = self.positions[0], self.positions[-1]
        T, rows = last - first + 1, np.array(self.positions) - first
        xy, scores = np.full((T, K, 2), np.nan), np.zeros((T, K))
        seen, interpolated = np.zeros(T, bool), np.zeros(T, bool)
        xy[rows], scores[rows], seen[rows], interpolated[rows] = self.xy, self.scores, True, self.interpolated
        part = slice(first, last + 1)
        return MotionTrack(
            track_id, clock.frames[part], clock.times_s[part], xy, scores, seen, interpolated, steps_s[part]
        )


def _add(frame: Frame, position: int, size_wh: tuple[int, int], builders: Mapping[int, TrackBuilder]) -> None:
    people = frame.instances
    if people.track_ids is None or people.keypoints_xy is None:
        return
    # Where the size of the images changes, all are of the first one's.
    ratio = np.divide(size_wh, frame.size_wh)
    for row, track_id in enumerate(people.track_ids.tolist()):
        builder = builders.get(track_id)
        if builder is None or builder.positions[-1:] == [position]:
            continue
        xy = people.keypoints_xy[row]
        scores = np.ones(len(xy)) if people.keypoint_scores is None else people.keypoint_scores[row]
        marks = people.is_interpolated
        builder.positions.append(position)
        builder.xy.append((xy * ratio).astype(np.float32))
        builder.scores.append(np.asarray(scores, np.float32))
        builder.interpolated.append(marks is not None and bool(marks[row]))
