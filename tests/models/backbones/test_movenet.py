"""Networks on MoveNet: they start from its weights, and their heatmaps as its own."""

import pytest
import torch

from models.backbones.imagenet import normalize_images
from models.backbones.movenet import MoveNetMaps
from models.backbones.variants import MOVENET_MULTIPOSE, MOVENET_STAGES, MOVENET_THUNDER
from models.checkpoints import load_embedded
from models.hrnet.network import PoseMoveNet
from models.movenet.network import MoveNet
from models.swahr.network import HigherMoveNet
from models.training.errors import TrainingError
from models.training.freeze import freeze_body, freeze_movenet


@pytest.mark.parametrize(
    ("make", "config", "name"),
    [
        (HigherMoveNet, MOVENET_MULTIPOSE, "movenet-multipose"),
        (PoseMoveNet, MOVENET_MULTIPOSE, "movenet-multipose"),
    ],
)
def test_heatmaps_start_as_movenets(make, config, name):
    torch.manual_seed(0)
    network, movenet = make(config, 17).eval(), MoveNet(config).eval()
    load_embedded(movenet, name)
    taken = {key: value for key, value in movenet.state_dict().items() if key in network.state_dict()}
    assert {key for key in network.state_dict() if key.startswith(network.body_parts)} == set(taken)
    network.load_state_dict(taken, strict=False)
    last = network.final_layers[0] if make is HigherMoveNet else network.final_layer
    eye = torch.eye(17)[..., None, None]
    with torch.no_grad():
        assert (last.weight[:17, 48:65] - eye).abs().max() < 0.01
        # Without the small random weights that it has beside.
        last.weight[:17] = 0
        last.weight[:17, 48:65] = eye
        image = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
        found = network(normalize_images(image))
        expected = movenet(image)["kpt_heatmap"].sigmoid()
    heatmaps = found[0][:, :17] if make is HigherMoveNet else found
    torch.testing.assert_close(heatmaps, expected, rtol=0.01, atol=1e-5)


def test_maps_are_those_that_movenet_makes():
    network, movenet = MoveNetMaps(MOVENET_MULTIPOSE).eval(), MoveNet(MOVENET_MULTIPOSE).eval()
    load_embedded(movenet, "movenet-multipose")
    network.load_state_dict(movenet.state_dict(), strict=False)
    image = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        maps = network(normalize_images(image))
        expected = movenet(image)["kpt_heatmap"].sigmoid()
        *laterals, last = movenet.backbone(image / 127.5 - 1)
        finest = movenet.pyramid(*laterals, last)
    assert [tuple(level.shape[1:]) for level in maps] == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(network.channels, (4, 8, 16, 32), strict=True)
    ]
    for level, lateral in zip(maps, laterals, strict=False):
        torch.testing.assert_close(level[:, : lateral.shape[1]], lateral, rtol=1e-3, atol=1e-3)
    begin = laterals[0].shape[1]
    torch.testing.assert_close(maps[0][:, begin : begin + 24], finest, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(maps[0][:, -18:-1], expected, rtol=0.01, atol=1e-5)
    torch.testing.assert_close(maps[3], last, rtol=1e-3, atol=1e-3)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="multiples of 32 px, got 90 x 64"):
        PoseMoveNet(MOVENET_THUNDER, 17)(torch.zeros(1, 3, 64, 90))


def test_its_first_blocks_can_stay_as_they_are():
    network = PoseMoveNet(MOVENET_THUNDER, 17)
    assert freeze_movenet(network, stages=2) == network.body_parts
    stays = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    first = ("backbone.stem.", "backbone.blocks.0.")
    assert stays == {name for name, _ in network.named_parameters() if name.startswith(first)}
    assert freeze_movenet(torch.nn.Linear(2, 2), stages=2) == ()
    with pytest.raises(TrainingError, match="frozen_stages: the body has 20 stages, got 21"):
        freeze_movenet(network, stages=21)


def test_all_of_it_can_stay_as_it_is():
    network = PoseMoveNet(MOVENET_THUNDER, 17)
    freeze_movenet(network, stages=MOVENET_STAGES)
    learning = {name for name, value in network.named_parameters() if value.requires_grad}
    assert learning == {
        name for name, _ in network.named_parameters() if not name.startswith(network.body_parts)
    }


@pytest.mark.parametrize("is_balanced", [True, False])
def test_its_heatmaps_outlive_the_first_steps_of_training(is_balanced):
    """The published weights that merge maps are thousands of times smaller than a step's size allows."""
    torch.manual_seed(0)
    network = MoveNetMaps(MOVENET_MULTIPOSE)
    movenet = MoveNet(MOVENET_MULTIPOSE)
    load_embedded(movenet, "movenet-multipose")
    network.load_state_dict(movenet.state_dict(), strict=False)
    images = normalize_images(torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8))
    with torch.no_grad():
        before = network(images)[0]
    if is_balanced:
        freeze_body(network, stages=0)
        with torch.no_grad():
            torch.testing.assert_close(network(images)[0], before, rtol=1e-4, atol=1e-4)
    merges = [merge.pointwise.weight for merge in network.pyramid.merges]
    starts = [weight.detach().clone() for weight in merges]
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)
    for _ in range(5):
        optimizer.zero_grad()
        (network(images)[0] - before).square().mean().add(network(images)[0].mean() * 1e-3).backward()
        optimizer.step()
    changes = [
        ((weight - start).norm() / start.norm()).item() for weight, start in zip(merges, starts, strict=True)
    ]
    assert (max(changes) < 0.1) == is_balanced, changes
