"""Layers that compute with values of int8: what they round, what they learn, and what is kept of it."""

import copy

import pytest
import torch
from torch import nn

from models.engines.fold import fold_batch_norms
from models.training.int8 import (
    INT8_RANGES,
    InputRange,
    RoundedWeights,
    decode_ranges,
    encode_ranges,
    prepare_int8,
    split_ranges,
)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.up = nn.ConvTranspose2d(6, 2, 4, stride=2, padding=1)
        self.linear = nn.Linear(6, 4)

    def forward(self, images):
        maps = self.norm(self.conv(images)).relu()
        return self.up(maps), self.linear(maps.mean((2, 3)))


def make_net():
    torch.manual_seed(0)
    return Net()


def draw(seed=0):
    return torch.randn(2, 3, 8, 12, generator=torch.Generator().manual_seed(seed))


def test_inputs_are_rounded_to_256_values_of_the_range_that_was_seen():
    rounding = InputRange()
    values = torch.linspace(-1, 3, 2001)
    assert torch.equal(rounding.eval()(values), values), "nothing is known yet"
    rounded = rounding.train()(values)
    assert len(rounded.unique()) == 256
    assert 0 in rounded
    assert (rounded - values).abs().max() <= 4 / 255 / 2 * 1.01
    rounding(3 * values)
    assert float(rounding.upper) == pytest.approx(3 + 0.05 * 6), "it follows slowly"
    before = copy.deepcopy(rounding.state_dict())
    rounding.eval()(100 * values)
    assert all(torch.equal(before[name], value) for name, value in rounding.state_dict().items())


def test_weights_are_rounded_by_channel_and_scaling_a_channel_scales_them():
    weight = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    rounded = RoundedWeights()(weight)
    steps = weight.flatten(1).abs().amax(1)[:, None, None, None] / 127
    torch.testing.assert_close(rounded / steps, (weight / steps).round(), atol=1e-4, rtol=0)
    factors = torch.tensor([1.0, -2.0, 0.01, 30.0, 1e-4])[:, None, None, None]
    torch.testing.assert_close(RoundedWeights()(weight * factors), rounded * factors, rtol=1e-4, atol=1e-7)


def test_every_layer_learns_and_transposed_ones_stay_float():
    network = make_net()
    prepare_int8(network)
    up, logits = network.train()(draw())
    (up.square().mean() + logits.square().mean()).backward()
    assert all(float(parameter.grad.abs().sum()) > 0 for parameter in network.parameters())
    assert {name for name, part in network.named_modules() if isinstance(part, InputRange)} == {
        "conv.input_range",
        "linear.input_range",
    }


@torch.no_grad()
def test_the_plain_network_takes_the_weights_and_the_ranges_are_notes():
    network = make_net()
    plain_names = network.state_dict().keys()
    prepare_int8(network)
    network.train()(draw())
    state, ranges = split_ranges(network.state_dict())
    assert state.keys() == plain_names
    assert ranges["conv"] == (pytest.approx(float(draw().min())), pytest.approx(float(draw().max())))
    assert decode_ranges(encode_ranges(ranges)) == ranges
    plain = make_net()
    plain.load_state_dict(state)
    expected, found = plain.eval()(draw()), network.eval()(draw())
    for a, b in zip(expected, found, strict=True):
        assert 0 < float((a - b).norm() / a.norm()) < 0.05
    assert split_ranges(make_net().state_dict())[1] == {}
    assert encode_ranges({}) == decode_ranges({}) == {}


@torch.no_grad()
def test_a_prepared_network_goes_on_where_it_was_and_runs_folded():
    network = make_net()
    prepare_int8(network)
    network.train()(draw())
    again = make_net()
    prepare_int8(again)
    again.load_state_dict(network.state_dict())
    for one in (network, again, copy.deepcopy(network)):
        assert all(map(torch.equal, one.eval()(draw(1)), network.eval()(draw(1))))
    folded = fold_batch_norms(network, torch.zeros(1, 3, 8, 12))
    assert all(map(torch.equal, folded(draw(1)), network.eval()(draw(1))))


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"conv": [1]}', '{"conv": [1, 2]}', '{"conv": [-1, NaN]}', '{"conv": "ab"}']
)
def test_damaged_ranges_are_said(text):
    with pytest.raises(ValueError, match=r"int8_ranges|Expecting"):
        decode_ranges({INT8_RANGES: text})
