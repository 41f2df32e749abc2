"""Which family of networks a training recipe is for: the map of `posetrack train`.

A new family is one line in `FAMILIES` and its recipes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.hrnet.classification_recipe import list_class_recipes, read_class_recipe
from models.hrnet.recipe import list_pose_recipes, read_pose_recipe
from models.hrnet.variants import CLASS_NETWORKS
from models.hrnet.variants import NETWORKS as TOP_DOWN_NETWORKS
from models.rcnn.recipe import list_detection_recipes, read_detection_recipe
from models.rcnn.variants import NETWORKS as DETECTION_NETWORKS
from models.settings import SettingsError, read_toml, suggest
from models.swahr.recipe import list_bottom_up_recipes, read_bottom_up_recipe
from models.swahr.variants import NETWORKS as BOTTOM_UP_NETWORKS
from models.training.loop import Trainer
from posetrack.training.bottom_up import make_bottom_up_trainer
from posetrack.training.classification import make_classification_trainer
from posetrack.training.detection import make_detection_trainer
from posetrack.training.run import TrainingRun
from posetrack.training.top_down import make_top_down_trainer


@dataclass(frozen=True)
class Family:
    """How networks of one family are trained.

    Attributes:
        networks: What `network.name` may be in its recipes; no two families share a name.
        list_recipes: Gives those that ship with the package: name -> TOML file.
        read_recipe: From a TOML file to a frozen dataclass with a `loop` (`models.training.config.LoopConfig`).
        make_trainer: From that and a run to what is ready to run.
        counted: What its samples are.
    """

    networks: Collection[str]
    list_recipes: Callable[[], dict[str, Path]]
    read_recipe: Callable[[Path], Any]
    make_trainer: Callable[[Any, TrainingRun], Trainer]
    counted: str


FAMILIES: dict[str, Family] = {
    "top-down": Family(
        networks=TOP_DOWN_NETWORKS,
        list_recipes=list_pose_recipes,
        read_recipe=read_pose_recipe,
        make_trainer=make_top_down_trainer,
        counted="people",
    ),
    "detection": Family(
        networks=DETECTION_NETWORKS,
        list_recipes=list_detection_recipes,
        read_recipe=read_detection_recipe,
        make_trainer=make_detection_trainer,
        counted="images",
    ),
    "bottom-up": Family(
        networks=BOTTOM_UP_NETWORKS,
        list_recipes=list_bottom_up_recipes,
        read_recipe=read_bottom_up_recipe,
        make_trainer=make_bottom_up_trainer,
        counted="images",
    ),
    "classification": Family(
        networks=CLASS_NETWORKS,
        list_recipes=list_class_recipes,
        read_recipe=read_class_recipe,
        make_trainer=make_classification_trainer,
        counted="images",
    ),
}
"""The families that can be trained."""


def list_training_recipes() -> dict[str, Path]:
    """The recipes that ship with the package: name -> TOML file."""
    return {name: path for family in FAMILIES.values() for name, path in family.list_recipes().items()}


def find_recipe(name_or_path: str) -> Path:
    """The file of a training recipe, by the name of one that ships with the package or by its path.

    Raises:
        SettingsError: There is none.
    """
    shipped = list_training_recipes()
    path = shipped.get(name_or_path, Path(name_or_path))
    if not path.is_file():
        raise SettingsError(
            f"{name_or_path}: no such training recipe; {suggest(name_or_path, shipped)} "
            "Or give the path of a TOML file."
        )
    return path


def find_family(path: Path) -> Family:
    """The family that a recipe's `network.name` belongs to.

    Raises:
        SettingsError: The file cannot be read, or no family has this network.
    """
    network = read_toml(path).get("network")
    name = network.get("name") if isinstance(network, dict) else None
    if not isinstance(name, str):
        raise SettingsError(f"{path.name}: network: 'name' is missing; it says what to train")
    for family in FAMILIES.values():
        if name in family.networks:
            return family
    known = [name for family in FAMILIES.values() for name in family.networks]
    raise SettingsError(f"{path.name}: network.name: unknown '{name}'; {suggest(name, known)}")
