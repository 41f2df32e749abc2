"""The record of HigherHRNet and SWAHR: bottom-up pose estimation."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.metadata import WeightsMetadata
from models.swahr.variants import NETWORKS
from posetrack.families.family import Family, Importable, Role, Training
from posetrack.predictors.settings import BottomUpSettings
from posetrack.skeleton_files import decode_skeleton, encode_skeleton

if TYPE_CHECKING:
    from torch import nn

    from models.training.task import Evaluate, Task
    from posetrack.compute import Compute
    from posetrack.images.on_device import DeviceImages
    from posetrack.predictors.swahr import BottomUpPredictor
    from posetrack.training.run import TrainingRun


def _make_by_name(name: str, num_keypoints: int) -> nn.Module:
    from models.swahr.network import make_swahr_network

    return make_swahr_network(NETWORKS[name], num_keypoints)


def _make_network(settings: BottomUpSettings) -> nn.Module:
    return _make_by_name(settings.network, decode_skeleton(settings.skeleton).num_keypoints)


def _make_predictor(
    network: Any, settings: BottomUpSettings, compute: Compute, device_images: DeviceImages | None
) -> BottomUpPredictor:
    from posetrack.predictors.swahr import BottomUpPredictor

    return BottomUpPredictor(network, settings, decode_skeleton(settings.skeleton), compute, device_images)


def _read_recipe(path: Path) -> Any:
    from models.swahr.recipe import read_bottom_up_recipe

    return read_bottom_up_recipe(path)


def _make_task(recipe: Any, run: TrainingRun) -> Task:
    from posetrack.training.bottom_up import make_bottom_up_task

    return make_bottom_up_task(recipe, run)


def _make_evaluation(recipe: Any, run: TrainingRun) -> Evaluate:
    from posetrack.training.bottom_up_evaluation import make_bottom_up_evaluation

    return make_bottom_up_evaluation(recipe, run)


def _describe(recipe: Any) -> WeightsMetadata:
    from posetrack.training.skeletons import find_skeleton

    return WeightsMetadata(recipe.network.name, {"skeleton": encode_skeleton(find_skeleton(recipe))})


FAMILY = Family(
    name="swahr",
    detector=Role(
        networks=NETWORKS,
        settings=BottomUpSettings,
        traits={"skeleton": "coco17"},
        make_network=_make_network,
        make_predictor=_make_predictor,
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
        f"{name}-{side}": Importable(name, partial(_make_by_name, name))
        for name in ("higher-hrnet-w32", "higher-hrnet-w48", "swahr-w32", "swahr-w48")
        for side in ("512", "640")
    },
)
