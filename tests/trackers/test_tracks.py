import numpy as np

from trackers.clock import Step
from trackers.config import Gap
from trackers.people import People
from trackers.tracks import PoseQueue

SIGMAS = np.full(2, 0.1, np.float32)
STEP = Step(0.04, 0.04)


def make_people(*corners_xy, area=400.0):
    """Two keypoints each, in a box of which OKS takes 0.53 for the area."""
    corners = np.array(corners_xy, np.float32).reshape(-1, 1, 2)
    N = len(corners)
    points = corners + np.array([[0, 0], [10, 10]], np.float32)
    side = np.sqrt(area / 0.53)
    return People(np.tile([0, 0, side, side], (N, 1)), np.ones(N), points, np.ones((N, 2)))


def still(count):
    return np.zeros(count, np.float32)


def test_ids_count_from_one_and_never_come_back():
    queue = PoseQueue(2, Gap.of_frames(1))
    given = np.concatenate([queue.make_ids(2), queue.make_ids(0), queue.make_ids(3)])
    assert given.tolist() == [1, 2, 3, 4, 5]
    queue.clear()
    assert queue.make_ids(1).tolist() == [6]


def test_poses_stay_for_the_frames_that_may_be_missed_and_one_more():
    queue = PoseQueue(2, Gap.of_frames(2))
    queue.add(make_people((0, 0)), queue.make_ids(1), still(1))
    ages = []
    for _ in range(4):
        queue.start_frame(STEP)
        ages.append(queue.ages.tolist())
    # Seen, then missed twice: still there at age 3.
    assert ages == [[1], [2], [3], []]
    assert len(queue.people) == len(queue.track_ids) == len(queue.propagated_s) == 0


def test_a_track_is_as_similar_as_its_most_similar_pose():
    queue = PoseQueue(2, Gap.of_frames(5))
    queue.add(make_people((0, 0), (100, 0)), np.array([7, 3]), still(2))
    queue.start_frame(STEP)
    queue.add(make_people((30, 0)), np.array([7]), still(1))
    similarity, ids = queue.compare(make_people((0, 0), (30, 0), (100, 2)), SIGMAS, 0)
    assert ids.tolist() == [3, 7]
    assert similarity.shape == (3, 2)
    np.testing.assert_allclose(similarity[:2, 1], 1)
    np.testing.assert_allclose(similarity[2, 0], np.exp(-4 / (2 * 400 * 0.04)), rtol=1e-6)
    np.testing.assert_allclose(similarity[:2, 0], 0, atol=1e-6)


def test_an_empty_queue_and_nobody_compare():
    queue = PoseQueue(2, Gap.of_frames(5))
    similarity, ids = queue.compare(make_people((0, 0)), SIGMAS, 0.2)
    assert (similarity.shape, ids.tolist()) == ((1, 0), [])
    queue.add(make_people((0, 0)), queue.make_ids(1), still(1))
    assert queue.compare(make_people(), SIGMAS, 0.2)[0].shape == (0, 1)


def test_flow_adds_up_over_the_frames():
    queue = PoseQueue(2, Gap.of_frames(5))
    queue.add(make_people((10, 10)), queue.make_ids(1), still(1))
    flow = np.full((20, 20, 2), (1, -0.5), np.float32)
    for _ in range(3):
        queue.start_frame(STEP)
        queue.move(flow, (0.5, 0.25), np.eye(2, 3))
        queue.add(make_people((50, 50)), np.array([9]), still(1))
    oldest = queue.people.keypoints_xy[0]
    np.testing.assert_allclose(oldest, [[10 + 3 * 2, 10 - 3 * 2], [20 + 3 * 2, 20 - 3 * 2]])
    np.testing.assert_allclose(queue.people.keypoints_xy[-1, 0], [50, 50])


def test_rescaling_scales_points_and_areas():
    queue = PoseQueue(2, Gap.of_frames(5))
    queue.add(make_people((10, 20), area=100), queue.make_ids(1), still(1))
    queue.rescale((2, 0.5))
    np.testing.assert_allclose(queue.people.keypoints_xy[0], [[20, 10], [40, 15]])
    np.testing.assert_allclose(queue.areas_px2, [100], rtol=1e-6)
    queue.rescale((2, 2))
    np.testing.assert_allclose(queue.areas_px2, [400], rtol=1e-6)
    np.testing.assert_allclose(
        queue.people.boxes_xyxy[0, 2:], np.sqrt(100 / 0.53) * np.array([4, 1]), rtol=1e-6
    )


def test_tracks_that_another_overlaps_are_known():
    queue = PoseQueue(2, Gap.of_frames(5), newest_only=True)
    assert queue.are_overlapped(0.2).shape == (0,)
    boxes = np.array([[0, 0, 20, 40], [5, 0, 25, 40], [100, 0, 120, 40]], np.float32)
    people = make_people((0, 0), (5, 0), (100, 0))
    queue.add(
        People(boxes, people.box_scores, people.keypoints_xy, people.keypoint_scores),
        np.array([5, 2, 9]),
        still(3),
    )
    assert queue.are_overlapped(0.2).tolist() == [True, True, False]
    assert queue.are_overlapped(0.7).tolist() == [False, False, False]


def test_only_the_newest_pose_of_each_track_may_be_held():
    queue = PoseQueue(2, Gap.of_frames(5), newest_only=True)
    queue.add(make_people((0, 0), (100, 0)), np.array([7, 3]), still(2))
    queue.start_frame(STEP)
    queue.add(make_people((30, 0)), np.array([7]), still(1))
    assert sorted(zip(queue.track_ids.tolist(), queue.ages.tolist(), strict=True)) == [(3, 1), (7, 0)]
