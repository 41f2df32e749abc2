import numpy as np

from trackers.tracks import PoseQueue, Poses

SIGMAS = np.full(2, 0.1, np.float32)


def make_poses(*corners_xy, area=400.0):
    corners = np.array(corners_xy, np.float32).reshape(-1, 1, 2)
    N = len(corners)
    points = corners + np.array([[0, 0], [10, 10]], np.float32)
    return Poses(points, np.ones((N, 2), bool), np.full(N, area, np.float32))


def still(count):
    return np.zeros(count, np.int64)


def test_ids_count_from_one_and_never_come_back():
    queue = PoseQueue(2, 1)
    given = np.concatenate([queue.make_ids(2), queue.make_ids(0), queue.make_ids(3)])
    assert given.tolist() == [1, 2, 3, 4, 5]
    queue.clear()
    assert queue.make_ids(1).tolist() == [6]


def test_poses_stay_for_the_frames_that_may_be_missed_and_one_more():
    queue = PoseQueue(2, queue_frames=2)
    queue.add(make_poses((0, 0)), queue.make_ids(1), still(1))
    ages = []
    for _ in range(4):
        queue.start_frame()
        ages.append(queue.ages.tolist())
    # Seen, then missed twice: still there at age 3.
    assert ages == [[1], [2], [3], []]
    assert len(queue.poses) == len(queue.track_ids) == len(queue.propagated) == 0


def test_a_track_is_as_similar_as_its_most_similar_pose():
    queue = PoseQueue(2, 5)
    queue.add(make_poses((0, 0), (100, 0)), np.array([7, 3]), still(2))
    queue.start_frame()
    queue.add(make_poses((30, 0)), np.array([7]), still(1))
    similarity, ids = queue.compare(make_poses((0, 0), (30, 0), (100, 2)), SIGMAS)
    assert ids.tolist() == [3, 7]
    assert similarity.shape == (3, 2)
    np.testing.assert_allclose(similarity[:2, 1], 1)
    assert similarity[2, 0] == np.exp(np.float32(-4 / (2 * 400 * 0.04)))
    np.testing.assert_allclose(similarity[:2, 0], 0, atol=1e-6)


def test_an_empty_queue_and_nobody_compare():
    queue = PoseQueue(2, 5)
    similarity, ids = queue.compare(make_poses((0, 0)), SIGMAS)
    assert (similarity.shape, ids.tolist()) == ((1, 0), [])
    queue.add(make_poses((0, 0)), queue.make_ids(1), still(1))
    assert queue.compare(make_poses(), SIGMAS)[0].shape == (0, 1)


def test_flow_adds_up_over_the_frames():
    queue = PoseQueue(2, 5)
    queue.add(make_poses((10, 10)), queue.make_ids(1), still(1))
    flow = np.full((20, 20, 2), (1, -0.5), np.float32)
    for _ in range(3):
        queue.start_frame()
        queue.move(flow, (0.5, 0.25))
        queue.add(make_poses((50, 50)), np.array([9]), still(1))
    oldest = queue.poses.keypoints_xy[0]
    np.testing.assert_allclose(oldest, [[10 + 3 * 2, 10 - 3 * 2], [20 + 3 * 2, 20 - 3 * 2]])
    np.testing.assert_allclose(queue.poses.keypoints_xy[-1, 0], [50, 50])


def test_rescaling_scales_points_and_areas():
    queue = PoseQueue(2, 5)
    queue.add(make_poses((10, 20), area=100), queue.make_ids(1), still(1))
    queue.rescale((2, 0.5))
    np.testing.assert_allclose(queue.poses.keypoints_xy[0], [[20, 10], [40, 15]])
    np.testing.assert_allclose(queue.poses.areas_px2, [100])
    queue.rescale((2, 2))
    np.testing.assert_allclose(queue.poses.areas_px2, [400])
