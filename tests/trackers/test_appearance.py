"""Descriptions of torsos: equal for equal clothes, apart for others, unknown where nothing is seen."""

import numpy as np
import pytest

from trackers.appearance import NUM_BINS, compare_appearance, describe_torsos

TORSO = (0, 1, 2, 3)
RED, BLUE, DARK_RED = (200, 30, 30), (30, 30, 200), (120, 20, 20)


def make_image(*clothes: tuple[int, int, int]) -> np.ndarray:
    """People in clothes of these colours, 40 x 100 pixels each, side by side on a noisy background."""
    image = np.random.default_rng(0).integers(0, 255, (120, 60 * len(clothes), 3), np.uint8)
    for i, color in enumerate(clothes):
        image[10:110, 60 * i + 10 : 60 * i + 50] = color
    return image


def describe(image, lefts, *, visible=True, torso=TORSO, scale=1.0):
    """People whose torsos are 20 x 40 pixels in the middle of their clothes."""
    x = np.asarray(lefts, np.float32)[:, None]
    corners = np.stack(
        [np.concatenate([x + 20, x + 40, x + 40, x + 20], axis=1), np.tile([25, 25, 65, 65], (len(x), 1))],
        axis=2,
    )
    boxes = np.concatenate([x + 10, np.full_like(x, 10), x + 50, np.full_like(x, 110)], axis=1)
    seen = np.full((len(x), 4), visible)
    return describe_torsos(image, boxes * scale, (corners * scale).astype(np.float32), seen, torso)


def test_descriptions_sum_to_one_and_equal_clothes_have_similarity_one():
    described = describe(make_image(RED, RED), [0, 60])
    assert described.shape == (2, NUM_BINS)
    np.testing.assert_allclose(described.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(compare_appearance(described, described), 1, atol=1e-5)


def test_other_clothes_are_less_alike_than_the_same_in_shadow():
    described = describe(make_image(RED, BLUE, DARK_RED), [0, 60, 120])
    (_, other, shadow), *_ = compare_appearance(described, described)
    assert other < 0.3
    assert other + 0.2 < shadow < 0.95


def test_near_and_far_people_are_described_alike():
    image = make_image(RED, BLUE)
    large = image.repeat(4, axis=0).repeat(4, axis=1)
    near, far = describe(large, [0, 60], scale=4.0), describe(image, [0, 60])
    np.testing.assert_allclose(np.diag(compare_appearance(near, far)), 1, atol=1e-3)


@pytest.mark.parametrize("torso", [TORSO, None])
def test_without_visible_corners_the_box_says_where_the_torso_is(torso):
    image = make_image(RED, BLUE)
    by_box = describe(image, [0, 60], visible=torso is None, torso=torso)
    np.testing.assert_allclose(np.diag(compare_appearance(by_box, describe(image, [0, 60]))), 1, atol=1e-3)


def test_torsos_outside_the_image_or_too_small_are_unknown_and_decide_nothing():
    image = make_image(RED)
    outside, half, tiny = (
        describe(image, [-200])[0],
        describe(image, [-25])[0],
        describe(image, [0], scale=0.01)[0],
    )
    assert not outside.any()
    assert not tiny.any()
    np.testing.assert_allclose(half.sum(), 1, atol=1e-5)
    known = describe(image, [0])
    assert np.isnan(compare_appearance(known, outside[None])).all()


def test_points_that_are_not_finite_or_far_away_do_no_harm():
    image = make_image(RED)
    boxes = np.array([[np.nan] * 4, [-1e9, -1e9, 1e9, 1e9], [10, 10, 50, 110]], np.float32)
    xy = np.full((3, 4, 2), np.nan, np.float32)
    described = describe_torsos(image, boxes, xy, np.zeros((3, 4), bool), TORSO)
    assert described.any(axis=1).tolist() == [False, False, True]


def test_nobody():
    described = describe(make_image(RED), [])
    assert described.shape == (0, NUM_BINS)
    assert compare_appearance(described, described).shape == (0, 0)
