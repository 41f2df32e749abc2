"""Points inside ignore regions: the same as those of Shapely, which the reference tool uses."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from posetrack.polygons import find_strictly_inside

SQUARE = np.array([(0, 0), (4, 0), (4, 4), (0, 4)], float)

cells = st.integers(0, 6).map(float)
decimals = st.integers(0, 60).map(lambda value: value / 10)
# Not down to 1e-300, where the 106 bits of Shapely's arithmetic end.
wide = st.integers(-(2**40), 2**40).map(lambda value: value / 2**20)
parts = st.integers(0, 1000).map(lambda value: value / 1000)


def polygons(coordinates):
    corners = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8)
    return corners.map(np.array).filter(lambda polygon: shapely.Polygon(polygon).is_valid)


def test_borders_and_corners_are_outside():
    points = np.array([(2, 2), (0, 2), (4, 4), (2, 0), (2, 4), (5, 2), (-1, 4), (-1, 0)], float)
    assert find_strictly_inside(SQUARE, points).tolist() == [True] + [False] * 7
    assert find_strictly_inside(SQUARE[::-1], points).tolist() == [True] + [False] * 7
    assert find_strictly_inside(np.vstack([SQUARE, SQUARE[:1]]), points).tolist() == [True] + [False] * 7


def test_absent_points_and_any_shape():
    points = np.array([[(1, 1), (np.nan, np.nan)], [(9, 9), (3, 3)]])
    assert find_strictly_inside(SQUARE, points).tolist() == [[True, False], [False, True]]
    assert find_strictly_inside(SQUARE, np.zeros((0, 15, 2))).shape == (0, 15)
    assert find_strictly_inside(np.zeros((0, 2)), points).tolist() == [[False, False], [False, False]]


def test_crossing_edges_follow_the_even_odd_rule():
    bow = np.array([(0, 0), (4, 4), (4, 0), (0, 4)], float)
    points = np.array([(1, 2), (3, 2), (2, 1), (2, 3), (2, 2)], float)
    assert not shapely.Polygon(bow).is_valid
    assert find_strictly_inside(bow, points).tolist() == [True, True, False, False, False]
    star = np.array([(2, 5), (0, 0), (5, 3), (-1, 3), (4, 0)], float)
    # The middle of the star is wound about twice: outside.
    assert find_strictly_inside(star, np.array([(2, 2), (2, 4)], float)).tolist() == [False, True]


def test_doubling_back_has_no_inside():
    line = np.array([(0, 0), (4, 0), (4, 4), (4, 0)], float)
    assert not find_strictly_inside(line, np.array([(2, 2), (4, 2), (2, 0), (3, 1)], float)).any()


@pytest.mark.parametrize("coordinates", [cells, decimals, wide], ids=["cells", "decimals", "wide"])
def test_as_shapely_decides(coordinates):
    """Anywhere, on corners, and on edges as far as rounding lets a point lie there."""

    @given(polygons(coordinates), st.lists(st.tuples(coordinates, coordinates), min_size=1), parts)
    def check(polygon, points, part):
        next_corners = np.roll(polygon, -1, axis=0)
        points = np.vstack([points, polygon, part * polygon + (1 - part) * next_corners])
        expected = shapely.contains_xy(shapely.Polygon(polygon), points[:, 0], points[:, 1])
        np.testing.assert_array_equal(find_strictly_inside(polygon, points), expected)

    check()
