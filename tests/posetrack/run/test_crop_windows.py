"""Windows that follow people: smooth, without lag, and with few encoders."""

import numpy as np
import pytest

from posetrack.frame import Frame, Instances
from posetrack.run.crop_windows import follow_people, group_plans, plan_crops

IMAGE = np.broadcast_to(np.zeros(3, np.uint8), (100, 200, 3))


def make_frames(people, step_s=0.04):
    """Frames with boxes (x, y) of 20 by 40 px by id."""
    for i, here in enumerate(people):
        boxes = [[x - 10, y - 20, x + 10, y + 20] for x, y in here.values()]
        found = Instances(
            boxes_xyxy=np.reshape(boxes, (-1, 4)), box_scores=np.ones(len(here)), track_ids=list(here)
        )
        yield Frame(i, i * step_s, IMAGE, found)


def test_steady_motion_is_followed_without_lag_up_to_the_ends():
    places = [{1: (20 + 2 * i, 50 + i / 2)} for i in range(60)]
    followed = [centres[1] * (200, 100) for centres in follow_people(make_frames(places))]
    assert followed == pytest.approx(np.array([place[1] for place in places]), abs=0.01)


def test_jitter_is_smoothed():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 3, (100, 2))
    followed = [c[1] * (200, 100) for c in follow_people(make_frames([{1: 50 + xy} for xy in noise]))]
    assert np.diff(followed, axis=0).std() < np.diff(noise, axis=0).std() / 15


def test_short_gaps_are_filled_and_long_ones_are_not():
    places = [{1: (50, 50)} if not (20 <= i < 24 or 40 <= i < 80) else {} for i in range(100)]
    shown = [1 in centres for centres in follow_people(make_frames(places))]
    assert shown == [not 40 <= i < 80 for i in range(100)]


def test_frames_with_nobody_and_clocks_that_stand_still():
    assert list(follow_people([])) == []
    assert list(follow_people(make_frames([{}] * 40))) == [{}] * 40
    still = list(follow_people(make_frames([{1: (50, 50)}] * 40, step_s=0)))
    assert len(still) == 40


def test_sizes_hold_nearly_all_boxes_and_the_best_frame_is_kept():
    frames = list(make_frames([{1: (50, 50)}] * 40))
    large = Instances(boxes_xyxy=[[0, 0, 200, 100]], box_scores=[0.1], track_ids=[1])
    frames.append(Frame(40, 1.6, IMAGE, large))
    plan = plan_crops(frames)[1]
    assert plan.size == pytest.approx([0.1, 0.4], rel=0.05)
    assert (plan.first, plan.last) == (0, 40)


def test_groups_are_few_and_never_too_large_at_one_time():
    places = [{k: (50, 50) for k in range(10) if 2 * k <= i < 2 * k + 6} for i in range(30)]
    plans = plan_crops(make_frames(places))
    groups = group_plans(plans.values(), 2)
    assert sorted(plan.track_id for group in groups for plan in group) == list(range(10))
    assert len(groups) == 2, "at most three people are there at a time"
    for group in groups:
        assert max(sum(plan.first <= i <= plan.last for plan in group) for i in range(30)) <= 2
