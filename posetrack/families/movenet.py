"""The record of MoveNet: a network that detects people with their poses, and one for the pose in a box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.movenet.variants import NETWORKS
from posetrack.families.family import Family, Role
from posetrack.predictors.settings import MultiposeSettings, ThunderSettings

if TYPE_CHECKING:
    from torch import nn

    from posetrack.compute import Compute
    from posetrack.images.on_device import DeviceImages
    from posetrack.predictors.movenet import MultiposePredictor, ThunderPredictor


def _make_network(settings: MultiposeSettings | ThunderSettings) -> nn.Module:
    from models.movenet.network import MoveNet

    return MoveNet(NETWORKS[settings.network])


def _make_multipose(
    network: Any, settings: MultiposeSettings, compute: Compute, device_images: DeviceImages | None
) -> MultiposePredictor:
    from posetrack.predictors.movenet import MultiposePredictor

    return MultiposePredictor(network, settings, compute, device_images)


def _make_thunder(
    network: Any, settings: ThunderSettings, compute: Compute, device_images: DeviceImages | None
) -> ThunderPredictor:
    from posetrack.predictors.movenet import ThunderPredictor

    return ThunderPredictor(network, settings, compute, device_images)


FAMILY = Family(
    name="movenet",
    detector=Role(
        networks=("movenet-multipose",),
        settings=MultiposeSettings,
        traits={"skeleton": "coco17"},
        make_network=_make_network,
        make_predictor=_make_multipose,
    ),
    estimator=Role(
        networks=("movenet-thunder",),
        settings=ThunderSettings,
        traits={"skeleton": "coco17"},
        make_network=_make_network,
        make_predictor=_make_thunder,
    ),
    embedded={
        "movenet-multipose": "26a4bd5715a8541433c7a4fbc9178ef65b714dc16327319acdc4b98077529f27",
        "movenet-thunder": "b46eb8a016ba7ffba910f553b438a6c8471ca546d7109c426503a1baf3127a14",
    },
)
