import numpy as np
import pytest
from pycocotools import mask as mask_api

from models.data.run_lengths import decode_run_lengths
from models.detection.rotation import Rotation, list_box_corners, list_mask_corners, list_outline_corners


def test_an_image_turns_clockwise_about_its_middle():
    image = np.zeros((4, 6, 3), np.uint8)
    image[0, 0] = 200
    rotation = Rotation((6, 4), 90)
    assert rotation.size_wh == (4, 6)
    drawn = rotation.draw_image(image)
    assert drawn.shape == (6, 4, 3)
    assert np.argwhere(drawn[..., 0] == 200).tolist() == [[0, 3]]
    np.testing.assert_allclose(rotation.place_points([[0.5, 0.5], [6, 4]]), [[3.5, 0.5], [0, 6]], atol=1e-9)


def test_nothing_turns_by_no_angle():
    draw = np.random.default_rng(0)
    image = draw.integers(0, 256, (30, 41, 3)).astype(np.uint8)
    rotation = Rotation((41, 30), 0.0)
    np.testing.assert_array_equal(rotation.draw_image(image), image)
    points = draw.uniform(0, 30, (5, 2))
    np.testing.assert_allclose(rotation.place_points(points), points)
    box = np.array([3, 4, 20, 28.5], np.float32)
    np.testing.assert_allclose(rotation.place_box(box, points), box, rtol=1e-6)


@pytest.mark.parametrize("angle_deg", [-170.0, -12.0, 3.0, 33.0])
def test_all_of_an_image_stays(angle_deg):
    rotation = Rotation((50, 20), angle_deg)
    corners = rotation.place_points(list_box_corners(np.array([0, 0, 50, 20])))
    assert (corners >= -1e-6).all()
    assert (corners <= np.array(rotation.size_wh) + 1e-6).all()
    # One pixel of colour is spread over several, but none is lost.
    image = np.full((20, 50, 3), 255, np.uint8)
    drawn = rotation.draw_image(image).astype(float) - 114
    assert drawn[..., 0].sum() / (255 - 114) == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("angle_deg", [-20.0, 7.0])
def test_outlines_turn_alike_as_polygons_and_run_lengths(angle_deg):
    polygon = [[10.0, 8.0, 40.0, 12.0, 44.0, 50.0, 14.0, 44.0]]
    lengths = mask_api.merge(mask_api.frPyObjects(polygon, 60, 70))
    plain = decode_run_lengths(lengths).T.ravel().astype(int)
    ends = np.flatnonzero(np.diff(plain)) + 1
    as_list = {"size": [60, 70], "counts": np.diff([0, *ends, len(plain)]).tolist()}
    rotation = Rotation((70, 60), angle_deg)
    width, height = rotation.size_wh
    expected = mask_api.merge(mask_api.frPyObjects(rotation.place_outline(polygon), height, width))
    for outline in (lengths, as_list):
        found = rotation.place_outline(outline)
        assert mask_api.iou([found], [expected], [0])[0, 0] > 0.93
    # The box turns with the outline, not with its own corners, which reach farther out.
    corners = list_outline_corners(polygon)
    box = np.array([*corners.min(axis=0), *corners.max(axis=0)], np.float32)
    tight, loose = (rotation.place_box(box, points) for points in (corners, list_box_corners(box)))
    x, y, w, h = mask_api.toBbox(expected)
    np.testing.assert_allclose(tight, [x, y, x + w, y + h], atol=1.1)
    assert (loose[2:] - loose[:2]).prod() > 1.1 * (tight[2:] - tight[:2]).prod()
    extent = list_outline_corners(lengths)
    np.testing.assert_allclose(rotation.place_box(box, extent), tight, atol=1.5)


def test_a_mask_has_the_corners_of_its_pixels():
    mask = np.zeros((5, 6), np.uint8)
    mask[1, 2:4] = 3
    mask[3, 5] = 1
    corners = list_mask_corners(mask)
    assert corners.min(axis=0).tolist() == [2, 1]
    assert corners.max(axis=0).tolist() == [6, 4]
    assert len(list_mask_corners(mask * 0)) == 0
