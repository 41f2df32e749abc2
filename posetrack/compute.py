"""Compute: the device, engine and precision of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.engines.choice import choose_engine, choose_for_network
from models.engines.engine import Engine, EngineError
from models.engines.exported import Export, find_part
from models.engines.failures import explain_failures
from models.engines.make import make_engine
from posetrack.errors import PoseTrackError

MakeEngine = Callable[[nn.Module, str, Tensor, "Compute"], Engine]
"""Makes the engine of a network from it, its name, an example of its inputs, and the compute."""


@dataclass(frozen=True)
class Compute:
    """Device, engine and precision of networks.

    Attributes:
        device: The device.
        engine: A key of `models.engines.make.ENGINES` or `auto`.
        precision: `f32`, `bf16`, `fp16`, `mixed` (`models.engines.choice.MIXED`) or `auto`.
        observe: Called with each engine that is made; its result replaces the engine. For benchmarks.
        make: Makes the engines instead of `models.engines.make`. For networks that are converted already.

    Raises:
        PoseTrackError: The engine or precision does not exist, or is not available on this device.
    """

    device: torch.device
    engine: str = "auto"
    precision: str = "auto"
    observe: Callable[[Engine], Engine] | None = None
    make: MakeEngine | None = None

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
            PoseTrackError: The engine cannot convert this network; the returned engine raises it too, where it
                cannot run it, or memory is too small.
        """
        with _explain(self.engine, name):
            engine = (self.make or _make)(network, name, example, self)
        return _Explained(engine if self.observe is None else self.observe(engine), self.engine, name)


def _make(network: nn.Module, name: str, example: Tensor, compute: Compute) -> Engine:
    return make_engine(
        network,
        name=name,
        example=example,
        device=compute.device,
        engine=compute.engine,
        precision=compute.precision,
    )


def run_export(export: Export, network: str) -> MakeEngine:
    """Make what makes the engines of an exported network; its weights are not those of the given one.

    Args:
        export: The export.
        network: Name of the network.
    """

    def make(_: nn.Module, name: str, example: Tensor, compute: Compute) -> Engine:
        precision = choose_for_network(compute.precision, name)
        return export.make_engine(find_part(name, network), example, compute.engine, precision)

    return make


class _Explained:
    """An engine whose failures are lines for the user."""

    def __init__(self, engine: Engine, engine_name: str, name: str) -> None:
        self.device = engine.device
        self._engine = engine
        self._names = engine_name, name

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        with _explain(*self._names):
            return self._engine(images)


@contextmanager
def _explain(engine: str, name: str) -> Iterator[None]:
    try:
        with explain_failures(engine, name):
            yield
    except EngineError as error:
        raise PoseTrackError(str(error)) from error


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
    if kind == "cuda" and int(number[:9] or 0) >= torch.cuda.device_count():
        raise PoseTrackError(
            f"--device {name}: torch sees {torch.cuda.device_count()} CUDA devices; use --device cpu, or see "
            "`posetrack doctor`"
        )
    return torch.device(name)
