"""Tracklets: what is remembered of each track id of a run, so that broken tracks can be joined at its end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.processors.camera_path import CameraPath, is_short_gap
from posetrack.processors.clothes import find_clothes
from posetrack.processors.meetings import Meeting, MeetingWatch, find_alone, measure_overlaps
from posetrack.skeleton import Skeleton
from trackers.appearance import NUM_BINS, PARTS, describe_clothes
from trackers.clock import Clock

FloatArray = npt.NDArray[np.float32]

Describe = Callable[[Frame, Instances], FloatArray]
"""Describes the clothes of people in a frame, (N, P, D), as `trackers.appearance.describe_clothes` does."""

_VISIBLE_SCORE = 0.2
_DESCRIBE_EVERY_S = 0.2
"""Clothes are described once in each stretch of this length, counted from 0: in which frames does not depend on
where a run begins, so parts of a run describe those that the whole one does."""
_SIGHTING_EVERY_S = 0.04
_SIGHTINGS = 8
_UNKNOWN = np.zeros((PARTS, NUM_BINS), np.float32)
_UNKNOWN.flags.writeable = False


class Sighting(NamedTuple):
    """Where a person was in one frame: its position and time, and the person's box in pixels."""

    position: int
    time_s: float
    box_xyxy: tuple[float, float, float, float]


@dataclass(eq=False)
class Tracklet:
    """What is remembered of one track id, or of a part of it from one meeting of people to the next.

    Attributes:
        track_id: The id.
        first: Position of the first frame with it.
        last: Position of the last frame with it.
        num_frames: Number of frames with it, without those in which the person is interpolated.
        num_short_gaps: Number of gaps that may be filled.
        head: The first sightings, 0.04 s or more apart.
        tail: The last sightings, likewise.
        seen_s: Time for which they were seen: the sum of the steps to those frames, late ones as usual ones.
        appearance: (P, D) float32, sum of the descriptions of the person's clothes.
        alone: The like of moments in which nobody else is before or behind them.
        after: The meeting that it begins with; None where nobody was met before.
    """

    track_id: int
    first: int
    last: int
    num_frames: int = 0
    num_short_gaps: int = 0
    seen_s: float = 0.0
    head: list[Sighting] = field(default_factory=list)
    tail: deque[Sighting] = field(default_factory=lambda: deque(maxlen=_SIGHTINGS))
    appearance: FloatArray = field(default_factory=lambda: _UNKNOWN)
    alone: FloatArray = field(default_factory=lambda: _UNKNOWN)
    after: Meeting | None = None

    def see(self, sighting: Sighting) -> None:
        """Remember where the person is."""
        self.last = sighting.position
        times_s = [seen.time_s for seen in self.head[-1:]]
        if len(self.head) < _SIGHTINGS and all(
            sighting.time_s - s >= _SIGHTING_EVERY_S - 1e-3 for s in times_s
        ):
            self.head.append(sighting)
        # The newest one always counts; it replaces one that is too close to the one before.
        if len(self.tail) > 1 and self.tail[-1].time_s - self.tail[-2].time_s < _SIGHTING_EVERY_S - 1e-3:
            self.tail.pop()
        self.tail.append(sighting)


def join_tracklets(parts: Sequence[Tracklet], path: CameraPath, max_interpolated_s: float) -> Tracklet:
    """What is remembered of a person of several parts, in order of time; it has the id of the first."""
    first, *others = parts
    joined = replace(first, head=list(first.head), tail=deque(first.tail, maxlen=_SIGHTINGS))
    for part in others:
        joined.num_short_gaps += is_short_gap(path, joined.last, part.first, max_interpolated_s)
        joined.num_short_gaps += part.num_short_gaps
        joined.num_frames += part.num_frames
        joined.seen_s += part.seen_s
        joined.appearance = joined.appearance + part.appearance
        joined.alone = joined.alone + part.alone
        for sighting in sorted({*part.head, *part.tail}):
            joined.see(sighting)
        joined.last = part.last
    return joined


class TrackletCollector:
    """A sink that remembers tracklets and the camera's path.

    Memory grows by a few kB with a track and with a meeting, and by 64 bytes with a frame.

    Args:
        skeleton: The keypoints; the torso's are looked up.
        max_interpolated_s: Largest time between two sightings of a gap that may be filled.
        look_at_images: Whether clothes are described; without, appearances are unknown.
        describe: Describes them; None looks at the frames' images.

    Attributes:
        parts: By track id: tracklets from one meeting to the next.
        path: The camera's path.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        max_interpolated_s: float,
        look_at_images: bool = True,
        describe: Describe | None = None,
    ) -> None:
        self.parts: dict[int, list[Tracklet]] = {}
        self.path = CameraPath()
        self._meetings = MeetingWatch()
        self._described_in: dict[int, int] = {}
        self._beginning: dict[int, Meeting] = {}
        self._max_interpolated_s = max_interpolated_s
        self._describe = (describe or ClothesDescriber(skeleton)) if look_at_images else None
        self._clock = Clock()

    def __call__(self, frame: Frame) -> None:
        """Remember the people of the next frame."""
        position = len(self.path)
        self.path.add(frame.time_s, frame.background_motion, frame.size_wh)
        time_s = self.path.get_time_s(position)
        step = self._clock.tick(frame.time_s)
        # Nobody was seen during the rest of a late step.
        seen_s = step.usual_s if step.is_late else self.path.get_step_s(position)
        people = frame.instances
        if people.track_ids is None or people.boxes_xyxy is None:
            return
        track_ids = people.track_ids.tolist()
        overlaps = measure_overlaps(people.boxes_xyxy)
        tracked = np.flatnonzero(people.track_ids != UNTRACKED)
        among = overlaps[np.ix_(tracked, tracked)]
        for meeting in self._meetings.watch(position, time_s, people.track_ids[tracked].tolist(), among):
            self._begin_parts(meeting)
        due: list[int] = []
        for row, (track_id, box) in enumerate(zip(track_ids, people.boxes_xyxy.tolist(), strict=True)):
            if track_id == UNTRACKED:
                continue
            tracklet = self._find_part(track_id, position)
            if is_short_gap(self.path, tracklet.last, position, self._max_interpolated_s):
                tracklet.num_short_gaps += 1
            tracklet.see(Sighting(position, time_s, tuple(box)))
            if people.is_interpolated is None or not people.is_interpolated[row]:
                tracklet.num_frames += 1
                tracklet.seen_s += seen_s
                stretch = math.floor((time_s + 1e-3) / _DESCRIBE_EVERY_S)
                if self._described_in.get(track_id) != stretch:
                    self._described_in[track_id] = stretch
                    due.append(row)
        if due and self._describe is not None:
            is_alone = find_alone(overlaps)
            for row, description in zip(due, self._describe(frame, people[due]), strict=True):
                tracklet = self.parts[track_ids[row]][-1]
                tracklet.appearance = tracklet.appearance + description
                if is_alone[row]:
                    tracklet.alone = tracklet.alone + description

    @property
    def meetings(self) -> Sequence[Meeting]:
        """All meetings of people."""
        return self._meetings.meetings

    def _begin_parts(self, meeting: Meeting) -> None:
        """Let tracks begin a new part where they are seen next: they may have changed bodies by then."""
        for track_id in meeting.track_ids & self.parts.keys():
            parts = self.parts[track_id]
            if parts[-1].after is meeting:
                # They were not as close yet when it began.
                parts[-2:] = [join_tracklets(parts[-2:], self.path, self._max_interpolated_s)]
            self._beginning[track_id] = meeting

    def _find_part(self, track_id: int, position: int) -> Tracklet:
        parts = self.parts.setdefault(track_id, [])
        after = self._beginning.pop(track_id, None)
        if after is not None or not parts:
            parts.append(Tracklet(track_id, position, position, after=after))
        return parts[-1]


class ClothesDescriber:
    """Describes the clothes of people as an image shows them.

    Args:
        skeleton: The keypoints; the torso's are looked up.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._corners = find_clothes(skeleton)

    def __call__(self, frame: Frame, people: Instances) -> FloatArray:
        """Describe people; see `Describe`."""
        assert people.boxes_xyxy is not None
        N = len(people)
        xy, scores, corners = people.keypoints_xy, people.keypoint_scores, self._corners
        if xy is None or scores is None:
            xy, scores, corners = np.zeros((N, 0, 2), np.float32), np.zeros((N, 0), np.float32), None
        return describe_clothes(frame.image, people.boxes_xyxy, xy, scores >= _VISIBLE_SCORE, corners)
