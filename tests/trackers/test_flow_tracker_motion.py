"""Where tracks are expected: flow, the camera's motion and velocity; boxes where poses fail; time."""

import numpy as np
import pytest
from reference.trackers_people import SHAPE, Estimator, K, ids, make_image, make_people, make_tracker

from trackers.flow_tracker import People

NOBODY = make_people()


def cross(tracker, speed_px, hidden_frames):
    """Two people pass each other; the second is not detected while behind the first. Returns their ids."""
    middle = 15
    seen = {0: set(), 1: set()}
    for k in range(2 * middle):
        offset = speed_px * (k - middle)
        walkers = make_people((200 + offset, 20), (200 - offset, 24))
        is_hidden = abs(k - middle) < hidden_frames / 2
        tracked = tracker.update(make_image(width=440), walkers[np.array([0])] if is_hidden else walkers)
        for row, track_id in zip(tracked.rows.tolist(), ids(tracked), strict=True):
            seen[row].add(track_id)
    return seen


@pytest.mark.parametrize("hidden_frames", [0, 2, 6, 10])
@pytest.mark.parametrize("speed_px", [2, 4, 6])
def test_a_person_hidden_by_a_passer_by_keeps_their_id(speed_px, hidden_frames):
    assert cross(make_tracker(), speed_px, hidden_frames) == {0: {1}, 1: {2}}


def test_the_papers_motion_loses_them():
    # Flow is 0 here, as it would be at a place that somebody else covers.
    assert cross(make_tracker(motion="flow"), speed_px=6, hidden_frames=10) != {0: {1}, 1: {2}}


def test_a_pan_carries_a_person_who_is_missed_behind_an_object_that_the_camera_follows():
    tracker = make_tracker(motion="flow+velocity")
    poster = make_image(seed=9, width=160)
    for x in range(0, -160, -20):
        image = make_image(shift=x)
        image[:, 150:310] = poster
        # Seen in front of the object in every second frame.
        people = make_people((320 + x, 20)) if x % 40 == 0 else NOBODY
        tracked = tracker.update(image, people)
        if len(people):
            assert ids(tracked) == [1]


def make_upside_down(*corners_xy):
    people = make_people(*corners_xy)
    points = people.keypoints_xy.copy()
    points[..., 1] = people.boxes_xyxy[:, None, 1] + people.boxes_xyxy[:, None, 3] - points[..., 1]
    return People(people.boxes_xyxy, people.box_scores, points, people.keypoint_scores)


def test_boxes_match_whom_poses_do_not():
    standing, turned = make_people((100, 20)), make_upside_down((104, 20))
    assert standing.compare(turned, np.full(K, 0.02, np.float32)).max() < 0.2
    for min_iou, expected in ((0.2, [1]), (1, [2])):
        tracker = make_tracker(min_iou=min_iou, nms_oks=1)
        tracker._sigmas = np.full(K, 0.02, np.float32)
        tracker.update(make_image(), standing)
        assert ids(tracker.update(make_image(), turned)) == expected


def make_lamp():
    """A box of a high score in which two keypoints of five are seen."""
    lamp = make_people((50, 10), score=0.96, keypoint_score=0.9)
    scores = lamp.keypoint_scores.copy()
    scores[:, 2:] = 0.05
    return People(lamp.boxes_xyxy, lamp.box_scores, lamp.keypoints_xy, scores)


def test_few_visible_keypoints_start_no_track():
    lamp, person = make_lamp(), make_people((50, 10), score=0.7, keypoint_score=0.7)
    np.testing.assert_allclose(lamp.visible_scores, 0.9 * 2 / 5, rtol=1e-5)
    strict = make_tracker(new_track_min_visible_score=0.4)
    assert ids(strict.update(None, lamp)) == []
    assert ids(strict.update(None, person)) == [1]
    # Somebody who is followed may be half hidden.
    assert ids(strict.update(None, lamp)) == [1]
    assert ids(make_tracker().update(None, lamp)) == [1]


@pytest.mark.parametrize("fps", [5, 10, 25, 60])
@pytest.mark.parametrize(("missed_s", "expected"), [(1.0, 1), (1.5, 2)])
def test_how_long_a_person_may_be_missed_does_not_depend_on_the_frame_rate(fps, missed_s, expected):
    tracker = make_tracker(queue_s=1.2)
    missed_frames = round(missed_s * fps)
    tracker.update(None, make_people((50, 10)), time_s=0)
    for k in range(missed_frames):
        tracker.update(None, NOBODY, time_s=(1 + k) / fps)
    tracked = tracker.update(None, make_people((50, 10)), time_s=(1 + missed_frames) / fps)
    assert ids(tracked) == [expected]


def test_one_missed_frame_is_allowed_however_long_it_lasts():
    tracker = make_tracker(queue_s=1.2)
    for time_s, people in ((0, make_people((50, 10))), (5, NOBODY), (10, make_people((50, 10)))):
        tracked = tracker.update(None, people, time_s=time_s)
    assert ids(tracked) == [1]


@pytest.mark.parametrize("fps", [10, 25, 60])
def test_a_walk_behind_something_is_survived_at_any_frame_rate(fps):
    tracker = make_tracker()
    for k in range(3 * fps):
        # 60 pixels per second, hidden from 1.0 to 1.6 s.
        people = NOBODY if 1.0 <= k / fps < 1.6 else make_people((20 + 60 * k / fps, 20))
        tracked = tracker.update(None, people, time_s=k / fps)
        assert ids(tracked) == [1] * len(people)


def test_a_clock_that_steps_back_harms_nobody():
    tracker = make_tracker()
    for k, time_s in enumerate((0, 0.04, 0.08, -3600, -3599.96, 0.2)):
        assert ids(tracker.update(None, make_people((50 + k, 10)), time_s=time_s)) == [1]


@pytest.mark.parametrize("fps", [10, 25, 50])
def test_queue_frames_are_frames_at_25_a_second(fps):
    for missed_s, expected in ((0.4, [1]), (0.6, [2])):
        tracker = make_tracker(queue_frames=10)
        tracker.update(None, make_people((50, 10)), time_s=0)
        for k in range(1, round(missed_s * fps) + 1):
            tracker.update(None, NOBODY, time_s=k / fps)
        assert ids(tracker.update(None, make_people((50, 10)), time_s=missed_s + 1 / fps)) == expected


def test_one_missed_frame_costs_no_id_however_late_it_comes():
    tracker = make_tracker()
    for k in range(20):
        tracker.update(None, make_people((50, 10)), time_s=k / 25)
    for time_s in (0.8, 0.84, 2.84):
        tracker.update(None, NOBODY, time_s=time_s)
    assert ids(tracker.update(None, make_people((50, 10)), time_s=2.88)) == [1]


def test_after_a_long_pause_of_the_source_nobody_gets_the_id_of_somebody_before():
    for pause_s, expected in ((2.9, [1]), (3.5, [2])):
        tracker = make_tracker()
        for k in range(5):
            tracker.update(make_image(), make_people((50, 10)), time_s=k / 25)
        tracked = tracker.update(make_image(), make_people((50, 10)), time_s=0.16 + pause_s)
        assert ids(tracked) == expected
        assert (tracked.background_motion is None) == (expected == [2])


def test_images_that_are_always_minutes_apart_are_no_pauses():
    tracker = make_tracker()
    for k in range(5):
        assert ids(tracker.update(None, make_people((50, 10)), time_s=600.0 * k)) == [1]


def test_a_walker_is_expected_after_a_late_frame_where_they_are_after_as_many_frames():
    for missing in (0, 1, 5, 20):
        tracker = make_tracker()
        times = [k for k in range(60) if not 30 <= k < 30 + missing]
        for k in times:
            people = make_people((20 + 2 * k, 20), (250 - 2 * k, 30))
            assert ids(tracker.update(None, people, time_s=k / 25)) == [1, 2]


def test_the_cameras_motion_is_told_but_not_across_a_cut():
    tracker = make_tracker()
    people = make_people((100, 20))
    assert tracker.update(make_image(0), people).background_motion is None
    panned = tracker.update(make_image(0, shift=20), make_people((120, 20))).background_motion
    np.testing.assert_allclose(panned, [[1, 0, 20], [0, 1, 0]], atol=0.6)
    assert tracker.update(make_image(1), people).background_motion is None
    assert tracker.adopt(make_image(1), people, np.array([9])).tolist() == np.eye(2, 3).tolist()
    large = make_image(1).repeat(2, axis=0).repeat(2, axis=1)
    assert tracker.update(large, people).background_motion.tolist() == [[2, 0, 0], [0, 2, 0]]


def test_a_propagated_person_keeps_a_velocity():
    tracker = make_tracker(propagation_min_score=0.3)
    for k in range(8):
        people = make_people((40 + 6 * k, 20)) if k < 4 else NOBODY
        tracked = tracker.update(make_image(shift=6 * k), people, Estimator((40 + 6 * k, 20)))
        assert ids(tracked) == [1]
    # 6 pixels a frame are the camera's: the person stands still on the ground.
    np.testing.assert_allclose(tracker._queue.newest.velocities_xy[0], 0, atol=15)
    assert SHAPE.shape == (K, 2)
