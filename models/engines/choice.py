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

PRECISIONS = ("f32", "bf16", "fp16")
"""All precisions; outputs are float32 in each."""


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

    On a CPU, `auto` is openvino if installed, and f32: in bf16, MoveNet's keypoints change by a median of 0.3
    px on most clips, but on people who hug by a median of 2.6 px and a mean of 25 px. On a GPU it is torch and
    fp16, which changes them by less than 0.1 px on average (measured with torch's fp16 on a CPU).

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
    is_cpu = device.type == "cpu"
    reasons = []
    if engine == AUTO:
        engine = "openvino" if is_cpu and is_installed("openvino") else "torch"
        reasons.append(
            f"{engine} runs on {device.type}"
            if not is_cpu
            else "openvino is the fastest on CPUs"
            if engine == "openvino"
            else "openvino is not installed"
        )
    else:
        reasons.append(f"{engine} as asked for")
        if not is_installed(engine):
            raise EngineError(f"engine {engine}: not installed; {INSTALL[engine]}, or use --engine torch")
        if engine != "torch" and not is_cpu:
            raise EngineError(
                f"engine {engine}: runs on CPUs, not on {device}; use --engine torch or --device cpu"
            )
    if precision == AUTO:
        precision = "f32" if is_cpu else "fp16"
        reasons.append(
            "bf16 is twice as fast but moves keypoints by pixels"
            if is_cpu
            else "fp16 moves keypoints by 0.1 px"
        )
    else:
        reasons.append(f"{precision} as asked for")
        known = list_precisions(engine, device)
        if precision not in known:
            raise EngineError(
                f"precision {precision}: engine {engine} does not have it on this {device.type}; "
                f"use --precision {' or '.join(known)}"
            )
    return EngineChoice(engine, precision, "; ".join(reasons))


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
        from models.engines.openvino_engine import list_cpu_precisions

        return list_cpu_precisions()
    return ("f32", "bf16")


def is_installed(engine: str) -> bool:
    """Whether the package of an engine is installed."""
    return importlib.util.find_spec(engine) is not None


def _check_known(what: str, word: str, known: Iterable[str]) -> None:
    known = [AUTO, *known]
    if word not in known:
        raise EngineError(f"{what} {word}: unknown; {suggest(word, known)}")
