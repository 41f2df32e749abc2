"""The plan of a pass over a finished run: which tracks are joined, which are dropped, which gaps are filled."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.settings import check_fraction, check_range
from posetrack.processors.camera_path import CameraPath, is_short_gap
from posetrack.processors.tracklets import Sighting, Tracklet
from trackers.appearance import compare_appearance

FloatArray = npt.NDArray[np.float32]
Point = npt.NDArray[np.float64]

_MOST_COMPARED = 60
"""Tracks whose mutual similarity says how alike different people of this video look."""
_PRIOR_SIMILARITIES = np.linspace(0.2, 0.9, 10)
"""How alike different people look as long as a video has not shown it."""
_UNKNOWN_RARITY = 0.4
_SLOWDOWN_S = 0.8
"""A person who is not seen goes on at their velocity for so long."""
_NEAR = 0.4
_FASTEST_PER_S = 0.8
_GAP_COST = 0.3
_DEAREST = 0.62
"""Largest cost of a join. Of 13 joins in 14 runs over 7 clips, 12 were right."""
_AMBIGUITY = 0.15


@dataclass(frozen=True)
class StitcherConfig:
    """Settings of the joining of tracks after a run.

    Attributes:
        max_gap_s: Longest time without a person, from the end of one track to the start of the next.
        max_distance: Largest distance between where a person is expected and found, in diagonals of their box.
            Less is allowed after a short gap.
        max_size_ratio: Largest ratio of the diagonals of the boxes before and after.
        min_similarity: Least similarity of the clothes' colours (`trackers.appearance`). More is asked for the
            longer the gap, the larger the distance, and the more alike different people of the video are.
        min_exchange: Where people met, ids are exchanged if the clothes before and after are then more alike by
            so much; 1: never.
        min_track_s: Tracks that were seen for less, gaps left out, are dropped, unless they touch the beginning
            or end of the video or a cut.
        max_interpolated_s: Longest time between two sightings of a person that is filled by interpolation.

    Raises:
        ValueError: A setting is out of range.
    """

    max_gap_s: float = 3.0
    max_distance: float = 1.2
    max_size_ratio: float = 1.7
    min_similarity: float = 0.4
    min_exchange: float = 0.2
    min_track_s: float = 0.32
    max_interpolated_s: float = 0.4

    def __post_init__(self) -> None:
        check_range(self, 0, 3600, "max_gap_s", "min_track_s")
        check_range(self, 0, 100, "max_distance")
        check_range(self, 1, 100, "max_size_ratio")
        check_fraction(self, "min_similarity", "min_exchange")
        check_range(self, 0, 10, "max_interpolated_s")


@dataclass(frozen=True)
class StitchPlan:
    """What a pass over the frames of a run does.

    Attributes:
        final_ids: The final id of every track id that changes: the lowest one of the same person.
        dropped: Track ids, as given in the run, whose people are left out.
        num_short_gaps: Number of gaps to fill in the other tracks.
    """

    final_ids: dict[int, int]
    dropped: frozenset[int]
    num_short_gaps: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.final_ids or self.dropped or self.num_short_gaps)


class Join(NamedTuple):
    """Two tracks that may be one person's; the higher the cost, the less likely they are."""

    cost: float
    before: int
    after: int


def make_plan(tracklets: Iterable[Tracklet], path: CameraPath, config: StitcherConfig) -> StitchPlan:
    """Decide what becomes of the tracks of a run.

    Args:
        tracklets: The tracks.
        path: The camera's path.
        config: Settings.
    """
    by_id = {tracklet.track_id: tracklet for tracklet in tracklets}
    chains = _chain(list(by_id), _choose(find_joins(list(by_id.values()), path, config)))
    final_ids: dict[int, int] = {}
    dropped: set[int] = set()
    num_short_gaps = 0
    for chain in chains:
        members = [by_id[track_id] for track_id in chain]
        if _is_too_short(members, path, config):
            dropped.update(chain)
            continue
        final_ids.update({track_id: min(chain) for track_id in chain if track_id != min(chain)})
        num_short_gaps += sum(member.num_short_gaps for member in members)
        num_short_gaps += sum(
            is_short_gap(path, a.last, b.first, config.max_interpolated_s) for a, b in pairwise(members)
        )
    return StitchPlan(final_ids, frozenset(dropped), num_short_gaps)


def find_joins(tracklets: Sequence[Tracklet], path: CameraPath, config: StitcherConfig) -> list[Join]:
    """Find the pairs of tracks that may be one person's, each with the cost of joining them."""
    starts = [_Start.of(each, path) for each in sorted(tracklets, key=lambda tracklet: tracklet.first)]
    firsts = [start.tracklet.first for start in starts]
    times_s = [path.get_time_s(first) for first in firsts]
    different = np.sort(_compare_different(tracklets))
    joins = []
    for before in tracklets:
        latest_s = path.get_time_s(before.last) + config.max_gap_s
        candidates = starts[bisect_right(firsts, before.last) : bisect_right(times_s, latest_s)]
        shot = path.get_shot(before.last)
        candidates = [start for start in candidates if path.get_shot(start.tracklet.first) == shot]
        if candidates:
            costs = _compute_costs(before, candidates, path, config, different)
            joins += [
                Join(float(costs[i]), before.track_id, candidates[i].tracklet.track_id)
                for i in np.flatnonzero(costs <= _DEAREST).tolist()
            ]
    return joins


@dataclass(frozen=True, eq=False)
class _Start:
    """A track and what is known of its first moments, in pixels of its first frame."""

    tracklet: Tracklet
    centre_xy: Point
    size_px: float
    velocity_xy: Point

    @classmethod
    def of(cls, tracklet: Tracklet, path: CameraPath) -> _Start:
        """Measure the start of a track."""
        velocity = _measure_velocity(tracklet.head, path, at=tracklet.first)
        return cls(tracklet, _find_centre(tracklet.head[0]), _measure_size(tracklet.head), velocity)


def _compute_costs(
    before: Tracklet,
    starts: Sequence[_Start],
    path: CameraPath,
    config: StitcherConfig,
    different: FloatArray,
) -> npt.NDArray[np.float64]:
    """Costs of joining a track with others that start later, (M,); infinite where it cannot be.

    Args:
        before: The track that ends.
        starts: M tracks that start after its end, in order of time.
        path: The camera's path.
        config: Settings.
        different: Similarities of different people, ascending.
    """
    motions = path.map_to([start.tracklet.first for start in starts], before.last)
    linear = motions[:, :, :2]
    gaps_s = np.array([path.get_time_s(start.tracklet.first) for start in starts])
    gaps_s = gaps_s - path.get_time_s(before.last)
    scales = np.sqrt(np.abs(np.linalg.det(linear)))
    sizes_before = _measure_size(before.tail) * scales
    sizes_after = np.array([start.size_px for start in starts])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.maximum(sizes_before / sizes_after, sizes_after / sizes_before)
    gone_s = (_SLOWDOWN_S * (1 - np.exp(-gaps_s / _SLOWDOWN_S)))[:, None]
    onward = linear @ _measure_velocity(before.tail, path, at=before.last) * gone_s
    back = np.stack([start.velocity_xy for start in starts]) * gone_s
    off = np.stack([start.centre_xy for start in starts])
    off = off - (linear @ _find_centre(before.tail[-1]) + motions[:, :, 2])
    # The person stood, went on as before, came as they go on, or something between.
    misses = np.stack([off, off - onward, off - back, off - (onward + back) / 2])
    distances = np.linalg.norm(misses, axis=2).min(axis=0) * 2 / np.maximum(sizes_before + sizes_after, 1e-6)
    limits = np.minimum(_NEAR + _FASTEST_PER_S * gaps_s, config.max_distance)

    appearances = np.stack([start.tracklet.appearance for start in starts])
    similarity = compare_appearance(before.appearance[None], appearances)[0]
    is_known = ~np.isnan(similarity)
    rarity = 1 - np.searchsorted(different, similarity, side="left") / max(len(different), 1)
    costs = distances / np.maximum(limits, 1e-6) + _GAP_COST * gaps_s / max(config.max_gap_s, 1e-6)
    costs = costs + np.where(is_known, rarity, _UNKNOWN_RARITY)
    possible = (ratios <= config.max_size_ratio) & (distances <= limits)
    possible &= ~is_known | (similarity >= config.min_similarity)
    return np.where(possible, costs, np.inf)


def _compare_different(tracklets: Sequence[Tracklet]) -> FloatArray:
    """Similarities of people who are not the same, since they are seen at the same time, (P,)."""
    known = [tracklet for tracklet in tracklets if tracklet.appearance.any()]
    longest = sorted(known, key=lambda tracklet: -tracklet.num_frames)[:_MOST_COMPARED]
    if len(longest) < 2:
        return _PRIOR_SIMILARITIES.astype(np.float32)
    first, last = (np.array([getattr(tracklet, name) for tracklet in longest]) for name in ("first", "last"))
    appearances = np.stack([tracklet.appearance for tracklet in longest])
    similarity = compare_appearance(appearances, appearances)
    is_together = (first[:, None] <= last) & (first <= last[:, None])
    pairs = similarity[np.triu(is_together, k=1)]
    return np.concatenate([_PRIOR_SIMILARITIES, pairs]).astype(np.float32)


def _choose(joins: Sequence[Join]) -> list[Join]:
    """Choose joins, the cheapest first, so that each track goes on at most once and comes from at most one.

    Where two joins that exclude one another cost about the same, neither is certain, and both are left.
    """
    by_before, by_after = defaultdict(list), defaultdict(list)
    for join in joins:
        by_before[join.before].append(join)
        by_after[join.after].append(join)
    chosen: list[Join] = []
    ends: set[int] = set()
    starts: set[int] = set()
    open_joins = sorted(joins)
    while True:
        for join in open_joins:
            rivals = [
                rival
                for rival in (*by_before[join.before], *by_after[join.after])
                if rival != join and rival.before not in ends and rival.after not in starts
            ]
            is_open = join.before not in ends and join.after not in starts
            if is_open and all(rival.cost - join.cost >= _AMBIGUITY for rival in rivals):
                chosen.append(join)
                ends.add(join.before)
                starts.add(join.after)
        left = [join for join in open_joins if join.before not in ends and join.after not in starts]
        # Joins that were chosen may have excluded what made others uncertain.
        if len(left) == len(open_joins):
            return chosen
        open_joins = left


def _chain(track_ids: Iterable[int], joins: Iterable[Join]) -> list[list[int]]:
    """The tracks of each person, in order of time."""
    nexts = {join.before: join.after for join in joins}
    chains = []
    for track_id in set(track_ids) - set(nexts.values()):
        chain = [track_id]
        while chain[-1] in nexts:
            chain.append(nexts[chain[-1]])
        chains.append(chain)
    return chains


def _is_too_short(members: Sequence[Tracklet], path: CameraPath, config: StitcherConfig) -> bool:
    """Whether a person was seen too briefly, within a shot, to be one."""
    first, last = members[0].first, members[-1].last
    if first == 0 or last == len(path) - 1:
        return False
    if path.get_shot(first - 1) != path.get_shot(first) or path.get_shot(last + 1) != path.get_shot(last):
        return False
    return sum(member.seen_s for member in members) < config.min_track_s - 1e-3


def _find_centre(sighting: Sighting) -> npt.NDArray[np.float64]:
    box = np.asarray(sighting.box_xyxy)
    return np.asarray((box[:2] + box[2:]) / 2)


def _measure_size(sightings: Iterable[Sighting]) -> float:
    """Median diagonal of the boxes: it hardly changes when a person bends or turns over."""
    boxes = np.array([sighting.box_xyxy for sighting in sightings])
    return float(np.median(np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=1)))


def _measure_velocity(sightings: Sequence[Sighting], path: CameraPath, *, at: int) -> npt.NDArray[np.float64]:
    """Mean velocity against the background, in pixels per second of one of the frames, (2,).

    Args:
        sightings: In order of time.
        path: The camera's path.
        at: Position of that frame.
    """
    first, last = sightings[0], sightings[-1]
    passed_s = last.time_s - first.time_s
    if passed_s <= 0:
        return np.zeros(2)
    (start, end) = (
        motion[:, :2] @ _find_centre(sighting) + motion[:, 2]
        for sighting in (first, last)
        for motion in (path.map_between(sighting.position, at),)
    )
    return np.asarray((end - start) / passed_s)
