import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.frame import Frame, Instances


def make_people(N: int, K: int = 3) -> Instances:
    rng = np.random.default_rng(N)
    return Instances(
        boxes_xyxy=rng.uniform(0, 9, (N, 4)),
        box_scores=rng.uniform(0, 1, N),
        keypoints_xy=rng.uniform(0, 9, (N, K, 2)),
        keypoint_scores=rng.uniform(0, 1, (N, K)),
        track_ids=np.arange(N),
        masks=rng.uniform(0, 1, (N, 4, 5)) > 0.5,
        dense=tuple(np.full((i + 1, 2, 3), i, np.uint8) for i in range(N)),
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"boxes_xyxy": np.zeros((2, 5))}, r"boxes_xyxy: expected shape \(N, 4\) with 4 = 4, got \(2, 5\)"),
        ({"boxes_xyxy": np.zeros(4)}, r"boxes_xyxy: expected shape \(N, 4\), got \(4,\)"),
        (
            {"boxes_xyxy": np.zeros((2, 4)), "box_scores": np.zeros(3)},
            r"box_scores: expected shape \(N\) with N = 2, got \(3,\)",
        ),
        (
            {"keypoints_xy": np.zeros((2, 5, 2)), "keypoint_scores": np.zeros((2, 4))},
            r"keypoint_scores: expected shape \(N, K\) with K = 5, got \(2, 4\)",
        ),
        ({"track_ids": np.zeros(2), "dense": ()}, "dense: expected 2 rows, got 0"),
        ({"dense": (np.zeros((2, 3), np.uint8),)}, r"dense: expected \(h, w, 3\) uint8, got \(2, 3\)"),
        ({"dense": (np.zeros((2, 3, 3)),)}, "dense: expected .* uint8, got .* float64"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        Instances(**columns)


def test_columns_take_their_type():
    people = Instances(boxes_xyxy=[[0, 0, 1, 1]], track_ids=[3])
    assert people.boxes_xyxy.dtype == np.float32
    assert people.track_ids.dtype == np.int64


@given(N=st.integers(0, 5), data=st.data())
def test_indexing_selects_rows_of_every_column(N, data):
    people = make_people(N)
    rows = data.draw(st.lists(st.integers(0, N - 1), max_size=6)) if N else []
    chosen = people[rows]
    assert len(chosen) == len(rows)
    np.testing.assert_array_equal(chosen.boxes_xyxy, people.boxes_xyxy[np.array(rows, int)])
    np.testing.assert_array_equal(chosen.masks, people.masks[np.array(rows, int)])
    assert [part[0, 0, 0] for part in chosen.dense] == rows
    mask = np.isin(np.arange(N), rows)
    assert people[mask].track_ids.tolist() == sorted(set(rows))
    assert people[1:].track_ids.tolist() == list(range(1, N))


def test_not_computed_is_not_the_same_as_nobody():
    assert len(Instances()) == 0
    assert Instances().boxes_xyxy is None
    nobody = make_people(3)[[]]
    assert len(nobody) == 0
    assert nobody.boxes_xyxy.shape == (0, 4)
    assert nobody.keypoints_xy.shape == (0, 3, 2)
    assert Instances()[[]].boxes_xyxy is None


def test_people_are_indexed_by_rows_alone():
    with pytest.raises(IndexError, match="a slice, a mask"):
        make_people(2)[np.zeros((2, 2), int)]


def test_person_score_is_the_box_score_times_the_mean_of_the_sure_keypoints():
    people = Instances(box_scores=[0.5, 0.5], keypoint_scores=[[0.9, 0.7, 0.1], [0.1, 0.1, 0.1]])
    np.testing.assert_allclose(people.person_scores, [0.5 * 0.8, 0.0], rtol=1e-6)
    np.testing.assert_allclose(Instances(box_scores=[0.5]).person_scores, [0.5])
    np.testing.assert_allclose(Instances(keypoint_scores=[[0.9, 0.7]]).person_scores, [0.8], rtol=1e-6)


def test_smoothed_keypoints_are_the_ones_to_show():
    raw, smoothed = np.zeros((1, 2, 2)), np.ones((1, 2, 2))
    assert Instances().drawn_xy is None
    np.testing.assert_array_equal(Instances(keypoints_xy=raw).drawn_xy, raw)
    np.testing.assert_array_equal(Instances(keypoints_xy=raw, smoothed_xy=smoothed).drawn_xy, smoothed)


def test_frame_knows_its_size():
    assert Frame(0, 0.0, np.zeros((4, 6, 3), np.uint8)).size_wh == (6, 4)
