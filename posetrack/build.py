"""Building of the networks of a recipe, and of the pipeline of processors around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from models.raft.variants import NETWORKS as RAFT_NETWORKS
from posetrack.compute import Compute, run_export
from posetrack.errors import RecipeError
from posetrack.families.table import find_role
from posetrack.images.on_device import DeviceImages
from posetrack.pipeline import RUN_AHEAD, FrameProcessor, Stage
from posetrack.predictors.clipped import clip_scores
from posetrack.predictors.networks import DenseDetector, Detector, Networks
from posetrack.predictors.settings import DetectorSettings
from posetrack.processors.between import Intervals, detect_at_intervals
from posetrack.processors.densepose import complete_dense
from posetrack.processors.detect import ChooseFrame, detect
from posetrack.processors.estimate import estimate
from posetrack.processors.given import use_boxes
from posetrack.processors.left_out import LeftOutFaces
from posetrack.processors.look_again import LONGEST_S, DetectionOnDemand
from posetrack.processors.own import OwnProcessors
from posetrack.processors.restored import skip_restored
from posetrack.processors.smooth import smooth
from posetrack.processors.track import track
from posetrack.recipe import Recipe, complete_settings, find_skeleton, gives_poses
from posetrack.results.provenance import Provenance, digest_settings, shorten_digest
from posetrack.runtime import tune_process, use_networks
from posetrack.selection.choose import choose_found, choose_tracked
from posetrack.selection.people import EVERYONE, PeopleSelection
from posetrack.skeleton import Skeleton
from posetrack.weights.metadata import find_metadata
from posetrack.weights.store import find_export, find_sha256, load_weights
from trackers.clock import FRAME_S
from trackers.flow import GIVEN_FLOWS, FlowEstimator


@dataclass(frozen=True)
class Pipeline:
    """The pipeline of a recipe.

    Attributes:
        processors: The processors, in the order of application.
        skeleton: Skeleton of the resulting keypoints.
        provenance: What decides its poses, without the part that a source and the joining of tracks have in it;
            None where it is not known.
        gives_dense: Whether there are dense poses among its results.
        is_plain_cpu: Whether torch runs the networks on a CPU, for which there are faster engines.
    """

    processors: tuple[Stage, ...]
    skeleton: Skeleton
    provenance: Provenance | None = None
    gives_dense: bool = False
    is_plain_cpu: bool = False


def build_networks(recipe: Recipe, compute: Compute, *, batch_frames: int) -> Networks:
    """Make the networks of a recipe.

    Args:
        recipe: The recipe.
        compute: Device, engine and precision.
        batch_frames: Frames per call of the detector.

    Raises:
        RecipeError: The recipe lacks weights, or contradicts them.
        WeightsError: A network's weights are missing or damaged.
        PoseTrackError: An engine cannot convert a network, or this is a forked process (see `use_networks`).
    """
    use_networks()
    if compute.device.type == "cpu":
        tune_process(torch_computes=compute.engine == "torch")
    # On a GPU, the images uploaded for the detector are reused when boxes are cut out.
    device_images = None
    if compute.device.type == "cuda":
        device_images = DeviceImages(compute.device, remembered=2 * batch_frames)
    made = {table: _make_predictor(recipe, table, compute, device_images) for table in recipe.networks}
    sha256 = {table: find_sha256(settings.weights) for table, settings in recipe.networks.items()}
    flow = make_flow(recipe, compute)
    if flow is not None:
        sha256["flow"] = find_sha256(recipe.tracker.flow_weights)
    detector, dense = made["detector"], made.get("dense")
    if dense is None and isinstance(detector, DenseDetector):
        dense = detector
    return Networks(
        detector,
        made.get("estimator"),
        find_skeleton(recipe),
        None if dense is None else dense.estimate_dense,
        sha256,
        flow,
    )


def make_flow(recipe: Recipe, compute: Compute) -> FlowEstimator | None:
    """Make the network of a recipe's optical flow; None where that is none.

    Raises:
        RecipeError: The weights are of another network.
        WeightsError: They are missing or damaged.
    """
    if recipe.tracker.flow not in GIVEN_FLOWS:
        return None
    from models.raft.network import make_raft
    from posetrack.predictors.raft import RaftFlow

    weights = recipe.tracker.flow_weights
    metadata = find_metadata(weights)
    name = metadata.network if metadata is not None else "raft-large"
    if name not in RAFT_NETWORKS:
        known = " or ".join(RAFT_NETWORKS)
        raise RecipeError(f"{recipe.name}: tracker.flow_weights: weights of {name}; give some of {known}")
    network = make_raft(name)
    load_weights(network, weights)
    return RaftFlow(network, compute.device)


def _make_predictor(recipe: Recipe, table: str, compute: Compute, device_images: DeviceImages | None) -> Any:
    """Make the predictor of a recipe's table, with its weights."""
    settings, where = complete_settings(recipe, table), f"{recipe.name}: {table}"
    if not settings.weights:
        own = "give a file with --weights" if table == recipe.pose_table else "a file of them"
        raise RecipeError(
            f"{where}.weights: {settings.network} needs weights; name some of `posetrack weights list`, "
            f"or {own}"
        )
    role = find_role(settings.network, table, where)
    network = role.make_network(settings)
    export = find_export(settings.weights)
    if export is None:
        load_weights(network, settings.weights)
    else:
        compute = replace(compute, make=run_export(export, settings.network))
    return role.make_predictor(network.eval(), settings, compute, device_images)


def build_pipeline(
    recipe: Recipe,
    compute: Compute,
    *,
    batch_frames: int | None = None,
    smoothed: bool = False,
    selection: PeopleSelection = EVERYONE,
    with_faces: bool = False,
) -> Pipeline:
    """Make the pipeline of a recipe.

    Args:
        recipe: The recipe.
        compute: Device, engine and precision.
        batch_frames: Frames per call of the detector, instead of the recipe's.
        smoothed: Whether keypoints are smoothed over time.
        selection: Which people are wanted.
        with_faces: As for `make_pipeline`.

    Raises:
        RecipeError: The recipe lacks weights, or contradicts them.
        WeightsError: A network's weights are missing or damaged.
        PoseTrackError: An engine cannot take a network, or the selection is by ids.
    """
    batch_frames = batch_frames or recipe.detector.batch_frames
    networks = build_networks(recipe, compute, batch_frames=batch_frames)
    return make_pipeline(
        recipe,
        networks,
        compute,
        batch_frames=batch_frames,
        smoothed=smoothed,
        selection=selection,
        with_faces=with_faces,
    )


def make_pipeline(
    recipe: Recipe,
    networks: Networks,
    compute: Compute,
    *,
    batch_frames: int,
    smoothed: bool = False,
    selection: PeopleSelection = EVERYONE,
    own: OwnProcessors | None = None,
    with_faces: bool = False,
) -> Pipeline:
    """Make the processors of a recipe from its networks.

    Args:
        recipe: The recipe of the networks.
        networks: The networks, which several pipelines may share.
        compute: Device, engine and precision.
        batch_frames: Frames per call of the detector; 1 for no batching.
        smoothed: Whether keypoints are smoothed over time.
        selection: Which people are wanted: by place, size and score before their poses are estimated, by number
            when they are tracked.
        own: Processors of the user's own; they see tracked people, before smoothing.
        with_faces: Whether frames say where the heads of those are who are left out, so that they can be
            blurred. Poses of everyone are then estimated first, and people chosen when they are tracked.

    Raises:
        PoseTrackError: This is a forked process (see `use_networks`), or the selection is by ids.
    """
    use_networks()
    selection.refuse_ids()
    networks = clip_scores(networks)
    faces = LeftOutFaces(networks.skeleton) if with_faces and (own or not selection.is_everyone) else None
    demand = _make_demand(recipe, networks)
    if demand is not None:
        batch_frames = 1
    processors = _make_finders(recipe, networks, batch_frames, EVERYONE if faces else selection, demand)
    if compute.engine != "torch" and batch_frames > 1:
        processors = _run_ahead(processors)
    follow = track(
        recipe.tracker,
        networks.skeleton,
        estimator=networks.estimator,
        by_boxes=not gives_poses(recipe),
        flow=networks.flow,
    )
    processors.append(Stage("track", follow if demand is None else demand.watch(follow)))
    if faces is not None:
        processors.append(Stage("faces", faces.remember))
    if not selection.is_everyone:
        processors.append(Stage("choose", choose_tracked(selection, also_by_size=faces is not None)))
    processors += _make_dense(recipe, networks, batch_frames)
    if own is not None:
        processors.append(Stage("own", own))
    if faces is not None:
        processors.append(Stage("faces", faces.add))
    if smoothed:
        processors.append(Stage("smooth", smooth(recipe.smoother)))
    provenance = _describe(recipe, networks, compute, smoothed=smoothed)
    return Pipeline(
        tuple(processors),
        networks.skeleton,
        replace(provenance, selection=str(selection), processors=() if own is None else own.names),
        gives_dense=networks.dense is not None,
        is_plain_cpu=compute.engine == "torch" and compute.device.type == "cpu",
    )


def _run_ahead(finders: list[Stage]) -> list[Stage]:
    """Give detection, and what follows it, a thread each: what it does outside of its engine takes one core."""
    detection, *others = finders
    return [detection, RUN_AHEAD, *others, *([RUN_AHEAD] if others else [])]


def _make_dense(recipe: Recipe, networks: Networks, batch_frames: int) -> list[Stage]:
    """Make the stage of dense poses, if there are any."""
    if networks.dense is None:
        return []
    at_once = batch_frames if recipe.dense is None else min(batch_frames, recipe.dense.batch_frames)
    return [Stage("dense", skip_restored(complete_dense(networks.dense, batch_frames=at_once)))]


def _make_demand(recipe: Recipe, networks: Networks) -> DetectionOnDemand | None:
    """Make what chooses the frames in which people are detected, if anything does."""
    if recipe.detector.det_every != "auto" or networks.given is not None:
        return None
    return DetectionOnDemand(longest_s=min(recipe.tracker.longest_propagation.seconds, LONGEST_S))


def _make_finders(
    recipe: Recipe,
    networks: Networks,
    batch_frames: int,
    selection: PeopleSelection,
    demand: DetectionOnDemand | None,
) -> list[Stage]:
    """Make the stages that find people, choose among them, and estimate their poses unless the tracker does."""
    if networks.given is not None:
        find = skip_restored(use_boxes(networks.given))
    else:
        marks = _interpolates_poses(recipe)
        find = make_detection(recipe.detector, networks.detector, batch_frames, demand, marks=marks)
    stages = [Stage("detect", find)]
    if selection.chooses_found:
        stages.append(Stage("choose", choose_found(selection)))
    if networks.estimator is not None and recipe.estimator is not None and not _estimates_later(recipe):
        crops = recipe.estimator.batch_crops
        pose = estimate(
            networks.estimator,
            batch_crops=crops,
            batch_frames=batch_frames,
            tracker=recipe.tracker,
            between_error=recipe.estimator.between_error,
        )
        stages.append(Stage("estimate", skip_restored(pose)))
    return stages


def _estimates_later(recipe: Recipe) -> bool:
    """Whether the tracker estimates all poses."""
    return recipe.tracker.propagation == "joint"


def _interpolates_poses(recipe: Recipe) -> bool:
    estimator = recipe.estimator
    return estimator is not None and estimator.between_error > 0 and not _estimates_later(recipe)


def make_detection(
    settings: DetectorSettings,
    detector: Detector,
    batch_frames: int,
    demand: DetectionOnDemand | None = None,
    *,
    marks: bool = False,
) -> FrameProcessor:
    """Make the processor of detection, in every frame or in some.

    Args:
        settings: Those of the detector.
        detector: The detector.
        batch_frames: Frames per call of it.
        demand: Chooses the frames where `det_every` is `"auto"`.
        marks: As for `detect_at_intervals`.
    """
    start: Callable[[], ChooseFrame] | None = None
    if demand is not None:
        start = demand.start
    elif settings.skips_frames:
        assert settings.det_every != "auto"
        interval_s = settings.det_every * FRAME_S
        if settings.between == "interpolation":
            return detect_at_intervals(detector, batch_frames=batch_frames, interval_s=interval_s, marks=marks)
        start = partial(Intervals, interval_s)
    return skip_restored(detect(detector, batch_frames=batch_frames, start=start))


def _describe(recipe: Recipe, networks: Networks, compute: Compute, *, smoothed: bool) -> Provenance:
    tables = {
        **recipe.networks,
        "tracker": recipe.tracker,
        **({"smoother": recipe.smoother} if smoothed else {}),
    }
    return Provenance(
        recipe={name: digest_settings(settings) for name, settings in tables.items()},
        weights={table: shorten_digest(sha256) for table, sha256 in networks.weights_sha256.items()},
        engine=compute.engine,
        precision=compute.precision,
    )
