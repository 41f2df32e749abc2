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
from posetrack.compute import Compute, MakeEngine
from posetrack.errors import WeightsError
from posetrack.families.family import Role
from posetrack.families.table import load_families
from posetrack.weights.metadata import find_metadata
from posetrack.weights.store import find_export, load_weights


@dataclass(frozen=True)
class PartedNetwork:
    """A network with its weights, and the parts of it that its predictor runs on engines.

    Attributes:
        network: The network, in evaluation mode.
        role: Its role; of several, that of a detector.
        settings: Complete settings of its predictor.
        metadata: Those of its weights.
        parts: By name each module, with an example of its inputs (B, C, H, W).
    """

    network: nn.Module
    role: Role
    settings: Any
    metadata: WeightsMetadata
    parts: Mapping[str, tuple[nn.Module, Tensor]]

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
    parts: dict[str, tuple[nn.Module, Tensor]] = {}

    def note(module: nn.Module, name: str, example: Tensor, compute: Compute) -> Engine:
        parts[find_part(name, settings.network)] = module.eval(), example
        return _NotRun()

    found = PartedNetwork(network.eval(), role, settings, metadata, parts)
    found.make_predictor(Compute(torch.device("cpu"), "torch", "f32"), note)
    return found


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
