"""Weights are recognised by names and shapes."""

from functools import partial

import pytest
import torch
from torch import nn

from models.densepose.network import make_densepose
from models.densepose.variants import NETWORKS
from models.extras import MissingPackageError
from models.fit import NearestNetwork, count_outputs, find_nearest, list_problems, list_shapes

PUBLISHED = [name for name in NETWORKS if name.startswith("densepose-")]


class Shell(nn.Module):
    """Has the names and shapes of a network and nothing else, so that it is made at once."""

    def __init__(self, shapes, num_outputs=0):
        super().__init__()
        self._shapes = shapes

    def state_dict(self):
        return {name: torch.empty(shape, device="meta") for name, shape in self._shapes.items()}


@pytest.fixture(scope="module")
def shapes():
    with torch.device("meta"):
        return {name: list_shapes(make_densepose(NETWORKS[name]).state_dict()) for name in PUBLISHED}


@pytest.fixture(scope="module")
def makers(shapes):
    return {name: partial(Shell, own) for name, own in shapes.items()}


def test_each_published_network_is_told_from_each_other(shapes, makers):
    assert len(PUBLISHED) == 14
    for name in PUBLISHED:
        for other in PUBLISHED:
            nearest = find_nearest(shapes[name], makers, shapes[other])
            assert nearest == (None if name == other else NearestNetwork(name, 0)), (name, other)


def test_nearly_is_enough_and_the_wanted_one_is_not_named(shapes, makers):
    weights = dict(shapes["densepose-r50-dl-wc1"])
    del weights["roi_heads.dense_predictor.layers.u.bias"]
    weights["rpn.head.bbox_pred.bias"] = (13,)
    assert find_nearest(weights, makers, shapes["densepose-r50"]) == NearestNetwork("densepose-r50-dl-wc1", 2)
    assert find_nearest(weights, makers, shapes["densepose-r50-dl-wc1"]) is None
    assert find_nearest({"weight": (1,)}, makers, shapes["densepose-r50"]) is None


def test_counters_do_not_count_and_networks_that_cannot_be_made_are_left_out():
    def fail(_):
        raise MissingPackageError("mobile backbone x", "timm", "mobile")

    own = list_shapes(nn.BatchNorm1d(3).state_dict())
    weights = {name: shape for name, shape in own.items() if not name.endswith("num_batches_tracked")}
    makers = {"x": fail, "norm": lambda _: nn.BatchNorm1d(3)}
    assert find_nearest(weights, makers, {}) == NearestNetwork("norm", 0)


def test_problems_are_named_as_in_the_file():
    found = list_problems({"a": (1,), "b": (2,)}, {"b": (3,), "c": (4,)}, str.upper)
    assert found == ["missing C", "unexpected A", "B: shape (2,), expected (3,)"]


def test_outputs_are_counted():
    assert count_outputs({"final_layer.weight": (17, 32, 1, 1)}) == 17
    assert count_outputs({"final_layer.weight": ()}) == count_outputs({}) == 0
