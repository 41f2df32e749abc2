"""Weights stored in 8 bits."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from models.checkpoints import CheckpointError, load_checkpoint
from models.stored_weights import SCALE, pack_bytes, pack_halves, read_stored
from models.training.errors import TrainingError
from models.training.start import load_whole


def make_layers() -> nn.Sequential:
    """Layers whose outputs have weights of very different sizes, one of them none."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.Conv2d(32, 32, 3, groups=32))
    with torch.no_grad():
        layers[0].weight *= torch.logspace(-6, 0, 32)[:, None, None, None]
        layers[0].weight[7] = 0
    return layers


def test_each_output_has_a_scale_of_its_own(tmp_path):
    state = make_layers().state_dict()
    save_file(pack_bytes(state), tmp_path / "w.safetensors")
    read = read_stored(tmp_path / "w.safetensors")
    assert read.keys() == state.keys()
    weight, largest = state["0.weight"], state["0.weight"].abs().amax(dim=(1, 2, 3), keepdim=True)
    assert ((read["0.weight"] - weight).abs() <= largest / 254 * 1.001).all()
    assert read["0.weight"][7].abs().max() == 0
    # What is small anyway stays in half precision.
    torch.testing.assert_close(read["2.weight"], state["2.weight"].half())
    torch.testing.assert_close(read["0.bias"], state["0.bias"].half())
    assert torch.equal(read["1.num_batches_tracked"], state["1.num_batches_tracked"])


def test_packing_what_was_packed_changes_nothing(tmp_path):
    save_file(pack_bytes(make_layers().state_dict()), tmp_path / "w.safetensors")
    again = pack_bytes(read_stored(tmp_path / "w.safetensors"))
    stored = load_file(tmp_path / "w.safetensors")
    assert again.keys() == stored.keys()
    assert torch.equal(again["0.weight"], stored["0.weight"])
    assert stored["0.weight"].dtype == torch.int8


def test_a_network_loads_them_to_compute_and_to_train(tmp_path):
    first, second, third = make_layers(), make_layers(), make_layers()
    save_file(pack_bytes(first.state_dict()), tmp_path / "w.safetensors")
    for network, load in ((second, load_checkpoint), (third, load_whole)):
        with torch.no_grad():
            network[0].weight.zero_()
        load(network, tmp_path / "w.safetensors")
        assert network[0].weight.dtype == torch.float32
        x = torch.randn(1, 16, 9, 9)
        torch.testing.assert_close(network.eval()(x), first.eval()(x), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("scale", [None, torch.ones(1, 1, 1, 1), torch.ones(32)])
def test_bytes_without_their_scales_are_refused(scale, tmp_path):
    packed = pack_bytes(make_layers().state_dict())
    packed.pop("0.weight" + SCALE)
    if scale is not None:
        packed["0.weight" + SCALE] = scale
    save_file(packed, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=r"w.safetensors: .*0.weight: 8 bits without a scale for each"):
        load_checkpoint(make_layers(), tmp_path / "w.safetensors")
    with pytest.raises(TrainingError, match=r"w.safetensors: .*0.weight: 8 bits without a scale for each"):
        load_whole(make_layers(), tmp_path / "w.safetensors")


@pytest.mark.parametrize("pack", [pack_bytes, pack_halves])
def test_numbers_beyond_half_precision_are_refused(pack):
    with pytest.raises(ValueError, match="bias does not fit into half precision"):
        pack({"bias": torch.tensor([1e6])})
