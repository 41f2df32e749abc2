import numpy as np
import pytest
import torch
from reference.densepose_losses import interpolate, list_points, resample_mask
from reference.densepose_scene import make_person

from models.densepose.targets import place_points, resample_masks

BOXES = torch.tensor([[10.0, 20.0, 90.0, 140.0], [30.25, 4.5, 70.0, 60.0]])
REGIONS = torch.tensor([[14.0, 18.5, 95.0, 133.0], [35.0, 2.0, 66.5, 41.0]])
PEOPLE = [make_person(1, 30), make_person(2, 20)]


def test_points_are_placed_as_by_the_loop():
    points = place_points(PEOPLE, BOXES, REGIONS, 8)
    expected = list_points(PEOPLE, BOXES, REGIONS, 8)
    assert 0 < len(points) == len(expected) < 50
    maps = torch.randn(2, 25, 8, 8, generator=torch.Generator().manual_seed(0))
    sampled, own = points.sample(maps), points.sample_charts(maps)
    for i, (n, p, x, y) in enumerate(expected):
        assert (points.rows[i], points.charts[i]) == (n, PEOPLE[n].charts[p])
        assert points.low_xy[i].tolist() == [x[0], y[0]]
        assert points.high_xy[i].tolist() == [x[1], y[1]]
        assert points.fractions_xy[i].tolist() == pytest.approx([x[2], y[2]], abs=1e-5)
        wanted = torch.stack([interpolate(plane, x, y) for plane in maps[n]])
        torch.testing.assert_close(sampled[i], wanted, atol=1e-4, rtol=1e-4)
        assert own[i].item() == pytest.approx(wanted[points.charts[i]].item(), abs=1e-4)


def test_a_region_spans_its_cells_from_edge_to_edge():
    person = make_person(3, 4)
    person.points_xy[:] = torch.tensor([[0.0, 0.0], [128.0, 64.0], [255.9, 255.9], [256.0, 10.0]])
    box = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
    points = place_points([person], box, box, 4)
    # 64 px are 4 cells: 32 px are at 2, without half a cell; the last point lies on the far edge, outside.
    assert points.low_xy.tolist() == [[0, 0], [2, 1], [3, 3]]
    assert points.high_xy.tolist() == [[1, 1], [3, 2], [3, 3]]
    assert points.fractions_xy.tolist() == [[0, 0], [0, 0], [0, 0]]


def test_masks_are_resampled_as_by_the_loop():
    masks = torch.stack([person.mask for person in PEOPLE])
    found = resample_masks(masks, BOXES, REGIONS, 14)
    for n, mask in enumerate(masks):
        expected = resample_mask(mask, BOXES[n].tolist(), REGIONS[n].tolist(), 14)
        assert torch.equal(found[n], expected)
    assert (found == 0).any()
    assert found.unique().numel() > 5


def test_outside_of_the_box_there_is_background():
    mask = torch.ones(1, 256, 256, dtype=torch.uint8)
    box = torch.tensor([[20.0, 20.0, 40.0, 40.0]])
    found = resample_masks(mask, box, torch.tensor([[0.0, 0.0, 80.0, 80.0]]), 8)
    assert found.nonzero().tolist() == [[0, y, x] for y in (2, 3, 4) for x in (2, 3, 4)]


@pytest.mark.parametrize(
    ("box", "region"),
    [([197, 215, 314, 283], [200, 210, 326, 277]), ([136, 132, 204, 404], [139, 140, 211, 410])],
)
def test_pixels_are_rounded_as_by_the_public_code(box, region):
    """Between two pixels the order of the operations decides."""
    columns = torch.arange(256, dtype=torch.uint8).expand(1, 256, 256)
    found = resample_masks(columns, torch.tensor([box]).float(), torch.tensor([region]).float(), 56)
    one, two, last = np.float32(1), np.float32(2), np.float32(255)
    corner, size, origin, span = map(np.float32, (box[0], box[2] - box[0], region[0], region[2] - region[0]))
    start, end = (two * (place - corner) / size - one for place in (origin, origin + span))
    for i in range(56):
        place = ((np.float32(i) / np.float32(56) * (end - start) + start) + one) / two * last
        pixel = int(np.rint(place))
        assert found[0, 30, i] == (pixel if pixel < 256 else 0)
