"""Every engine on a network of every family, small and with random weights, gives what torch gives."""

from importlib.util import find_spec

import pytest
import torch
from made_densepose import make_small_densepose
from reference.rcnn_scene import shrink
from torch import nn

from models.backbones.imagenet import ImageNetwork
from models.backbones.variants import HRNetConfig, ResNetConfig
from models.engines.compare import compute_difference
from models.engines.engine import name_outputs
from models.engines.make import ENGINES, make_engine
from models.hrnet.network import make_pose_network
from models.rcnn.network import make_rcnn
from models.rcnn.variants import NETWORKS
from models.swahr.network import make_swahr_network
from models.swahr.variants import SwahrConfig

TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)
IMAGE = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)


def settle(network):
    """Batch norms see an image, so that outputs are of some size; the network in evaluation mode."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(torch.randn(2, 3, 64, 96))
    return ImageNetwork(network.eval())


def list_parts(network, name):
    """The parts of a network of two stages that run on engines."""
    heads, channels = network.roi_heads, network.backbone.out_channels
    yield f"{name}-image", network.image_part(), IMAGE
    for part, module in heads.region_parts().items():
        cells = heads.count_cells(part)
        yield f"{name}-{part}", module, torch.zeros(1, channels, cells, cells)


def make_parts(family):
    torch.manual_seed(0)
    if family == "higher-hrnet":
        network = make_swahr_network(SwahrConfig(TINY, has_scale_maps=False, dilations=(1, 1, 2, 2)), 17)
        yield family, settle(network), IMAGE
    elif family == "swahr":
        network = make_swahr_network(SwahrConfig(TINY), 17)
        network.remove_scale_maps()
        yield family, settle(network), IMAGE
    elif family in ("hrnet", "simple-baseline"):
        config = TINY if family == "hrnet" else ResNetConfig(depths=(1, 1, 1, 1), width=8)
        yield family, settle(make_pose_network(config, 17)), IMAGE
    elif family == "densepose":
        yield from list_parts(make_small_densepose().eval(), family)
    else:
        yield from list_parts(make_rcnn(shrink(NETWORKS[family])).eval(), family)


FAMILIES = (
    *("hrnet", "simple-baseline", "higher-hrnet", "swahr", "densepose", "keypoint-rcnn"),
    # Deformable convolutions and offsets; modulated ones.
    *("multitask-rb-h", "multitask-rb-h-modulated"),
)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "torch"])
@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_are_those_of_torch(family, engine):
    packages = ("onnx", "onnxscript", "onnxruntime") if engine == "onnxruntime" else (engine,)
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    for name, part, example in make_parts(family):
        run = make_engine(
            part, name=name, example=example, device=torch.device("cpu"), engine=engine, precision="f32"
        )

        shape = (3, *example.shape[1:])
        images = torch.rand(shape) if example.dtype == torch.float32 else torch.randint(0, 256, shape)
        images = images.to(example.dtype)
        if example.dtype == torch.uint8:
            images = images.repeat(1, 1, 2, 1)
        with torch.no_grad():
            expected = name_outputs(part(images))
        found = run(images)
        assert list(found) == list(expected)
        for key, output in expected.items():
            assert compute_difference(output, found[key]) < 1e-4, (name, key)
