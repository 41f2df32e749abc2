import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models.backbones.variants import MOVENET_MULTIPOSE
from models.checkpoints import CheckpointError, load_checkpoint, load_embedded
from models.movenet.network import MoveNet


def test_weights_load_whatever_their_precision(tmp_path):
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    save_file({k: v.half() for k, v in source.state_dict().items()}, tmp_path / "w.safetensors")
    load_checkpoint(target, tmp_path / "w.safetensors")
    assert target.weight.dtype == torch.float32
    torch.testing.assert_close(target.weight, source.weight, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": torch.zeros(2, 3)}, "missing bias"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "scale": torch.zeros(1)}, "unexpected scale"),
        (
            {"weight": torch.zeros(3, 3), "bias": torch.zeros(2)},
            r"weight: shape \(3, 3\), expected \(2, 3\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path, state, message):
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(nn.Linear(3, 2), tmp_path / "w.safetensors")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_a_file_that_is_no_weights_is_refused(tmp_path, content):
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not readable as safetensors"):
        load_checkpoint(nn.Linear(3, 2), path)


def test_embedded_weights_are_there_and_fit():
    network = MoveNet(MOVENET_MULTIPOSE)
    before = network.backbone.stem.weight.clone()
    load_embedded(network, "movenet-multipose")
    assert not torch.equal(before, network.backbone.stem.weight)


def test_damaged_embedded_weights_are_refused():
    with pytest.raises(CheckpointError, match="damaged; install the package again"):
        load_embedded(MoveNet(MOVENET_MULTIPOSE), "movenet-multipose", "0" * 64)
    with pytest.raises(CheckpointError, match="missing; install the package again"):
        load_embedded(MoveNet(MOVENET_MULTIPOSE), "movenet-lightning")
