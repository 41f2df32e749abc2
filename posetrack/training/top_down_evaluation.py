"""Evaluation of top-down pose networks during training: the family's predictor on the recipe's dev set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from models.data.coco_people import PERSON_ID, CocoPeople, read_coco_people
from models.data.samples import PoseSamples, keep_trainable, list_rows
from models.hrnet.recipe import PoseRecipe
from models.training.errors import DataError
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.coco_files import read_coco_results
from posetrack.evaluation.crowdpose import evaluate_crowdpose
from posetrack.evaluation.mpii import evaluate_mpii
from posetrack.evaluation.mpii_files import read_mpii_truth
from posetrack.evaluation.mpii_images import TRUTH_FILE, collect_mpii_boxes, collect_mpii_poses
from posetrack.evaluation.pictures import collect_boxes, collect_results
from posetrack.frame import ImageArray, Instances
from posetrack.predictors.hrnet import HRNetPredictor
from posetrack.predictors.networks import Networks
from posetrack.predictors.settings import TopDownSettings
from posetrack.skeleton import CROWDPOSE_14, Skeleton
from posetrack.skeleton_files import encode_skeleton
from posetrack.training.evaluation import (
    DevImages,
    Metrics,
    check_dev_images,
    collect_annotated,
    find_compute,
    list_sample_images,
    predict_dev_images,
    spread_positions,
)
from posetrack.training.run import TrainingRun
from posetrack.training.skeletons import find_skeleton
from posetrack.training.top_down_samples import is_annotated_upright, make_annotations, read_dev_samples

_SHOWN_IMAGES = 8


# Images per call of the predictor, and crops of people per call of the network.
_BATCH_IMAGES, _BATCH_CROPS = 32, 64


Predicted = Iterator[tuple[int, Instances]]


def make_top_down_evaluation(recipe: PoseRecipe, run: TrainingRun) -> Callable[[nn.Module, int], Metrics]:
    """Make the function that evaluates a network on the recipe's dev set and draws sample images.

    The boxes are those of the annotations, or of `data.dev_detections`.

    Returns:
        A function from network and epoch to metrics, AP or PCKh first.

    Raises:
        TrainingError: Data are missing or not valid.
        ResultsError: Annotations are missing or not valid.
    """
    skeleton = find_skeleton(recipe)
    samples = read_dev_samples(recipe, skeleton, run.data_folder)
    path, is_mpii = run.data_folder / recipe.data.dev, recipe.data.format == "mpii"
    is_coco = recipe.data.format == "coco"
    if is_coco:
        file = read_coco_people(path, skeleton.names)
    else:
        file = CocoPeople(make_annotations(samples, skeleton), PERSON_ID)
    boxes = _find_boxes(recipe, samples, file, run.data_folder)
    people = keep_trainable(samples)
    shown = np.unique(people.image_ids[people.image_index])
    shown = np.array([number for number in shown.tolist() if number in boxes], np.int64)
    # Images without boxes need not be read.
    images = {number: image for number, image in list_sample_images(samples).items() if number in boxes}
    dev = check_dev_images(
        DevImages(images, collect_annotated(people, shown[spread_positions(len(shown), _SHOWN_IMAGES)])),
        str(path),
        upright_if_unknown=is_annotated_upright(recipe),
    )
    measure = _make_mpii_measure(path, samples) if is_mpii else _make_measure(path, file.content, skeleton)
    settings = make_settings(recipe)

    def evaluate(network: nn.Module, epoch: int) -> Metrics:
        estimate = HRNetPredictor(network, settings, skeleton, find_compute(network, recipe.loop.precision))
        predicted = predict_dev_images(
            dev,
            Networks(find_nobody, estimate, skeleton),
            run.find_samples(epoch),
            boxes=boxes,
            keeps_alike=is_mpii,
            batch=_BATCH_IMAGES,
        )
        return measure(predicted)

    # Nothing is found yet: this checks the annotations before the training.
    measure(iter(()))
    return evaluate


def make_settings(recipe: PoseRecipe) -> TopDownSettings:
    """Make the settings of the predictor for the evaluation."""
    crop = recipe.crop
    return TopDownSettings(
        recipe.network.name,
        skeleton=encode_skeleton(find_skeleton(recipe)),
        batch_crops=_BATCH_CROPS,
        width_px=crop.width_px,
        height_px=crop.height_px,
        coding=crop.coding,
        sigma_cells=crop.sigma_cells,
        padding=crop.padding,
        heatmap_branch=recipe.network.heatmap_branch,
        flip_test=recipe.evaluation.flip_test,
    )


def find_nobody(images: Sequence[ImageArray]) -> list[Instances]:
    """Replaces the detector if all boxes are given."""
    return [Instances.empty() for _ in images]


def _find_boxes(
    recipe: PoseRecipe, samples: PoseSamples, file: CocoPeople, data_folder: Path
) -> dict[int, Instances]:
    """Collect the boxes for pose estimation, by image number; for MPII those of all people, in order."""
    data = recipe.data
    if data.dev_detections:
        detections = data_folder / data.dev_detections
        entries, wanted = read_coco_results(detections), file.category_id or PERSON_ID
        boxes = collect_boxes(entries, str(detections), category_id=wanted)
        if not boxes.keys() & set(samples.image_ids.tolist()):
            raise DataError(
                f"{detections}: no boxes of category {wanted} in the images of the dev set; take its detections"
            )
        return boxes
    if data.format == "coco" and data.boxes == "annotated":
        return collect_boxes(file.content["annotations"], str(data_folder / data.dev))
    if data.format == "mpii":
        return collect_mpii_boxes(samples)
    people = keep_trainable(samples)
    return {
        number: Instances(boxes_xyxy=people.boxes_xyxy[rows], box_scores=people.scores[rows])
        for number, rows in list_rows(people).items()
        if len(rows)
    }


def _make_mpii_measure(path: Path, samples: PoseSamples) -> Callable[[Predicted], Metrics]:
    beside = path.with_name(TRUTH_FILE)
    truth = read_mpii_truth(beside if beside.is_file() else path)

    def measure(predicted: Predicted) -> Metrics:
        columns = evaluate_mpii(collect_mpii_poses(samples, predicted), truth).columns
        return {"Mean": columns["Mean"], **columns}

    return measure


def _make_measure(
    path: Path, annotations: dict[str, Any], skeleton: Skeleton
) -> Callable[[Predicted], Metrics]:
    def measure(predicted: Predicted) -> Metrics:
        results = collect_results(predicted).get("keypoints", [])
        if skeleton is CROWDPOSE_14:
            return evaluate_crowdpose(annotations, results, annotations_name=str(path))
        return evaluate_coco(annotations, results, sigmas=skeleton.sigmas, annotations_name=str(path))

    return measure
