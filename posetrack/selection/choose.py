"""The processors that leave out people who are not wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from posetrack.frame import UNTRACKED, BoolArray, FloatArray, Frame, Instances, IntArray
from posetrack.pipeline import FrameProcessor
from posetrack.selection.people import PeopleSelection

_HOLD_S = 2.0
"""A place is held for someone who is not seen for so long, at most; trackers find people again after less."""

_Sizes = tuple[tuple[int, int], tuple[int, int]]
"""Width and height of an image, and those of the first one."""


def choose_found(selection: PeopleSelection) -> FrameProcessor:
    """Make the processor that chooses among detections, before their poses are estimated and tracked.

    By region, height and score. Restored frames stay as they are: they were chosen before.

    Raises:
        PoseTrackError: A region lies outside the first image; in iteration.
    """

    def choose(people: Instances, sizes: _Sizes) -> Instances:
        return people[_find_fitting(people, selection, sizes)]

    return _make_processor(selection, choose, skip_restored=True)


def choose_tracked(selection: PeopleSelection, *, also_by_size: bool = False) -> FrameProcessor:
    """Make the processor that chooses among tracked people: by id and number.

    By region, too, since the tracker may follow those whom no detector finds any more out of it.

    Args:
        selection: Who is wanted.
        also_by_size: Whether it chooses by height and score as well, since `choose_found` did not come before.
    """
    find = _find_fitting if also_by_size else _find_inside

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        places = None if selection.max_people is None else _Places(selection.max_people)
        first: Frame | None = None
        for frame in frames:
            first = first or frame
            people = frame.instances
            if not frame.is_restored:
                sizes = (frame.size_wh, first.size_wh)
                people = people[find(people, selection, sizes) & _find_named(people, selection)]
            yield replace(frame, instances=people if places is None else places.choose(frame, people))

    return process


def choose_saved(selection: PeopleSelection) -> FrameProcessor:
    """Make the processor that chooses among saved people, by all that the selection says.

    Raises:
        PoseTrackError: A region lies outside the first image; in iteration.
    """

    def choose(people: Instances, sizes: _Sizes) -> Instances:
        return people[_find_fitting(people, selection, sizes) & _find_named(people, selection)]

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        places = None if selection.max_people is None else _Places(selection.max_people)
        for frame in _make_processor(selection, choose, skip_restored=False)(frames):
            people = frame.instances
            yield replace(frame, instances=people if places is None else places.choose(frame, people))

    return process


def trim_filled(selection: PeopleSelection) -> FrameProcessor:
    """Make the processor that keeps a selection true where gaps between sightings have been filled.

    Interpolated people who are outside the regions are left out, and of more people than wanted the
    interpolated ones first.
    """

    def choose(people: Instances, sizes: _Sizes) -> Instances:
        filled = people.is_interpolated
        if filled is None:
            return people
        kept = np.flatnonzero(~filled | _find_inside(people, selection, sizes))
        order = kept[np.lexsort((-_rank(people)[kept], filled[kept]))]
        return people[np.sort(order[: selection.max_people])]

    return _make_processor(selection, choose, skip_restored=False)


def _make_processor(
    selection: PeopleSelection, choose: Callable[[Instances, _Sizes], Instances], *, skip_restored: bool
) -> FrameProcessor:
    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        first_wh: tuple[int, int] | None = None
        for frame in frames:
            if first_wh is None:
                first_wh = frame.size_wh
                selection.check_size(first_wh, "the first image")
            if frame.is_restored and skip_restored:
                yield frame
            else:
                yield replace(frame, instances=choose(frame.instances, (frame.size_wh, first_wh)))

    return process


def _find_fitting(people: Instances, selection: PeopleSelection, sizes: _Sizes) -> BoolArray:
    fitting = _find_inside(people, selection, sizes)
    if people.boxes_xyxy is not None and selection.min_height_px > 0:
        (_, height), (_, first_height) = sizes
        heights = people.boxes_xyxy[:, 3] - people.boxes_xyxy[:, 1]
        fitting &= heights >= selection.min_height_px * height / first_height
    if people.box_scores is not None:
        fitting &= people.box_scores >= np.float32(selection.min_score)
    return fitting


def _find_inside(people: Instances, selection: PeopleSelection, sizes: _Sizes) -> BoolArray:
    """Who stands in one of the regions; feet below the image's edge count as on it."""
    if not selection.regions or people.boxes_xyxy is None:
        return np.ones(len(people), np.bool_)
    x1, _, x2, y2 = people.boxes_xyxy.astype(np.float64).T
    feet = np.clip(np.stack([(x1 + x2) / 2, y2], axis=1), 0, sizes[0])
    inside = [region.find_inside(feet, *sizes) for region in selection.regions]
    return np.asarray(np.any(inside, axis=0))


def _find_named(people: Instances, selection: PeopleSelection) -> BoolArray:
    ids = _get_ids(people)
    named = np.ones(len(people), np.bool_) if selection.only is None else np.isin(ids, list(selection.only))
    return named & ~np.isin(ids, list(selection.drop))


def _get_ids(people: Instances) -> IntArray:
    return np.full(len(people), UNTRACKED) if people.track_ids is None else people.track_ids


def _rank(people: Instances) -> FloatArray:
    scores = people.person_scores if people.box_scores is None else people.box_scores
    if people.boxes_xyxy is None:
        return scores
    sides = np.maximum(people.boxes_xyxy[:, 2:] - people.boxes_xyxy[:, :2], 0)
    return np.asarray(sides.prod(axis=1) * scores)


@dataclass
class _Place:
    """Since when someone has a place, and when they were last seen."""

    since_s: float
    seen_s: float

    def is_held(self, now_s: float) -> bool:
        """Whether the place is still theirs; a short appearance, which may be a mistake, holds it briefly."""
        return now_s - self.seen_s <= min(_HOLD_S, self.seen_s - self.since_s)


class _Places:
    """A number of places: those who have one keep it, and a free one goes to the highest-ranking person.

    Args:
        number: How many there are.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._places: dict[int, _Place] = {}
        self._now_s = 0.0
        self._last_s: float | None = None
        self._has_motion = False

    def choose(self, frame: Frame, people: Instances) -> Instances:
        """The people of the next frame who have a place in it."""
        self._start_frame(frame)
        ids = _get_ids(people).tolist()
        self._release(set(ids))
        waiting = [row for row, track_id in enumerate(ids) if track_id not in self._places]
        ranks = _rank(people)
        waiting.sort(key=lambda row: -ranks[row])
        num_free = max(self._number - len(self._places), 0)
        chosen = sorted({*range(len(ids))} - {*waiting[num_free:]})
        for row in chosen:
            if ids[row] != UNTRACKED:
                self._places.setdefault(ids[row], _Place(self._now_s, self._now_s)).seen_s = self._now_s
        return people[chosen]

    def _start_frame(self, frame: Frame) -> None:
        # Clocks may go back, as a camera's does after a break, or a file's that is played again.
        last_s, self._last_s = self._last_s, frame.time_s
        self._now_s += 0.0 if last_s is None else max(frame.time_s - last_s, 0.0)
        # Saved poses know no motion; in a run, only a cut has none, and ids end there.
        if frame.background_motion is None and self._has_motion:
            self._places.clear()
        self._has_motion |= frame.background_motion is not None

    def _release(self, here: set[int]) -> None:
        """Free the places of those who have not been seen for too long."""
        self._places = {
            track_id: place
            for track_id, place in self._places.items()
            if track_id in here or place.is_held(self._now_s)
        }
