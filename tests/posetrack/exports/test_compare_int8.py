"""How alike the people of two networks are."""

import numpy as np
import pytest
from made_scripts import load_script

from posetrack.frame import Instances


def make_person(x, y, part):
    """One person whose dense pose has the given parts (h, w)."""
    h, w = part.shape
    dense = np.stack([part, np.zeros_like(part), np.zeros_like(part)], 2).astype(np.uint8)
    box = np.array([[x, y, x + w, y + h]], np.float32)
    return Instances(boxes_xyxy=box, box_scores=np.ones(1, np.float32), dense=(dense,))


def test_masks_and_parts_are_compared_in_the_image():
    compare = load_script("compare_int8")
    part = np.array([[0, 1, 1], [2, 2, 0]])
    assert compare.compare_dense(make_person(5, 7, part), make_person(5, 7, part)) == (1.0, 1.0)
    moved = np.pad(part, ((0, 0), (2, 0)))
    assert compare.compare_dense(make_person(5, 7, part), make_person(3, 7, moved)) == (1.0, 1.0)
    other = np.array([[0, 1, 3], [2, 0, 0]])
    assert compare.compare_dense(make_person(5, 7, part), make_person(5, 7, other)) == (
        pytest.approx(3 / 4),
        pytest.approx(2 / 3),
    )


def test_people_are_matched_by_their_boxes():
    compare = load_script("compare_int8")
    part = np.ones((10, 10), int)
    expected, near, far = (make_person(x, 0, part) for x in (0, 1, 50))
    assert "people 2 and 2, 1 the same, box IoU 0.818" in compare.describe([(expected, near), (expected, far)])
    assert compare.describe([(expected, far)]) == "people 1 and 1, 0 the same"


def test_keypoints_that_are_seen_move_by_their_share_of_the_height():
    compare = load_script("compare_int8")
    expected, found = (
        make_person(0, 0, np.ones((50, 20), int)).with_columns(
            keypoints_xy=np.array([[[4, 9], [7, 7], [0, 0]]], np.float32) + move,
            keypoint_scores=np.array([[0.9, 0.2, 0.1]], np.float32),
        )
        for move in (0, np.array([[3, 4], [0, 0], [9, 9]], np.float32))
    )
    assert compare.measure_moves(expected, found) == [10, 0]
    assert "move by 5.00 % of the height (95th percentile: 9.50 %)" in compare.describe([(expected, found)])
