"""The torch engine, for GPUs and for networks that no other engine can convert."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from models.engines.engine import name_outputs
from models.engines.fold import fold_batch_norms

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEngine:
    """A network run by torch: channels last, batch norms folded, with autocast for bf16 and fp16.

    Args:
        module: The network; it is copied.
        example: (B, C, H, W); only its sides and dtype are used.
        device: Device of the network.
        precision: `f32`, `bf16` or `fp16`.
        compiled: Whether `torch.compile` makes kernels and CUDA graphs for each shape, on a GPU, which takes a
            minute per shape. Not tested: no GPU was available.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        example: Tensor,
        device: torch.device,
        precision: str,
        compiled: bool = False,
    ) -> None:
        self.device = device
        self._dtype = DTYPES[precision]
        folded = fold_batch_norms(copy.deepcopy(module).to(device), example.to(device))
        self._module = folded.to(memory_format=torch.channels_last)
        self._is_compiled = compiled and device.type == "cuda"
        if self._is_compiled:
            self._module.compile(mode="reduce-overhead", dynamic=False)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Run the network; see `Engine`."""
        parts = [self._run(part) for part in _split(images.to(self.device, non_blocking=True))]
        if len(parts) == 1:
            return parts[0]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _run(self, images: Tensor) -> dict[str, Tensor]:
        is_lower = self._dtype != torch.float32
        with torch.autocast(self.device.type, self._dtype) if is_lower else nullcontext():
            outputs = name_outputs(self._module(images))
        if self._is_compiled:
            # The next run of a CUDA graph overwrites its outputs.
            outputs = {name: output.clone() for name, output in outputs.items()}
        return {name: output.float() for name, output in outputs.items()}


def _split(images: Tensor) -> list[Tensor]:
    """Split a batch into powers of two: on a CPU every new batch size needs new preparations."""
    if images.device.type != "cpu" or not len(images):
        return [images]
    sizes = [1 << bit for bit in reversed(range(len(images).bit_length())) if len(images) >> bit & 1]
    return list(torch.split(images, sizes))
