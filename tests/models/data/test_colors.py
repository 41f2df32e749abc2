import numpy as np
import pytest

from models.data.augment import AugmentConfig, augment_colors
from models.data.colors import draw_rectangle, fill_rectangle


def make_crop():
    return np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)


def erase_rectangle(image, area_range, rng):
    return fill_rectangle(image, draw_rectangle((image.shape[1], image.shape[0]), area_range, rng))


@pytest.mark.parametrize("seed", range(20))
def test_one_rectangle_of_one_colour_is_erased(seed):
    crop = make_crop()
    erased = erase_rectangle(crop, (0.05, 0.2), np.random.default_rng(seed))
    changed = (erased != crop).any(axis=-1)
    rows, columns = np.nonzero(changed)
    box = erased[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert len(np.unique(box.reshape(-1, 3), axis=0)) == 1
    assert 0.04 < box.shape[0] * box.shape[1] / (64 * 48) < 0.22
    np.testing.assert_array_equal(crop, make_crop())


def test_rectangles_lie_anywhere_and_have_many_shapes():
    rng, shapes, covered = np.random.default_rng(1), [], np.zeros((64, 48), bool)
    for _ in range(300):
        changed = (erase_rectangle(make_crop(), (0.02, 0.2), rng) != make_crop()).any(axis=-1)
        shapes.append(changed.any(axis=0).sum() / changed.any(axis=1).sum())
        covered |= changed
    assert covered.mean() > 0.95
    assert min(shapes) < 0.5
    assert max(shapes) > 2


def test_the_fraction_of_erased_crops():
    config, rng = AugmentConfig(erase_fraction=0.4), np.random.default_rng(2)
    erased = [(augment_colors(make_crop(), config, rng) != make_crop()).any() for _ in range(1000)]
    assert 0.35 < np.mean(erased) < 0.45


def test_without_settings_colours_stay():
    np.testing.assert_array_equal(
        augment_colors(make_crop(), AugmentConfig(), np.random.default_rng(3)), make_crop()
    )


@pytest.mark.parametrize(
    "wrong", [{"erase_range": (0.0, 0.1)}, {"erase_range": (0.3, 0.2)}, {"hue_deg": 181.0}]
)
def test_settings_out_of_range(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: expected"):
        AugmentConfig(**wrong)
