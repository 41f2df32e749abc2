import pytest

from posetrack.training.evaluation import spread_positions


@pytest.mark.parametrize(
    ("count", "most", "expected"), [(9, 3, [0, 4, 8]), (2, 5, [0, 1]), (5, 1, [0]), (0, 4, [])]
)
def test_positions_are_spread_over_all(count, most, expected):
    assert spread_positions(count, most).tolist() == expected
