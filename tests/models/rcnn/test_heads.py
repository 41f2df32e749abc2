import pytest
import torch

from models.rcnn.codec import decode_keypoints, encode_keypoints
from models.rcnn.heads import KeypointPredictor
from models.rcnn.losses import compute_keypoint_loss
from models.rcnn.offsets import refine_heatmaps


@pytest.mark.parametrize(("has_offsets", "channels"), [(False, 3), (True, 9)])
def test_there_are_three_channels_a_keypoint_with_offsets(has_offsets, channels):
    predictor = KeypointPredictor(8, 3, has_offsets=has_offsets, loss="mse")
    assert predictor.kps_score_lowres.out_channels == channels
    heatmaps, offsets = predictor.predict(torch.randn(2, 8, 4, 4))
    assert heatmaps.shape == (2, 3, 16, 16)
    assert (offsets is None) != has_offsets


def test_offsets_begin_at_zero_and_the_heatmaps_are_refined_by_them():
    torch.manual_seed(0)
    predictor = KeypointPredictor(8, 3, has_offsets=True, loss="mse")
    features = torch.randn(2, 8, 4, 4)
    heatmaps, offsets = predictor.predict(features)
    assert offsets.eq(0).all()
    torch.testing.assert_close(predictor(features), heatmaps)
    with torch.no_grad():
        predictor.kps_score_lowres.bias[3:] = torch.tensor([1.0, 0, 0, 2, 0, 0])
    heatmaps, offsets = predictor.predict(features)
    # Channels: the heatmaps, then x and y of each keypoint.
    assert offsets[0, :, :, 5, 5].tolist() == [[1, 0], [0, 2], [0, 0]]
    refined = predictor(features)
    torch.testing.assert_close(refined, refine_heatmaps(heatmaps, offsets))
    torch.testing.assert_close(refined[:, 0, :, :-1], heatmaps[:, 0, :, 1:])
    torch.testing.assert_close(refined[:, 1, :-2], heatmaps[:, 1, 2:])


def test_heatmaps_are_probabilities_for_squared_errors_and_logits_for_cross_entropy():
    torch.manual_seed(0)
    features = torch.randn(4, 8, 4, 4) * 20
    squared = KeypointPredictor(8, 3, has_offsets=False, loss="mse")
    entropy = KeypointPredictor(8, 3, has_offsets=False, loss="cross_entropy")
    entropy.load_state_dict(squared.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(squared(features), entropy(features).sigmoid())
        assert entropy(features).max() > 1


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
    assert predictor(features).mean().item() == pytest.approx(targets.mean().item(), rel=0.5)
    optimizer = torch.optim.Adam(predictor.parameters(), lr=3e-3)
    for _ in range(100):
        loss = compute_keypoint_loss(predictor(features), keypoints, boxes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found, scores = decode_keypoints(predictor(features).detach(), boxes)
    assert (found - places).abs().max() < 1
    assert scores.min() > 0.5


def test_offsets_get_a_gradient_although_they_begin_at_zero():
    torch.manual_seed(0)
    predictor = KeypointPredictor(8, 3, has_offsets=True, loss="mse")
    predictor(torch.randn(2, 8, 4, 4)).square().sum().backward()
    assert predictor.kps_score_lowres.weight.grad[:, 3:].flatten(2).any(dim=2).all()
