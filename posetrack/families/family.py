"""Family: the record of a family of networks, with everything that the application needs to know of it.

A family is a folder in `models/` (its networks, codec, losses, data set and training recipes) and one module
here with one literal record, `FAMILY`. Everything else is derived from the records: the settings of a recipe's
tables, the names of networks, and what can be trained, imported and shipped.

Modules of families import no torch at their top, so that names and settings can be looked up at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from models.metadata import Trait, WeightsMetadata
from posetrack.errors import RecipeError, WeightsError
from posetrack.predictors.settings import NetworkSettings
from posetrack.skeleton_files import describe_skeleton

if TYPE_CHECKING:
    from torch import nn

    from models.training.task import Evaluate, Task
    from posetrack.compute import Compute
    from posetrack.images.on_device import DeviceImages
    from posetrack.predictors.networks import DenseDetector, Detector, PoseEstimator
    from posetrack.training.run import TrainingRun

S = TypeVar("S", bound="NetworkSettings")


@dataclass(frozen=True)
class Role:
    """The role of a family's networks in a tracking recipe: detector or estimator.

    Attributes:
        networks: Names of the networks.
        settings: The dataclass of the recipe's table; a `DetectorSettings` or `EstimatorSettings`.
        traits: The settings that are in the metadata of weights, with the values assumed for files without
            metadata. In the dataclass, 0 or an empty text means "as in the metadata".
        make_network: Makes the network with random weights from complete settings.
        make_predictor: Makes a `Detector`, a `PoseEstimator` or a `DenseDetector` from the network with its
            weights, complete settings, device and engine, and the images on a GPU that predictors share (else
            None).
        without_poses: Names of detectors without keypoints.
        with_dense: Names of detectors with dense poses.
        int8_body: The submodule of the parts that its predictor runs on engines which is quantised whole by
            `posetrack export --int8`; of the rest convolutions and linear layers alone. None has no int8 form.
    """

    networks: Collection[str]
    settings: type[NetworkSettings]
    traits: Mapping[str, Trait]
    make_network: Callable[[Any], nn.Module]
    make_predictor: Callable[[Any, Any, Compute, DeviceImages | None], Detector | PoseEstimator | DenseDetector]
    without_poses: Collection[str] = ()
    with_dense: Collection[str] = ()
    int8_body: str | None = None

    def complete(self, settings: S, metadata: WeightsMetadata | None, where: str) -> S:
        """Complete the settings by the metadata of the weights.

        Args:
            settings: The settings in the recipe.
            metadata: Metadata of the weights; None if they have none, or are not on this machine yet.
            where: Name of the table in messages, such as `mine.toml: estimator`.

        Returns:
            The complete settings.

        Raises:
            RecipeError: The recipe contradicts the weights.
        """
        known = dict(self.traits)
        if metadata is not None:
            self._check(settings, {"network": metadata.network, **metadata.traits}, where)
            self._check_traits(metadata, settings.weights)
            known |= metadata.traits
            settings = replace(settings, network=metadata.network)
        gaps = {name: known[name] for name in self.traits if not getattr(settings, name)}
        try:
            return replace(settings, **gaps)  # type: ignore[arg-type]
        except ValueError as error:
            raise WeightsError(f"{settings.weights}: its metadata are not usable: {error}") from error

    def _check_traits(self, metadata: WeightsMetadata, weights: str) -> None:
        """Raise WeightsError unless the traits are those that this version knows, each of its type."""
        for name, value in metadata.traits.items():
            if name not in self.traits:
                raise WeightsError(
                    f"{weights}: its metadata have '{name}', which this version does not know; update"
                )
            usual = self.traits[name]
            is_alike = isinstance(value, str) == isinstance(usual, str)
            if not is_alike or (isinstance(usual, int) and value != int(value)) or (usual and not value):
                raise WeightsError(
                    f"{weights}: its metadata are not usable: {name}: {value!r}, such as {usual!r}"
                )

    def _check(self, settings: NetworkSettings, known: Mapping[str, Trait], where: str) -> None:
        for name, value in known.items():
            said = getattr(settings, name, value)
            if said and said != value:
                if name == "skeleton":
                    said, value = describe_skeleton(str(said)), describe_skeleton(str(value))
                raise RecipeError(
                    f"{where}.{name}: {said}, but the weights {settings.weights} are for {value}; leave {name} "
                    "out, or name other weights"
                )

    def describe(self, settings: NetworkSettings) -> WeightsMetadata:
        """Make the metadata of weights with complete settings."""
        return WeightsMetadata(settings.network, {name: getattr(settings, name) for name in self.traits})


@dataclass(frozen=True)
class Training:
    """The training of networks of a family.

    Attributes:
        networks: Possible values of `network.name` in its recipes, different for all trainings.
        read_recipe: Reads a TOML file as a frozen dataclass with a `loop`
            (`models.training.config.LoopConfig`).
        make_task: Makes network, data set and losses from the recipe and the run.
        describe: Makes the metadata of the trained weights from the recipe.
        counted: The word for its samples, in the plural.
        make_evaluation: Makes the evaluation from the recipe and the run; None for no evaluation.
    """

    networks: Collection[str]
    read_recipe: Callable[[Path], Any]
    make_task: Callable[[Any, TrainingRun], Task]
    describe: Callable[[Any], WeightsMetadata]
    counted: str
    make_evaluation: Callable[[Any, TrainingRun], Evaluate] | None = None


@dataclass(frozen=True)
class Importable:
    """A kind of published checkpoint.

    Attributes:
        network: Name of its network.
        make_network: Makes the network with random weights from the number of keypoints or classes.
        traits: The settings that these weights were trained with, except the skeleton, which follows from the
            number of keypoints.
    """

    network: str
    make_network: Callable[[int], nn.Module]
    traits: Mapping[str, Trait] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """One family of networks.

    Attributes:
        name: Name of its folder in `models/`.
        detector: Its networks as detectors; None if there are none.
        estimator: Its networks as pose estimators; None if there are none.
        dense: Its networks as estimators of dense poses in given boxes; None if there are none.
        flows: Its networks that estimate optical flow.
        trainings: The trainings of its networks.
        importable: Kinds of published checkpoints, by their names for `posetrack weights import --kind`.
        embedded: Weights that ship with PoseTrack (`models/weights/NAME.safetensors`) with their SHA-256.
    """

    name: str
    detector: Role | None = None
    estimator: Role | None = None
    dense: Role | None = None
    flows: tuple[str, ...] = ()
    trainings: tuple[Training, ...] = ()
    importable: Mapping[str, Importable] = field(default_factory=dict)
    embedded: Mapping[str, str] = field(default_factory=dict)

    @property
    def roles(self) -> dict[str, Role]:
        """Its roles by the names of a recipe's tables."""
        all_roles = {"detector": self.detector, "estimator": self.estimator, "dense": self.dense}
        return {name: role for name, role in all_roles.items() if role is not None}


def list_setting_names(role: Role) -> list[str]:
    """Names of the settings that a recipe's table may have."""
    return [entry.name for entry in fields(role.settings)]
