"""Comparison of a network's outputs before and after it was converted."""

from __future__ import annotations

import torch
from torch import Tensor

from models.engines.engine import EngineError

_TOLERANCE = 1e-3


def check_outputs(name: str, expected: dict[str, Tensor], found: dict[str, Tensor], engine: str) -> None:
    """Check that a converted network has the outputs of the original.

    Args:
        name: Name of the network in messages.
        expected: Its outputs by name, in order.
        found: Those of the converted one.
        engine: Name of the engine in messages.

    Raises:
        EngineError: They differ, or the original's are no numbers.
    """
    check_finite(name, expected)
    for key, output in expected.items():
        what = f"{engine}: cannot convert {name}: {key}"
        if found[key].shape != output.shape:
            raise EngineError(
                f"{what} comes as {tuple(found[key].shape)}, not {tuple(output.shape)}; use --engine torch"
            )
        off = compute_difference(output, found[key])
        if not off <= _TOLERANCE:
            raise EngineError(f"{what} differs by {off:.3g} of its largest value; use --engine torch")


def check_finite(name: str, outputs: dict[str, Tensor]) -> None:
    """Raise EngineError if outputs of a network are no numbers, which is so for all images or for none."""
    for key, output in outputs.items():
        if not output.isfinite().all():
            raise EngineError(f"{name}: {key} is NaN or infinite: its weights are damaged; get them again")


def is_same(expected: dict[str, Tensor], found: dict[str, Tensor]) -> bool:
    """Whether two sets of outputs are the same but for rounding."""
    return all(compute_difference(output, found[key]) <= _TOLERANCE for key, output in expected.items())


def compute_difference(expected: Tensor, found: Tensor) -> float:
    """Compute how much an output differs from another one, relative to the largest value of that.

    Relative, because rounding is: the maps of a network with fresh weights have values of 500,000, and those of
    a trained one of 1.

    Args:
        expected: (B, ...).
        found: (B, ...).

    Returns:
        max |found - expected| / max |expected|, which is NaN where a value is.
    """
    if not expected.numel():
        return 0.0
    wide = expected.to(torch.float64)
    scale = wide.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    return float((found.to(torch.float64) - wide).abs().max() / scale)
