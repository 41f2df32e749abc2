from dataclasses import replace

import pytest
import torch
from torch import nn

from models.backbones.hrnet import HRNet
from models.backbones.variants import (
    HRNET_W24_FROM_START,
    HRNET_W32,
    HRNET_W32_ACROSS_EXCHANGE,
    HRNET_W32_FINAL_EXCHANGE,
    HRNetConfig,
)

TINY = HRNetConfig(width=4, modules=(1, 1, 2), blocks=1, stem_channels=8, bottlenecks=1)


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def count_fusions(network: HRNet) -> int:
    return sum(hasattr(part, "fuse_layers") for part in network.modules())


@pytest.mark.parametrize(
    ("config", "fusions"),
    [
        (HRNET_W32, 8),
        (HRNET_W32_ACROSS_EXCHANGE, 3),
        (HRNET_W32_FINAL_EXCHANGE, 1),
        (HRNET_W24_FROM_START, 8),
    ],
)
def test_the_exchange_units_are_those_of_table_6(config, fusions):
    with torch.device("meta"):
        assert count_fusions(HRNet(config)) == fusions


def test_from_the_start_there_are_four_branches_in_every_exchange_block():
    with torch.device("meta"):
        network = HRNet(HRNET_W24_FROM_START)
    blocks = [block for stage in (network.stage2, network.stage3, network.stage4) for block in stage]
    assert [len(block.branches) for block in blocks] == [4] * 8


@pytest.mark.parametrize("size_hw", [(64, 96), (48, 36), (50, 33)])
@pytest.mark.parametrize(
    "config",
    [
        TINY,
        replace(TINY, exchange="across"),
        replace(TINY, exchange="final"),
        replace(TINY, starts_with_all=True),
    ],
)
def test_every_variant_gives_the_branches_asked_for_at_any_size(config, size_hw):
    network = HRNet(config, out_branches=(0, 2)).eval()
    H, W = size_hw
    with torch.no_grad():
        fine, coarse = network.compute_features(torch.randn(2, 3, H, W))
    assert fine.shape == (2, 4, -(-H // 4), -(-W // 4))
    assert coarse.shape == (2, 16, -(-H // 16), -(-W // 16))
    assert fine.std() > 0
    assert coarse.std() > 0


def test_a_branch_is_the_same_whatever_else_is_asked_for():
    both = HRNet(TINY, out_branches=(0, 1)).eval()
    one = HRNet(TINY, out_branches=(1,)).eval()
    one.load_state_dict({name: both.state_dict()[name] for name in one.state_dict()})
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(one.compute_features(images)[0], both.compute_features(images)[1])


def test_uneven_sides_are_those_of_a_padded_image_away_from_its_end():
    """Upsampled maps are cut at the end, so that cells keep their places."""
    network = HRNet(TINY).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.1, 0.1)
    images = torch.randn(1, 3, 64, 640)
    with torch.no_grad():
        whole = network.compute_features(images)[0]
        cut = network.compute_features(images[..., :636])[0]
    assert cut.shape[-1] == 159
    torch.testing.assert_close(cut[..., :40], whole[..., :40])


@pytest.mark.parametrize("config", [TINY, replace(TINY, exchange="final"), replace(TINY, starts_with_all=True)])
@pytest.mark.parametrize("branch", [0, 1])
def test_every_parameter_gets_a_gradient(config, branch):
    torch.manual_seed(0)
    network = HRNet(config, out_branches=(branch,))
    (features,) = network.compute_features(torch.randn(2, 3, 96, 64))
    (features * torch.randn_like(features)).sum().backward()
    idle = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert idle == []


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="expected some of 0 to 3"):
        HRNet(TINY, out_branches=(4,))
    with pytest.raises(ValueError, match="exchange 'none': known: all, across, final"):
        HRNet(replace(TINY, exchange="none"))
