import numpy as np
import pytest
import torch
from reference import hrnet_codec as naive

from models.hrnet.losses import compute_hard_heatmap_loss, compute_heatmap_loss


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    heatmaps, targets = rng.random((2, 3, 5, 4, 6))
    return heatmaps, targets, rng.choice([0.0, 0.5, 1.0], (3, 5))


def test_losses_are_those_of_the_loops(batch):
    losses = naive.heatmap_losses(*batch)
    tensors = [torch.from_numpy(array) for array in batch]
    assert compute_heatmap_loss(*tensors)["heatmap"].item() == pytest.approx(losses.mean(), rel=1e-6)
    hardest = np.sort(losses, axis=1)[:, -2:].mean()
    assert compute_hard_heatmap_loss(*tensors, hard_keypoints=2)["heatmap"].item() == pytest.approx(hardest)


def test_all_keypoints_count_where_there_are_fewer_than_hard_ones(batch):
    tensors = [torch.from_numpy(array) for array in batch]
    assert compute_hard_heatmap_loss(*tensors)["heatmap"] == pytest.approx(
        compute_heatmap_loss(*tensors)["heatmap"]
    )


def test_a_keypoint_without_weight_gets_no_gradient():
    heatmaps = torch.rand(1, 2, 4, 4, requires_grad=True)
    compute_heatmap_loss(heatmaps, torch.zeros(1, 2, 4, 4), torch.tensor([[0.0, 1.0]]))["heatmap"].backward()
    assert not heatmaps.grad[0, 0].any()
    assert heatmaps.grad[0, 1].all()


def test_only_the_hard_keypoints_get_a_gradient():
    heatmaps = torch.arange(1.0, 11.0).reshape(1, 10, 1, 1).expand(1, 10, 4, 4).clone().requires_grad_()
    compute_hard_heatmap_loss(heatmaps, torch.zeros(1, 10, 4, 4), torch.ones(1, 10))["heatmap"].backward()
    assert [bool(grad.any()) for grad in heatmaps.grad[0]] == [False] * 2 + [True] * 8


def test_the_loss_is_float32_whatever_the_network_computes_in():
    heatmaps = torch.rand(2, 3, 4, 4).bfloat16()
    assert (
        compute_heatmap_loss(heatmaps, torch.rand(2, 3, 4, 4), torch.ones(2, 3))["heatmap"].dtype
        == torch.float32
    )
