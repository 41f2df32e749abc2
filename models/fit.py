"""Whether weights fit a network, and which network they fit best, by names and shapes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from models.extras import MissingPackageError

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of weights by name."""

COUNTER = "num_batches_tracked"
"""What the names of batch norms' counters end with: PyTorch before 0.4.1 did not keep them."""

_MOST_DIFFERENT = 0.1


@dataclass(frozen=True)
class NearestNetwork:
    """A network that weights are of, or nearly.

    Attributes:
        name: Its name.
        differences: Number of names that only one of both has, or with another shape.
    """

    name: str
    differences: int


def list_shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """List the shapes of weights."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def list_problems(shapes: Shapes, own: Shapes, publish: Callable[[str], str] = str) -> list[str]:
    """List what keeps weights from filling a network strictly, for display.

    Args:
        shapes: Of the weights.
        own: Of the network.
        publish: From a name of the network to that in the file.
    """
    problems = [f"missing {publish(name)}" for name in own if name not in shapes]
    problems += [f"unexpected {publish(name)}" for name in shapes if name not in own]
    problems += [
        f"{publish(name)}: shape {shapes[name]}, expected {own[name]}"
        for name in own
        if name in shapes and shapes[name] != own[name]
    ]
    return problems


def count_outputs(shapes: Shapes) -> int:
    """Number of keypoints, or of classes, that weights are for; 0 where there is no last layer."""
    for name in ("classifier.weight", "fc.weight", "final_layer.weight", "final_layers.1.weight"):
        if shapes.get(name):
            return shapes[name][0]
    return 0


def take_outputs(state: Mapping[str, Tensor], outputs: Sequence[int]) -> dict[str, Tensor]:
    """Take some outputs of weights, in another order.

    Args:
        state: Weights by our names, whose last layer is `final_layer`.
        outputs: The positions of the outputs; empty for all as they are.
    """
    if not outputs:
        return dict(state)
    return {
        name: tensor[list(outputs)].clone() if name.startswith("final_layer.") else tensor
        for name, tensor in state.items()
    }


def find_nearest(
    shapes: Shapes, makers: Mapping[str, Callable[[int], nn.Module]], wanted: Shapes
) -> NearestNetwork | None:
    """Find the network that weights are of, when they do not fit the one that was wanted.

    Args:
        shapes: Of the weights, by our names.
        makers: Networks by name, each from the number of keypoints or classes.
        wanted: Shapes of the network that was wanted.

    Returns:
        The first of the networks with the fewest differences; None if that is not less than with the one that
        was wanted, or most of it is different.
    """
    num_outputs = max(count_outputs(shapes), 1)
    fewest, nearest = _count_differences(shapes, wanted), None
    for name, make_network in makers.items():
        own = _list_own(make_network, num_outputs)
        differences = _count_differences(shapes, own)
        if differences < fewest and differences <= _MOST_DIFFERENT * len(own):
            fewest, nearest = differences, NearestNetwork(name, differences)
        if not differences:
            break
    return nearest


@lru_cache(maxsize=256)
def _list_own(make_network: Callable[[int], nn.Module], num_outputs: int) -> Shapes:
    """Shapes of a network; none where it cannot be made here."""
    try:
        with torch.device("meta"):
            return list_shapes(make_network(num_outputs).state_dict())
    except MissingPackageError:
        return {}


def _count_differences(shapes: Shapes, own: Shapes) -> int:
    return sum(shapes.get(name) != own.get(name) for name in _without_counters([*shapes, *own]))


def _without_counters(names: Iterable[str]) -> set[str]:
    return {name for name in names if not name.endswith(COUNTER)}
