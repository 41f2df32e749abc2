"""Converted networks, and their compilation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.engines.openvino_core import open_core


@dataclass(frozen=True)
class Compilation:
    """What a network is compiled for.

    Attributes:
        shape: Shape (B, H, W) of its images.
        precision: OpenVINO's hint of the precision that it computes with: `f32`, `bf16` or `f16`.
        streams: Number of parallel streams.
        threads: Number of threads; None for all cores.
    """

    shape: tuple[int, int, int]
    precision: str
    streams: int = 1
    threads: int | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """OpenVINO's settings."""
        # Not pinned: two pinned runs on one machine would share the same cores while others are idle.
        settings = {"INFERENCE_PRECISION_HINT": self.precision, "ENABLE_CPU_PINNING": False}
        settings |= {"PERFORMANCE_HINT": "LATENCY"} if self.streams == 1 else {"NUM_STREAMS": self.streams}
        if self.threads:
            settings |= {"INFERENCE_NUM_THREADS": self.threads}
        return settings


@dataclass(frozen=True)
class Converted:
    """A converted network.

    Attributes:
        model: An `openvino.Model` that takes (B, H, W, C), any B, H and W.
        outputs: The names of its outputs, in order.
    """

    model: Any
    outputs: tuple[str, ...]

    def compile(self, target: Compilation) -> Compiled:
        """Compile it."""
        fixed = self.model.clone()
        fixed.reshape([*target.shape, fixed.input().partial_shape[3].get_length()])
        return Compiled(open_core().compile_model(fixed, "CPU", target.settings), self.outputs)


class Compiled:
    """A compiled network and its idle inference requests.

    Attributes:
        model: The `openvino.CompiledModel`.
        shapes: Shapes of its outputs without the batch, by name.
        idle: The requests.
    """

    def __init__(self, model: Any, outputs: tuple[str, ...]) -> None:
        self.model = model
        shapes = (tuple(port.shape)[1:] for port in model.outputs)
        self.shapes: dict[str, tuple[int, ...]] = dict(zip(outputs, shapes, strict=True))
        self.idle: list[Any] = []

    def take_request(self) -> Any:
        """Take an idle request, or make one."""
        return self.idle.pop() if self.idle else self.model.create_infer_request()
