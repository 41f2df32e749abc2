"""`posetrack eval pictures`: evaluation of a recipe's networks on a COCO data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from posetrack.cli.eval.metrics import print_metrics, write_metrics
from posetrack.cli.options import ComputeOptions, RecipeOptions
from posetrack.errors import PoseTrackError, ResultsError

if TYPE_CHECKING:
    from posetrack.frame import Instances
    from posetrack.predictors.networks import Networks

_RECIPE, _ANNOTATED = "recipe", "annotated"

_Entries = dict[str, list[dict[str, object]]]


def pictures_command(
    gt: Annotated[Path, typer.Option("--gt", help="COCO annotations (JSON).", show_default=False)],
    images: Annotated[Path, typer.Option(help="Folder of the images that they name.", show_default=False)],
    recipe: RecipeOptions,
    compute: ComputeOptions,
    boxes: Annotated[
        str,
        typer.Option(help="Boxes: those of the `recipe`'s detector, `annotated`, or COCO detections (JSON)."),
    ] = _RECIPE,
    first: Annotated[
        int | None, typer.Option(min=1, help="Use the first N images only.", show_default="all")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Also write COCO results, DIR/{keypoints,bbox,segm}.json.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the numbers, from 0 to 1, as JSON.", show_default=False)
    ] = None,
) -> None:
    """Run a recipe's networks on the images of a data set, without tracking, and evaluate as COCO does."""
    from posetrack.build import build_networks
    from posetrack.evaluation.coco_files import keep_images, read_coco_annotations
    from posetrack.evaluation.pictures import group_by_size, list_images

    settings = recipe.read()
    annotations = read_coco_annotations(gt)
    image_paths = dict(list(list_images(annotations, images).items())[:first])
    given = _read_boxes(boxes, annotations)
    networks = build_networks(settings, compute.choose(), batch_frames=8)
    found = _find_people(settings.name, group_by_size(image_paths, annotations), networks, given)
    if results is not None:
        _write_results(found, results)
    measured = keep_images(annotations, image_paths)
    numbers = _measure(measured, found, name=settings.name, annotations_name=str(gt))
    if not numbers:
        print(f"{settings.name}: nobody found in {len(image_paths)} images")
    if out is not None:
        write_metrics(numbers, out)


def _find_people(
    name: str, image_paths: dict[int, Path], networks: Networks, given: dict[int, Instances] | None
) -> _Entries:
    """Encode the COCO results of every kind that the networks give; given boxes are not results."""
    from models.training.errors import DataError
    from posetrack.evaluation.pictures import collect_results, predict_images

    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task(name, total=len(image_paths))
            predicted = predict_images(
                image_paths, networks, boxes=given, report=lambda done: progress.update(bar, completed=done)
            )
            found = collect_results(predicted)
    except DataError as error:
        raise PoseTrackError(str(error)) from error
    if given is not None:
        found.pop("bbox", None)
    return found


def _measure(
    annotations: dict[str, Any], found: _Entries, *, name: str, annotations_name: str
) -> dict[str, float | None]:
    """Print COCO's metrics of each kind of results; returns all of them."""
    from posetrack.evaluation.coco import evaluate_coco

    numbers: dict[str, float | None] = {}
    for kind, entries in found.items():
        if entries:
            metrics = evaluate_coco(annotations, entries, iou_type=kind, annotations_name=annotations_name)
            print_metrics(f"{name}, {kind}, {len(annotations['images'])} images", metrics)
            numbers |= {f"{kind}_{metric}": value for metric, value in metrics.items()}
    return numbers


def _read_boxes(source: str, annotations: dict[str, Any]) -> dict[int, Instances] | None:
    from posetrack.evaluation.coco_files import read_coco_results
    from posetrack.evaluation.pictures import collect_boxes

    if source == _RECIPE:
        return None
    entries = annotations.get("annotations", []) if source == _ANNOTATED else read_coco_results(Path(source))
    return collect_boxes(entries, f"--boxes {source}")


def _write_results(found: _Entries, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, entries in found.items():
            if entries:
                (folder / f"{kind}.json").write_text(json.dumps(entries), encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be written ({error.strerror}); use another --results") from error
