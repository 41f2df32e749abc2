import numpy as np
import pytest

from models.data.augment import AugmentConfig, Region, augment_region

ASPECT = 0.75
REGION = Region(np.array([100.0, 100.0]), 75.0)
NOTHING = AugmentConfig(rotation_deg=0, scale_range=(1.0, 1.0), flip_fraction=0, half_body_fraction=0)
# Ten keypoints: five above, five below.
POINTS = np.array(
    [[90 + 5 * i, 60 + i] for i in range(5)] + [[90 + 2 * i, 120 + 10 * i] for i in range(5)], float
)
UPPER = (0, 1, 2, 3, 4)


def draw(config, seed, weights=None, upper=UPPER):
    return augment_region(
        REGION,
        POINTS,
        np.ones(10) if weights is None else weights,
        config=config,
        upper_body=upper,
        aspect_wh=ASPECT,
        rng=np.random.default_rng(seed),
    )


def test_nothing_is_nothing():
    region = draw(NOTHING, 0)
    np.testing.assert_array_equal(region.centre_xy, REGION.centre_xy)
    assert (region.width_px, region.rotation_deg, region.is_flipped) == (75.0, 0.0, False)


def test_ranges_and_fractions_are_those_of_the_paper():
    config = AugmentConfig(half_body_fraction=0)
    regions = [draw(config, seed) for seed in range(3000)]
    scales = np.array([region.width_px for region in regions]) / REGION.width_px
    angles = np.array([region.rotation_deg for region in regions])
    assert 0.65 <= scales.min() < 0.66
    assert 1.34 < scales.max() <= 1.35
    assert -45 <= angles.min() < -44
    assert 44 < angles.max() <= 45
    assert np.mean(angles != 0) == pytest.approx(0.6, abs=0.03)
    assert np.mean([region.is_flipped for region in regions]) == pytest.approx(0.5, abs=0.03)
    assert all((region.centre_xy == REGION.centre_xy).all() for region in regions)


def test_half_bodies_are_about_one_half():
    config = AugmentConfig(rotation_deg=0, scale_range=(1.0, 1.0), flip_fraction=0)
    regions = [draw(config, seed) for seed in range(2000)]
    halves = [region for region in regions if region.width_px != REGION.width_px]
    assert len(halves) / len(regions) == pytest.approx(0.3, abs=0.04)
    upper = [region for region in halves if region.centre_xy[1] < 100]
    assert len(upper) / len(halves) == pytest.approx(0.5, abs=0.1)
    np.testing.assert_allclose(upper[0].centre_xy, POINTS[:5].mean(axis=0))
    # 20 px wide, 4 high: the width decides; 1.5 times.
    assert upper[0].width_px == pytest.approx(30.0)
    lower = next(region for region in halves if region.centre_xy[1] > 100)
    # 8 wide, 40 high: 40 * 3/4 * 1.5.
    assert lower.width_px == pytest.approx(45.0)


def test_half_bodies_need_known_keypoints():
    always = AugmentConfig(rotation_deg=0, scale_range=(1.0, 1.0), flip_fraction=0, half_body_fraction=1)
    few = np.array([1.0] * 8 + [0.0] * 2)
    assert draw(always, 0, few).width_px == REGION.width_px
    assert draw(always, 0, upper=()).width_px == REGION.width_px


def test_an_option_leaves_the_draws_of_others_alone():
    one, other = AugmentConfig(flip_fraction=0), AugmentConfig(flip_fraction=1, half_body_fraction=0.3)
    for seed in range(20):
        a, b = draw(one, seed), draw(other, seed)
        assert (a.width_px, a.rotation_deg) == (b.width_px, b.rotation_deg)
        assert b.is_flipped


def test_wrong_range_is_named():
    with pytest.raises(ValueError, match="scale_range"):
        AugmentConfig(scale_range=(1.3, 0.7))
