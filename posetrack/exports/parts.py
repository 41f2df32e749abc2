"""The parts of a network as its predictor runs them on engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.engines.engine import Engine
from models.engines.exported import find_part
from models.metadata import WeightsMetadata
from models.training.int8 import decode_ranges
from posetrack.compute import Compute, MakeEngine
from posetrack.errors import WeightsError
from posetrack.families.family import Role
from posetrack.families.table import load_families
from posetrack.weights.metadata import find_metadata
from posetrack.weights.store import find_export, load_weights

_RANGE = "int8_range"


@dataclass(frozen=True)
class PartedNetwork:
    """A network with its weights, and the parts of it that its predictor runs on engines.

    Attributes:
        network: The network, in evaluation mode.
        role: Its role; of several, that of a detector.
        settings: Complete settings of its predictor.
        metadata: Those of its weights.
        parts: By name each module, with an example of its inputs (B, C, H, W).
        ranges: For each part the ranges of the inputs of its layers, by their names in it; none where the
            weights were not trained for int8.
    """

    network: nn.Module
    role: Role
    settings: Any
    metadata: WeightsMetadata
    parts: Mapping[str, tuple[nn.Module, Tensor]]
    ranges: Mapping[str, Mapping[str, tuple[float, float]]]

    def make_predictor(self, compute: Compute, make: MakeEngine | None = None) -> Any:
        """Make the network's predictor.

        Args:
            compute: Device, engine and precision.
            make: Makes the engines of its parts, instead of `models.engines.make`.

        Raises:
            PoseTrackError: The engine cannot convert the network.
        """
        return self.role.make_predictor(self.network, self.settings, replace(compute, make=make), None)


def read_network(weights: str) -> PartedNetwork:
    """Read weights, and find the parts of their network.

    Args:
        weights: The name of embedded or published weights, or a file.

    Raises:
        WeightsError: They are missing or damaged, do not say their network, or are an export.
    """
    if find_export(weights) is not None:
        raise WeightsError(f"{weights}: is an export already; give the weights that it was made from")
    metadata = find_metadata(weights)
    if metadata is None:
        if not Path(weights).is_file():
            load_weights(nn.Module(), weights)  # Says why.
        raise WeightsError(f"{weights}: says nothing of its network; import it with `posetrack weights import`")
    role, table = _find_role(metadata, weights)
    settings = role.complete(role.settings(network=metadata.network, weights=weights), metadata, table)
    network = role.make_network(settings)
    load_weights(network, weights)
    _note_ranges(network, metadata, weights)
    parts: dict[str, tuple[nn.Module, Tensor]] = {}
    ranges: dict[str, dict[str, tuple[float, float]]] = {}

    def note(module: nn.Module, name: str, example: Tensor, compute: Compute) -> Engine:
        part = find_part(name, settings.network)
        parts[part] = module.eval(), example
        layers = dict(module.named_modules())
        ranges[part] = {key: getattr(layer, _RANGE) for key, layer in layers.items() if hasattr(layer, _RANGE)}
        return _NotRun()

    found = PartedNetwork(network.eval(), role, settings, metadata, parts, ranges)
    found.make_predictor(Compute(torch.device("cpu"), "torch", "f32"), note)
    return found


def _note_ranges(network: nn.Module, metadata: WeightsMetadata, weights: str) -> None:
    """Note the ranges of layers' inputs on them: parts have other names, and are made of copies of them."""
    try:
        for name, span in decode_ranges(metadata.notes).items():
            setattr(network.get_submodule(name), _RANGE, span)
    except (ValueError, AttributeError) as error:
        raise WeightsError(f"{weights}: its metadata are damaged: {error}; get the file again") from error


class _NotRun:
    """Stands for the engine of a part that is only looked at."""

    device = torch.device("cpu")

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        raise AssertionError("this network is not run")


def _find_role(metadata: WeightsMetadata, weights: str) -> tuple[Role, str]:
    for family in load_families():
        for name, role in family.roles.items():
            if metadata.network in role.networks:
                return role, name
    raise WeightsError(
        f"{weights}: weights of {metadata.network}, which no recipe runs; export those of a network that "
        "detects people or estimates poses"
    )
