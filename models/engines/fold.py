"""Folding of batch norms into the convolutions before them."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized

from models.engines.compare import check_finite, is_same
from models.engines.engine import make_examples, name_outputs

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fold_batch_norms(module: nn.Module, example: Tensor) -> nn.Module:
    """Copy a network for inference, with each batch norm folded into the convolution before it.

    The pairs are found by hooks in one run, so any control flow is possible. Convolutions and batch norms that
    run more than once are not folded, and neither are convolutions whose weights are computed from others.

    Args:
        module: The network; it is not changed.
        example: (B, C, H, W) of the dtype that the network takes, for `make_examples`.

    Returns:
        The copy, in evaluation mode; without folding if that would change the outputs (a convolution's output
        has other uses besides the batch norm).

    Raises:
        EngineError: Its outputs are NaN or infinite.
    """
    plain = copy.deepcopy(module).eval()
    images = make_examples(example)[0].to(example.device)
    with torch.no_grad():
        expected = name_outputs(plain(images))
        check_finite("the network", expected)
        pairs = _find_pairs(plain, images)
        if not pairs:
            return plain
        folded = copy.deepcopy(plain)
        for conv_name, norm_name in pairs:
            conv: Any = folded.get_submodule(conv_name)
            norm: Any = folded.get_submodule(norm_name)
            fused: Any = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, _TRANSPOSED))
            # It is a copy, whose hooks are copies too: a network that collects maps by hooks would miss them.
            fused._forward_pre_hooks = conv._forward_pre_hooks
            fused._forward_hooks = conv._forward_hooks
            folded.set_submodule(conv_name, fused)
            folded.set_submodule(norm_name, nn.Identity())
        return folded if is_same(expected, name_outputs(folded(images))) else plain


def _find_pairs(module: nn.Module, images: Tensor) -> list[tuple[str, str]]:
    """Find the names of (convolution, batch norm) where one's output is the other's input, each run once."""
    # The tensors are kept alive, so that no other tensor gets their id.
    made: dict[int, tuple[Tensor, int, str]] = {}
    runs: Counter[str] = Counter()
    pairs: list[tuple[str, str]] = []
    handles = []

    def watch(name: str, child: nn.Module) -> None:
        def after(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            runs[name] += 1
            if isinstance(child, _NORMS):
                tensor, version, conv_name = made.get(id(inputs[0]), (None, 0, ""))
                # Modified in place since (a ReLU between the two): not a pair.
                if tensor is not None and tensor._version == version:
                    pairs.append((conv_name, name))
            else:
                made[id(output)] = (output, output._version, name)

        handles.append(child.register_forward_hook(after))

    for name, child in module.named_modules():
        if isinstance(child, (*_CONVOLUTIONS, *_TRANSPOSED, *_NORMS)) and not is_parametrized(child):
            watch(name, child)
    try:
        module(images)
    finally:
        for handle in handles:
            handle.remove()
    return [(conv, norm) for conv, norm in pairs if runs[conv] == runs[norm] == 1]
