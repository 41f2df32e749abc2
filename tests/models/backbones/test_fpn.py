import pytest
import torch

from models.backbones.fpn import PyramidBackbone
from models.backbones.mobile import MobileBody
from models.backbones.resnet_fpn import make_resnet_fpn
from models.backbones.variants import MobileConfig, ResNetFPNConfig

SMALL = MobileConfig("tf_mobilenetv3_small_minimal_100")


@pytest.mark.parametrize(("kind", "layers"), [("fpn", 1), ("bifpn", 1), ("bifpn", 2)])
def test_a_pyramid_has_five_maps_and_every_parameter_counts(kind, layers):
    torch.manual_seed(0)
    backbone = PyramidBackbone(MobileBody(SMALL), 8, kind, layers).train()
    maps = backbone(torch.randn(2, 3, 64, 96))
    shapes = {name: tuple(level.shape[1:]) for name, level in maps.items()}
    assert shapes == {"0": (8, 16, 24), "1": (8, 8, 12), "2": (8, 4, 6), "3": (8, 2, 3), "pool": (8, 1, 2)}
    assert backbone.out_channels == 8
    sum(level.square().mean() for level in maps.values()).backward()
    assert [key for key, p in backbone.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_unknown_pyramids_are_refused():
    body = MobileBody(SMALL)
    with pytest.raises(ValueError, match="pyramid 'pan': known: fpn, bifpn"):
        PyramidBackbone(body, 8, "pan")
    with pytest.raises(ValueError, match="one layer, got 2"):
        PyramidBackbone(body, 8, "fpn", 2)


@pytest.mark.parametrize(
    ("name", "scales"),
    [("resnet18", "all"), ("resnet50", "multi"), ("resnet101", "single"), ("resnext101_32x8d", "multi")],
)
def test_resnets_have_the_scales_of_the_paper(name, scales):
    config = ResNetFPNConfig(name, scales=scales, channels=8)
    with torch.device("meta"):
        backbone = make_resnet_fpn(config).eval()
        maps = backbone(torch.zeros(1, 3, 64, 128))
    assert tuple(maps) == (*config.map_names, "pool")
    assert [tuple(level.shape[1:]) for level in maps.values()] == [
        (8, 64 // s, 128 // s) for s in config.strides
    ]
    # A body keeps no stage that the pyramid does not need, and no classifier.
    assert next(reversed(dict(backbone.body.named_children()))) == "layer4"
