"""The record of MoveNet: a network that detects people with their poses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.movenet.variants import NETWORKS
from posetrack.families.family import Family, Role
from posetrack.predictors.settings import MultiposeSettings

if TYPE_CHECKING:
    from torch import nn

    from posetrack.compute import Compute
    from posetrack.images.on_device import DeviceImages
    from posetrack.predictors.movenet import MultiposePredictor


def _make_network(settings: MultiposeSettings) -> nn.Module:
    from models.movenet.network import MoveNet

    return MoveNet(NETWORKS[settings.network])


def _make_multipose(
    network: Any, settings: MultiposeSettings, compute: Compute, device_images: DeviceImages | None
) -> MultiposePredictor:
    from posetrack.predictors.movenet import MultiposePredictor

    return MultiposePredictor(network, settings, compute, device_images)


FAMILY = Family(
    name="movenet",
    detector=Role(
        networks=("movenet-multipose",),
        settings=MultiposeSettings,
        traits={"skeleton": "coco17"},
        make_network=_make_network,
        make_predictor=_make_multipose,
    ),
    embedded={"movenet-multipose": "26a4bd5715a8541433c7a4fbc9178ef65b714dc16327319acdc4b98077529f27"},
)
