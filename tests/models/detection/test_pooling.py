from dataclasses import replace

import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign, roi_align

from models.densepose.variants import DENSEPOSE_R50, MOBILE_PARSING_B
from models.detection.pooling import make_pool, pool_by_sums

NAMES = ("0", "1", "2", "3")
BOXES = [
    torch.tensor([[4.0, 6.0, 20.5, 30.0], [0.0, 0.0, 256.0, 250.0]]),
    torch.zeros(0, 4),
    torch.tensor([[100.0, 100.0, 101.5, 100.5], [10.0, 10.0, 180.0, 200.0]]),
]


def make_maps():
    draw = torch.Generator().manual_seed(0)
    return {name: torch.randn(3, 2, 64 >> i, 64 >> i, generator=draw) for i, name in enumerate(NAMES)}


def test_aligned_regions_are_those_of_the_level_of_their_size():
    maps, pool = make_maps(), make_pool(MOBILE_PARSING_B, 5)
    found = pool(maps, BOXES, [(256, 256)] * 3)
    # Of 224 px the level is the third.
    levels = [0, 2, 0, 1]
    rows = [(0, BOXES[0][0]), (0, BOXES[0][1]), (2, BOXES[2][0]), (2, BOXES[2][1])]
    for i, (level, (image, box)) in enumerate(zip(levels, rows, strict=True)):
        row = torch.cat([torch.tensor([float(image)]), box])[None]
        expected = roi_align(maps[NAMES[level]], row, 5, 1 / (4 << level), 0, aligned=True)
        torch.testing.assert_close(found[i : i + 1], expected)
    assert pool(maps, [torch.zeros(0, 4)] * 3, [(256, 256)] * 3).shape == (0, 2, 5, 5)


def test_aligned_regions_of_a_ramp_are_its_values_at_their_middles():
    """Where torchvision's are half a cell off; and a region smaller than a cell stays so small."""
    columns = (torch.arange(64.0) * 4 + 2).expand(1, 1, 64, 64)
    boxes = [torch.tensor([[40.0, 40.0, 80.0, 80.0], [100.0, 100.0, 102.0, 102.0]])]
    found = make_pool(MOBILE_PARSING_B, 2, ["0"])({"0": columns}, boxes, [(256, 256)])[:, 0, 0]
    torch.testing.assert_close(found, torch.tensor([[50.0, 70.0], [100.5, 101.5]]))


def make_boxes(draw):
    """Boxes of all sizes, some beyond the image, one without an area, one turned over."""
    corners = torch.rand(60, 2, generator=draw) * 300 - 30
    sides = torch.rand(60, 2, generator=draw) ** 3 * 250
    odd = torch.tensor([[20.0, 20.0, 20.0, 20.0], [90.0, 80.0, 60.0, 40.0], [-90.0, -80.0, 400.0, 400.0]])
    return torch.cat([torch.cat([corners, corners + sides], 1), odd])


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_sums_are_torchvisions_regions(samples):
    config = replace(DENSEPOSE_R50, roi_samples=samples)
    draw, maps, pool = torch.Generator().manual_seed(1), make_maps(), make_pool(config, 7)
    boxes = [make_boxes(draw), torch.zeros(0, 4), make_boxes(draw)]
    theirs = MultiScaleRoIAlign(list(NAMES), 7, samples)
    expected = theirs(maps, boxes, [(256, 256)] * 3)
    assert torch.equal(pool(maps, boxes, [(256, 256)] * 3), expected)
    pool_by_sums(pool)
    torch.testing.assert_close(pool(maps, boxes, [(256, 256)] * 3), expected, atol=1e-4, rtol=0)
    assert pool(maps, [torch.zeros(0, 4)] * 3, [(256, 256)] * 3).shape == (0, 2, 7, 7)


@pytest.mark.parametrize("samples", [1, 2])
def test_sums_are_aligned_regions(samples):
    pool = make_pool(replace(MOBILE_PARSING_B, roi_samples=samples), 5)
    maps, boxes = make_maps(), [make_boxes(torch.Generator().manual_seed(2))] * 3
    expected = pool(maps, boxes, [(256, 256)] * 3)
    pool_by_sums(pool)
    torch.testing.assert_close(pool(maps, boxes, [(256, 256)] * 3), expected, atol=1e-4, rtol=0)


def test_boxes_that_are_no_numbers_are_pooled_from_somewhere():
    boxes = [torch.full((1, 4), float("nan")), torch.zeros(0, 4), torch.tensor([[4.0, 4.0, 30.0, 30.0]])]
    pool = make_pool(DENSEPOSE_R50, 7)
    pool_by_sums(pool)
    found = pool(make_maps(), boxes, [(256, 256)] * 3)
    assert found.shape[0] == 2
    assert torch.isfinite(found[1]).all()


def test_samples_are_the_configurations():
    assert make_pool(DENSEPOSE_R50, 7).sampling_ratio == 2
    assert make_pool(replace(MOBILE_PARSING_B, roi_samples=3), 7).sampling_ratio == 3
