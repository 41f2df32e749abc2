"""Int8 networks: what is quantised, what stays float, and that outputs stay near."""

import logging

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from models.engines.export import convert_part, measure_error, pack_part
from models.engines.exported import RUNNERS, Export
from models.engines.quantize import quantize
from models.metadata import WeightsMetadata

pytest.importorskip("nncf")

EXAMPLE = torch.zeros(1, 3, 32, 48, dtype=torch.uint8)


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.second = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x):
        x = self.first(x).relu()
        return x + self.second(x).relu()


class Net(nn.Module):
    """What the islands are about, in small."""

    def __init__(self):
        super().__init__()
        self.body = Body()
        self.lateral = nn.Conv2d(16, 16, 1)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pooled = nn.Conv2d(16, 16, 1)
        self.up = nn.ConvTranspose2d(16, 4, 4, stride=2, padding=1)
        self.weights = nn.Parameter(torch.tensor([0.3, 0.7]))

    def forward(self, images):
        x = self.lateral(self.body((images.float() - 128) / 60))
        coarse = functional.interpolate(functional.max_pool2d(x, 1, stride=2), scale_factor=2, mode="nearest")
        fused = self.depthwise(x * self.weights[0] + coarse * self.weights[1]).relu()
        pooled = self.pooled(fused.mean((2, 3), keepdim=True)).relu()
        return {"maps": fused, "up": self.up(fused + pooled)}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 1, 3, 4, 6), np.uint8)
    return list(coarse.repeat(8, axis=3).repeat(8, axis=4))


@pytest.mark.parametrize("kind", RUNNERS)
def test_int8_outputs_are_near_and_files_smaller(kind, network, inputs):
    for package in ("onnxruntime", "onnx", "onnxscript") if kind == "onnx" else ():
        pytest.importorskip(package)
    converted = convert_part(network, "net", EXAMPLE, kind)
    quantized = quantize(converted, network, inputs, "body")
    part = pack_part(quantized, EXAMPLE, WeightsMetadata("net"), "image")
    export = Export(kind, "int8", WeightsMetadata("net"), {"image": part})
    batches = {"image": [torch.from_numpy(array) for array in inputs]}
    for engine in RUNNERS[kind]:
        error = measure_error(export, {"image": (network, EXAMPLE)}, engine, batches)["image"]
        assert 1e-4 < error < 0.05


def test_others_may_log_as_before(network, inputs, caplog):
    quantize(convert_part(network, "net", EXAMPLE, "openvino"), network, inputs, "body")
    logging.getLogger("posetrack.somewhere").warning("seen")
    assert caplog.messages == ["seen"]


def test_convolutions_and_the_body_are_int8_and_all_else_float(network, inputs):
    model = quantize(convert_part(network, "net", EXAMPLE, "openvino"), network, inputs, "body").model
    quantized = set()
    for operation in model.get_ordered_ops():
        if operation.get_type_name() == "FakeQuantize":
            for target in operation.output(0).get_target_inputs():
                node = target.get_node()
                quantized.add(
                    (node.get_type_name(), node.get_friendly_name().split("/")[0].split(".module.")[-1])
                )
    quantized = {(kind, name.removeprefix("__module.module.")) for kind, name in quantized}
    layers = {("Convolution", name) for name in ("body.first", "body.second", "lateral", "pooled")}
    layers.add(("GroupConvolution", "depthwise"))
    assert layers <= quantized
    assert {name for _, name in quantized - layers} <= {"body"}, "sums, means and up-sampling are float"
    constants = {
        operation.get_element_type().get_type_name()
        for operation in model.get_ordered_ops()
        if operation.get_type_name() == "Constant"
        and len(operation.get_output_shape(0)) >= 4
        and np.prod(operation.get_output_shape(0)) > 64
    }
    assert "i8" in constants
