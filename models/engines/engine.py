"""The interface of engines: a callable from a batch of images to named float32 tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor, nn

_BLOTCH_PX = 8
# Of the values of images.
_MIDDLE, _DEVIATION = 128, 60


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
    """Make two test batches, like images: one, and three with height and width exchanged.

    They are blotches under grain. In pure noise a network finds nothing, so that parts of it stay untested.

    Args:
        example: (B, C, H, W); only its sides and dtype are used.

    Returns:
        (1, C, H, W) and (3, C, W, H) on the CPU: integers in 0..255, or floats of mean 0 and deviation 1.
    """
    _, C, H, W = example.shape
    generator = torch.Generator().manual_seed(0)
    drawn = []
    for B, high, wide in ((1, H, W), (3, W, H)):
        coarse = torch.randn((B, C, -(-high // _BLOTCH_PX), -(-wide // _BLOTCH_PX)), generator=generator)
        blotches = F.interpolate(coarse, (high, wide), mode="bilinear")
        images = blotches + 0.3 * torch.randn((B, C, high, wide), generator=generator)
        if not example.is_floating_point():
            images = (images * _DEVIATION + _MIDDLE).round().clamp(0, 255)
        drawn.append(images.to(example.dtype))
    return drawn[0], drawn[1]
