import numpy as np
import pytest
import torch
from reference.rcnn_offsets import convolve_deformed, refine_heatmap
from torch import nn

from models.rcnn.codec import decode_keypoints, encode_keypoints
from models.rcnn.losses import compute_keypoint_loss
from models.rcnn.offsets import DeformableConv2d, KeypointPredictor, deform_convolutions, refine_heatmaps


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


@pytest.mark.parametrize(("has_offsets", "shapes"), [(False, [3]), (True, [3, 6])])
def test_there_are_three_channels_a_keypoint_with_offsets(has_offsets, shapes):
    predictor = KeypointPredictor(8, 3, has_offsets=has_offsets, loss="mse")
    assert predictor.kps_score_lowres.out_channels == sum(shapes)
    outputs = predictor(torch.randn(2, 8, 4, 4))
    assert [tuple(maps.shape) for maps in outputs] == [(2, count, 16, 16) for count in shapes]
    assert predictor.refine(*outputs).shape == (2, 3, 16, 16)
    if not has_offsets:
        assert predictor.refine(*outputs) is outputs[0]


def test_offsets_start_at_zero_and_the_heatmaps_are_refined_by_them():
    torch.manual_seed(0)
    predictor = KeypointPredictor(8, 3, has_offsets=True, loss="mse")
    features = torch.randn(2, 8, 4, 4)
    heatmaps, offsets = predictor(features)
    assert offsets.eq(0).all()
    torch.testing.assert_close(predictor.refine(heatmaps, offsets), heatmaps)
    with torch.no_grad():
        predictor.kps_score_lowres.bias[3:] = torch.tensor([1.0, 0, 0, 2, 0, 0])
    heatmaps, offsets = predictor(features)
    # x and y of each keypoint in turn.
    assert offsets[0, :, 5, 5].tolist() == [1, 0, 0, 2, 0, 0]
    refined = predictor.refine(heatmaps, offsets)
    torch.testing.assert_close(refined[:, 0, :, :-1], heatmaps[:, 0, :, 1:])
    torch.testing.assert_close(refined[:, 1, :-2], heatmaps[:, 1, 2:])
    assert refined[:, 0, :, -1].eq(0).all(), "outside there is no keypoint"


def test_heatmaps_are_probabilities_for_squared_errors_and_logits_for_cross_entropy():
    torch.manual_seed(0)
    features = torch.randn(4, 8, 4, 4) * 20
    squared = KeypointPredictor(8, 3, has_offsets=False, loss="mse")
    entropy = KeypointPredictor(8, 3, has_offsets=False, loss="cross_entropy")
    entropy.load_state_dict(squared.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(squared(features)[0], entropy(features)[0].sigmoid())
        assert entropy(features)[0].max() > 1


def test_peaks_rise_within_a_hundred_steps():
    torch.manual_seed(0)
    # Two people, each with three keypoints at places of their own; the predictor alone learns.
    features = torch.randn(2, 64, 14, 14).relu()
    boxes = torch.tensor([[0.0, 0, 56, 56]]).expand(2, 4)
    places = torch.tensor([[[10.0, 8], [30, 40], [50, 21]], [[44, 9], [12, 33], [27, 50]]])
    keypoints = torch.cat([places, torch.ones(2, 3, 1)], dim=2)
    predictor = KeypointPredictor(64, 3, has_offsets=True, loss="mse")
    # Before anything is learnt the heatmaps already add up to what the targets do.
    targets = encode_keypoints(keypoints, boxes, 56)
    assert predictor(features)[0].mean().item() == pytest.approx(targets.mean().item(), rel=0.5)
    optimizer = torch.optim.Adam(predictor.parameters(), lr=3e-3)
    for _ in range(100):
        loss = compute_keypoint_loss(predictor.refine(*predictor(features)), keypoints, boxes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found, scores = decode_keypoints(predictor.refine(*predictor(features)).detach(), boxes)
    assert (found - places).abs().max() < 1
    assert scores.min() > 0.5


def test_offsets_get_a_gradient_although_they_start_at_zero():
    torch.manual_seed(0)
    predictor = KeypointPredictor(8, 3, has_offsets=True, loss="mse")
    predictor.refine(*predictor(torch.randn(2, 8, 4, 4))).square().sum().backward()
    assert predictor.kps_score_lowres.weight.grad[:, 3:].flatten(2).any(dim=2).all()


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
