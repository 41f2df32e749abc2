"""`posetrack eval pictures --format mpii`: a network on MPII's people, to `pred.mat` and PCKh."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from posetrack.cli.eval.metrics import write_metrics
from posetrack.cli.eval.mpii import list_metrics, print_mpii_metrics
from posetrack.cli.eval.picture_options import RECIPE, PeopleOptions, PictureOutputs
from posetrack.compute import Compute
from posetrack.errors import ResultsError
from posetrack.evaluation.mpii import evaluate_mpii
from posetrack.evaluation.mpii_images import (
    PREDICTIONS_FILE,
    DoubleArray,
    MpiiImages,
    collect_mpii_poses,
    read_mpii_images,
    write_mpii_predictions,
)
from posetrack.evaluation.pictures import predict_images
from posetrack.predictors.networks import Networks
from posetrack.recipe import Recipe
from posetrack.skeleton import MPII_16


def evaluate_mpii_images(
    gt: Path, images: Path, recipe: Recipe, compute: Compute, who: PeopleOptions, outputs: PictureOutputs
) -> None:
    """Run a recipe's pose network in MPII's annotated boxes, write the poses and print PCKh.

    Raises:
        DataError: People or images are missing or not valid.
        PoseTrackError: The recipe's network is not one for MPII, or an option does not fit.
    """
    from posetrack.build import build_networks
    from posetrack.recipe import find_skeleton

    if who.boxes != RECIPE or who.min_score is not None:
        raise ResultsError(
            "--boxes, --min-score: not used with --format mpii, whose boxes are the annotated ones"
        )
    skeleton = find_skeleton(recipe)
    if recipe.estimator is None or skeleton != MPII_16:
        gives = "no poses in given boxes" if recipe.estimator is None else f"keypoints of {skeleton.name}"
        raise ResultsError(
            f"--format mpii: recipe {recipe.name} gives {gives}, and MPII takes {MPII_16.name}; give such "
            "weights as `weights` of the [estimator], or with --weights"
        )
    people = read_mpii_images(gt, images, who.first)
    outputs = outputs.choose_results(gt, has_annotations=people.truth is not None)
    outputs.check([gt])
    networks = build_networks(recipe, compute, batch_frames=1)
    keypoints_xy = _estimate(recipe.name, people, networks)
    if outputs.results is not None:
        path = outputs.results / PREDICTIONS_FILE
        write_mpii_predictions(keypoints_xy, path)
        print(f"{recipe.name}: poses of {len(keypoints_xy)} people: {path}")
    if people.truth is None:
        print(f"{gt}: no joints are annotated, nothing is evaluated")
        return
    metrics = evaluate_mpii(keypoints_xy, people.truth)
    if outputs.out is not None:
        write_metrics(list_metrics(metrics), outputs.out)
    print_mpii_metrics(f"{recipe.name}, MPII, {len(people.images)} images, PCKh@0.5", metrics)


def _estimate(name: str, people: MpiiImages, networks: Networks) -> DoubleArray:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(name, total=len(people.images))
        predicted = predict_images(
            people.images,
            networks,
            boxes=people.boxes,
            keeps_alike=True,
            report=lambda done: progress.update(bar, completed=done),
        )
        return collect_mpii_poses(people.samples, predicted)
