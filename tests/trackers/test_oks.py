import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.trackers_oks import naive_oks

from trackers.oks import box_around_keypoints, compute_oks, compute_pose_areas


def oks(a, seen, b, b_seen, areas, b_areas, sigmas):
    return compute_oks(a, seen, b, b_seen, areas_px2=areas, others_areas_px2=b_areas, sigmas=sigmas)


@st.composite
def two_crowds(draw):
    N, M, K = (draw(st.integers(0, 5)), draw(st.integers(0, 5)), draw(st.integers(1, 6)))
    pixels = st.floats(-50, 4000, width=32)
    areas = st.floats(1, 500_000, width=32)
    crowds = [
        (
            draw(hnp.arrays(np.float32, (rows, K, 2), elements=pixels)),
            draw(hnp.arrays(np.bool_, (rows, K))),
            draw(hnp.arrays(np.float32, rows, elements=areas)),
        )
        for rows in (N, M)
    ]
    sigmas = draw(hnp.arrays(np.float32, K, elements=st.floats(np.float32(0.02), np.float32(0.2), width=32)))
    return *crowds, sigmas


@given(two_crowds())
def test_oks_is_the_formula(crowds):
    (a, a_seen, a_areas), (b, b_seen, b_areas), sigmas = crowds
    expected = np.array(naive_oks(a, a_seen, b, b_seen, a_areas, b_areas, sigmas)).reshape(len(a), len(b))
    np.testing.assert_allclose(oks(a, a_seen, b, b_seen, a_areas, b_areas, sigmas), expected, atol=2e-4)


@given(two_crowds())
def test_oks_with_oneself_is_one_where_something_is_visible(crowds):
    (a, seen, areas), _, sigmas = crowds
    same = np.diag(oks(a, seen, a, seen, areas, areas, sigmas))
    np.testing.assert_allclose(same, seen.any(axis=1).astype(float), atol=1e-6)


@given(two_crowds())
def test_oks_is_symmetric_and_a_fraction(crowds):
    (a, a_seen, a_areas), (b, b_seen, b_areas), sigmas = crowds
    there = oks(a, a_seen, b, b_seen, a_areas, b_areas, sigmas)
    back = oks(b, b_seen, a, a_seen, b_areas, a_areas, sigmas)
    np.testing.assert_array_equal(there, back.T)
    assert ((there >= 0) & (there <= 1)).all()


def check_minimum(crowds, min_oks):
    """Similarities of at least the minimum are as without one, and the others are under it."""
    (a, a_seen, a_areas), (b, b_seen, b_areas), sigmas = crowds
    exact = oks(a, a_seen, b, b_seen, a_areas, b_areas, sigmas)
    gated = compute_oks(
        a, a_seen, b, b_seen, areas_px2=a_areas, others_areas_px2=b_areas, sigmas=sigmas, min_oks=min_oks
    )
    np.testing.assert_allclose(np.where(exact >= min_oks, gated - exact, 0), 0, atol=1e-5)
    assert (gated <= np.maximum(exact, min_oks) + 1e-5).all()
    return exact, gated


@given(two_crowds(), st.floats(0.01, 1))
def test_a_minimum_leaves_higher_similarities_as_they_are(crowds, min_oks):
    check_minimum(crowds, min_oks)


@pytest.mark.parametrize("spread_px", [20, 300, 3000])
def test_a_minimum_leaves_higher_similarities_as_they_are_in_a_crowd(spread_px):
    rng = np.random.default_rng(1)
    pose = rng.uniform(0, 100, (17, 2))
    crowds = []
    for people in (40, 60):
        points = pose + rng.normal(0, 2, (people, 17, 2)) + rng.uniform(0, spread_px, (people, 1, 2))
        crowds.append((points, rng.random((people, 17)) > 0.2, rng.uniform(2e3, 2e4, people)))
    exact, gated = check_minimum((*crowds, rng.uniform(0.025, 0.11, 17)), 0.2)
    assert (exact >= 0.2).any()
    if spread_px > 1000:
        assert (gated == 0).mean() > 0.9


def test_everybody_in_a_crowd_is_compared_as_if_alone():
    rng = np.random.default_rng(0)
    a, b = (
        rng.uniform(0, 300, (90, 17, 2)),
        rng.uniform(0, 300, (1100, 17, 2)) + rng.uniform(0, 900, (1100, 1, 2)),
    )
    a_seen, b_seen = rng.random((90, 17)) > 0.3, rng.random((1100, 17)) > 0.3
    a_areas, b_areas = rng.uniform(1e3, 1e5, 90), rng.uniform(1e3, 1e5, 1100)
    sigmas = np.full(17, 0.08)
    whole = oks(a, a_seen, b, b_seen, a_areas, b_areas, sigmas)
    for i in (0, 29, 30, 89):
        row = slice(i, i + 1)
        alone = oks(a[row], a_seen[row], b, b_seen, a_areas[row], b_areas, sigmas)
        np.testing.assert_allclose(whole[row], alone, rtol=1e-6)
    assert whole.std() > 0.01


def test_only_keypoints_visible_in_both_count():
    a = np.zeros((1, 3, 2), np.float32)
    b = a.copy()
    b[0, 2] = 1000
    seen = np.array([[True, False, True]])
    b_seen = np.array([[True, True, False]])
    areas, sigmas = np.array([100.0]), np.full(3, 0.1)
    assert oks(a, seen, b, b_seen, areas, areas, sigmas) == pytest.approx(1)
    assert oks(a, seen, b, np.ones((1, 3), bool), areas, areas, sigmas) == pytest.approx(0.5)
    # HRNet's `and` of the two masks would count keypoint 1 or 2 here.
    assert oks(a, ~seen, b, np.array([[True, False, True]]), areas, areas, sigmas) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_wild_coordinates_do_no_harm(bad):
    a = np.zeros((2, 3, 2), np.float32)
    a[0, 1] = bad
    seen = np.ones((2, 3), bool)
    areas, sigmas = np.full(2, 100.0), np.full(3, 0.1)
    similarity = oks(a, seen, a, seen, areas, areas, sigmas)
    assert np.isfinite(similarity).all()
    np.testing.assert_allclose(np.diag(similarity), 1)
    assert similarity[0, 1] == pytest.approx(2 / 3 if np.isfinite(bad) else 1)


def test_box_around_keypoints_takes_visible_ones_and_the_padding():
    keypoints = np.array([[[10, 20], [30, 60], [900, 900]], [[1, 2], [np.nan, 5], [3, 4]]], np.float32)
    visible = np.array([[True, True, False], [True, True, False]])
    boxes = box_around_keypoints(keypoints, visible, padding=1.5)
    np.testing.assert_allclose(boxes, [[5, 10, 35, 70], [1, 2, 1, 2]])
    np.testing.assert_array_equal(box_around_keypoints(keypoints, ~visible[:1] & False, 1.1), np.zeros((2, 4)))


def test_area_is_the_larger_box_of_detector_and_keypoints():
    keypoints = np.array([[[0, 0], [10, 20]]] * 3, np.float32)
    boxes = np.array([[0, 0, 100, 50], [0, 0, 0, 0], [5, 5, 1, 1]], np.float32)
    areas = compute_pose_areas(boxes, keypoints, np.ones((3, 2), bool))
    np.testing.assert_allclose(areas, [0.53 * 5000, 0.53 * 200, 0.53 * 200])
    assert compute_pose_areas(boxes[1:], keypoints[1:], np.zeros((2, 2), bool)).tolist() == [1, 1]


@pytest.mark.parametrize("people", [0, 1, 3])
def test_what_is_given_is_not_changed(people):
    keypoints = np.full((people, 4, 2), np.nan, np.float32)
    visible = np.ones((people, 4), bool)
    areas = np.full(people, 100, np.float32)
    oks(keypoints, visible, keypoints, visible, areas, areas, np.full(4, 0.1))
    assert visible.all()
    assert np.isnan(keypoints).all()
