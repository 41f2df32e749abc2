import numpy as np
import pytest
from made_scripts import load_script

from models.densepose.parts import MASK_NAMES
from posetrack.frame import Instances

check_dense = load_script("check_dense")
RIGHT_HAND, LEFT_HAND, LEFT_LOWER_ARM, TORSO = 3, 4, 19, 2


def make_people(chart, box=(10, 20, 50, 100)):
    """One person whose left wrist lies in the middle of a patch of a chart; the rest is background."""
    pose = np.zeros((box[3] - box[1], box[2] - box[0], 3), np.uint8)
    pose[30:35, 10:20, 0] = chart
    points = np.zeros((1, 17, 2), np.float32)
    points[0, 9] = (25, 52.5)
    return Instances(
        boxes_xyxy=np.array([box], np.float32),
        box_scores=np.ones(1, np.float32),
        keypoints_xy=points,
        keypoint_scores=np.ones((1, 17), np.float32),
        dense=(pose,),
    )


@pytest.mark.parametrize(
    ("chart", "outcome"),
    [
        (LEFT_HAND, "right"),
        (LEFT_LOWER_ARM, "right"),
        (RIGHT_HAND, "other side"),
        (TORSO, "other part"),
        (0, "background"),
    ],
)
def test_the_part_at_a_wrist_decides(chart, outcome):
    is_known = np.zeros((1, 17), bool)
    is_known[0, 9] = True
    assert check_dense.count_parts(make_people(chart), is_known, 0.02) == {("left_wrist", outcome): 1}
    assert not check_dense.count_parts(make_people(chart), np.zeros((1, 17), bool), 0.02)


def test_the_nearest_pixel_counts_as_far_as_the_radius():
    pose = make_people(LEFT_HAND).dense[0]
    part = MASK_NAMES.index("left hand")
    assert check_dense.find_part(pose, np.array([15.0, 37.0]), 3.0) == part
    assert check_dense.find_part(pose, np.array([15.0, 39.0]), 3.0) == 0


def test_faces_are_of_the_head():
    assert check_dense.list_parts("right_ear") == {MASK_NAMES.index("head")}
    assert {MASK_NAMES[part] for part in check_dense.list_parts("left_hip")} == {"torso", "left upper leg"}
