import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from models.backbones.mobile import MobileBody
from models.backbones.mobile_weights import load_imagenet_weights
from models.backbones.variants import EFFICIENTNET_LITE0, SINGLE_PATH, SINGLE_PATH_EXPANDED, MobileConfig


def name_as_package(network: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of timm's lite0 under the package's names: blocks are counted through, norms from 0."""
    state = {
        "_conv_stem.weight": network.conv_stem.weight,
        "_conv_head.weight": torch.zeros(1280, 320, 1, 1),
        "_bn1.weight": torch.zeros(1280),
        "_fc.weight": torch.zeros(1000, 1280),
    }
    state |= {f"_bn0.{key}": value for key, value in network.bn1.state_dict().items()}
    blocks = [block for stage in network.blocks for block in stage]
    for i, block in enumerate(blocks):
        if i == 0:
            parts = {"_depthwise_conv": block.conv_dw, "_bn1": block.bn1, "_project_conv": block.conv_pw}
            parts["_bn2"] = block.bn2
        else:
            parts = {"_expand_conv": block.conv_pw, "_bn0": block.bn1, "_depthwise_conv": block.conv_dw}
            parts |= {"_bn1": block.bn2, "_project_conv": block.conv_pwl, "_bn2": block.bn3}
        for part, module in parts.items():
            state |= {f"_blocks.{i}.{part}.{key}": value for key, value in module.state_dict().items()}
    return {key: value.detach().clone() for key, value in state.items()}


@pytest.mark.parametrize("features", ["bottleneck", "expansion", "first_stage"])
def test_imagenet_weights_are_renamed(tmp_path, features):
    torch.manual_seed(0)
    source = MobileBody(EFFICIENTNET_LITE0)
    path = tmp_path / "lite0.pth"
    torch.save(name_as_package(source.network), path)
    body = MobileBody(MobileConfig("tf_efficientnet_lite0", features))
    load_imagenet_weights(body, path)
    expected = source.state_dict()
    for key, value in body.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_other_weights_are_refused(tmp_path):
    body = MobileBody(EFFICIENTNET_LITE0)
    state = name_as_package(body.network)
    path = tmp_path / "lite0.pth"
    torch.save(state | {"_blocks.16._bn1.weight": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"unknown tensor '_blocks\.16\._bn1\.weight'"):
        load_imagenet_weights(body, path)
    del state["_blocks.3._bn1.weight"]
    torch.save(state, path)
    with pytest.raises(ValueError, match="missing blocks"):
        load_imagenet_weights(body, path)
    with pytest.raises(ValueError, match="the body is spnasnet_100"):
        load_imagenet_weights(MobileBody(MobileConfig("spnasnet_100")), path)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("config", [SINGLE_PATH, SINGLE_PATH_EXPANDED])
def test_timms_weights_are_taken_without_the_last_layers(tmp_path, config, suffix):
    source = timm.create_model(config.name).state_dict()
    path = tmp_path / f"timm.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(source, path)
    body = MobileBody(config)
    load_imagenet_weights(body, path)
    assert all(torch.equal(value, source[name]) for name, value in body.network.state_dict().items())
    save_file(source | {"blocks.9.0.conv_pw.weight": torch.zeros(1)}, tmp_path / "more.safetensors")
    with pytest.raises(ValueError, match=r"^unexpected blocks\.9\.0\.conv_pw\.weight$"):
        load_imagenet_weights(body, tmp_path / "more.safetensors")
    torch.save({"state_dict": source}, tmp_path / "wrapped.pth")
    with pytest.raises(ValueError, match="holds more than weights by name"):
        load_imagenet_weights(body, tmp_path / "wrapped.pth")
