"""The paper's protocol: detections and the boxes that flow has moved go through one NMS before poses."""

import numpy as np
import pytest
from reference.trackers_joint import NaiveJointTracker
from reference.trackers_people import SIGMAS, SIZE, Estimator, K, ids, make_image, make_people, make_tracker

from trackers.flow_tracker import FlowTracker, FlowTrackerConfig
from trackers.people import People

PAPER = {
    "propagation": "joint",
    "motion": "flow",
    "nms_iou": 0.5,
    "new_track_min_score": 0.0,
    "scene_cut_similarity": -1.0,
}
STILL = make_image(seed=4)


def make_boxes(*corners_xy, score=0.9):
    """Detections whose poses have not been estimated."""
    people = make_people(*corners_xy, score=score)
    blank = np.full_like(people.keypoints_xy, np.nan)
    return People(people.boxes_xyxy, people.box_scores, blank, np.zeros_like(people.keypoint_scores))


def test_all_boxes_that_stay_are_estimated_in_one_call():
    tracker = make_tracker(**PAPER)
    both = Estimator((100, 20), (200, 20))
    assert ids(tracker.update(STILL, make_boxes((100, 20), (200, 20)), both)) == [1, 2]
    estimator = Estimator((100, 20), (200, 20))
    tracked = tracker.update(STILL, make_boxes((200, 20)), estimator)
    # The flow box of the second person overlaps the detection, which scores more; that of the first one stays.
    np.testing.assert_allclose(estimator.boxes, [[[200, 20, 230, 100], [97.75, 14, 132.25, 106]]], atol=0.01)
    assert (ids(tracked), tracked.rows.tolist(), len(tracked.propagated)) == ([2, 1], [0], 1)
    # The box scored what the person had, and the pose is worth 0.8 of it.
    assert tracked.propagated.box_scores[0] == pytest.approx(0.9 * 0.8)


def test_a_detection_suppresses_the_flow_box_of_somebody_behind_it():
    """What ours avoids, and the paper does: see `test_a_detection_that_hides_the_other_of_an_embrace...`."""
    tracker = make_tracker(**PAPER)
    estimator = Estimator((100, 20), (108, 24))
    tracker.update(STILL, make_boxes((100, 20)), estimator)
    tracked = tracker.update(STILL, make_boxes((108, 24)), estimator)
    assert len(ids(tracked)) == 1


def test_a_flow_box_that_scores_more_stands_in_for_a_weak_detection():
    tracker = make_tracker(**PAPER)
    estimator = Estimator((100, 20))
    tracker.update(STILL, make_boxes((100, 20)), estimator)
    tracked = tracker.update(STILL, make_boxes((102, 21), score=0.55), estimator)
    assert (ids(tracked), tracked.rows.tolist(), len(tracked.propagated)) == ([1], [], 1)


def test_poses_that_are_there_are_not_estimated_again():
    tracker = make_tracker(**PAPER)
    estimator = Estimator((0, 0))
    tracker.update(STILL, make_people((100, 20)), estimator)
    assert estimator.boxes == []


def test_people_in_flow_boxes_need_a_pose_and_their_time_ends():
    settings = {**PAPER, "propagation_max_frames": 2}
    tracker = make_tracker(**settings)
    tracker.update(STILL, make_boxes((100, 20)), Estimator((100, 20)))
    assert ids(tracker.update(STILL, make_boxes(), Estimator((100, 20)))) == [1]
    assert ids(tracker.update(STILL, make_boxes(), Estimator((100, 20)))) == [1]
    assert ids(tracker.update(STILL, make_boxes(), Estimator((100, 20)))) == []
    tracker = make_tracker(**settings)
    tracker.update(STILL, make_boxes((100, 20)), Estimator((100, 20)))
    assert ids(tracker.update(STILL, make_boxes(), Estimator((100, 20), score=0.6))) == []


def test_nobody_and_no_image():
    tracker = make_tracker(**PAPER)
    estimator = Estimator((100, 20))
    assert ids(tracker.update(STILL, make_boxes(), estimator)) == []
    # Without images there is nothing to estimate poses in: they are tracked as they are.
    assert ids(tracker.update(None, make_people((100, 20)), estimator)) == [1]


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_algorithm_of_the_paper_step_by_step(seed):
    """People who stand or walk, missed now and then, with false and double detections."""
    rng = np.random.default_rng(seed)
    settings = {**PAPER, "queue_frames": 3, "propagation_max_frames": 10_000, "propagation_min_score": 0.5}
    config = FlowTrackerConfig(**settings, nms_oks=0.8)
    shape = rng.random((K, 2)).astype(np.float32)
    score_of = rng.uniform(0.1, 1.0, (64, K)).astype(np.float32)

    def estimate_one(box):
        """A pose in the box, whose scores depend on where the box is."""
        scores = score_of[int(box[0] // 20 + 7 * (box[1] // 20)) % 64]
        return box[:2] + shape * (box[2:] - box[:2]), scores

    def estimate_boxes(image, boxes_xyxy):
        poses = [estimate_one(box) for box in boxes_xyxy]
        return np.stack([p for p, _ in poses]), np.stack([s for _, s in poses])

    tracker = FlowTracker(SIGMAS, config)
    naive = NaiveJointTracker(SIGMAS, config, estimate_one, STILL.shape[1::-1])
    corners = rng.uniform((0, 0), (360, 30), (5, 2)).astype(np.float32)
    num_propagated = 0
    for _ in range(12):
        corners += rng.normal(0, 2, corners.shape).astype(np.float32)
        here = corners[rng.random(5) < 0.7]
        again = here[rng.random(len(here)) < 0.3] + rng.normal(0, 4, 2).astype(np.float32)
        found = np.concatenate([here, again])
        boxes = np.concatenate([found, found + SIZE], axis=1)
        scores = rng.uniform(0.5, 1, len(boxes)).astype(np.float32)
        blank = np.full((len(boxes), K, 2), np.nan, np.float32)
        people = People(boxes, scores, blank, np.zeros((len(boxes), K), np.float32))
        tracked = tracker.update(STILL, people, estimate_boxes)
        expected = naive.update(list(zip(boxes, scores, strict=True)))
        assert ids(tracked) == [number for number, *_ in expected]
        assert [False] * len(tracked.rows) + [True] * len(tracked.propagated) == [e[3] for e in expected]
        points = np.concatenate([tracked.detected.keypoints_xy, tracked.propagated.keypoints_xy])
        for one, other in zip(points, expected, strict=True):
            np.testing.assert_allclose(one, other[2], atol=1e-2)
        num_propagated += len(tracked.propagated)
    assert num_propagated > 0
