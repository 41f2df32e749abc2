from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from models.backbones.variants import HRNetConfig, ResNetConfig
from models.checkpoints import write_weights
from models.hrnet.network import ClassificationHRNet, ClassificationResNet, PoseHRNet, SimpleBaseline
from models.hrnet.recipe import PoseNetworkRecipe
from models.hrnet.start import load_body, load_whole
from models.metadata import WeightsMetadata
from models.training.errors import TrainingError

K = 3
TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)
TINY_RESNET = ResNetConfig(depths=(1, 1, 1, 1), width=4)


def test_body_of_other_keypoints_is_a_start(tmp_path):
    old, new = PoseHRNet(TINY, 5), PoseHRNet(TINY, K)
    last = new.final_layer.weight.clone()
    save_file(old.state_dict() | {"classifier.weight": torch.zeros(2)}, tmp_path / "a.safetensors")
    load_body(new, tmp_path / "a.safetensors")
    assert torch.equal(new.conv1.weight, old.conv1.weight)
    assert torch.equal(new.final_layer.weight, last)


@pytest.mark.parametrize(
    ("old", "new", "head"),
    [
        (ClassificationHRNet(TINY, 7), PoseHRNet(TINY, K), ("final_layer.",)),
        (ClassificationHRNet(TINY, 7), PoseHRNet(TINY, K, heatmap_branch=2), ("final_layer.",)),
        (
            ClassificationResNet(TINY_RESNET, 7),
            SimpleBaseline(TINY_RESNET, K),
            ("final_layer.", "deconv_layers."),
        ),
    ],
)
def test_everything_but_the_head_comes_from_imagenet(tmp_path, old, new, head):
    # Constants, which no two networks start with by chance.
    state = {name: torch.full_like(value, 3) for name, value in old.state_dict().items()}
    save_file(state, tmp_path / "a.safetensors")
    load_body(new, tmp_path / "a.safetensors")
    for name, value in new.state_dict().items():
        assert bool((value == 3).all()) != name.startswith(head), name


def test_other_bodies_are_refused(tmp_path):
    other = PoseHRNet(replace(TINY, width=8), K)
    save_file(other.state_dict(), tmp_path / "b.safetensors")
    with pytest.raises(TrainingError, match=r"b.safetensors: does not fit the network's body: "):
        load_body(PoseHRNet(TINY, K), tmp_path / "b.safetensors")
    write_weights(tmp_path / "c.safetensors", other.state_dict(), WeightsMetadata("hrnet-w18", {}))
    for load in (load_body, load_whole):
        with pytest.raises(TrainingError, match=r"does not fit .* \(these are weights of hrnet-w18\)"):
            load(PoseHRNet(TINY, K), tmp_path / "c.safetensors")
    with pytest.raises(TrainingError, match=r"no.safetensors: no such weights"):
        load_body(PoseHRNet(TINY, K), tmp_path / "no.safetensors")


def test_whole_network_is_a_start(tmp_path):
    old, new = PoseHRNet(TINY, K), PoseHRNet(TINY, K)
    save_file(old.state_dict(), tmp_path / "a.safetensors")
    load_whole(new, tmp_path / "a.safetensors")
    for a, b in zip(old.state_dict().values(), new.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state | {"final_layer.weight": torch.zeros(5, 4, 1, 1)},
        lambda state: {name: value for name, value in state.items() if name != "final_layer.weight"},
    ],
)
def test_other_keypoints_are_no_whole_network(tmp_path, change):
    network = PoseHRNet(TINY, K)
    save_file(change(network.state_dict()), tmp_path / "a.safetensors")
    with pytest.raises(TrainingError, match=r"whole network: final_layer.weight; name it in network.body"):
        load_whole(network, tmp_path / "a.safetensors")


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="not readable as safetensors"):
        load_whole(PoseHRNet(TINY, K), tmp_path / "a.safetensors")
    save_file(PoseHRNet(TINY, K).state_dict() | {"extra": torch.zeros(1)}, tmp_path / "b.safetensors")
    with pytest.raises(TrainingError, match="whole network: extra"):
        load_whole(PoseHRNet(TINY, K), tmp_path / "b.safetensors")


def test_body_and_weights_are_not_both_given():
    with pytest.raises(ValueError, match="weights: given beside body"):
        PoseNetworkRecipe("hrnet-w32", body="a", weights="b")
