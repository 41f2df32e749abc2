"""One tiny video: two people in frame 0 (one tracked, one not), nobody in frame 1."""

from fractions import Fraction

import numpy as np
import pytest

from posetrack.frame import Instances
from posetrack.results.record import Header, Record
from posetrack.skeleton import COCO_17


@pytest.fixture
def header():
    return Header(
        source="clips/000342_mpii_test.mp4",
        width=640,
        height=360,
        fps=Fraction(30000, 1001),
        skeleton=COCO_17,
        recipe="default",
    )


@pytest.fixture
def people():
    """Keypoint k of person 0 at (100 + k, 200 + 2k), of person 1 200 pixels to the right; ankles unsure."""
    k = np.arange(17.0)
    first_xy = np.stack([100 + k, 200 + 2 * k], axis=1)
    scores = np.full((2, 17), 0.9)
    scores[:, 15:] = 0.1
    return Instances(
        boxes_xyxy=np.array([[90, 190, 130, 240], [290, 190, 330.5, 240]]),
        box_scores=np.array([0.8, 0.5]),
        keypoints_xy=np.stack([first_xy, first_xy + np.array([200, 0])]),
        keypoint_scores=scores,
        track_ids=np.array([7, -1]),
    )


@pytest.fixture
def records(people):
    nobody = Instances(
        boxes_xyxy=np.zeros((0, 4)),
        box_scores=np.zeros(0),
        keypoints_xy=np.zeros((0, 17, 2)),
        keypoint_scores=np.zeros((0, 17)),
        track_ids=np.zeros(0),
    )
    return [Record(0, 0.0, people), Record(1, 1001 / 30000, nobody)]
