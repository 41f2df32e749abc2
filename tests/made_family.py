"""A family of networks made up for tests: what a newcomer writes to add one, and a line in FAMILIES.

Its detector finds the bright rectangle of an image; its training learns one number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from models.backbones.variants import HRNetConfig
from models.hrnet.network import PoseHRNet
from models.metadata import WeightsMetadata
from models.settings import check_choice, check_fraction
from models.training.config import LoopConfig
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.recipe import read_recipe
from models.training.task import Task
from posetrack.families.family import Family, Importable, Role, Training
from posetrack.frame import Instances
from posetrack.predictors.settings import DetectorSettings
from posetrack.skeleton_files import decode_skeleton

TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)


class Threshold(nn.Module):
    """Says which pixels are brighter than a learnt level."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(0.9))

    def forward(self, images):
        return images.float().mean(dim=1, keepdim=True) / 255 - self.level


@dataclass(frozen=True)
class SpotSettings(DetectorSettings):
    """Settings of the made detector.

    Attributes:
        contrast: What it was trained for.
        score: Of each person found.
    """

    contrast: float = 0.0
    score: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fraction(self, "contrast", "score")


class SpotPredictor:
    """The bright rectangle of an image as one person, all keypoints in a line down its middle."""

    def __init__(self, network, settings, compute, device_images):
        example = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
        self._network = compute.make_engine(network, name=settings.network, example=example)
        self._settings = settings

    def __call__(self, images):
        return [self._find(image) for image in images]

    @torch.inference_mode()
    def _find(self, image):
        K = decode_skeleton(self._settings.skeleton).num_keypoints
        maps = self._network(torch.from_numpy(image).permute(2, 0, 1)[None])["output"]
        rows, columns = np.nonzero(maps[0, 0].numpy() > 0)
        if not len(rows):
            return Instances.empty(K)
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
        middle = np.full(K, (box[0] + box[2]) / 2)
        points = np.stack([middle, np.linspace(box[1], box[3], K)], axis=1)
        scores = np.full((1, K), self._settings.score, np.float32)
        return Instances(box[None], np.ones(1), points[None].astype(np.float32), scores)


@dataclass(frozen=True)
class SpotNetworkRecipe:
    """[network]."""

    name: str

    def __post_init__(self) -> None:
        check_choice(self, "name", ("made-spot",))


@dataclass(frozen=True)
class SpotRecipe:
    """A training recipe."""

    network: SpotNetworkRecipe
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    loop: LoopConfig


class Levels(torch.utils.data.Dataset):
    """Grey images; the level to learn is 0.5."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, key):
        return torch.full((3, 4, 4), 127.5)


def compute_level_loss(network, batch):
    return {"level": network(batch).square().mean()}


def make_spot_task(recipe, run):
    return Task(Threshold(), Levels(), 8, compute_level_loss)


def make_tiny(num_keypoints):
    return PoseHRNet(TINY, num_keypoints)


FAMILY = Family(
    name="made",
    detector=Role(
        networks=("made-spot",),
        settings=SpotSettings,
        traits={"skeleton": "coco17", "contrast": 0.5},
        make_network=lambda settings: Threshold(),
        make_predictor=SpotPredictor,
    ),
    trainings=(
        Training(
            networks=("made-spot",),
            read_recipe=lambda path: read_recipe(path, SpotRecipe),
            make_task=make_spot_task,
            describe=lambda recipe: WeightsMetadata(
                recipe.network.name, {"skeleton": "posetrack15", "contrast": 0.25}
            ),
            counted="images",
        ),
    ),
    importable={"tiny-kind": Importable("tiny", make_tiny)},
)
