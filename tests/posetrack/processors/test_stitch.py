"""The plan of a pass over a run, on made tracks."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.processors import stitch
from posetrack.processors.camera_path import CameraPath
from posetrack.processors.stitch import StitcherConfig, find_joins, make_plan
from posetrack.processors.tracklets import Sighting, Tracklet
from trackers.appearance import NUM_BINS, PARTS

STEP_S = 0.04
SIZE_WH = (640, 480)
STILL = np.eye(2, 3, dtype=np.float32)


def make_path(num_frames=200, *, cuts=(), motion=STILL, step_s=STEP_S):
    path = CameraPath()
    for i in range(num_frames):
        path.add(i * step_s, None if i == 0 or i in cuts else motion, SIZE_WH)
    return path


def make_looks(color):
    """A histogram around one bin."""
    bins = np.zeros((PARTS, NUM_BINS), np.float32)
    bins[:, color : color + 3] = (0.25, 0.5, 0.25)
    return bins


def make_tracklet(track_id, first, last, *, x=100.0, speed=0.0, height=100.0, color=0, path=None):
    """Someone seen in every frame from `first` to `last`, at x(t) = x + speed * frame, half as wide as high."""
    path = path or make_path(last + 1)
    tracklet = Tracklet(track_id, first, first)
    for position in range(first, last + 1):
        left = x + speed * position
        box = (left, 100.0, left + height / 2, 100.0 + height)
        tracklet.see(Sighting(position, path.get_time_s(position), box))
        tracklet.num_frames += 1
        tracklet.seen_s += path.get_step_s(position)
    if color is not None:
        tracklet.appearance = make_looks(color)
    return tracklet


def plan(*tracklets, path=None, **config):
    return make_plan(tracklets, path or make_path(), StitcherConfig(**config))


def test_two_parts_of_a_walk_are_joined_under_the_lower_id():
    joined = plan(make_tracklet(7, 0, 50, speed=2), make_tracklet(9, 60, 199, speed=2))
    assert joined.final_ids == {9: 7}
    assert joined.dropped == frozenset()


def test_a_chain_keeps_its_lowest_id_even_when_that_is_not_its_first():
    parts = (make_tracklet(3, 0, 50), make_tracklet(1, 55, 100), make_tracklet(2, 105, 199))
    assert plan(*parts).final_ids == {3: 1, 2: 1}


@pytest.mark.parametrize(
    "other",
    [
        {"color": 40},
        {"height": 250.0},
        {"x": 400.0},
        {"first": 50},
    ],
    ids=["other clothes", "other size", "other place", "at the same time"],
)
def test_different_people_are_not_joined(other):
    second = make_tracklet(**{"track_id": 2, "first": 60, "last": 199, **other})
    assert plan(make_tracklet(1, 0, 50), second).is_empty


def test_nobody_is_joined_across_a_cut_or_a_long_gap():
    parts = (make_tracklet(1, 0, 50), make_tracklet(2, 60, 199))
    assert plan(*parts, path=make_path(cuts=[55])).is_empty
    assert plan(*parts, max_gap_s=0.3).is_empty
    assert not plan(*parts).is_empty


def test_a_pan_is_no_motion_of_people():
    """The camera moves on by 20 pixels a frame: someone who stands is far away in the image after 10 frames."""
    pan = np.array([[1, 0, -20], [0, 1, 0]], np.float32)
    path = make_path(100, motion=pan)
    parts = (
        make_tracklet(1, 0, 30, x=2000, speed=-20, path=path),
        make_tracklet(2, 40, 99, x=2000, speed=-20, path=path),
    )
    assert plan(*parts, path=path).final_ids == {2: 1}
    apart = (make_tracklet(1, 0, 30, x=2000), make_tracklet(2, 40, 99, x=1800))
    assert plan(*apart, path=make_path(100)).is_empty


def test_unknown_looks_decide_nothing_but_a_far_jump_needs_them():
    near = (make_tracklet(1, 0, 50, color=None), make_tracklet(2, 53, 199, color=None))
    far = (make_tracklet(1, 0, 50, color=None), make_tracklet(2, 75, 199, x=190, color=None))
    assert plan(*near).final_ids == {2: 1}
    assert plan(*far).is_empty
    assert plan(make_tracklet(1, 0, 50), make_tracklet(2, 75, 199, x=150)).final_ids == {2: 1}


def test_two_who_are_as_likely_are_both_left():
    parts = (make_tracklet(1, 0, 50), make_tracklet(2, 60, 199, x=90), make_tracklet(3, 60, 199, x=110))
    assert plan(*parts).final_ids == {}


def test_clothes_tell_two_who_meet_apart():
    parts = (
        make_tracklet(1, 0, 50, x=100, color=0),
        make_tracklet(2, 0, 50, x=110, color=40),
        make_tracklet(3, 70, 199, x=100, color=40),
        make_tracklet(4, 70, 199, x=110, color=0),
    )
    assert plan(*parts).final_ids == {4: 1, 3: 2}


@pytest.mark.parametrize(
    ("first", "last", "is_dropped"),
    [(50, 56, True), (50, 57, False), (0, 3, False), (196, 199, False), (100, 102, False), (97, 99, False)],
)
def test_short_tracks_are_dropped_within_a_shot_only(first, last, is_dropped):
    path = make_path(cuts=[100])
    assert (1 in plan(make_tracklet(1, first, last), path=path).dropped) == is_dropped


@pytest.mark.parametrize(("fps", "least"), [(5, 2), (10, 4), (25, 8), (60, 20), (120, 39)])
def test_the_shortest_track_lasts_the_same_time_at_any_frame_rate(fps, least):
    path = make_path(200, step_s=1 / fps)
    kept = [
        count
        for count in range(1, 60)
        if not plan(make_tracklet(1, 50, 49 + count, path=path), path=path).dropped
    ]
    assert kept[0] == least


@pytest.mark.parametrize("fps", [5, 10, 25, 60])
def test_joins_are_the_same_at_any_frame_rate(fps):
    """Someone walks at half a height per second, and is hidden for 1.2 s; another is too far away."""
    path = make_path(10 * fps, step_s=1 / fps)
    parts = [
        make_tracklet(i, round(start_s * fps), round(end_s * fps), x=x, speed=50 / fps, path=path)
        for i, start_s, end_s, x in ((1, 0, 3, 100), (2, 4.2, 9.5, 100), (3, 4.3, 9.5, 420))
    ]
    assert plan(*parts, path=path).final_ids == {2: 1}


def test_short_parts_that_are_joined_count_together():
    parts = (make_tracklet(1, 50, 54), make_tracklet(2, 57, 62))
    joined = plan(*parts)
    assert joined.final_ids == {2: 1}
    assert not joined.dropped
    assert joined.num_short_gaps == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.integers(0, 30), st.integers(0, 3), st.sampled_from([0, 2, 40, None])),
        max_size=12,
    ),
    st.sets(st.integers(1, 99), max_size=2),
)
@settings(max_examples=80, deadline=None)
def test_there_are_never_two_of_one_id_in_a_frame(tracks, cuts):
    path = make_path(125, cuts=cuts)
    tracklets = [
        make_tracklet(i + 1, first, first + length, x=100 + 30 * place, color=color, path=path)
        for i, (first, length, place, color) in enumerate(tracks)
    ]
    result = plan(*tracklets, path=path)
    assert not result.dropped & (result.final_ids.keys() | set(result.final_ids.values()))
    taken = defaultdict(set)
    for tracklet in tracklets:
        frames = set(range(tracklet.first, tracklet.last + 1))
        final = result.final_ids.get(tracklet.track_id, tracklet.track_id)
        assert final <= tracklet.track_id
        assert not taken[final] & frames
        taken[final] |= frames


def test_nobody_and_settings_out_of_range():
    assert plan().is_empty
    with pytest.raises(ValueError, match=r"max_size_ratio: expected a number from 1 to 100, got 0\.5"):
        StitcherConfig(max_size_ratio=0.5)


def test_long_frames_count_for_as_long_as_they_last():
    """Nine sightings, half a second apart, in a video of mostly short frames."""
    path = CameraPath()
    times_s = [*np.arange(100) / 30, *(4 + np.arange(20) / 2), *(15 + np.arange(100) / 30)]
    for i, time_s in enumerate(times_s):
        path.add(float(time_s), None if i == 0 else STILL, SIZE_WH)
    assert not plan(make_tracklet(1, 105, 113, path=path), path=path).dropped
    assert plan(make_tracklet(1, 50, 56, path=path), path=path).dropped == {1}


def test_costs_do_not_depend_on_who_else_is_there():
    """Many candidates at once are compared as each alone."""
    path = make_path(400)
    rng = np.random.default_rng(0)
    before = make_tracklet(1, 0, 50, speed=1, path=path)
    starts = sorted(rng.integers(52, 110, 30).tolist())
    others = [
        make_tracklet(
            i + 2, first, first + 40, x=float(rng.uniform(0, 300)), color=int(rng.integers(0, 40)), path=path
        )
        for i, first in enumerate(starts)
    ]
    together = {
        join.after: join.cost
        for join in find_joins([before, *others], path, StitcherConfig())
        if join.before == 1
    }
    different = np.sort(stitch._compare_different([before, *others]))
    for other in others:
        start = stitch._Start.of(other, path)
        cost = stitch._compute_costs(before, [start], path, StitcherConfig(), different)[0]
        assert together.get(other.track_id, np.inf) == pytest.approx(
            cost if cost <= stitch._DEAREST else np.inf
        )
