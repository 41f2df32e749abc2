"""The interface of engines: a callable from a batch of images to named float32 tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn


class EngineError(Exception):
    """An engine does not exist, cannot run on this machine, or cannot convert a network."""


class Engine(Protocol):
    """A network prepared for inference.

    Attributes:
        device: Device of the outputs.
    """

    device: torch.device

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Args:
            images: (B, C, H, W), B from 0 up, of the dtype that the engine was made for. Channels-last memory
                format saves a copy.

        Returns:
            (B, ...) float32 on `device` by name: the keys of a network that returns a dict; `output` for one
            that returns a tensor; `output_0`, `output_1`, ... for one that returns a tuple.
        """


def name_outputs(outputs: object) -> dict[str, Tensor]:
    """Name the outputs of a network.

    Args:
        outputs: A tensor, a tuple or list of tensors, or a dict of tensors.

    Raises:
        EngineError: They have another type.
    """
    if isinstance(outputs, Tensor):
        return {"output": outputs}
    if isinstance(outputs, tuple | list):
        outputs = {f"output_{i}": output for i, output in enumerate(outputs)}
    if not isinstance(outputs, Mapping):
        raise EngineError(
            f"returns {type(outputs).__name__}; engines take tensors, tuples and dicts of tensors"
        )
    for name, output in outputs.items():
        if not isinstance(output, Tensor):
            raise EngineError(f"returns {type(output).__name__} as '{name}'; engines take tensors only")
    return {str(name): output for name, output in outputs.items()}


class TupleNetwork(nn.Module):
    """Wrapper of a network that returns a plain tuple of float32 tensors, as converters need it.

    Args:
        module: The network.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the network.

        Args:
            images: (B, C, H, W).
        """
        return tuple(output.float() for output in name_outputs(self.module(images)).values())


def make_examples(example: Tensor) -> tuple[Tensor, Tensor]:
    """Make two random test batches: one image, and three images with height and width exchanged.

    Args:
        example: (B, C, H, W); only its sides and dtype are used.

    Returns:
        (1, C, H, W) and (3, C, W, H) on the CPU: integers in 0..255, or normally distributed floats.
    """
    _, C, H, W = example.shape
    generator = torch.Generator().manual_seed(0)
    drawn = []
    for shape in ((1, C, H, W), (3, C, W, H)):
        if example.is_floating_point():
            drawn.append(torch.randn(shape, generator=generator).to(example.dtype))
        else:
            drawn.append(torch.randint(0, 256, shape, generator=generator).to(example.dtype))
    return drawn[0], drawn[1]
