import copy
import sys

import pytest
import timm
import torch
from timm.layers.cond_conv2d import CondConv2d
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from models.backbones.mobile import MOBILE_STRIDES, MobileBody
from models.backbones.variants import EFFICIENTNET_LITE0, MOBILE_BODIES, TABLE_2_BODIES, MobileConfig
from models.extras import MissingPackageError

SMALL = "tf_mobilenetv3_small_minimal_100"
FEATURES = ("bottleneck", "expansion", "first_stage")


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_without_timm_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingPackageError) as caught:
        MobileBody(MobileConfig(SMALL))
    assert str(caught.value) == (
        f"mobile backbone {SMALL}: needs timm, which is not installed; pip install 'posetrack[mobile]'"
    )


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("name", sorted(MOBILE_BODIES))
def test_every_body_has_four_maps(name, features):
    with torch.device("meta"):
        body = MobileBody(MobileConfig(name, features)).eval()
        maps = body(torch.zeros(1, 3, 64, 96))
    found = [tuple(level.shape[1:]) for level in maps]
    assert found == [(c, 64 // s, 96 // s) for c, s in zip(body.channels, MOBILE_STRIDES, strict=True)]


@pytest.mark.parametrize("name", [SMALL, "spnasnet_100", "tf_efficientnet_es"])
@pytest.mark.parametrize("features", FEATURES)
def test_every_parameter_counts(name, features):
    torch.manual_seed(0)
    body = MobileBody(MobileConfig(name, features)).train()
    sum(level.square().mean() for level in body(torch.randn(2, 3, 64, 64))).backward()
    assert [key for key, p in body.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_maps_before_the_linear_convolutions_give_those_behind():
    torch.manual_seed(0)
    behind, before = (
        MobileBody(MobileConfig("spnasnet_100")),
        MobileBody(MobileConfig("spnasnet_100", "expansion")),
    )
    # What only the bottleneck has comes behind the last expansion.
    missing = before.load_state_dict(behind.state_dict(), strict=False)
    assert missing.missing_keys == []
    assert {key.split(".")[-2] for key in missing.unexpected_keys} == {"conv_pwl", "bn3"}
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected, found = behind.eval()(images), before.eval()(images)
        block = behind.network.get_submodule("blocks.6.0")
        torch.testing.assert_close(block.bn3(block.conv_pwl(found[-1])), expected[-1])
    assert before.channels == (72, 120, 288, 1152)


def test_a_whole_body_keeps_what_it_does_not_use():
    torch.manual_seed(0)
    behind = MobileBody(MobileConfig("spnasnet_100"))
    configs = (MobileConfig("spnasnet_100", "expansion", is_whole=is_whole) for is_whole in (True, False))
    whole, cut = map(MobileBody, configs)
    whole.load_state_dict(behind.state_dict(), strict=True)
    cut.load_state_dict(behind.state_dict(), strict=False)
    images = torch.randn(2, 3, 64, 64)
    for found, expected in zip(whole.train()(images), cut.train()(images), strict=True):
        assert torch.equal(found, expected)
    # What is not used has no gradient, nor statistics, so that nothing waits for it.
    unused = {name for name, parameter in whole.named_parameters() if not parameter.requires_grad}
    assert unused == {f"network.blocks.6.0.{name}" for name in ("conv_pwl.weight", "bn3.weight", "bn3.bias")}
    assert whole.state_dict()["network.blocks.6.0.bn3.num_batches_tracked"] == 0
    sum(level.square().mean() for level in whole(images)).backward()
    assert {name for name, parameter in whole.named_parameters() if parameter.grad is None} == unused


# Of stages 1, 2, 3, 5, counted from 0, and of MobileNetV3-Small 0, 1, 2, 4.
@pytest.mark.parametrize(
    ("name", "stages", "channels"),
    [("spnasnet_100", (1, 2, 3, 5), (24, 40, 80, 192)), (SMALL, (0, 1, 2, 4), (16, 24, 40, 96))],
)
def test_maps_of_the_first_stages(name, stages, channels):
    torch.manual_seed(0)
    whole, body = MobileBody(MobileConfig(name)).eval(), MobileBody(MobileConfig(name, "first_stage")).eval()
    rest = body.load_state_dict(whole.state_dict(), strict=False)
    assert rest.missing_keys == []
    assert {key.split(".")[2] for key in rest.unexpected_keys} == {str(stages[-1] + 1)}
    images = torch.randn(1, 3, 64, 96)
    seen = []
    for stage in stages:
        whole.network.blocks[stage].register_forward_hook(lambda part, inputs, output: seen.append(output))
    with torch.no_grad():
        whole(images)
        assert all(map(torch.equal, body(images), seen))
    assert len(seen) == 4
    assert body.channels == channels


def test_tensorflows_bodies_keep_their_epsilon():
    for name in sorted(MOBILE_BODIES):
        with torch.device("meta"):
            parts = MobileBody(MobileConfig(name, "first_stage")).modules()
        expected = 1e-3 if name.startswith("tf_") else 1e-5
        assert {part.eps for part in parts if isinstance(part, nn.BatchNorm2d)} == {expected}, name


def test_a_body_that_timm_lacks_is_named(monkeypatch):
    monkeypatch.setattr(timm, "is_model", lambda name: False)
    monkeypatch.setattr(timm, "__version__", "0.4.12")
    with pytest.raises(MissingPackageError) as caught:
        MobileBody(MobileConfig(SMALL))
    assert str(caught.value) == (
        f"mobile backbone {SMALL}: timm 0.4.12 does not have it; pip install --upgrade 'posetrack[mobile]'"
    )


def test_blocks_that_do_not_expand_give_their_maps_before_the_linear_convolution_too():
    torch.manual_seed(0)
    behind, before = (MobileBody(MobileConfig(SMALL, features)) for features in ("bottleneck", "expansion"))
    before.load_state_dict(behind.state_dict(), strict=False)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected, found = behind.eval()(images), before.eval()(images)
        block = behind.network.get_submodule("blocks.0.0")
        torch.testing.assert_close(block.bn2(block.conv_pw(found[0])), expected[0])


@pytest.mark.parametrize("name", sorted(MOBILE_BODIES))
def test_no_convolution_pads_as_tensorflow_does(name):
    with torch.device("meta"):
        parts = list(MobileBody(MobileConfig(name)).modules())
    assert [part for part in parts if isinstance(part, Conv2dSame)] == []
    for part in parts:
        if isinstance(part, CondConv2d):
            assert not part.dynamic_padding
            assert part.padding == tuple(kernel // 2 for kernel in part.kernel_size)


@pytest.mark.parametrize("features", FEATURES)
def test_a_copy_gives_the_same(features):
    body = MobileBody(MobileConfig(SMALL, features)).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for a, b in zip(body(images), copy.deepcopy(body)(images), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("features", ["expansion", "first_stage"])
def test_an_export_gives_the_same(features):
    body = MobileBody(MobileConfig(SMALL, features)).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        found = torch.export.export(body, (images,)).module()(images)
        for a, b in zip(body(images), found, strict=True):
            torch.testing.assert_close(a, b)


def test_cells_look_at_where_they_lie_not_at_where_tensorflows_do():
    torch.manual_seed(0)
    theirs = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(1, 2, 3, 4)).eval()
    body = MobileBody(EFFICIENTNET_LITE0).eval()
    body.network.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(1, 3, 512, 512)
    with torch.no_grad():
        expected = theirs(images)
        for level, stride in enumerate(MOBILE_STRIDES[:3]):
            shifted = nn.functional.pad(
                images[:, :, stride - 1 :, stride - 1 :], (0, stride - 1, 0, stride - 1)
            )
            found = body(shifted)[level]
            # Away from the borders, where the one sees padding and the other the image.
            middle = slice(found.shape[2] // 2 - 2, found.shape[2] // 2 + 2)
            torch.testing.assert_close(found[..., middle, middle], expected[level][..., middle, middle])


def test_timm_has_every_body():
    assert len(TABLE_2_BODIES) == 22
    assert all(timm.is_model(name) for name in MOBILE_BODIES)


def test_odd_sides_are_refused():
    with pytest.raises(ValueError, match="multiples of 32 px, got 96 x 70"):
        MobileBody(MobileConfig(SMALL))(torch.zeros(1, 3, 70, 96))


def test_unknown_bodies_are_refused():
    with pytest.raises(ValueError, match="mobile body 'resnet50'"):
        MobileConfig("resnet50")
    with pytest.raises(ValueError, match="features 'both'"):
        MobileConfig(SMALL, "both")
    with pytest.raises(ValueError, match="is_whole: only expansion"):
        MobileConfig(SMALL, is_whole=True)
