"""Convolutions in float32 within bfloat16 autocast, where oneDNN's gradients of bfloat16 are slow or wrong.

On CPUs, its gradients of depthwise convolutions are slow: those of the weights of 5x5 kernels take five to
eight times as long as in float32, those of the inputs at stride 2 up to sixty times. Those of the weights of
dilated convolutions are not finite in the memory order `channels_last`, if the channels of the input are no
multiple of 16 (PyTorch 2.14).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_SAFE_CHANNELS = 16


def reliable_convolutions(device: torch.device) -> AbstractContextManager[Any]:
    """The context in which to train a network with such convolutions: `Float32Convolutions` on a CPU."""
    return Float32Convolutions() if device.type == "cpu" else nullcontext()


class Float32Convolutions(TorchFunctionMode):
    """A context in which 2D convolutions that need gradients use float32 despite autocast.

    These are the depthwise ones, and the dilated ones whose channels are no multiple of 16.

    Their gradients are computed in float32 too, also outside of the context.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called by torch instead of each of its functions."""
        is_meant = func is torch.conv2d and (_is_depthwise(args) or _is_dilated(args))
        if is_meant and (args[0].requires_grad or args[1].requires_grad):
            image, weight, bias, *rest = args
            with torch.autocast(image.device.type, enabled=False):
                bias = None if bias is None else bias.float()
                return func(image.float(), weight.float(), bias, *rest, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _is_depthwise(args: tuple[Any, ...]) -> bool:
    """Whether positional arguments of `torch.conv2d` (the seventh: groups) are of a depthwise convolution."""
    return len(args) == 7 and args[6] > 1 and args[1].shape[1] == 1


def _is_dilated(args: tuple[Any, ...]) -> bool:
    """Whether they are of a dilated convolution whose gradients are wrong (the sixth: dilation)."""
    return len(args) == 7 and tuple(args[5]) != (1, 1) and args[1].shape[1] % _SAFE_CHANNELS != 0
