"""`posetrack eval pictures`: a recipe's networks over a COCO data set, and what COCO says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from posetrack.cli.eval.metrics import print_metrics, write_metrics
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.recipe import read_recipe, use_weights

if TYPE_CHECKING:
    from posetrack.frame import Instances

_RECIPE, _ANNOTATED = "recipe", "annotated"


def pictures_command(
    gt: Annotated[Path, typer.Option("--gt", help="COCO annotations (JSON).", show_default=False)],
    images: Annotated[Path, typer.Option(help="Folder that they name images from.", show_default=False)],
    recipe: Annotated[str, typer.Option(help="Name (see `posetrack recipes`) or TOML file.")] = "default",
    boxes: Annotated[
        str,
        typer.Option(help="Whose poses: those the `recipe` finds, `annotated`, or COCO detections (JSON)."),
    ] = _RECIPE,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of the pose network, .safetensors or .pth.", show_default="the recipe's"),
    ] = None,
    first: Annotated[
        int | None, typer.Option(min=1, help="Take so many images only.", show_default="all")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    engine: Annotated[str, typer.Option(help="auto, torch, openvino or onnxruntime.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, f32, bf16 or fp16.")] = "auto",
    results: Annotated[
        Path | None,
        typer.Option(help="Also write COCO results, DIR/{keypoints,bbox,segm}.json.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the numbers, from 0 to 1, as JSON.", show_default=False)
    ] = None,
) -> None:
    """Find the people of a data set's images, without tracking, and measure as COCO does."""
    from models.training.errors import DataError
    from posetrack.build import build_networks
    from posetrack.compute import Compute, choose_device
    from posetrack.evaluation.coco import evaluate_coco
    from posetrack.evaluation.coco_files import keep_images, read_coco_annotations
    from posetrack.evaluation.pictures import encode_results, list_images, predict_images

    settings = read_recipe(recipe)
    if weights is not None:
        settings = use_weights(settings, weights)
    annotations = read_coco_annotations(gt)
    image_paths = dict(list(list_images(annotations, images).items())[:first])
    given = _read_boxes(boxes, annotations)
    networks = build_networks(settings, Compute(choose_device(device), engine, precision), batch_frames=8)
    found: dict[str, list[dict[str, object]]] = {"bbox": [], "keypoints": [], "segm": []}
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task(settings.name, total=len(image_paths))
            for number, people in predict_images(
                image_paths, networks, boxes=given, report=lambda done: progress.update(bar, completed=done)
            ):
                for kind, entries in encode_results(number, people).items():
                    found[kind] += entries
    except DataError as error:
        raise PoseTrackError(str(error)) from error
    if given is not None:
        del found["bbox"]
    if results is not None:
        _write_results(found, results)
    measured = keep_images(annotations, image_paths)
    numbers: dict[str, float | None] = {}
    for kind, entries in found.items():
        if not entries:
            continue
        metrics = evaluate_coco(measured, entries, iou_type=kind, annotations_name=str(gt))
        print_metrics(f"{settings.name}, {kind}, {len(image_paths)} images", metrics)
        numbers |= {f"{kind}_{name}": value for name, value in metrics.items()}
    if not numbers:
        print(f"{settings.name}: nobody found in {len(image_paths)} images")
    if out is not None:
        write_metrics(numbers, out)


def _read_boxes(source: str, annotations: dict[str, Any]) -> dict[int, Instances] | None:
    from posetrack.evaluation.coco_files import read_coco_results
    from posetrack.evaluation.pictures import collect_boxes

    if source == _RECIPE:
        return None
    entries = annotations.get("annotations", []) if source == _ANNOTATED else read_coco_results(Path(source))
    try:
        return collect_boxes(entries)
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"--boxes {source}: an entry without image_id or bbox ({error})") from error


def _write_results(found: dict[str, list[dict[str, object]]], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, entries in found.items():
            if entries:
                (folder / f"{kind}.json").write_text(json.dumps(entries), encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be written ({error.strerror}); use another --results") from error
