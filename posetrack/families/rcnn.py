"""The record of the R-CNN family: two-stage person detectors, with or without keypoint and mask heads."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.metadata import Trait, WeightsMetadata
from models.rcnn.variants import NETWORKS
from posetrack.families.family import Family, Importable, Role, Training
from posetrack.predictors.settings import RCNNSettings
from posetrack.skeleton_files import decode_skeleton, encode_skeleton

if TYPE_CHECKING:
    from torch import nn

    from models.training.task import Evaluate, Task
    from posetrack.compute import Compute
    from posetrack.images.on_device import DeviceImages
    from posetrack.predictors.rcnn import RCNNPredictor
    from posetrack.training.run import TrainingRun


def _make_by_name(name: str, num_keypoints: int) -> nn.Module:
    from posetrack.runtime import import_torchvision

    import_torchvision()
    from models.rcnn.network import make_rcnn

    return make_rcnn(replace(NETWORKS[name], num_keypoints=num_keypoints))


def _make_network(settings: RCNNSettings) -> nn.Module:
    return _make_by_name(settings.network, decode_skeleton(settings.skeleton).num_keypoints)


def _make_published(name: str, num_outputs: int) -> nn.Module:
    """Make the entry of one of torchvision's checkpoints, which have fixed numbers of classes and keypoints."""
    return _make_by_name(name, NETWORKS[name].num_keypoints)


def _make_predictor(
    network: Any, settings: RCNNSettings, compute: Compute, device_images: DeviceImages | None
) -> RCNNPredictor:
    from posetrack.predictors.rcnn import RCNNPredictor

    return RCNNPredictor(network, settings, compute, device_images)


def _read_recipe(path: Path) -> Any:
    from models.rcnn.recipe import read_detection_recipe

    return read_detection_recipe(path)


def _make_task(recipe: Any, run: TrainingRun) -> Task:
    from posetrack.training.detection import make_detection_task

    return make_detection_task(recipe, run)


def _make_evaluation(recipe: Any, run: TrainingRun) -> Evaluate:
    from posetrack.training.detection_evaluation import make_detection_evaluation

    return make_detection_evaluation(recipe, run)


def _describe(recipe: Any) -> WeightsMetadata:
    from posetrack.training.skeletons import find_skeleton

    name = recipe.network.name
    traits: dict[str, Trait] = {"skeleton": encode_skeleton(find_skeleton(recipe)), "keypoint_origin": "corner"}
    return WeightsMetadata(name, traits if NETWORKS[name].has_keypoints else {})


FAMILY = Family(
    name="rcnn",
    detector=Role(
        networks=NETWORKS,
        settings=RCNNSettings,
        traits={"skeleton": "coco17", "keypoint_origin": "usual"},
        make_network=_make_network,
        make_predictor=_make_predictor,
        int8_body="backbone.body",
        without_poses=tuple(name for name, config in NETWORKS.items() if not config.has_keypoints),
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
        "faster-rcnn-r50": Importable("faster-rcnn", partial(_make_published, "faster-rcnn")),
        "mask-rcnn-r50": Importable("mask-rcnn", partial(_make_published, "mask-rcnn")),
        "keypoint-rcnn-r50": Importable(
            "keypoint-rcnn",
            partial(_make_published, "keypoint-rcnn"),
            {"skeleton": "coco17", "keypoint_origin": "centre"},
        ),
    },
    embedded={"movenet-person": "fc43de72895e56985ad35da4b58e276c8a427b33a341e1f86e2f21c785c5be8e"},
)
