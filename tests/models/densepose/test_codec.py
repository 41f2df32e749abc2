import pytest
import torch
from reference.densepose_scene import make_outputs

from models.densepose.codec import (
    decode_dense_pose,
    encode_dense_pose,
    to_bytes,
)
from models.densepose.pixel_box import PixelBox, find_pixels


def make_pose(region, cells=4):
    """Charts in blocks, some of them background, and coordinates that change slowly."""
    draw = torch.Generator().manual_seed(2)
    blocks = torch.randint(0, 25, (cells, cells), generator=draw)
    y, x = torch.arange(region.h), torch.arange(region.w)
    charts = blocks[y * cells // region.h][:, x * cells // region.w]
    u = (x / region.w)[None].expand(region.h, -1)
    v = (y / region.h)[:, None].expand(-1, region.w)
    return charts, torch.stack([u, v]) * (charts > 0)


@pytest.mark.parametrize("num_coarse", [2, 15])
def test_a_pose_survives_encoding_but_for_the_borders_of_its_charts(num_coarse):
    region = PixelBox(3, 4, 80, 112)
    charts, coordinates = make_pose(region)
    found, uv = decode_dense_pose(encode_dense_pose(charts, coordinates, 56, num_coarse), region)
    is_same = found == charts
    assert is_same.float().mean() > 0.93
    # Resizing mixes neighbouring cells, in which the background has no coordinates: in the middle of blocks
    # what is left is the size of a cell, 1/56 of the box.
    middle = torch.zeros_like(is_same)
    for row in range(4):
        for column in range(4):
            middle[row * 28 + 6 : row * 28 + 22, column * 20 + 5 : column * 20 + 15] = True
    assert is_same[middle].all()
    assert (uv - coordinates).abs()[:, middle].max() < 1 / 40


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([10.9, 20.2, 30.8, 50.1], (10, 20, 19, 29)),
        ([5.0, 5.0, 5.4, 5.9], (5, 5, 1, 1)),
        ([-0.7, 3.0, 9.0, 9.0], (0, 3, 9, 6)),
    ],
)
def test_boxes_are_truncated(box, expected):
    assert find_pixels(torch.tensor(box)) == expected


def test_bytes_are_truncated_and_limited():
    charts = torch.tensor([[0, 24]])
    coordinates = torch.tensor([[[-0.5, 0.9999]], [[1.5, 0.5]]])
    assert to_bytes(charts, coordinates).tolist() == [[[0, 24]], [[0, 254]], [[255, 127]]]
    assert to_bytes(charts, coordinates).dtype == torch.uint8


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 40), (2, 3), (20, 31), (90, 120), (2000, 1)])
@pytest.mark.parametrize("num_coarse", [2, 15])
def test_bytes_are_those_of_the_public_order_to_the_last_bit(size_wh, num_coarse):
    """All maps are resized, then the charts are chosen, then each chart's pixels are taken."""
    outputs = {name: maps[0].float() for name, maps in make_outputs(1, 14, num_coarse, seed=3).items()}
    region = PixelBox(0, 0, *size_wh)
    size_hw = size_wh[::-1]
    resized = {
        name: torch.nn.functional.interpolate(maps[None], size_hw, mode="bilinear", align_corners=False)[0]
        for name, maps in outputs.items()
    }
    charts = resized["fine"].argmax(0) * (resized["coarse"].argmax(0) > 0)
    coordinates = torch.zeros(2, *size_hw)
    for chart in range(1, 25):
        for plane, name in zip(coordinates, ("u", "v"), strict=True):
            plane[charts == chart] = resized[name][chart][charts == chart]
    found = decode_dense_pose(outputs, region)
    assert torch.equal(found[0], charts)
    assert torch.equal(found[1], coordinates)
    wanted = torch.cat([charts[None].byte(), (coordinates * 255).clamp(0, 255).byte()])
    assert torch.equal(to_bytes(*found), wanted)


def test_pixels_are_those_of_the_resized_maps():
    outputs = {name: maps[0].float() for name, maps in make_outputs(1, side=7).items()}
    region = PixelBox(0, 0, 15, 11)
    resized = {
        name: torch.nn.functional.interpolate(maps[None], (11, 15), mode="bilinear")[0]
        for name, maps in outputs.items()
    }
    charts, uv = decode_dense_pose(outputs, region)
    for y in range(11):
        for x in range(15):
            chart = int(resized["fine"][:, y, x].argmax()) * int(resized["coarse"][:, y, x].argmax() > 0)
            assert charts[y, x] == chart
            wanted = [resized[name][chart, y, x].item() if chart else 0 for name in ("u", "v")]
            assert uv[:, y, x].tolist() == pytest.approx(wanted)
