import numpy as np
import pytest

from trackers.clock import FRAME_S
from trackers.newest import NewestPoses, move_boxes
from trackers.people import People

STILL = np.eye(2, 3, dtype=np.float32)


def make_people(*corners_xy, height=100.0):
    """Two keypoints each, in boxes of this height."""
    corners = np.array(corners_xy, np.float32).reshape(-1, 1, 2)
    N = len(corners)
    points = corners + np.array([[0, 0], [10, 10]], np.float32)
    boxes = np.concatenate([corners[:, 0], corners[:, 0] + np.float32([40, height])], axis=1)
    return People(boxes, np.ones(N), points, np.ones((N, 2)))


def walk(newest, steps, step_s=FRAME_S, speed_xy=(50.0, 0.0), background=STILL, track_id=1):
    """See a person at every step, who starts at (0, 0) and moves at a speed in pixels per second."""
    for k in range(steps):
        newest.start_frame(step_s, np.array([track_id]))
        newest.move(background)
        shift = background[:, 2] * k
        newest.add(make_people(np.array(speed_xy) * step_s * k + shift), np.array([track_id]))


def unsee(newest, steps, step_s=FRAME_S, background=STILL, track_id=1):
    for _ in range(steps):
        newest.start_frame(step_s, np.array([track_id]))
        newest.move(background)
    return newest.predict()


def test_a_person_seen_once_is_expected_where_they_were():
    newest = NewestPoses(2)
    newest.add(make_people((30, 20)), np.array([5]))
    predicted = unsee(newest, 3, track_id=5)
    np.testing.assert_allclose(predicted.keypoints_xy[0], [[30, 20], [40, 30]])


def test_a_walker_is_expected_further_on_and_slows_down():
    newest = NewestPoses(2)
    walk(newest, 10)
    expected = 9 * 2.0 + 2.0 * sum(0.95**k for k in range(4))
    predicted = unsee(newest, 4)
    np.testing.assert_allclose(predicted.keypoints_xy[0, 0], [expected, 0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(predicted.boxes_xyxy[0, 0], expected, rtol=1e-3)


def test_the_cameras_motion_is_no_velocity_of_the_person():
    pan = STILL.copy()
    pan[0, 2] = -25
    newest = NewestPoses(2)
    walk(newest, 6, speed_xy=(0, 0), background=pan)
    np.testing.assert_allclose(newest.velocities_xy, 0, atol=1e-3)
    predicted = unsee(newest, 2, background=pan)
    np.testing.assert_allclose(predicted.keypoints_xy[0, 0], [-25 * 7, 0], atol=1e-2)


@pytest.mark.parametrize("fps", [10, 25, 60])
def test_velocity_is_in_seconds_whatever_the_frame_rate(fps):
    newest = NewestPoses(2)
    walk(newest, fps, step_s=1 / fps)
    np.testing.assert_allclose(newest.velocities_xy[0], [50, 0], rtol=1e-3, atol=1e-3)


def test_the_velocity_is_limited_by_the_persons_size():
    newest = NewestPoses(2)
    walk(newest, 3, speed_xy=(10_000, 0))
    # 0.15 heights of 100 pixels per frame.
    np.testing.assert_allclose(np.linalg.norm(newest.velocities_xy[0]), 0.15 * 100 * 25, rtol=1e-4)


def test_a_zoom_scales_velocity_and_boxes():
    newest = NewestPoses(2)
    walk(newest, 5)
    zoom = np.array([[2, 0, 0], [0, 2, 0]], np.float32)
    newest.move(zoom)
    np.testing.assert_allclose(newest.velocities_xy[0], [100, 0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(newest.people.boxes_xyxy[0, 2] - newest.people.boxes_xyxy[0, 0], 80, rtol=1e-5)


def test_tracks_are_in_the_order_of_their_ids_and_forgotten_ones_are_gone():
    newest = NewestPoses(2)
    newest.add(make_people((0, 0), (100, 0)), np.array([7, 3]))
    newest.add(make_people((50, 0)), np.array([5]))
    assert newest.track_ids.tolist() == [3, 5, 7]
    np.testing.assert_allclose(newest.people.keypoints_xy[:, 0, 0], [100, 50, 0])
    newest.start_frame(FRAME_S, np.array([7, 5]))
    assert newest.track_ids.tolist() == [5, 7]
    assert len(newest.people) == len(newest.velocities_xy) == len(newest.areas_px2) == 2


def test_two_frames_at_the_same_time_measure_no_velocity():
    newest = NewestPoses(2)
    newest.add(make_people((0, 0)), np.array([1]))
    newest.start_frame(0.0, np.array([1]))
    newest.add(make_people((50, 0)), np.array([1]))
    assert newest.velocities_xy.tolist() == [[0, 0]]


def test_boxes_keep_upright_under_rotation():
    angle = np.pi / 2
    turn = np.array([[np.cos(angle), -np.sin(angle), 100], [np.sin(angle), np.cos(angle), 0]], np.float32)
    moved = move_boxes(np.array([[0, 0, 20, 40]], np.float32), turn)
    np.testing.assert_allclose(moved, [[100 - 20 - 10, 10 - 20, 100 - 20 + 10, 10 + 20]], atol=1e-4)


def test_a_long_step_is_as_far_as_many_short_ones():
    far = []
    for steps, step_s in ((1, 2.0), (4, 0.5)):
        newest = NewestPoses(2)
        walk(newest, 10)
        far.append(unsee(newest, steps, step_s=step_s).keypoints_xy[0, 0, 0] - 18)
    assert far[0] == pytest.approx(far[1])
    assert far[0] < 50.0 * 1.0


def test_frames_that_arrive_together_give_no_velocity():
    newest = NewestPoses(2)
    newest.add(make_people((0, 0)), np.array([1]))
    newest.start_frame(0.0005, np.array([1]))
    newest.add(make_people((2, 0)), np.array([1]))
    assert newest.velocities_xy.tolist() == [[0, 0]]
    newest.start_frame(FRAME_S, np.array([1]))
    newest.add(make_people((4, 0)), np.array([1]))
    np.testing.assert_allclose(newest.velocities_xy, [[50, 0]], rtol=1e-5)
