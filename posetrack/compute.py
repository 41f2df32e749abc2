"""Compute: the device, engine and precision of networks."""

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
    """Device, engine and precision of networks.

    Attributes:
        device: The device.
        engine: A key of `models.engines.make.ENGINES` or `auto`.
        precision: `f32`, `bf16`, `fp16` or `auto`.
        observe: Called with each engine that is made; its result replaces the engine. For benchmarks.

    Raises:
        PoseTrackError: The engine or precision does not exist, or is not available on this device.
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
        """Make an engine from a network.

        Args:
            network: The network, in evaluation mode, with its weights.
            name: Name of the network in messages and in the cache.
            example: (B, C, H, W) like the inputs; its dtype and C are used.

        Raises:
            PoseTrackError: The engine cannot convert this network.
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
    """Find the device for `auto`, `cpu`, `cuda` or `cuda:N`.

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
