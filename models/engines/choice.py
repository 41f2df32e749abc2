"""Choice of engine and precision for a device."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from models.engines.engine import EngineError
from models.settings import suggest

AUTO = "auto"

INSTALL = {
    "torch": "pip install torch",
    "openvino": "pip install openvino",
    "onnxruntime": "pip install 'posetrack[onnx]'",
}
"""All engines, with the command that installs each."""

MIXED = "mixed"
PRECISIONS = ("f32", "bf16", "fp16", MIXED)
"""All precisions; outputs are float32 in each. `mixed` is bf16 for `BF16_NETWORKS` and f32 for others."""

BF16_NETWORKS = frozenset({"movenet-person", "movenet-person-box", "thunder-heatmaps"})
"""Networks that bf16 hardly changes, and their parts, by the names of their engines; see docs/speed.md."""


@dataclass(frozen=True)
class EngineChoice:
    """The chosen engine and precision.

    Attributes:
        engine: A key of `INSTALL`.
        precision: One of `PRECISIONS`.
        reason: The reason for the choice, in a few words.
    """

    engine: str
    precision: str
    reason: str


def choose_engine(engine: str, precision: str, device: torch.device) -> EngineChoice:
    """Resolve `auto`, and check that engine and precision are available.

    On a CPU, `auto` is openvino if installed, and f32, or mixed where the CPU multiplies bf16: MoveNet's own
    keypoints change in bf16 by a median of 0.3 px on most clips, but on people who hug by a median of 2.6 px
    and a mean of 25 px. On a GPU it is torch and fp16, which changes them by less than 0.1 px on average
    (measured with torch's fp16 on a CPU).

    Args:
        engine: A key of `INSTALL`, or `auto`.
        precision: One of `PRECISIONS`, or `auto`.
        device: Device of the network.

    Raises:
        EngineError: An unknown name, a package that is missing, or an engine or precision that this device does
            not have.
    """
    _check_known("engine", engine, INSTALL)
    _check_known("precision", precision, PRECISIONS)
    engine, engine_reason = _choose_name(engine, device)
    precision, precision_reason = _choose_precision(precision, engine, device)
    return EngineChoice(engine, precision, f"{engine_reason}; {precision_reason}")


def choose_for_network(precision: str, name: str) -> str:
    """The precision of one network: `mixed` is bf16 or f32, others are what they are.

    Args:
        precision: One of `PRECISIONS`.
        name: Name of the network's engine.
    """
    if precision != MIXED:
        return precision
    return "bf16" if name in BF16_NETWORKS else "f32"


def _choose_name(engine: str, device: torch.device) -> tuple[str, str]:
    """Choose the engine; returns it with the reason."""
    is_cpu = device.type == "cpu"
    if engine != AUTO:
        if not is_installed(engine):
            raise EngineError(f"engine {engine}: not installed; {INSTALL[engine]}, or use --engine torch")
        if engine != "torch" and not is_cpu:
            raise EngineError(
                f"engine {engine}: runs on CPUs, not on {device}; use --engine torch or --device cpu"
            )
        return engine, f"{engine} as asked for"
    if not is_cpu:
        return "torch", f"torch runs on {device.type}"
    if is_installed("openvino"):
        return "openvino", "openvino is the fastest on CPUs"
    return "torch", "openvino is not installed"


def _choose_precision(precision: str, engine: str, device: torch.device) -> tuple[str, str]:
    """Choose the precision of an engine; returns it with the reason."""
    if precision == AUTO:
        if device.type == "cpu":
            if engine == "openvino" and multiplies_bf16() and MIXED in list_precisions(engine, device):
                names = " and ".join(sorted(name for name in BF16_NETWORKS if not name.endswith("-box")))
                return MIXED, f"this CPU multiplies bf16: for {names}, which it hardly changes; f32 for others"
            return "f32", "bf16 moves keypoints by pixels, and is only faster where a CPU multiplies it"
        return "fp16", "fp16 moves keypoints by 0.1 px"
    known = list_precisions(engine, device)
    if precision not in known:
        raise EngineError(
            f"precision {precision}: engine {engine} does not have it on this {device.type}; "
            f"use --precision {' or '.join(known)}"
        )
    return precision, f"{precision} as asked for"


def list_precisions(engine: str, device: torch.device) -> tuple[str, ...]:
    """List the precisions of an engine that this machine supports.

    Args:
        engine: A key of `INSTALL`.
        device: Device of the network.
    """
    if device.type == "cuda":
        return ("f32", "fp16", "bf16") if torch.cuda.is_bf16_supported() else ("f32", "fp16")
    if engine == "onnxruntime":
        return ("f32",)
    if engine == "openvino":
        from models.engines.openvino_core import list_cpu_precisions

        known = list_cpu_precisions()
        return (*known, MIXED) if "bf16" in known else known
    return ("f32", "bf16")


def multiplies_bf16() -> bool:
    """Whether this CPU multiplies matrices in bf16, which is twice as fast as f32; others imitate it."""
    # Torch tells so from 2.10 on.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16", False))


def is_installed(engine: str) -> bool:
    """Whether the package of an engine is installed."""
    return importlib.util.find_spec(engine) is not None


def _check_known(what: str, word: str, known: Iterable[str]) -> None:
    known = [AUTO, *known]
    if word not in known:
        raise EngineError(f"{what} {word}: unknown; {suggest(word, known)}")
