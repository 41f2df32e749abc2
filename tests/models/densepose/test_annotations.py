"""The fields dp_* of a person."""

import numpy as np
import pytest
from pycocotools import mask as mask_api

from models.densepose.annotations import read_surface_masks, read_surface_points
from models.training.errors import DataError

POINTS = {"dp_x": [1.0, 250.5], "dp_y": [2, 3], "dp_I": [24.0, 0.0], "dp_U": [0.0, 1.0], "dp_V": [0.25, 0.5]}


def encode(rows, size=256):
    mask = np.zeros((size, size), np.uint8, order="F")
    mask[rows] = 1
    lengths = mask_api.encode(mask)
    return {"size": list(lengths["size"]), "counts": lengths["counts"].decode()}


def test_points():
    points = read_surface_points({**POINTS, "bbox": [1, 2, 3, 4]}, "person")
    assert points.points_xy.tolist() == [[1, 2], [250.5, 3]]
    assert points.charts.tolist() == [24, 0]
    assert points.coordinates_uv.tolist() == [[0, 0.25], [1, 0.5]]
    assert len(points) == 2
    assert read_surface_points({"bbox": [1, 2, 3, 4]}, "person") is None
    assert len(read_surface_points({name: [] for name in POINTS}, "person")) == 0


def test_charts_beside_vertices_are_read():
    assert len(read_surface_points({**POINTS, "dp_vertex": [1, 2], "ref_model": "smpl_27554"}, "person")) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dp_U": [0.0, 1.01]}, r"p: a.dp_U\[1\]: expected 0..1, found 1.01"),
        ({"dp_V": [-0.1, 1.0]}, r"dp_V\[0\]: expected 0..1"),
        ({"dp_V": [float("nan"), 1.0]}, "dp_V: expected a list of finite numbers"),
        ({"dp_x": [float("inf"), 1.0]}, "dp_x: expected a list of finite numbers"),
        ({"dp_x": "12"}, "dp_x: expected a list of finite numbers"),
        ({"dp_x": ["1", 2.0]}, "dp_x: expected a list of finite numbers"),
        ({"dp_I": [True, 2.0]}, "dp_I: expected a list of finite numbers"),
        ({"dp_y": [10**400, 2]}, "dp_y: expected a list of finite numbers"),
        ({"dp_y": {"0": 1}}, "dp_y: expected a list of finite numbers"),
        ({"dp_y": [[1], [2]]}, "dp_y: expected a list of finite numbers"),
        ({"dp_I": [25.0, 1.0]}, r"dp_I\[0\]: expected a chart 0..24, found 25"),
        ({"dp_I": [1.5, 1.0]}, r"dp_I\[0\]: expected a chart"),
        ({"dp_y": [1.0]}, "dp_y: 1 numbers, but dp_x has 2"),
        ({"dp_V": None}, "no dp_V; give all of"),
        ({"dp_x": None}, "no dp_x; give all of"),
        ({"dp_I": None, "dp_U": None, "dp_V": None, "dp_vertex": [3, 4]}, "an annotation of vertices"),
    ],
)
def test_wrong_points_are_refused(changes, message):
    with pytest.raises(DataError, match=message) as caught:
        read_surface_points({**POINTS, **changes}, "p: a")
    assert "\n" not in str(caught.value)


def test_later_parts_lie_on_earlier_ones():
    masks = [[] for _ in range(14)]
    masks[1], masks[13] = encode(slice(10, 20)), encode(slice(15, 30))
    labels = read_surface_masks({"dp_masks": masks}, "p").decode_parts()
    assert labels.shape == (256, 256)
    assert np.unique(labels[10:15]).tolist() == [2]
    assert np.unique(labels[15:30]).tolist() == [14]
    assert not labels[:10].any()
    assert not labels[30:].any()


def test_one_mask_is_the_whole_person():
    masks = read_surface_masks({"dp_masks": encode(slice(0, 5))}, "p")
    assert masks.is_whole
    assert masks.decode_parts().sum() == 5 * 256
    assert read_surface_masks({}, "p") is None


@pytest.mark.parametrize("empty", [[], {}, [[]] * 14, [None] * 14])
def test_empty_masks_are_those_of_a_person_who_is_not_seen(empty):
    assert not read_surface_masks({"dp_masks": empty}, "p").decode_parts().any()


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([[]] * 13, "p.dp_masks: expected 14 masks, or one of the whole person, found 13 entries"),
        ("mask", "p.dp_masks: expected 14 masks"),
        ([[], encode([1], 128), *[[]] * 12], r"p.dp_masks\[1\].size: expected \[256, 256\]"),
        ([{"size": [256, 256], "counts": "\x01"}, *[[]] * 13], r"p.dp_masks\[0\].counts: expected COCO's text"),
        ({"size": [256, 256], "counts": "PPP4"}, "p.dp_masks.counts: not the runs of 256 x 256"),
        ({"counts": "0"}, "p.dp_masks: expected run lengths"),
    ],
)
def test_wrong_masks_are_refused(masks, message):
    with pytest.raises(DataError, match=message):
        read_surface_masks({"dp_masks": masks}, "p").decode_parts()
