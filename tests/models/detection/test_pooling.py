from dataclasses import replace

import torch
from torchvision.ops import MultiScaleRoIAlign, roi_align

from models.densepose.variants import DENSEPOSE_R50, MOBILE_PARSING_B
from models.detection.pooling import AlignedRegions, make_pool

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
    assert type(pool) is AlignedRegions
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


def test_other_networks_pool_as_torchvision_does():
    assert type(make_pool(DENSEPOSE_R50, 7)) is MultiScaleRoIAlign
    assert make_pool(DENSEPOSE_R50, 7).sampling_ratio == 2
    assert make_pool(replace(MOBILE_PARSING_B, roi_samples=3), 7).sampling_ratio == 3
