"""Scores of networks in 0..1 for tracking."""

import numpy as np

from posetrack.frame import Instances
from posetrack.predictors.clipped import clip_scores
from posetrack.predictors.networks import Networks
from posetrack.skeleton import COCO_17

POSES = np.full((2, 17, 2), 4, np.float32)
SCORES = np.tile(np.array([[1.25], [-0.5]], np.float32), (1, 17))
PEOPLE = Instances(
    boxes_xyxy=np.ones((2, 4)), box_scores=[1.5, 0.5], keypoints_xy=POSES, keypoint_scores=SCORES
)


def test_scores_of_detectors_and_estimators_are_clipped_and_nothing_else():
    networks = Networks(
        lambda images: [PEOPLE, Instances.empty()], lambda images, boxes: [(POSES, SCORES)], COCO_17
    )
    clipped = clip_scores(networks)
    found, nobody = clipped.detector([])
    assert found.box_scores.tolist() == [1, 0.5]
    assert found.keypoint_scores[:, 0].tolist() == [1, 0]
    np.testing.assert_array_equal(found.keypoints_xy, POSES)
    assert (len(nobody), nobody.keypoint_scores) == (0, None)
    ((points, scores),) = clipped.estimator([], [])
    np.testing.assert_array_equal(points, POSES)
    assert scores[:, 0].tolist() == [1, 0]
    assert clip_scores(Networks(networks.detector, None, COCO_17)).estimator is None
