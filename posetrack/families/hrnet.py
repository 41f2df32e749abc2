"""The record of HRNet and SimpleBaseline: top-down pose estimation, and classification for pretraining."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.hrnet.variants import CLASS_NETWORKS, NETWORKS
from models.metadata import Trait, WeightsMetadata
from posetrack.families.family import Family, Importable, Role, Training
from posetrack.predictors.settings import TopDownSettings
from posetrack.skeleton_files import decode_skeleton

if TYPE_CHECKING:
    from torch import nn

    from models.training.task import Evaluate, Task
    from posetrack.compute import Compute
    from posetrack.images.on_device import DeviceImages
    from posetrack.predictors.hrnet import HRNetPredictor
    from posetrack.training.run import TrainingRun


def _make_by_name(name: str, num_keypoints: int, heatmap_branch: int = 0) -> nn.Module:
    from models.hrnet.network import make_pose_network

    return make_pose_network(NETWORKS[name], num_keypoints, heatmap_branch)


def _make_network(settings: TopDownSettings) -> nn.Module:
    K = decode_skeleton(settings.skeleton).num_keypoints
    return _make_by_name(settings.network, K, settings.heatmap_branch)


def _make_class_network(name: str, num_classes: int) -> nn.Module:
    from models.hrnet.classification_recipe import make_class_network

    return make_class_network(name, num_classes)


def _make_predictor(
    network: Any, settings: TopDownSettings, compute: Compute, device_images: DeviceImages | None
) -> HRNetPredictor:
    from posetrack.predictors.hrnet import HRNetPredictor

    return HRNetPredictor(network, settings, decode_skeleton(settings.skeleton), compute, device_images)


def _read_pose_recipe(path: Path) -> Any:
    from models.hrnet.recipe import read_pose_recipe

    return read_pose_recipe(path)


def _make_pose_task(recipe: Any, run: TrainingRun) -> Task:
    from posetrack.training.top_down import make_top_down_task

    return make_top_down_task(recipe, run)


def _make_pose_evaluation(recipe: Any, run: TrainingRun) -> Evaluate:
    from posetrack.training.top_down_evaluation import make_top_down_evaluation

    return make_top_down_evaluation(recipe, run)


def _describe_pose(recipe: Any) -> WeightsMetadata:
    from posetrack.training.top_down_evaluation import make_settings

    return _ROLE.describe(make_settings(recipe))


def _read_class_recipe(path: Path) -> Any:
    from models.hrnet.classification_recipe import read_class_recipe

    return read_class_recipe(path)


def _make_class_task(recipe: Any, run: TrainingRun) -> Task:
    from posetrack.training.classification import make_classification_task

    return make_classification_task(recipe, run)


def _make_class_evaluation(recipe: Any, run: TrainingRun) -> Evaluate:
    from posetrack.training.classification import make_classification_evaluation

    return make_classification_evaluation(recipe, run)


def _describe_class(recipe: Any) -> WeightsMetadata:
    return WeightsMetadata(recipe.network.name)


def _list_traits(size: str) -> dict[str, Trait]:
    """Make the settings of the releases of HRNet, SimpleBaseline and mmpose at an input of HEIGHTxWIDTH."""
    height, width = map(int, size.split("x"))
    sigma_cells = 3.0 if height == 384 else 2.0
    return {
        "width_px": width,
        "height_px": height,
        "coding": "offset",
        "sigma_cells": sigma_cells,
        "padding": 1.25,
        "heatmap_branch": 0,
    }


_SIZES = ("256x192", "384x288", "256x256")
_PUBLISHED_POSE = {
    "hrnet-w18": "hrnet-w18",
    "hrnet-w24": "hrnet-w24",
    "hrnet-w32": "hrnet-w32",
    "hrnet-w48": "hrnet-w48",
    "simple-baseline-r50": "resnet-50",
    "simple-baseline-r101": "resnet-101",
    "simple-baseline-r152": "resnet-152",
}

_ROLE = Role(
    networks=NETWORKS,
    settings=TopDownSettings,
    traits={"skeleton": "coco17", **_list_traits("256x192")},
    make_network=_make_network,
    make_predictor=_make_predictor,
    int8_body="network",
)

FAMILY = Family(
    name="hrnet",
    estimator=_ROLE,
    trainings=(
        Training(
            networks=NETWORKS,
            read_recipe=_read_pose_recipe,
            make_task=_make_pose_task,
            make_evaluation=_make_pose_evaluation,
            describe=_describe_pose,
            counted="people",
        ),
        Training(
            networks=CLASS_NETWORKS,
            read_recipe=_read_class_recipe,
            make_task=_make_class_task,
            make_evaluation=_make_class_evaluation,
            describe=_describe_class,
            counted="images",
        ),
    ),
    importable={
        **{
            f"{published}-{size}": Importable(name, partial(_make_by_name, name), _list_traits(size))
            for published, name in _PUBLISHED_POSE.items()
            for size in _SIZES
        },
        **{name: Importable(name, partial(_make_class_network, name)) for name in CLASS_NETWORKS},
    },
    embedded={
        "hrnet-w18-256x192": "656059f1c3bf12faef95ff0f18a995fc1aadba90cd49d39b8c9daf1aefbc3195",
        "thunder-heatmaps-256x192": "91378e5db362cdb2ea5d7e3aa17f8553a831f86c27dcbfa34757aced56f61bf7",
    },
)
