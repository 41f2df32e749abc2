"""The table and the curves of scripts/compare_dense_losses.py."""

import cv2
import numpy as np
import pytest
from made_scripts import load_script

dense_outcomes = load_script("dense_outcomes")


def make_outcome(loss="DP 0.25", factor=1.0, seed=0, gps=0.25, failed_at=None, curve=(8.0, 4.0, 2.0)):
    return dense_outcomes.Outcome(loss, factor, seed, 60.0, 1000, gps, 0.5, failed_at, list(curve))


@pytest.mark.parametrize(
    ("failed_at", "curve", "is_collapsed"),
    [
        (None, (8.0, 2.0), False),
        (None, (8.0, 23.0), False),
        (None, (8.0, 25.0), True),
        (None, (8.0, float("nan")), True),
        (None, (), True),
        (40, (8.0, 2.0), True),
    ],
)
def test_what_has_collapsed(failed_at, curve, is_collapsed):
    assert make_outcome(failed_at=failed_at, curve=curve).is_collapsed is is_collapsed


def test_rows_are_losses_and_columns_are_rates(capsys):
    outcomes = [
        make_outcome(),
        make_outcome(seed=1, gps=0.125),
        make_outcome(factor=30.0, curve=(1.0, 9.0)),
        make_outcome(loss="Smooth-L1", factor=30.0, failed_at=12),
    ]
    dense_outcomes.print_table(outcomes, lambda outcome: outcome.gps, base_rate=0.002)
    assert capsys.readouterr().out.splitlines() == [
        "| loss | 0.002 | 0.06 | parameters | s |",
        "|---|---|---|---|---|",
        "| DP 0.25 | 25.0 / 12.5 | 25.0 (collapsed) | 1,000 | 60 |",
        "| Smooth-L1 |  | failed at 12 | 1,000 | 60 |",
    ]


def test_curves_are_drawn_in_their_row_and_column(tmp_path):
    outcomes = [make_outcome(), make_outcome(loss="Smooth-L1", factor=5.0, seed=1)]
    dense_outcomes.draw_curves(outcomes, tmp_path / "curves.png", base_rate=0.002)
    image = cv2.imread(str(tmp_path / "curves.png")).astype(int)
    is_blue = image[..., 0] - image[..., 2] > 60
    is_red = image[..., 2] - image[..., 0] > 60
    middle_y, middle_x = 40 + 110, 220
    assert is_blue[:middle_y, :middle_x].sum() == is_blue.sum() > 50
    assert is_red[middle_y:, middle_x:].sum() == is_red.sum() > 50
    assert np.array_equal(image.shape, (40 + 2 * 110, 2 * 220, 3))
