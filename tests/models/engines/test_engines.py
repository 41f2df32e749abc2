"""Every engine gives what eager float32 torch gives."""

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from models.backbones.imagenet import ImageNetwork
from models.backbones.variants import MOVENET_MULTIPOSE, MOVENET_THUNDER
from models.checkpoints import load_embedded
from models.engines.engine import EngineError
from models.engines.make import ENGINES, make_engine
from models.hrnet.network import PoseMoveNet
from models.movenet.network import MoveNet

CPU = torch.device("cpu")
TOLERANCE = 1e-3
TINY = torch.zeros(1, 3, 16, 24)


class Small(nn.Module):
    """Convolutions with batch norms, plain, strided and transposed; returns what it is told to."""

    def __init__(self, how: str = "dict") -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1)
        self.up_norm = nn.BatchNorm2d(4)

    def forward(self, images):
        low = torch.relu(self.norm(self.conv(images.float())))
        high = self.up_norm(self.up(low))
        return {"dict": {"low": low, "high": high}, "tuple": (low, high), "tensor": high}[self.how]


class Untraceable(nn.Module):
    def forward(self, images):
        return {"points": torch.from_numpy(images.numpy() * 2), "why": "text"}


def make_small(how: str = "dict") -> Small:
    torch.manual_seed(0)
    network = Small(how).eval()
    for norm in (network.norm, network.up_norm):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return network


@pytest.fixture(params=list(ENGINES))
def engine(request) -> str:
    if request.param == "onnxruntime":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)
    return request.param


def draw_images(B: int, H: int, W: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    images = torch.randint(0, 256, (B, H, W, 3), generator=torch.Generator().manual_seed(B))
    return images.to(dtype).permute(0, 3, 1, 2)


def test_outputs_are_those_of_the_network_for_any_batch_and_size(engine):
    network = make_small()
    run = make_engine(network, name="small", example=TINY, device=CPU, engine=engine, precision="f32")
    # Images as small as the last may go through together, the last of them in a batch that is not full.
    for B, H, W in ((1, 16, 24), (3, 32, 16), (9, 16, 24), (2, 8, 8), (70, 8, 8)):
        images = draw_images(B, H, W) / 255
        with torch.no_grad():
            expected = network(images)
        found = run(images)
        assert list(found) == ["low", "high"]
        for name, output in found.items():
            torch.testing.assert_close(output, expected[name], rtol=0, atol=TOLERANCE)
        one_by_one = [run(image[None]) for image in images]
        for name, output in found.items():
            torch.testing.assert_close(output, torch.cat([one[name] for one in one_by_one]), rtol=0, atol=1e-5)


def test_an_empty_batch_has_the_shapes_of_a_full_one(engine):
    run = make_engine(make_small(), name="small", example=TINY, device=CPU, engine=engine, precision="f32")
    found = run(torch.zeros(0, 3, 16, 24))
    assert {name: tuple(output.shape) for name, output in found.items()} == {
        "low": (0, 8, 8, 12),
        "high": (0, 4, 16, 24),
    }
    assert all(output.dtype == torch.float32 for output in found.values())


def test_outputs_are_kept_when_the_engine_runs_again(engine):
    run = make_engine(make_small(), name="small", example=TINY, device=CPU, engine=engine, precision="f32")
    first = run(draw_images(2, 16, 24))["high"]
    before = first.clone()
    run(draw_images(2, 16, 24) * 0)
    assert torch.equal(first, before)


@pytest.mark.parametrize(("how", "names"), [("tensor", ["output"]), ("tuple", ["output_0", "output_1"])])
def test_tensors_and_tuples_get_names(how, names, engine):
    network = make_small(how)
    run = make_engine(network, name=f"small-{how}", example=TINY, device=CPU, engine=engine, precision="f32")
    images = draw_images(2, 16, 24) / 255
    found = run(images)
    assert list(found) == names
    with torch.no_grad():
        torch.testing.assert_close(found[names[-1]], make_small("dict")(images)["high"], rtol=0, atol=TOLERANCE)


def test_movenet(engine):
    network = MoveNet(MOVENET_MULTIPOSE).eval()
    load_embedded(network, "movenet-multipose")
    example = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    run = make_engine(
        network, name="movenet-multipose", example=example, device=CPU, engine=engine, precision="f32"
    )
    for images in (draw_images(3, 96, 64, torch.uint8), draw_images(1, 64, 64, torch.uint8)):
        with torch.inference_mode():
            expected = network(images)
        found = run(images)
        assert list(found) == list(expected)
        for head, output in found.items():
            torch.testing.assert_close(output, expected[head], rtol=0, atol=TOLERANCE)


def test_a_network_on_movenet(engine):
    network = PoseMoveNet(MOVENET_THUNDER, 17).eval()
    load_embedded(network, "thunder-heatmaps-256x192")
    network = ImageNetwork(network)
    example = torch.zeros(1, 3, 256, 192, dtype=torch.uint8)
    run = make_engine(network, name="thunder", example=example, device=CPU, engine=engine, precision="f32")
    images = draw_images(2, 256, 192, torch.uint8)
    with torch.inference_mode():
        expected = network(images)
    (found,) = run(images).values()
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


def test_bf16_is_near_and_gives_float32():
    network = make_small()
    images = draw_images(3, 16, 24) / 255
    with torch.no_grad():
        expected = network(images)["high"]
    run = make_engine(network, name="small", example=TINY, device=CPU, engine="torch", precision="bf16")
    found = run(images)["high"]
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05 * expected.abs().max()


def test_the_network_is_left_as_it_was(engine):
    network = make_small().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    make_engine(network, name="small", example=TINY, device=CPU, engine=engine, precision="f32")
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_network_that_cannot_be_converted_says_why(name):
    if name == "onnxruntime" and not find_spec("onnxscript"):
        pytest.skip("the extra is not installed")
    with pytest.raises(EngineError, match=rf"{name}: cannot convert odd: .*; use --engine torch") as caught:
        make_engine(Untraceable(), name="odd", example=TINY, device=CPU, engine=name, precision="f32")
    assert "\n" not in str(caught.value)


def test_images_of_another_dtype_are_refused_where_the_graph_is_fixed():
    run = make_engine(make_small(), name="small", example=TINY, device=CPU, engine="openvino", precision="f32")
    with pytest.raises(EngineError, match=r"small: made for torch\.float32 images, got torch\.uint8"):
        run(draw_images(1, 16, 24, torch.uint8))
