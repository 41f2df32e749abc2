"""From a network to an engine."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.engines.choice import EngineChoice, choose_engine
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
"""Who computes, by name: from a network, its name, an example, a device and a precision."""


def make_engine(
    module: nn.Module,
    *,
    name: str,
    example: Tensor,
    device: torch.device,
    engine: str = "auto",
    precision: str = "auto",
) -> Engine:
    """Make a network ready to compute.

    Args:
        module: The network, float32; it is not changed. Each image of a batch must count for itself.
        name: What to call it in messages and in the cache of converted networks.
        example: (B, C, H, W) such as the network will get: C and dtype are kept to, the sides may be small and
            should differ. What is in it does not count.
        device: Where the network runs.
        engine: A key of `ENGINES`, or `auto`.
        precision: `f32`, `bf16` or `fp16`, or `auto`.

    Raises:
        EngineError: There is no such engine or precision here, or it cannot take this network.
    """
    choice: EngineChoice = choose_engine(engine, precision, device)
    return ENGINES[choice.engine](module, name, example, device, choice.precision)
