"""Compute: where networks run, on which engine and in which precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.engines.choice import choose_engine
from models.engines.engine import Engine, EngineError
from models.engines.make import make_engine
from posetrack.errors import PoseTrackError


@dataclass(frozen=True)
class Compute:
    """What networks run on.

    Attributes:
        device: Where.
        engine: Who computes, a key of `models.engines.make.ENGINES` or `auto`.
        precision: `f32`, `bf16`, `fp16` or `auto`.
        observe: Called with each engine that is made; what it returns is used in its place. For benchmarks.

    Raises:
        PoseTrackError: The engine or precision does not exist, or not on this device.
    """

    device: torch.device
    engine: str = "auto"
    precision: str = "auto"
    observe: Callable[[Engine], Engine] | None = None

    def __post_init__(self) -> None:
        try:
            choice = choose_engine(self.engine, self.precision, self.device)
        except EngineError as error:
            raise PoseTrackError(str(error)) from error
        object.__setattr__(self, "engine", choice.engine)
        object.__setattr__(self, "precision", choice.precision)

    def make_engine(self, network: nn.Module, *, name: str, example: Tensor) -> Engine:
        """Make a network ready to compute.

        Args:
            network: In evaluation mode, with its weights.
            name: What to call it in messages and in the cache.
            example: (B, C, H, W) such as it will get; its dtype and C count.

        Raises:
            PoseTrackError: The engine cannot take this network.
        """
        try:
            engine = make_engine(
                network,
                name=name,
                example=example,
                device=self.device,
                engine=self.engine,
                precision=self.precision,
            )
        except EngineError as error:
            raise PoseTrackError(str(error)) from error
        return engine if self.observe is None else self.observe(engine)


def choose_device(name: str = "auto") -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there.

    Raises:
        PoseTrackError: There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()) or (kind == "cpu" and number):
        raise PoseTrackError(f"--device {name}: no such device; use auto, cpu, cuda or cuda:N")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise PoseTrackError(
            f"--device {name}: torch sees {torch.cuda.device_count()} CUDA devices; use --device cpu, or see "
            "`posetrack doctor`"
        )
    return torch.device(name)
