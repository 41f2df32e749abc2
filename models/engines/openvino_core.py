"""OpenVINO itself: its import, its core, and what it can do on this CPU."""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_CAPABILITIES = {"f32": "FP32", "bf16": "BF16", "fp16": "FP16"}
_IMPORTING = threading.RLock()


@cache
def import_openvino() -> Any:
    """Import openvino without its telemetry, which otherwise reports every import."""
    with without_telemetry(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("openvino")


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Make the context in which packages of OpenVINO are imported, so that they report nothing."""
    # None makes the import of their client fail, and they have a stub for that case.
    with _IMPORTING:
        had = sys.modules.get("openvino_telemetry")
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            if had is None:
                del sys.modules["openvino_telemetry"]
            else:
                sys.modules["openvino_telemetry"] = had


@cache
def open_core() -> Any:
    """Open OpenVINO's core, once a process."""
    return import_openvino().Core()


def list_cpu_precisions() -> tuple[str, ...]:
    """List the precisions that this CPU supports."""
    found = open_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(name for name, capability in _CAPABILITIES.items() if capability in found)


@cache
def count_threads() -> int:
    """Count the threads that OpenVINO gives a network by itself."""
    ov = import_openvino()
    number = ov.opset8.parameter([1], ov.Type.f32)
    compiled = open_core().compile_model(
        ov.Model([ov.opset8.result(number)], [number]), "CPU", {"PERFORMANCE_HINT": "LATENCY"}
    )
    return max(int(compiled.get_property("INFERENCE_NUM_THREADS")), 1)


def describe_cpu() -> str:
    """Describe the CPU and OpenVINO, whose compiled networks are of no use to others."""
    core = open_core()
    abilities = sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    name = core.get_property("CPU", "FULL_DEVICE_NAME")
    return f"openvino {import_openvino().__version__} {name} {abilities}"
