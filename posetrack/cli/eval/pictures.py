"""`posetrack eval pictures`: evaluation of a recipe's networks on a COCO data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from posetrack.cli.eval.metrics import print_metrics, write_metrics
from posetrack.cli.eval.picture_options import (
    ANNOTATED,
    CROWDPOSE,
    DENSE,
    MPII,
    RECIPE,
    PeopleOptions,
    PictureOutputs,
)
from posetrack.cli.options import ComputeOptions, RecipeOptions
from posetrack.errors import PoseTrackError, ResultsError

if TYPE_CHECKING:
    from models.data.coco_people import CocoPeople
    from models.data.image_files import ImageFile
    from posetrack.frame import Instances
    from posetrack.predictors.networks import Networks
    from posetrack.recipe import Recipe
    from posetrack.results.dense_results import DenseResult

_Entries = dict[str, list[dict[str, object]]]


def pictures_command(
    gt: Annotated[Path, typer.Option("--gt", help="COCO annotations (JSON).", show_default=False)],
    images: Annotated[Path, typer.Option(help="Folder of the images that they name.", show_default=False)],
    recipe: RecipeOptions,
    compute: ComputeOptions,
    who: PeopleOptions,
    outputs: PictureOutputs,
    mesh: Annotated[
        str | None,
        typer.Option(
            help="Folder of the mesh files, or `made`, as for eval densepose: evaluates dense poses too.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a recipe's networks on the images of a data set, without tracking, and evaluate as COCO does."""
    from models.training.errors import DataError
    from posetrack.build import build_networks
    from posetrack.evaluation.coco_files import keep_images
    from posetrack.protocol import use_protocol

    who.check_format(has_mesh=mesh is not None)
    chosen = recipe.read()
    settings = use_protocol(chosen, who.min_score)
    try:
        if who.form == MPII:
            from posetrack.cli.eval.mpii_images import evaluate_mpii_images

            evaluate_mpii_images(gt, images, chosen, compute.choose(), who, outputs)
            return
        people = _read_people(gt, settings)
        is_annotated = bool(people.content["annotations"])
        outputs = outputs.choose_results(gt, has_annotations=is_annotated)
        outputs.check([gt, Path(who.boxes)])
        given = _read_boxes(who.boxes, people)
        files = _check_images(people, images, str(gt), who.first)
        measured = keep_images(people.content, files)
        kinds = _choose_kinds(measured, settings, str(gt), who.form) if is_annotated else []
        measure_dense = _make_dense_measure(gt, mesh, settings, files)
        if given is None:
            _say_threshold(chosen, settings)
        networks = build_networks(settings, compute.choose(), batch_frames=8)
        found, dense = _find_people(settings, files, networks, given)
    except DataError as error:
        raise PoseTrackError(str(error)) from error
    if outputs.results is not None:
        written = _write_results(found, dense, outputs.results, people.category_id)
        if not is_annotated:
            print(f"{gt}: no people are annotated, nothing is evaluated; results: {written}")
            return
    numbers = _measure(
        measured,
        {kind: found[kind] for kind in kinds if kind in found},
        name=settings.name,
        annotations_name=str(gt),
        form=who.form,
    )
    if dense or mesh is not None:
        numbers |= measure_dense(dense)
    if not numbers:
        print(f"{settings.name}: nobody found in {len(files)} images")
    if outputs.out is not None:
        write_metrics(numbers, outputs.out)


def _read_people(gt: Path, recipe: Recipe) -> CocoPeople:
    """Read the annotations, their keypoints in the order of the recipe's."""
    from models.data.coco_people import has_keypoints, unify_people
    from models.data.json_file import read_json
    from posetrack.recipe import find_skeleton, gives_poses
    from posetrack.skeleton import SKELETONS

    content = read_json(gt)
    skeleton = find_skeleton(recipe) if gives_poses(recipe) else None
    names = None if skeleton is None else skeleton.names
    people = unify_people(
        content, names, str(gt), needs_keypoints=has_keypoints(content), needs_annotations=False
    )
    if skeleton is not None and skeleton.name not in SKELETONS:
        # Nobody else knows them.
        people.content["categories"][0]["sigmas"] = list(skeleton.sigmas)
    return people


def _say_threshold(recipe: Recipe, settings: Recipe) -> None:
    """Say from which score on people are evaluated, where that is not the recipe's own."""
    from posetrack.protocol import find_threshold

    own, used = find_threshold(recipe), find_threshold(settings)
    if own is not None and used is not None and own != used:
        print(
            f"{recipe.name}: people from a score of {used:g} on are evaluated, in videos from {own:g}; "
            f"--min-score {own:g} evaluates those"
        )


def _choose_kinds(annotations: dict[str, Any], recipe: Recipe, where: str, form: str) -> list[str]:
    """Choose what is evaluated, and check its annotations, before networks run for hours."""
    from models.data.coco_people import has_keypoints
    from posetrack.evaluation.coco import IOU_TYPES, choose_sigmas
    from posetrack.evaluation.coco_files import check_annotations
    from posetrack.evaluation.crowdpose import evaluate_crowdpose
    from posetrack.recipe import gives_poses

    if form == CROWDPOSE:
        # Nothing is found yet: this checks them.
        evaluate_crowdpose(annotations, [], annotations_name=where)
        return ["keypoints"]
    kinds = list(IOU_TYPES)
    if not has_keypoints(annotations):
        kinds.remove("keypoints")
        if gives_poses(recipe):
            print(f"{where}: no keypoints are annotated; only boxes are evaluated")
    if not all(entry.get("segmentation") for entry in annotations["annotations"]):
        kinds.remove("segm")
    for kind in kinds:
        if kind != "segm":
            checked = check_annotations(annotations, kind, where)
        if kind == "keypoints":
            choose_sigmas(checked.keypoint_names, checked.sigmas, where)
    return kinds


def _make_dense_measure(
    gt: Path, mesh: str | None, recipe: Recipe, images: Iterable[int]
) -> Callable[[list[DenseResult]], dict[str, float | None]]:
    """Make the function that evaluates dense poses and prints their numbers; without a mesh nothing is."""
    from posetrack.cli.eval.densepose import print_dense_metrics
    from posetrack.evaluation.densepose.evaluate import evaluate_densepose, to_fractions
    from posetrack.evaluation.densepose.mesh import read_mesh
    from posetrack.evaluation.densepose.truth import keep_truth, read_surface_truth
    from posetrack.recipe import gives_dense

    if mesh is None:
        return lambda results: {}
    if not gives_dense(recipe):
        raise ResultsError(
            f"--mesh: recipe {recipe.name} gives no dense poses; take one with a DensePose network, or leave "
            "--mesh out"
        )
    body, truth = read_mesh(mesh), keep_truth(read_surface_truth(gt), images)
    # Nothing is found yet: this checks the annotations before networks run for hours.
    evaluate_densepose(truth, [], body)

    def measure(results: list[DenseResult]) -> dict[str, float | None]:
        metrics = evaluate_densepose(truth, results, body).metrics
        print_dense_metrics(f"{recipe.name}, dense poses, {len(truth.images)} images", metrics)
        return to_fractions(metrics)

    return measure


def _check_images(people: CocoPeople, folder: Path, where: str, first: int | None) -> dict[int, ImageFile]:
    from models.data.image_files import check_images, list_images
    from posetrack.evaluation.pictures import group_by_size

    entries = people.content["images"][:first]
    if not entries:
        raise ResultsError(f"{where}: images: none; nothing to evaluate")
    files = check_images(list_images({"images": entries}, folder, where), where)
    return group_by_size({entry["id"]: file for entry, file in zip(entries, files, strict=True)})


def _find_people(
    recipe: Recipe, images: dict[int, ImageFile], networks: Networks, given: dict[int, Instances] | None
) -> tuple[_Entries, list[DenseResult]]:
    """Encode the results of every kind that the networks give; given boxes are not results."""
    from posetrack.evaluation.densepose.predicted import pass_dense
    from posetrack.evaluation.pictures import collect_results, predict_images
    from posetrack.protocol import ranks_by_detector

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(recipe.name, total=len(images))
        predicted = predict_images(
            images, networks, boxes=given, report=lambda done: progress.update(bar, completed=done)
        )
        dense: list[DenseResult] = []
        found = collect_results(pass_dense(predicted, dense), by_detector=ranks_by_detector(recipe))
    if given is not None:
        found.pop("bbox", None)
    return found, dense


def _measure(
    annotations: dict[str, Any], found: _Entries, *, name: str, annotations_name: str, form: str
) -> dict[str, float | None]:
    """Print COCO's, or CrowdPose's, metrics of each kind of results; returns all of them."""
    from posetrack.evaluation.coco import evaluate_coco
    from posetrack.evaluation.crowdpose import evaluate_crowdpose

    numbers: dict[str, float | None] = {}
    for kind, entries in found.items():
        if entries:
            if form == CROWDPOSE:
                metrics = evaluate_crowdpose(annotations, entries, annotations_name=annotations_name)
            else:
                metrics = evaluate_coco(annotations, entries, iou_type=kind, annotations_name=annotations_name)
            print_metrics(f"{name}, {kind}, {len(annotations['images'])} images", metrics)
            numbers |= {f"{kind}_{metric}": value for metric, value in metrics.items()}
    return numbers


def _read_boxes(source: str, people: CocoPeople) -> dict[int, Instances] | None:
    from models.data.coco_people import PERSON_ID
    from posetrack.evaluation.coco_files import read_coco_results
    from posetrack.evaluation.pictures import collect_boxes

    if source == RECIPE:
        return None
    if source == ANNOTATED:
        if not people.content["annotations"]:
            raise ResultsError(f"--boxes {source}: no people are annotated; give a file of detections")
        return collect_boxes(people.content["annotations"], f"--boxes {source}")
    category_id = PERSON_ID if people.category_id is None else people.category_id
    entries = read_coco_results(Path(source))
    boxes = collect_boxes(entries, f"--boxes {source}", category_id=category_id)
    if entries and not boxes.keys() & {image["id"] for image in people.content["images"]}:
        raise ResultsError(
            f"--boxes {source}: no boxes of category {category_id} in these images; take their detections"
        )
    return boxes


def _write_results(found: _Entries, dense: list[DenseResult], folder: Path, category_id: int | None) -> str:
    """Write results with the people's category of the annotations; returns the names of the files."""
    from models.data.coco_people import PERSON_ID
    from posetrack.results.dense_json import write_dense_json

    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, entries in found.items():
            if category_id is not None:
                entries = [{**entry, "category_id": category_id} for entry in entries]
            if entries:
                written.append(folder / f"{kind}.json")
                written[-1].write_text(json.dumps(entries), encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be written ({error.strerror}); use another --results") from error
    if dense:
        number = PERSON_ID if category_id is None else category_id
        written.append(folder / f"{DENSE}.json")
        write_dense_json(dense, written[-1], category_id=number)
    return ", ".join(map(str, written)) or f"none, nobody was found; {folder} is empty"
