"""People that match no detection are propagated: their poses are estimated where flow has moved them."""

import numpy as np
import pytest
from reference.trackers_people import Estimator, ids, make_image, make_people, make_tracker

from trackers.people import People


def test_a_missed_person_is_propagated_to_where_flow_moved_them():
    tracker = make_tracker()
    tracker.update(make_image(shift=0), make_people((100, 20), (200, 20)))
    estimator = Estimator((120, 20), (220, 20), score=0.75)
    tracked = tracker.update(make_image(shift=20), make_people((220, 20)), estimator)
    assert ids(tracked) == [2, 1]
    assert (tracked.rows.tolist(), len(tracked.propagated)) == ([0], 1)
    # The tight box around the moved pose, 15 % wider and higher.
    np.testing.assert_allclose(estimator.boxes[0], [[120 - 2.25, 14, 150 + 2.25, 106]], atol=1)
    np.testing.assert_allclose(tracked.propagated.keypoints_xy[0], estimator.people.keypoints_xy[0])
    np.testing.assert_allclose(tracked.propagated.boxes_xyxy[0], [117.75, 14, 152.25, 106], atol=0.01)
    assert tracked.propagated.box_scores[0] == pytest.approx(0.75)


def test_nobody_is_estimated_when_all_are_detected():
    tracker = make_tracker()
    people, estimator = make_people((100, 20), (200, 20)), Estimator((0, 0))
    for _ in range(3):
        tracker.update(make_image(), people, estimator)
    assert estimator.boxes == []


def test_a_detection_that_hides_the_other_of_an_embrace_does_not_stop_propagation():
    tracker = make_tracker()
    tracker.update(make_image(), make_people((100, 20), (112, 26)))
    tracked = tracker.update(make_image(), make_people((112, 26)), Estimator((100, 20), (112, 26)))
    assert (ids(tracked), tracked.rows.tolist(), len(tracked.propagated)) == ([2, 1], [0], 1)


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (Estimator((100, 20), score=0.6), "the network gives a low score"),
        (Estimator((200, 20)), "the network found the person who is there already"),
    ],
)
def test_a_missed_person_is_not_propagated_when(estimator, why):
    tracker = make_tracker()
    tracker.update(make_image(), make_people((100, 20), (200, 20)))
    tracked = tracker.update(make_image(), make_people((200, 20)), estimator)
    assert len(estimator.boxes) == 1, why
    assert ids(tracked) == [2], why


def test_two_missed_people_are_not_propagated_to_the_same_pose():
    tracker = make_tracker()
    tracker.update(make_image(), make_people((100, 20), (112, 26)))
    tracked = tracker.update(make_image(), make_people(), Estimator((104, 22)))
    assert len(ids(tracked)) == 1


def test_propagation_ends_and_the_id_comes_back_only_from_a_detection_in_time():
    tracker = make_tracker(propagation_max_frames=3, queue_frames=2)
    tracker.update(make_image(), make_people((100, 20)))
    estimator = Estimator((100, 20))
    alive = [ids(tracker.update(make_image(), make_people(), estimator)) for _ in range(5)]
    assert alive == [[1], [1], [1], [], []]
    assert ids(tracker.update(make_image(), make_people((100, 20)), estimator)) == [1]
    # Detected again, they may be propagated again.
    assert ids(tracker.update(make_image(), make_people(), estimator)) == [1]


@pytest.mark.parametrize("fps", [5, 10, 24, 25, 50])
def test_propagation_lasts_as_long_at_every_frame_rate(fps):
    tracker = make_tracker()
    tracker.update(make_image(), make_people((100, 20)), time_s=0)
    estimator = Estimator((100, 20))
    propagated = 0
    while ids(tracker.update(make_image(), make_people(), estimator, time_s=(propagated + 1) / fps)) == [1]:
        propagated += 1
    assert propagated == round(0.4 * fps)


def test_people_are_never_propagated_or_for_a_frame_at_least():
    for settings, expected in (({"propagation_max_frames": 0}, []), ({"propagation_max_s": 0}, [1])):
        tracker = make_tracker(**settings)
        tracker.update(make_image(), make_people((100, 20)), time_s=0)
        assert ids(tracker.update(make_image(), make_people(), Estimator((100, 20)), time_s=1)) == expected


def test_people_who_left_the_image_are_not_estimated():
    tracker = make_tracker()
    tracker.update(make_image(), make_people((390, 20)))
    estimator = Estimator((390, 20))
    assert ids(tracker.update(make_image(), make_people(), estimator)) == []
    assert estimator.boxes == []


def test_without_a_image_or_an_estimator_nobody_is_propagated():
    for image, estimator in ((None, Estimator((100, 20))), (make_image(), None)):
        tracker = make_tracker()
        tracker.update(image, make_people((100, 20)))
        assert ids(tracker.update(image, make_people(), estimator)) == []


def test_nobody_is_propagated_across_a_cut():
    tracker = make_tracker()
    tracker.update(make_image(0), make_people((100, 20)))
    estimator = Estimator((100, 20))
    assert ids(tracker.update(make_image(1), make_people(), estimator)) == []
    assert estimator.boxes == []


def test_a_missing_pose_is_estimated_where_a_track_is_expected_and_nowhere_else():
    tracker = make_tracker()
    tracker.update(make_image(), make_people((100, 20)))
    people = make_people((104, 20), (200, 20))
    bare = People(
        people.boxes_xyxy,
        people.box_scores,
        np.full_like(people.keypoints_xy, np.nan),
        0 * people.keypoint_scores,
    )
    estimator = Estimator((104, 20), score=0.75)
    tracked = tracker.update(make_image(), bare, estimator)
    assert (ids(tracked), tracked.rows.tolist(), len(estimator.boxes)) == ([1], [0], 1)
    np.testing.assert_array_equal(estimator.boxes[0], people.boxes_xyxy[:1])
    np.testing.assert_allclose(tracked.detected.keypoints_xy, people.keypoints_xy[:1])
    assert (tracked.detected.keypoint_scores == np.float32(0.75)).all()
