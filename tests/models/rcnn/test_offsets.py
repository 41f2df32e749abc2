import numpy as np
import pytest
import torch
from reference.rcnn_offsets import convolve_deformed, refine_heatmap
from torch import nn

from models.rcnn.deform import DeformableConv2d, deform_convolutions
from models.rcnn.offsets import refine_heatmaps


def draw(*shape: int, scale: float = 1.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_refinement_is_the_loop_also_past_the_borders(scale):
    heatmaps, offsets = draw(2, 3, 6, 5), draw(2, 3, 2, 6, 5, scale=scale, seed=1)
    refined = refine_heatmaps(heatmaps, offsets)
    for n in range(2):
        for k in range(3):
            expected = refine_heatmap(heatmaps[n, k].numpy(), offsets[n, k].numpy())
            np.testing.assert_allclose(refined[n, k].numpy(), expected, atol=1e-12)


def test_no_offset_changes_nothing_and_a_whole_one_moves_cells():
    heatmaps = draw(1, 2, 5, 7)
    offsets = torch.zeros(1, 2, 2, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(refine_heatmaps(heatmaps, offsets), heatmaps)
    offsets[:, :, 0] = 1
    moved = refine_heatmaps(heatmaps, offsets)
    torch.testing.assert_close(moved[..., :-1], heatmaps[..., 1:])
    assert moved[..., -1].abs().max() < 1e-12


def test_logits_go_on_past_the_border():
    heatmaps = draw(1, 2, 5, 7) - 50
    offsets = draw(1, 2, 2, 5, 7, scale=4.0, seed=1)
    refined = refine_heatmaps(heatmaps, offsets, are_logits=True)
    padded = torch.nn.functional.pad(heatmaps, (30, 30, 30, 30), mode="replicate")
    widened = refine_heatmaps(
        padded, torch.nn.functional.pad(offsets.flatten(1, 2), (30,) * 4).unflatten(1, (2, 2))
    )
    torch.testing.assert_close(refined, widened[..., 30:-30, 30:-30])
    # A constant more everywhere is no other answer.
    torch.testing.assert_close(refine_heatmaps(heatmaps + 50, offsets, are_logits=True), refined + 50)


def test_offsets_learn_from_the_heatmap_they_move():
    heatmaps = torch.arange(7.0, dtype=torch.float64).expand(1, 1, 5, 7)
    offsets = torch.full((1, 1, 2, 5, 7), 0.25, dtype=torch.float64, requires_grad=True)
    refine_heatmaps(heatmaps, offsets)[0, 0, 2, 3].backward()
    # The map rises by 1 a column and not at all by rows.
    expected = torch.zeros(2, 5, 7, dtype=torch.float64)
    expected[0, 2, 3] = 1
    torch.testing.assert_close(offsets.grad[0, 0], expected)


def test_places_are_as_precise_in_bfloat16():
    # Values that bfloat16 holds, in maps so wide that it does not hold the places.
    heatmaps = torch.arange(56.0).expand(1, 1, 56, 56)
    offsets = torch.full((1, 1, 2, 56, 56), 0.125)
    refined = refine_heatmaps(heatmaps.bfloat16(), offsets.bfloat16())
    torch.testing.assert_close(refined, refine_heatmaps(heatmaps, offsets))


def test_nobody_has_no_heatmaps():
    assert refine_heatmaps(torch.zeros(0, 3, 4, 4), torch.zeros(0, 3, 2, 4, 4)).shape == (0, 3, 4, 4)


@pytest.mark.parametrize("is_modulated", [False, True])
def test_a_deformable_convolution_is_the_loop(is_modulated):
    plain = nn.Conv2d(2, 3, 3, padding=1, bias=False).double()
    bent = DeformableConv2d(plain, is_modulated=is_modulated).double()
    x = draw(1, 2, 4, 5)
    with torch.no_grad():
        bent.offset.weight.copy_(draw(*bent.offset.weight.shape, scale=0.3, seed=2))
        offsets = bent.offset(x)
        y = bent(x)
    mask = offsets[0, 18:].sigmoid().numpy() if is_modulated else None
    assert bent.offset.out_channels == (27 if is_modulated else 18)
    expected = convolve_deformed(x[0].numpy(), plain.weight.detach().numpy(), offsets[0, :18].numpy(), mask)
    np.testing.assert_allclose(y[0].numpy(), expected, atol=1e-10)


@pytest.mark.parametrize(("is_modulated", "factor"), [(False, 1.0), (True, 0.5)])
def test_at_first_it_is_the_convolution_whose_place_it_takes(is_modulated, factor):
    torch.manual_seed(0)
    stage = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, bias=False))
    names = set(stage.state_dict())
    x = torch.randn(2, 4, 8, 10)
    expected = stage[1](stage[0](x))
    deform_convolutions(stage, is_modulated=is_modulated)
    assert not isinstance(stage[0], DeformableConv2d)
    assert isinstance(stage[1], DeformableConv2d)
    assert set(stage.state_dict()) == names | {"1.offset.weight", "1.offset.bias"}
    torch.testing.assert_close(stage(x), factor * expected, rtol=1e-4, atol=1e-5)
