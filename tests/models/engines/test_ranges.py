"""Int8 networks from trained ranges compute what training computed."""

import pytest
import torch
from torch import nn

from models.engines.engine import EngineError
from models.engines.export import convert_part
from models.engines.openvino_engine import OpenVinoEngine
from models.engines.ranges import quantize_by_ranges
from models.training.int8 import prepare_int8, split_ranges

EXAMPLE = torch.zeros(1, 3, 16, 24)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.grouped = nn.Conv2d(16, 8, 1, groups=2)
        self.up = nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1)
        self.linear = nn.Linear(8, 4)

    def forward(self, images):
        maps = self.grouped(self.depthwise(self.norm(self.conv(images)).relu()).relu())
        return {"up": self.up(maps), "logits": self.linear(maps.mean((2, 3)))}


@pytest.fixture(scope="module")
def trained():
    """The network as trained, the same without preparation, the ranges, and images."""
    torch.manual_seed(0)
    prepared, plain = Net(), Net()
    prepare_int8(prepared)
    images = torch.randn(4, 3, 16, 24)
    for _ in range(30):
        prepared.train()(images)
    state, ranges = split_ranges(prepared.state_dict())
    plain.load_state_dict(state)
    return prepared.eval(), plain.eval(), ranges, images


@torch.no_grad()
def test_it_computes_what_training_computed(trained):
    prepared, plain, ranges, images = trained
    converted = convert_part(plain, "net", EXAMPLE, "openvino")
    quantized = quantize_by_ranges(converted, plain, ranges)
    found = OpenVinoEngine(quantized, name="net", example=EXAMPLE, precision="f32")(images)
    for name, expected in prepared(images).items():
        assert float((found[name] - expected).norm() / expected.norm()) < 0.01, name
        off = float((plain(images)[name] - expected).norm() / expected.norm())
        assert off > float((found[name] - expected).norm() / expected.norm()), "nearer than float"
    kinds = [
        (operation.get_type_name(), operation.get_output_element_type(0).get_type_name())
        for operation in quantized.model.get_ordered_ops()
    ]
    assert kinds.count(("Constant", "i8")) == 4, "the weights of all layers but the transposed one"
    assert ("FakeQuantize", "f32") in kinds


def test_a_range_for_no_layer_is_said(trained):
    _, plain, _, _ = trained
    converted = convert_part(plain, "net", EXAMPLE, "openvino")
    with pytest.raises(EngineError, match="int8: layers without an operation: norm"):
        quantize_by_ranges(converted, plain, {"norm": (-1.0, 1.0)})
