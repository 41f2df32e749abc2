"""The record of dense poses top-down: a network that estimates the dense pose of one person in each box."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.densepose.crops.variants import NETWORKS
from models.densepose.parts import MADE
from models.metadata import WeightsMetadata
from posetrack.families.family import Family, Role, Training
from posetrack.predictors.settings import DenseCropSettings

if TYPE_CHECKING:
    from torch import nn

    from models.training.task import Evaluate, Task
    from posetrack.compute import Compute
    from posetrack.images.on_device import DeviceImages
    from posetrack.predictors.dense_crops import DenseCropPredictor
    from posetrack.training.run import TrainingRun


def _make_network(settings: DenseCropSettings) -> nn.Module:
    from models.densepose.crops.network import make_dense_crop_network

    return make_dense_crop_network(settings.network)


def _make_predictor(
    network: Any, settings: DenseCropSettings, compute: Compute, device_images: DeviceImages | None
) -> DenseCropPredictor:
    from posetrack.predictors.dense_crops import DenseCropPredictor

    return DenseCropPredictor(network, settings, compute, device_images)


def _read_recipe(path: Path) -> Any:
    from models.densepose.crops.recipe import read_dense_crop_recipe

    return read_dense_crop_recipe(path)


def _make_task(recipe: Any, run: TrainingRun) -> Task:
    from posetrack.training.dense_crops import make_dense_crop_task

    return make_dense_crop_task(recipe, run)


def _make_evaluation(recipe: Any, run: TrainingRun) -> Evaluate:
    from posetrack.training.dense_crops import make_dense_crop_evaluation

    return make_dense_crop_evaluation(recipe, run)


def _describe(recipe: Any) -> WeightsMetadata:
    from posetrack.training.dense_crops import make_settings

    return _ROLE.describe(make_settings(recipe))


_ROLE = Role(
    networks=NETWORKS,
    settings=DenseCropSettings,
    traits={"skeleton": "coco17", "width_px": 192, "height_px": 256, "padding": 1.25, "charts": MADE},
    make_network=_make_network,
    make_predictor=_make_predictor,
    int8_body="network.backbone",
)

FAMILY = Family(
    name="densepose/crops",
    dense=_ROLE,
    trainings=(
        Training(
            networks=NETWORKS,
            read_recipe=_read_recipe,
            make_task=_make_task,
            make_evaluation=_make_evaluation,
            describe=_describe,
            counted="people",
        ),
    ),
    embedded={"mobile-densepose-b": "8720a10b3234de9411a61cc4ef4c54ce7a306c1cdd34122df4268f3112dd97a4"},
)
