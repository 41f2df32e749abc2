"""Folded networks give what they gave before."""

from functools import partial

import pytest
import torch
from torch import nn

from models.engines.fold import fold_batch_norms

EXAMPLE = torch.zeros(1, 3, 8, 12)


class Block(nn.Module):
    """One convolution, one batch norm, and what is between or beside them."""

    def __init__(self, between: str) -> None:
        super().__init__()
        self.between = between
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images):
        x = self.conv(images)
        if self.between == "relu":
            x = self.relu(x)
        if self.between == "twice":
            x = self.conv(x)
        y = self.norm(x)
        return y + x if self.between == "beside" else y


def make_block(between: str) -> Block:
    torch.manual_seed(1)
    block = Block(between).eval()
    nn.init.normal_(block.norm.running_mean)
    nn.init.uniform_(block.norm.running_var, 0.5, 2.0)
    nn.init.normal_(block.norm.weight)
    return block


@pytest.mark.parametrize("between", ["nothing", "relu", "twice", "beside"])
def test_only_a_batch_norm_right_behind_its_convolution_is_folded(between):
    block = make_block(between)
    folded = fold_batch_norms(block, EXAMPLE)
    assert isinstance(folded.norm, nn.Identity if between == "nothing" else nn.BatchNorm2d)
    assert isinstance(block.norm, nn.BatchNorm2d), "the network itself is not changed"
    images = torch.randn(2, 3, 10, 6, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(folded(images), block(images), rtol=0, atol=1e-5)


def test_a_transposed_convolution_is_folded_too():
    torch.manual_seed(3)
    network = nn.Sequential(nn.ConvTranspose2d(3, 5, 4, 2, 1), nn.BatchNorm2d(5)).eval()
    nn.init.normal_(network[1].running_mean)
    folded = fold_batch_norms(network, EXAMPLE)
    assert isinstance(folded[1], nn.Identity)
    images = torch.randn(2, 3, 5, 6)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), network(images), rtol=0, atol=1e-5)


def test_control_flow_is_no_obstacle():
    class Guarded(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = make_block("nothing")

        def forward(self, images):
            if images.shape[-1] % 2:
                raise ValueError("odd")
            return self.block(images)

    assert isinstance(fold_batch_norms(Guarded(), EXAMPLE).block.norm, nn.Identity)


def test_hooks_of_a_convolution_see_what_runs():
    class Watched(nn.Module):
        """Returns a map that a hook has kept, as backbones do whose maps lie between layers."""

        def __init__(self):
            super().__init__()
            self.kept = {}
            self.body = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1), nn.BatchNorm2d(5))
            self.body[1].register_forward_pre_hook(partial(keep, self.kept))

        def forward(self, images):
            return self.body(images), self.kept.pop("input")

    def keep(kept, part, inputs):
        kept["input"] = inputs[0]

    network = Watched().eval()
    folded = fold_batch_norms(network, EXAMPLE)
    assert isinstance(folded.body[2], nn.Identity)
    images = torch.randn(2, 3, 5, 6)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), network(images))
