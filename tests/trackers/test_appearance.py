"""Descriptions of clothes: equal for equal clothes, apart for others, unknown where nothing is seen."""

import numpy as np
import pytest

from trackers.appearance import NUM_BINS, PARTS, compare_appearance, describe_clothes

TORSO, THIGHS = (0, 1, 2, 3), (3, 2, 4, 5)
CORNERS = (TORSO, THIGHS)
RED, BLUE, DARK_RED = (200, 30, 30), (30, 30, 200), (120, 20, 20)


def make_image(*clothes):
    """People in shirts and trousers of these colours, 40 x 100 pixels each, on a noisy background."""
    image = np.random.default_rng(0).integers(0, 255, (120, 60 * len(clothes), 3), np.uint8)
    for i, (shirt, trousers) in enumerate(clothes):
        image[10:65, 60 * i + 10 : 60 * i + 50] = shirt
        image[65:110, 60 * i + 10 : 60 * i + 50] = trousers
    return image


def describe(image, lefts, *, visible=(0, 1, 2, 3, 4, 5), corners=CORNERS, scale=1.0):
    """People 60 pixels apart; of the six keypoints these are visible."""
    x = np.asarray(lefts, np.float32)[:, None]
    across = np.concatenate([x + 20, x + 40, x + 40, x + 20, x + 40, x + 20], axis=1)
    xy = np.stack([across, np.tile([25, 25, 65, 65, 100, 100], (len(x), 1))], axis=2)
    boxes = np.concatenate([x + 10, np.full_like(x, 10), x + 50, np.full_like(x, 110)], axis=1)
    seen = np.tile(np.isin(np.arange(6), visible), (len(x), 1))
    return describe_clothes(image, boxes * scale, (xy * scale).astype(np.float32), seen, corners)


def test_parts_sum_to_one_and_equal_clothes_have_similarity_one():
    described = describe(make_image((RED, BLUE), (RED, BLUE)), [0, 60])
    assert described.shape == (2, PARTS, NUM_BINS)
    np.testing.assert_allclose(described.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(compare_appearance(described, described), 1, atol=1e-5)


def test_other_clothes_are_less_alike_than_the_same_in_shadow():
    described = describe(
        make_image((RED, RED), (BLUE, BLUE), (RED, BLUE), (DARK_RED, DARK_RED)), [0, 60, 120, 180]
    )
    _, other, half, shadow = compare_appearance(described, described)[0]
    assert other < 0.3
    assert half == pytest.approx((1 + other) / 2, abs=0.01)
    assert other + 0.2 < shadow < 0.95


def test_near_and_far_people_are_described_alike():
    image = make_image((RED, BLUE), (BLUE, RED))
    large = image.repeat(4, axis=0).repeat(4, axis=1)
    near, far = describe(large, [0, 60], scale=4.0), describe(image, [0, 60])
    np.testing.assert_allclose(np.diag(compare_appearance(near, far)), 1, atol=1e-3)


def test_without_visible_corners_the_box_says_where_the_torso_is_and_thighs_are_unknown():
    image = make_image((RED, BLUE), (BLUE, RED))
    whole = describe(image, [0, 60])
    for by_box in (describe(image, [0, 60], visible=()), describe(image, [0, 60], corners=None)):
        assert by_box.any(axis=2).tolist() == [[True, False]] * 2
        np.testing.assert_allclose(np.diag(compare_appearance(by_box, whole)), 1, atol=1e-3)
    hidden_knee = describe(image, [0], visible=(0, 1, 2, 3, 4))
    np.testing.assert_array_equal(hidden_knee[0, 0], whole[0, 0])
    assert not hidden_knee[0, 1].any()


def test_sums_of_descriptions_compare_like_means():
    image = make_image((RED, BLUE), (BLUE, RED))
    red, blue = describe(image, [0, 60])
    known_once = np.stack([red[0] + blue[0], red[1]])
    compared = compare_appearance(np.stack([red + blue, known_once]), red[None])
    mean = (red + blue) / 2
    by_hand = [np.sqrt(mean[part] * red[part]).sum() for part in range(PARTS)]
    np.testing.assert_allclose(compared[:, 0], [np.mean(by_hand), (by_hand[0] + 1) / 2], rtol=1e-4)


def test_people_outside_the_image_or_too_small_are_unknown_and_decide_nothing():
    image = make_image((RED, BLUE))
    outside, half, tiny = (
        describe(image, [left], scale=scale)[0] for left, scale in ((-200, 1.0), (-25, 1.0), (0, 0.01))
    )
    assert not outside.any()
    assert not tiny.any()
    np.testing.assert_allclose(half.sum(axis=1), 1, atol=1e-5)
    assert np.isnan(compare_appearance(describe(image, [0]), outside[None])).all()


def test_points_that_are_not_finite_or_far_away_do_no_harm():
    image = make_image((RED, RED))
    boxes = np.array([[np.nan] * 4, [-1e9, -1e9, 1e9, 1e9], [10, 10, 50, 110]], np.float32)
    xy = np.full((3, 6, 2), np.nan, np.float32)
    described = describe_clothes(image, boxes, xy, np.zeros((3, 6), bool), CORNERS)
    assert described.any(axis=(1, 2)).tolist() == [False, False, True]


def test_nobody():
    described = describe(make_image((RED, RED)), [])
    assert described.shape == (0, PARTS, NUM_BINS)
    assert compare_appearance(described, described).shape == (0, 0)
