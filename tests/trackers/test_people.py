import numpy as np
import pytest

from trackers.people import People


def make_people(count, num_keypoints=3):
    rng = np.random.default_rng(count)
    return People(
        boxes_xyxy=rng.random((count, 4)),
        box_scores=rng.random(count),
        keypoints_xy=rng.random((count, num_keypoints, 2)),
        keypoint_scores=rng.random((count, num_keypoints)),
    )


def test_columns_become_float32_and_select_together():
    people = make_people(4)
    assert {column.dtype for column in vars(people).values()} == {np.dtype(np.float32)}
    chosen = people[np.array([2, 0])]
    np.testing.assert_array_equal(chosen.boxes_xyxy, people.boxes_xyxy[[2, 0]])
    np.testing.assert_array_equal(chosen.keypoint_scores, people.keypoint_scores[[2, 0]])
    assert len(people[np.zeros(4, bool)]) == 0


def test_person_score_leaves_out_keypoints_up_to_0_2():
    people = People(np.zeros((2, 4)), [0.5, 0.8], np.zeros((2, 3, 2)), [[0.2, 0.4, 0.8], [0.1, 0.0, 0.2]])
    np.testing.assert_allclose(people.person_scores, [0.5 * 0.6, 0])


def test_visible_keypoints_are_finite_and_not_hidden():
    keypoints = np.zeros((1, 4, 2))
    keypoints[0, 0, 1], keypoints[0, 1, 0] = np.nan, np.inf
    people = People(np.zeros((1, 4)), [1], keypoints, [[0.9, 0.9, 0.3, 0.29]])
    assert people.visible.tolist() == [[False, False, True, True]]
    hidden = people.hide_keypoints(np.float32(0.3))
    assert hidden.visible.tolist() == [[False, False, True, False]]
    np.testing.assert_array_equal(hidden.keypoints_xy[0, 2], people.keypoints_xy[0, 2])
    np.testing.assert_array_equal(hidden.person_scores, people.person_scores)


def test_people_are_compared_by_the_keypoints_that_are_not_hidden():
    people = People([[0, 0, 10, 20]], [1], [[[0, 0], [10, 20], [500, 0]]], [[0.9, 0.9, 0.1]])
    moved = People(
        people.boxes_xyxy, [1], people.keypoints_xy + np.array([[0, 0], [0, 0], [99, 0]]), [[0.9, 0.9, 0.1]]
    )
    sigmas = np.full(3, 0.1, np.float32)
    np.testing.assert_allclose(people.hide_keypoints(0.2).areas_px2, 0.53 * 200)
    assert people.hide_keypoints(0.2).compare(moved.hide_keypoints(0.2), sigmas).tolist() == [[1]]
    assert people.compare(moved, sigmas) < 1
    assert people.compare(People.empty(3), sigmas).shape == (1, 0)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("boxes_xyxy", np.zeros((2, 3)), r"People.boxes_xyxy: expected shape \(2, 4\), got \(2, 3\)"),
        ("box_scores", np.zeros(3), "People.box_scores"),
        ("keypoints_xy", np.zeros((2, 3, 3)), "People.keypoints_xy"),
        ("keypoints_xy", np.zeros((2, 3)), "People.keypoints_xy"),
        ("keypoint_scores", np.zeros((2, 4)), "People.keypoint_scores"),
        ("boxes_xyxy", np.full((2, 4), np.nan), "People.boxes_xyxy: expected finite numbers"),
        ("box_scores", [0.5, np.inf], "People.box_scores: expected finite numbers"),
        ("keypoint_scores", np.full((2, 3), np.nan), "People.keypoint_scores: expected finite numbers"),
    ],
)
def test_columns_that_do_not_fit_are_refused(column, value, message):
    with pytest.raises(ValueError, match=message):
        People(**{**vars(make_people(2)), column: value})


def test_concatenation_keeps_the_order():
    joined = People.concatenate([make_people(2), make_people(3), People.empty(3)])
    assert len(joined) == 5
    np.testing.assert_array_equal(joined.box_scores[2:], make_people(3).box_scores)
