from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import hrnet_codec as naive

from models.hrnet.codec import (
    CODING_256X192,
    CODING_384X288,
    HeatmapCoding,
    average_flipped,
    average_scales,
    decode_heatmaps,
    encode_heatmaps,
)

KINDS = ("offset", "dark", "udp")
SMALL = HeatmapCoding(input_wh=(96, 128), sigma_cells=2.0)
# Cells next to each border where peaks are not refined, and the error elsewhere; see the codec's docstring.
BORDER_CELLS = {"offset": 0, "dark": 2, "udp": 1}
INSIDE_ERROR = {"offset": 0.5, "dark": 0.01, "udp": 0.01}


def in_order(coding: HeatmapCoding) -> tuple:
    return coding.input_wh, int(coding.sigma_cells), coding.kind, coding.stride


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stride", [4, 8])
def test_targets_are_those_of_the_loops(kind, stride):
    coding = replace(SMALL, kind=kind, stride=stride)
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(-60, 190, (6, 5, 2)).astype(np.float32)
    weights = rng.choice([0.0, 0.7, 1.0], (6, 5))
    heatmaps, kept = encode_heatmaps(torch.from_numpy(keypoints), torch.from_numpy(weights), coding)
    expected, expected_kept = naive.encode(keypoints, weights, *in_order(coding))
    assert (expected_kept != weights).any(), "some lie too far outside"
    np.testing.assert_allclose(heatmaps.numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(kept.numpy(), expected_kept, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_keypoints_are_those_of_the_loops(kind):
    coding = replace(SMALL, kind=kind)
    W, H = coding.heatmap_wh
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, (8, 6, H, W)).astype(np.float32)
    points = torch.from_numpy(rng.uniform(-3, 130, (8, 6, 2)).astype(np.float32))
    drawn, _ = encode_heatmaps(points, torch.ones(8, 6), replace(coding, kind="dark"))
    for heatmaps in (noise, drawn.numpy() + 0.02 * noise, drawn.numpy() - 2):
        keypoints, scores = decode_heatmaps(torch.from_numpy(heatmaps), coding)
        expected, expected_scores = naive.decode(heatmaps, *in_order(coding))
        np.testing.assert_allclose(keypoints.numpy(), expected, atol=2e-2)
        np.testing.assert_allclose(scores.numpy(), expected_scores, atol=1e-6)


@pytest.mark.parametrize("base", [CODING_256X192, CODING_384X288])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(points=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_round_trip(base, kind, points):
    coding = replace(base, kind=kind)
    last = torch.tensor(coding.heatmap_wh) - 1
    cells = torch.tensor(points, dtype=torch.float32)[None] * last
    step = torch.tensor(coding.step_xy_px)
    heatmaps, weights = encode_heatmaps(cells * step, torch.ones(cells.shape[:2]), coding)
    found, scores = decode_heatmaps(heatmaps, coding)
    error = (found / step - cells).abs()
    assert (weights == 1).all()
    assert (scores > 0.88).all()
    assert (error <= 0.5 + 1e-3).all()
    rounded = cells.round()
    border = torch.minimum(rounded, last - rounded).amin(dim=2) < BORDER_CELLS[kind]
    half = (cells - cells.floor() - 0.5).abs().amin(dim=2) < 1e-3
    assert (error[~border & ~half] <= INSIDE_ERROR[kind] + 1e-3).all()


@pytest.mark.parametrize("kind", KINDS)
def test_corners_come_back(kind):
    coding = replace(CODING_256X192, kind=kind)
    W, H = coding.heatmap_wh
    corners = torch.tensor([[[0, 0], [W - 1, 0], [0, H - 1], [W - 1, H - 1]]]) * torch.tensor(coding.step_xy_px)
    heatmaps, _ = encode_heatmaps(corners, torch.ones(1, 4), coding)
    found, scores = decode_heatmaps(heatmaps, coding)
    torch.testing.assert_close(found, corners)
    torch.testing.assert_close(scores, torch.ones(1, 4))


def test_udp_lays_the_last_cell_on_the_last_pixel():
    coding = replace(CODING_256X192, kind="udp")
    heatmaps, _ = encode_heatmaps(torch.tensor([[[191.0, 255.0]]]), torch.ones(1, 1), coding)
    assert heatmaps[0, 0, 63, 47] == 1
    heatmaps, _ = encode_heatmaps(torch.tensor([[[188.0, 252.0]]]), torch.ones(1, 1), CODING_256X192)
    assert heatmaps[0, 0, 63, 47] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_keypoint_outside_comes_back_on_the_border_or_has_no_weight(kind):
    coding = replace(CODING_256X192, kind=kind)
    near, far = [-20.0, 100.0], [-30.0, 100.0]
    heatmaps, weights = encode_heatmaps(torch.tensor([[near, far]]), torch.ones(1, 2), coding)
    found, _ = decode_heatmaps(heatmaps, coding)
    assert weights.tolist() == [[1, 0]]
    assert heatmaps[0, 1].max() == 0
    assert found[0, 0, 0] == 0
    assert abs(found[0, 0, 1] - 100) < 2.5


def test_what_has_no_weight_is_not_drawn_whatever_it_is():
    points = torch.tensor([[[float("nan"), 3.0], [50.0, 50.0]]])
    heatmaps, weights = encode_heatmaps(points, torch.zeros(1, 2), CODING_256X192)
    assert not heatmaps.any()
    assert not weights.any()


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_and_one_person_decode_like_a_crowd(kind):
    coding = replace(SMALL, kind=kind)
    heatmaps = torch.rand(3, 2, 32, 24, generator=torch.Generator().manual_seed(0))
    together = decode_heatmaps(heatmaps, coding)
    alone = [decode_heatmaps(heatmap[None], coding) for heatmap in heatmaps]
    torch.testing.assert_close(together[0], torch.cat([xy for xy, _ in alone]))
    torch.testing.assert_close(together[1], torch.cat([scores for _, scores in alone]))
    xy, scores = decode_heatmaps(heatmaps[:0], coding)
    assert (xy.shape, scores.shape) == ((0, 2, 2), (0, 2))
    targets, weights = encode_heatmaps(xy, scores, coding)
    assert (targets.shape, weights.shape) == ((0, 2, 32, 24), (0, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_heatmaps_are_averaged_as_the_loops_do(kind):
    rng = np.random.default_rng(2)
    heatmaps, flipped = rng.random((2, 2, 3, 8, 6))
    found = average_flipped(
        torch.from_numpy(heatmaps), torch.from_numpy(flipped), (0, 2, 1), replace(SMALL, kind=kind)
    )
    expected = naive.average_flipped(heatmaps, flipped, (0, 2, 1), is_shifted=kind != "udp")
    np.testing.assert_allclose(found.numpy(), expected)


@pytest.mark.parametrize(("kind", "error_px"), [("offset", 2.0), ("dark", 0.55), ("udp", 0.05)])
def test_averaging_with_the_mirror_keeps_keypoints_in_place(kind, error_px):
    coding = replace(CODING_256X192, kind=kind)
    rng = torch.Generator().manual_seed(3)
    points = torch.rand(20, 2, 2, generator=rng) * torch.tensor([120.0, 180.0]) + 36
    mirrored = points.flip(1).clone()
    mirrored[..., 0] = 191 - mirrored[..., 0]
    here, weights = encode_heatmaps(points, torch.ones(20, 2), coding)
    there, _ = encode_heatmaps(mirrored, weights, coding)
    found, _ = decode_heatmaps(average_flipped(here, there, (1, 0), coding), coding)
    assert (found - points).abs().max() <= error_px + 0.5 * (kind == "offset")


def test_heatmaps_of_another_size_are_refused():
    with pytest.raises(
        ValueError, match=r"heatmaps of 48 x 60 cells, expected 48 x 64 for an input of \(192, 256\)"
    ):
        decode_heatmaps(torch.zeros(1, 1, 60, 48), CODING_256X192)
    with pytest.raises(ValueError, match="heatmap coding 'msra': known: offset, dark, udp"):
        HeatmapCoding(input_wh=(192, 256), sigma_cells=2.0, kind="msra")


@pytest.mark.parametrize("kind", KINDS)
def test_scales_are_averaged_where_those_of_scale_one_have_cells(kind):
    coding = replace(SMALL, kind=kind)
    W, H = coding.heatmap_wh
    scales = (0.8, 1.0, 1.3)
    maps = torch.rand(2 * len(scales), 3, H, W)
    found = average_scales(maps, scales, coding)
    assert found.shape == (2, 3, H, W)
    middle = (np.array(coding.input_wh) - (kind == "udp")) / 2
    step = np.array(coding.step_xy_px)
    for x, y in ((0, 0), (W - 1, 3), (11, 17), (W // 2, H - 1)):
        values = []
        for i, scale in enumerate(scales):
            at = ((np.array([x, y]) * step - middle) / scale + middle) / step
            if (at < -1e-6).any() or (at > np.array([W - 1, H - 1]) + 1e-6).any():
                continue
            left, top = np.clip(np.floor(at).astype(int), 0, [W - 2, H - 2])
            dx, dy = at - (left, top)
            part = maps[2 * i : 2 * i + 2, :, top : top + 2, left : left + 2].double()
            values.append(
                (part[..., 0, 0] * (1 - dx) + part[..., 0, 1] * dx) * (1 - dy)
                + (part[..., 1, 0] * (1 - dx) + part[..., 1, 1] * dx) * dy
            )
        np.testing.assert_allclose(found[..., y, x], torch.stack(values).mean(dim=0), atol=1e-4)
    assert average_scales(maps, (1.0,), coding) is maps
