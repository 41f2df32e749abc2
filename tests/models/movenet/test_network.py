import pytest
import torch

from models.backbones.variants import MOVENET_MULTIPOSE, MOVENET_THUNDER, MoveNetConfig
from models.movenet.network import MoveNet

TINY = MoveNetConfig(width=0.25, num_keypoints=5, has_boxes=True)


@pytest.mark.parametrize(("config", "expected"), [(MOVENET_THUNDER, 6_226_046), (MOVENET_MULTIPOSE, 4_723_346)])
def test_number_of_parameters(config, expected):
    assert sum(parameter.numel() for parameter in MoveNet(config).parameters()) == expected


def test_heads_are_a_quarter_of_the_input():
    heads = MoveNet(TINY)(torch.zeros(2, 3, 64, 96))
    shapes = {name: tuple(head.shape) for name, head in heads.items()}
    assert shapes == {
        "center": (2, 1, 16, 24),
        "kpt_heatmap": (2, 5, 16, 24),
        "kpt_regress": (2, 10, 16, 24),
        "kpt_offset": (2, 10, 16, 24),
        "box_scale": (2, 2, 16, 24),
        "box_offset": (2, 2, 16, 24),
    }


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    network = MoveNet(TINY)
    heads = network(torch.rand(1, 3, 64, 64) * 255)
    sum(head.square().sum() for head in heads.values()).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_a_side_that_is_no_multiple_of_32_is_refused():
    with pytest.raises(ValueError, match="multiples of 32 px, got 100 x 64"):
        MoveNet(TINY)(torch.zeros(1, 3, 64, 100))
