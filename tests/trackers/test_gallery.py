"""People who come back after they were forgotten are known by their clothes, or not at all."""

import numpy as np
import pytest
from reference.trackers_people import SIGMAS, ids, make_image, make_people

from trackers.flow_tracker import FlowTracker, FlowTrackerConfig

RED, GREEN, BLUE = (190, 30, 30), (30, 150, 40), (40, 50, 190)
PLACES = (20, 130, 240)


def make_frame(clothes, offset=0):
    """People at up to three places in plain clothes, and the image of them; None is nobody."""
    image = make_image(width=400).copy()
    corners = []
    for x, color in zip(PLACES, clothes, strict=False):
        if color is not None:
            corners.append((x + offset, 20))
            image[20:100, x + offset : x + offset + 30] = color
    return image, make_people(*corners)


def play(tracker, *scenes, fps=10):
    """Track scenes of (seconds, clothes by place); returns the last ids of each."""
    time_s, last = 0.0, []
    for seconds, clothes in scenes:
        tracked = None
        for k in range(round(seconds * fps)):
            image, people = make_frame(clothes, offset=k % 3)
            tracked = tracker.update(image, people, time_s=time_s)
            time_s += 1 / fps
        last.append(ids(tracked))
    return last


def make_tracker(**settings):
    config = {"queue_s": 0.3, "reappear_s": 10, "scene_cut_similarity": -1, **settings}
    return FlowTracker(SIGMAS, FlowTrackerConfig(**config))


def test_somebody_in_the_same_clothes_is_the_same_person_elsewhere():
    first, gone, back = play(make_tracker(), (2, [RED]), (2, []), (1, [None, None, RED]))
    assert (first, gone, back) == ([1], [], [1])


def test_without_the_setting_they_are_somebody_else():
    assert play(make_tracker(reappear_s=0), (2, [RED]), (2, []), (1, [None, None, RED]))[-1] == [2]


def test_somebody_in_other_clothes_is_somebody_else():
    assert play(make_tracker(), (2, [RED]), (2, []), (1, [None, None, GREEN]))[-1] == [2]


def test_time_is_bounded():
    assert play(make_tracker(reappear_s=3), (2, [RED]), (4, []), (1, [RED]))[-1] == [2]


def test_who_is_here_is_not_given_to_another():
    assert play(make_tracker(), (2, [RED]), (1, [RED, None, RED]))[-1] == [1, 2]


def test_of_two_in_the_same_clothes_nobody_is_recognised():
    assert play(make_tracker(), (2, [RED, RED, BLUE]), (2, []), (1, [None, RED]))[-1] == [4]
    assert play(make_tracker(), (2, [RED, RED, BLUE]), (2, [RED]), (1, [RED, None, RED]))[-1] == [1, 4]


def test_several_come_back_at_once_each_to_their_own():
    back = play(make_tracker(), (2, [RED, GREEN, BLUE]), (2, []), (1, [BLUE, RED, GREEN]))[-1]
    assert back == [3, 1, 2]


def test_somebody_seen_for_a_moment_is_not_known():
    assert play(make_tracker(), (0.4, [RED]), (2, []), (1, [RED]))[-1] == [2]


def test_a_cut_ends_everything():
    tracker = make_tracker(scene_cut_similarity=0.4)
    play(tracker, (2, [RED]))
    image, people = make_frame([RED])
    tracker.update(np.ascontiguousarray(image[::-1, ::-1]), make_people(), time_s=3.0)
    assert ids(tracker.update(image, people, time_s=3.1)) == [2]


@pytest.mark.parametrize("reappear_s", [0, 2])
def test_memory_is_bounded(reappear_s):
    tracker = make_tracker(reappear_s=reappear_s)
    for k in range(300):
        image, people = make_frame([RED if k % 20 < 10 else None])
        tracker.update(image, people, time_s=k / 10)
    assert (0 if tracker._gallery is None else len(tracker._gallery)) <= 3


def test_images_may_be_missing():
    tracker = make_tracker()
    for time_s in range(4):
        assert ids(tracker.update(None, make_people((20, 20)), time_s=time_s / 10)) == [1]
