"""Making of engines from networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.engines.choice import EngineChoice, choose_engine, choose_for_network
from models.engines.engine import Engine
from models.engines.onnx_engine import OnnxEngine
from models.engines.openvino_engine import OpenVinoEngine
from models.engines.torch_engine import TorchEngine

ENGINES: dict[str, Callable[[nn.Module, str, Tensor, torch.device, str], Engine]] = {
    "torch": lambda module, name, example, device, precision: TorchEngine(
        module, example=example, device=device, precision=precision
    ),
    "openvino": lambda module, name, example, device, precision: OpenVinoEngine(
        module, name=name, example=example, precision=precision
    ),
    "onnxruntime": lambda module, name, example, device, precision: OnnxEngine(
        module, name=name, example=example
    ),
}
"""Constructors by engine: from a network, its name, an example, a device and a precision."""


def make_engine(
    module: nn.Module,
    *,
    name: str,
    example: Tensor,
    device: torch.device,
    engine: str = "auto",
    precision: str = "auto",
) -> Engine:
    """Make an engine from a network.

    Args:
        module: The network, float32; it is not changed. The images of a batch must not affect one another.
        name: Name of the network in messages and in the cache.
        example: (B, C, H, W) like the inputs: C and dtype are fixed, the sides may be small and should differ.
            The values are not used.
        device: Device of the network.
        engine: A key of `ENGINES`, or `auto`.
        precision: One of `models.engines.choice.PRECISIONS`, or `auto`.

    Raises:
        EngineError: The engine or precision is not available, or cannot convert this network.
    """
    choice: EngineChoice = choose_engine(engine, precision, device)
    return ENGINES[choice.engine](module, name, example, device, choose_for_network(choice.precision, name))
