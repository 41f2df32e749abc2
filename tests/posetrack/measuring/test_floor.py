import numpy as np
import pytest

from posetrack import MeasuredFloor
from posetrack.errors import PoseTrackError

SQUARE = ((0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0))


def test_corners_are_at_the_corners_whatever_the_view():
    rng = np.random.default_rng(0)
    for _ in range(50):
        corners = np.array(SQUARE) * [6, 4] + rng.uniform(-60, 60, (4, 2))
        floor = MeasuredFloor(tuple(map(tuple, corners.tolist())), 3, 2)
        np.testing.assert_allclose(floor.to_metres(corners), [[0, 0], [3, 0], [3, 2], [0, 2]], atol=1e-9)
        # Lines stay lines: the diagonals cross in the middle.
        (a, b, c, d) = (np.append(corner, 1) for corner in corners)
        crossing = np.cross(np.cross(a, c), np.cross(b, d))
        np.testing.assert_allclose(floor.to_metres(crossing[:2] / crossing[2]), [1.5, 1], atol=1e-9)


def test_a_rectangle_seen_from_straight_above_only_scales():
    floor = MeasuredFloor(SQUARE, 2, 4)
    np.testing.assert_allclose(floor.to_metres([[50, 50], [200, -100]]), [[1, 2], [4, -4]], atol=1e-12)


def test_the_other_way_round_is_a_mirror_image():
    floor = MeasuredFloor(SQUARE[::-1], 2, 2)
    np.testing.assert_allclose(floor.to_metres([0, 100]), [0, 0], atol=1e-12)


def test_above_the_horizon_is_no_floor():
    # Sides that meet at (0, 0), which is the horizon's, and the origin of the image.
    floor = MeasuredFloor(((-50, 50), (50, 50), (100, 100), (-100, 100)), 1, 1)
    places = floor.to_metres([[0, 75], [0, 0], [0, -20], [np.nan, 3]])
    assert np.isfinite(places[0]).all()
    assert np.isnan(places[1:]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,0,1,0,2,0,3,0@4x6", "three corners are on a line"),
        ("0,0,100,0,50,0.01,0,100@4x6", "three corners are on a line|do not go around"),
        ("0,0,100,0,0,100,100,100@4x6", "the corners do not go around a rectangle"),
        ("0,0,100,0,20,20,0,100@4x6", "the corners do not go around a rectangle"),
        ("0,0,0,0,100,100,0,100@4x6", "two corners are one point"),
        ("0,0,100,0,100,100,0,100@0x6", "floor: 0 m; expected a width and a depth above 0"),
        ("0,0,100,0,100,100,0,100@4x-6", "floor: -6 m"),
        ("0,0,100,0,100,100,0,100@4xnan", "floor: nan m"),
        ("0,0,100,0,100,100,0,nan@4x6", "expected four corners"),
        ("0,0,100,0,100,100@4x6", "6 numbers; expected four corners"),
        ("0,0,100,0,100,100,0,100", "expected four corners"),
        ("a,0,100,0,100,100,0,100@4x6", "expected four corners"),
        ("", "expected four corners"),
    ],
)
def test_what_is_no_rectangle_is_refused(text, message):
    with pytest.raises(PoseTrackError, match=message) as raised:
        MeasuredFloor.read(text)
    assert "\n" not in str(raised.value)
