"""Outputs are compared relative to their size."""

import pytest
import torch

from models.engines.compare import check_outputs, compute_difference
from models.engines.engine import EngineError
from models.engines.fold import fold_batch_norms


@pytest.mark.parametrize("size", [1e-6, 1.0, 5e5])
def test_rounding_passes_and_other_outputs_do_not_whatever_their_size(size):
    maps = size * torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    expected = {"maps": maps}
    check_outputs("net", expected, {"maps": maps * (1 + 1e-5)}, "openvino")
    with pytest.raises(EngineError, match=r"^openvino: cannot convert net: maps differs by 0\.01\d* of its"):
        check_outputs("net", expected, {"maps": maps * 1.01}, "openvino")
    with pytest.raises(EngineError, match="differs by nan"):
        check_outputs("net", expected, {"maps": maps * torch.nan}, "openvino")


def test_the_difference_is_relative_to_the_largest_value():
    assert compute_difference(torch.tensor([200.0, 1.0]), torch.tensor([200.0, 3.0])) == pytest.approx(0.01)
    assert compute_difference(torch.zeros(2), torch.zeros(2)) == 0
    assert compute_difference(torch.zeros(0), torch.zeros(0)) == 0


def test_weights_that_give_nan_are_called_damaged():
    with pytest.raises(EngineError, match="maps is NaN or infinite: its weights are damaged"):
        check_outputs("net", {"maps": torch.tensor([torch.nan])}, {"maps": torch.zeros(1)}, "openvino")


def test_other_shapes_are_named():
    with pytest.raises(EngineError, match=r"maps comes as \(1, 2\), not \(2, 1\)"):
        check_outputs("net", {"maps": torch.zeros(2, 1)}, {"maps": torch.zeros(1, 2)}, "onnxruntime")


def test_the_torch_engine_finds_damaged_weights_too():
    network = torch.nn.Conv2d(3, 2, 1)
    torch.nn.init.constant_(network.weight, torch.nan)
    with pytest.raises(EngineError, match="its weights are damaged"):
        fold_batch_norms(network, torch.zeros(1, 3, 8, 8))
