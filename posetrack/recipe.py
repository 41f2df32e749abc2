"""Tracking recipes: the networks that detect people and estimate poses, and the settings of the tracker.

A recipe is a TOML file of up to seven tables, each the settings of one stage, and one about it:

    [detector]    weights = "movenet-person"                settings of the family of its network
    [estimator]   weights = "thunder-heatmaps-256x192"      likewise; without: the detector's poses
    [dense]       weights = "densepose-r50-dl.safetensors"  a DensePose network, for dense poses in all boxes
    [tracker]     flow = "dis"                              trackers.flow_tracker.FlowTrackerConfig
    [stitcher]    max_gap_s = 3.0                           posetrack.processors.stitch.StitcherConfig, without
    --no-stitch
    [smoother]    min_cutoff_hz = 1.0                       posetrack.processors.smooth.SmootherConfig, under
    --smooth
    [export]      min_keypoint_score = 0.4                  posetrack.results.people.ExportSettings
    [about]       purpose = "small people"                  About, for `posetrack recipes`
    [skeleton]    names = ["wrist", "thumb"], ...           models.keypoint_table.KeypointTable, of weights that
    do not say theirs

The first three are read as the settings of the family of their network (`posetrack.predictors.settings`). The
network is named in the metadata of the weights; `network` is only needed without metadata. Settings in the
metadata (input size, coding, skeleton, ...) can be left out of the recipe, and contradictions are errors. Files
are read strictly: unknown keys and values of another type or out of range are errors that name them. A path of
weights is relative to the recipe's folder if there is such a file, else to the working folder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.metadata import WeightsMetadata
from models.settings import SettingsError, check_tables, read_table, read_toml, suggest
from posetrack.errors import RecipeError
from posetrack.families.table import find_role, list_embedded
from posetrack.predictors.settings import DenseSettings, DetectorSettings, EstimatorSettings, NetworkSettings
from posetrack.processors.smooth import SmootherConfig
from posetrack.processors.stitch import StitcherConfig
from posetrack.recipe_files import check_is_tracking, find_recipe
from posetrack.results.people import ExportSettings
from posetrack.skeleton import Skeleton
from posetrack.skeleton_files import TABLE as SKELETON_TABLE
from posetrack.skeleton_files import decode_fields, decode_skeleton, encode_skeleton
from posetrack.weights.metadata import find_metadata
from posetrack.weights.published import PUBLISHED
from trackers.clock import FRAME_S
from trackers.flow_tracker import FlowTrackerConfig


@dataclass(frozen=True)
class About:
    """What a recipe is for, and what was measured with it; it changes nothing.

    Attributes:
        purpose: What it is for.
        ap: AP of its keypoints from 0 to 1; 0 where it was not measured.
        ap_on: The images that `ap` was measured on.
        frames_per_s: Frames per second of a whole run on two CPU cores; 0 where it was not measured.
    """

    purpose: str = ""
    ap: float = 0.0
    ap_on: str = ""
    frames_per_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.ap <= 1:
            raise ValueError(f"ap: {self.ap:g}; expected 0 to 1")
        if not 0 <= self.frames_per_s < math.inf:
            raise ValueError(f"frames_per_s: {self.frames_per_s:g}; expected 0 or more")


_NETWORK_TABLES = ("detector", "estimator", "dense")
_LONGEST_NAME = 255
"""Characters; file systems allow no more in a name."""
_OTHER_TABLES: dict[str, type[Any]] = {
    "tracker": FlowTrackerConfig,
    "stitcher": StitcherConfig,
    "smoother": SmootherConfig,
    "export": ExportSettings,
    "about": About,
}


@dataclass(frozen=True)
class Recipe:
    """A tracking recipe.

    Attributes:
        name: The recipe's file name without its suffix.
        detector: Settings of the detector.
        estimator: Settings of the pose estimation in the detector's boxes; `None` keeps the detector's poses.
        dense: Settings of the dense poses in all boxes; `None` keeps the detector's, if it gives some.
        tracker: Settings of the tracker.
        stitcher: Settings of the joining of tracks after a run; None for no joining. A file with the paper's
            tracker, `motion = "flow"`, has none unless it has a table [stitcher].
        smoother: Settings of the smoothing of keypoints, if requested.
        export: What the formats beside `poses.jsonl` leave out.
        about: What it is for.
    """

    name: str
    detector: DetectorSettings
    estimator: EstimatorSettings | None = None
    dense: DenseSettings | None = None
    tracker: FlowTrackerConfig = field(default_factory=FlowTrackerConfig)
    stitcher: StitcherConfig | None = field(default_factory=StitcherConfig)
    smoother: SmootherConfig = field(default_factory=SmootherConfig)
    export: ExportSettings = field(default_factory=ExportSettings)
    about: About = field(default_factory=About)

    def __post_init__(self) -> None:
        det_every = self.detector.det_every
        if self.detector.skips_frames and self.estimator is None:
            raise ValueError(
                "detector.det_every: other than 1 it needs an [estimator], which finds the people between "
                "detections"
            )
        if self.tracker.propagation == "joint" and self.estimator is None:
            raise ValueError('tracker.propagation: "joint" needs an [estimator], for boxes that flow has moved')
        longest_s = self.tracker.longest_propagation.seconds
        if det_every != "auto" and (det_every - 1) * FRAME_S > longest_s + 1e-3:
            raise ValueError(
                f"detector.det_every: {det_every} leaves more time between detections than "
                f"people are propagated for ({longest_s:g} s, at 25 frames a second); raise "
                "tracker.propagation_max_s"
            )

    @property
    def networks(self) -> dict[str, NetworkSettings]:
        """Settings of its networks by the names of their tables."""
        tables = {"detector": self.detector, "estimator": self.estimator, "dense": self.dense}
        return {name: settings for name, settings in tables.items() if settings is not None}

    @property
    def pose_table(self) -> str:
        """The table of the network that gives the poses, or boxes alone; `--weights` are for it."""
        return "detector" if self.estimator is None else "estimator"


def without_delay(recipe: Recipe) -> Recipe:
    """The recipe for a live source, whose frames arrive one by one: none waits for a later one."""
    return replace(recipe, detector=replace(recipe.detector, between="flow", batch_frames=1))


def read_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe that ships with the package, by name, or a TOML file.

    Raises:
        RecipeError: There is no such recipe, or it is not valid.
    """
    path = find_recipe(name_or_path)
    try:
        tables = read_toml(path)
        check_is_tracking(tables, path)
        check_tables(tables, (*_NETWORK_TABLES, *_OTHER_TABLES, SKELETON_TABLE), path.name)
        own = _read_skeleton(tables.pop(SKELETON_TABLE, None), path)
        if own is not None:
            _name_skeleton(own, tables, path)
        if "detector" not in tables:
            raise RecipeError(f"{path.name}: no [detector] table; every recipe needs one")
        stages: dict[str, Any] = {
            name: _read_network(table, name, path)
            if name in _NETWORK_TABLES
            else read_table(_OTHER_TABLES[name], table, f"{path.name}: {name}")
            for name, table in tables.items()
        }
        recipe = Recipe(name=path.stem, **stages)
        if "stitcher" not in tables and not recipe.tracker.has_velocity:
            recipe = replace(recipe, stitcher=None)
    except SettingsError as error:
        raise RecipeError(str(error)) from error
    except ValueError as error:
        raise RecipeError(f"{path.name}: {error}") from error
    for table in recipe.networks:
        complete_settings(recipe, table)
    _check_dense(recipe, path)
    return recipe


def _read_skeleton(table: dict[str, Any] | None, path: Path) -> Skeleton | None:
    """Read the table [skeleton], where there is one."""
    if table is None:
        return None
    try:
        return decode_fields(table, f"{path.name}: {SKELETON_TABLE}")
    except ValueError as error:
        raise RecipeError(str(error)) from error


def _name_skeleton(skeleton: Skeleton, tables: dict[str, Any], path: Path) -> None:
    """Give the table of the pose network the recipe's own skeleton, which a table may call by its name, too."""
    text = encode_skeleton(skeleton)
    for name in _NETWORK_TABLES:
        if tables.get(name, {}).get("skeleton") == skeleton.name:
            tables[name] = {**tables[name], "skeleton": text}
    name = "estimator" if "estimator" in tables else "detector"
    if name not in tables:
        return
    said = tables[name].get("skeleton", text)
    if said != text:
        raise RecipeError(
            f"{path.name}: {name}.skeleton: {said}, but the recipe has a table [{SKELETON_TABLE}] named "
            f"{skeleton.name}; leave one out"
        )
    tables[name] = {**tables[name], "skeleton": text}


def _check_dense(recipe: Recipe, path: Path) -> None:
    if recipe.dense is not None and has_dense_detector(recipe):
        raise RecipeError(
            f"{path.name}: dense: the detector, {recipe.detector.network}, gives dense poses already; leave "
            "[dense] out"
        )


def has_dense_detector(recipe: Recipe) -> bool:
    """Whether a recipe's detector gives dense poses with its boxes."""
    role = find_role(recipe.detector.network, "detector", recipe.name)
    return recipe.detector.network in role.with_dense


def gives_poses(recipe: Recipe) -> bool:
    """Whether a recipe's networks give poses, not boxes alone."""
    role = find_role(recipe.detector.network, "detector", recipe.name)
    return recipe.estimator is not None or recipe.detector.network not in role.without_poses


def gives_dense(recipe: Recipe) -> bool:
    """Whether a recipe's networks give dense poses."""
    return recipe.dense is not None or has_dense_detector(recipe)


def complete_settings(recipe: Recipe, table: str) -> Any:
    """Get the settings of a recipe's network, completed by the metadata of its weights.

    Args:
        recipe: The recipe.
        table: `detector`, `estimator` or `dense`; the recipe has it.

    Returns:
        The dataclass of the family's role.

    Raises:
        RecipeError: The recipe contradicts the weights.
    """
    settings, where = recipe.networks[table], f"{recipe.name}.toml: {table}"
    role = find_role(settings.network, table, f"{where}.network")
    return role.complete(settings, find_metadata(settings.weights) if settings.weights else None, where)


def use_weights(recipe: Recipe, path: Path) -> Recipe:
    """Replace the weights of a recipe's estimator, or of its detector if that gives the poses.

    Raises:
        RecipeError: They are of another network than the recipe's.
    """
    table = recipe.pose_table
    settings = recipe.networks[table]
    metadata = find_metadata(str(path))
    if metadata is not None and metadata.network != settings.network:
        raise RecipeError(
            f"{path}: weights of {metadata.network}, but the [{table}] of recipe {recipe.name} is "
            f"{settings.network}; choose another --recipe, or name them in a recipe of yours"
        )
    return replace(recipe, **{table: replace(settings, weights=str(path))})  # type: ignore[arg-type]


def _read_network(table: dict[str, Any], name: str, path: Path) -> NetworkSettings:
    """Read [detector], [estimator] or [dense] as the settings of the family of its network."""
    where = f"{path.name}: {name}"
    said = {key: table.get(key, "") for key in ("network", "weights")}
    for key, value in said.items():
        if not isinstance(value, str):
            raise SettingsError(f"{where}.{key}: expected a text, got {value!r}")
        if len(value) > _LONGEST_NAME:
            raise SettingsError(f"{where}.{key}: no file or network has a name of {len(value)} characters")
    weights = _find_weights(said["weights"], said["network"], path)
    metadata: WeightsMetadata | None = find_metadata(weights) if weights else None
    network = said["network"] or (metadata.network if metadata else "")
    if not network and weights and not (metadata or Path(weights).is_file()):
        known = suggest(weights, [*list_embedded(), *PUBLISHED])
        raise SettingsError(
            f"{where}.weights: {weights}: neither a file nor weights that PoseTrack knows; {known}"
        )
    if not network:
        what = f"the weights {weights} do not say theirs" if weights else "or weights, which know theirs"
        raise SettingsError(f"{where}: 'network' is missing; name one: {what}")
    role = find_role(network, name, f"{where}.network")
    return read_table(role.settings, {**table, "network": network, "weights": weights}, where)


def _find_weights(weights: str, network: str, path: Path) -> str:
    """Find the weights of a table: a file beside the recipe, weights by name, or those embedded."""
    if not weights:
        return network if network in list_embedded() else ""
    beside = path.parent / weights
    return str(beside) if beside.is_file() else weights


def find_skeleton(recipe: Recipe) -> Skeleton:
    """Find the skeleton of a recipe's poses, without making its networks."""
    return decode_skeleton(complete_settings(recipe, recipe.pose_table).skeleton)
