"""The record of the DensePose family: two-stage person detectors with a dense head."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.densepose.variants import NETWORKS
from models.metadata import WeightsMetadata
from posetrack.families.family import Family, Importable, Role, Training
from posetrack.predictors.settings import (
    DenseHeadSettings,
    DensePoseDetectorSettings,
    NetworkSettings,
    TwoStageSettings,
)

if TYPE_CHECKING:
    from torch import nn

    from models.training.task import Evaluate, Task
    from posetrack.compute import Compute
    from posetrack.images.on_device import DeviceImages
    from posetrack.predictors.densepose import DensePosePredictor
    from posetrack.training.run import TrainingRun


_TRAITS = {"skeleton": "coco17"}


def _make_by_name(name: str) -> nn.Module:
    from posetrack.runtime import import_torchvision

    import_torchvision()
    from models.densepose.network import make_densepose

    return make_densepose(NETWORKS[name])


def _make_network(settings: NetworkSettings) -> nn.Module:
    return _make_by_name(settings.network)


def _make_published(name: str, num_outputs: int) -> nn.Module:
    """Make the network of a published checkpoint, which has a fixed number of outputs."""
    return _make_by_name(name)


def _make_predictor(
    network: Any, settings: TwoStageSettings, compute: Compute, device_images: DeviceImages | None
) -> DensePosePredictor:
    from posetrack.predictors.densepose import DensePosePredictor

    return DensePosePredictor(network, settings, compute, device_images)


def _make_dense_predictor(
    network: Any, settings: DenseHeadSettings, compute: Compute, device_images: DeviceImages | None
) -> DensePosePredictor:
    own = TwoStageSettings(
        settings.network,
        longest_side_px=settings.longest_side_px,
        shorter_side_px=settings.shorter_side_px,
    )
    return _make_predictor(network, own, compute, device_images)


def _read_recipe(path: Path) -> Any:
    from models.densepose.recipe import read_densepose_recipe

    return read_densepose_recipe(path)


def _make_task(recipe: Any, run: TrainingRun) -> Task:
    from posetrack.training.densepose import make_densepose_task

    return make_densepose_task(recipe, run)


def _make_evaluation(recipe: Any, run: TrainingRun) -> Evaluate:
    from posetrack.training.densepose import make_densepose_evaluation

    return make_densepose_evaluation(recipe, run)


def _describe(recipe: Any) -> WeightsMetadata:
    return WeightsMetadata(recipe.network.name)


FAMILY = Family(
    name="densepose",
    detector=Role(
        networks=NETWORKS,
        settings=DensePoseDetectorSettings,
        traits=_TRAITS,
        make_network=_make_network,
        make_predictor=_make_predictor,
        without_poses=tuple(NETWORKS),
        with_dense=tuple(NETWORKS),
        int8_body="backbone.body",
    ),
    dense=Role(
        networks=NETWORKS,
        settings=DenseHeadSettings,
        traits=_TRAITS,
        make_network=_make_network,
        make_predictor=_make_dense_predictor,
    ),
    trainings=(
        Training(
            networks=NETWORKS,
            read_recipe=_read_recipe,
            make_task=_make_task,
            make_evaluation=_make_evaluation,
            describe=_describe,
            counted="images",
        ),
    ),
    importable={
        name: Importable(name, partial(_make_published, name))
        for name in NETWORKS
        if name.startswith("densepose-") or name == "mobile-parsing-b"
    },
)
