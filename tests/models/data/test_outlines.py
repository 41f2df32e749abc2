"""Masks that pycocotools would not survive are refused before the first step."""

import pytest

from models.data.outlines import check_outline
from models.training.errors import DataError


@pytest.mark.parametrize("furthest", [1e6, 3e9, 1e300, float("nan"), float("inf"), 10**400])
def test_polygons_far_outside_are_refused(furthest):
    check_outline([[1, 2, 30, 4, 7, 100000]], (120, 100), "f")
    with pytest.raises(DataError, match=r"^f: expected polygons of x, y, ... within 100000 px"):
        check_outline([[1, 2, furthest, 4, 7, 8]], (120, 100), "f")


def test_a_mask_of_another_size_is_not_decoded():
    mask = {"size": [10**9, 10**9], "counts": "0"}  # would be an exabyte
    with pytest.raises(DataError, match="the mask is 1000000000x1000000000, but its image 120x100"):
        check_outline(mask, (120, 100), "f")
