"""Training of the R-CNN family: its data, its start, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from models.data.instances import (
    InstanceSamples,
    find_person,
    keep_peopled,
    read_coco_instances,
    select_images,
)
from models.data.samples import IntArray
from models.rcnn.dataset import collate_samples
from models.rcnn.network import RCNN
from models.rcnn.recipe import DetectionRecipe, make_network
from models.rcnn.start import load_start
from models.rcnn.train import make_dataset, make_detection_losses
from models.training.freeze import freeze_body
from models.training.loop import Evaluate, Task, Trainer
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.coco_files import keep_images, read_coco_annotations
from posetrack.evaluation.pictures import collect_results, group_by_size
from posetrack.frame import Instances, from_pixel_indices
from posetrack.predictors.networks import Networks
from posetrack.predictors.rcnn import RCNNPredictor
from posetrack.predictors.settings import TwoStageSettings
from posetrack.skeleton import Skeleton
from posetrack.training.evaluation import (
    DevImages,
    Metrics,
    evaluate_nothing,
    find_compute,
    predict_dev_images,
    spread_positions,
)
from posetrack.training.run import TrainingRun, make_trainer
from posetrack.training.skeletons import find_skeleton

_SHOWN_IMAGES = 12
_MIN_SHOWN_SCORE = 0.3
# How the names of the weights begin that may learn at a rate of their own.
_BODY = ("backbone.body.",)


def make_detection_trainer(recipe: DetectionRecipe, run: TrainingRun) -> Trainer:
    """Everything that a recipe of the R-CNN family says, ready to run.

    Args:
        recipe: What to train.
        run: Where, and who takes part; its weights are what the network starts from.

    Raises:
        TrainingError: Data or weights are missing or not what they should be.
        ResultsError: The same of annotations to evaluate on.
    """
    skeleton = find_skeleton(recipe.data.skeleton)
    run.check_data_folder()
    torch.manual_seed(recipe.loop.seed)
    network = make_network(recipe.network, skeleton.num_keypoints)
    if run.weights is not None or recipe.network.body:
        load_start(network, run.weights or run.data_folder / recipe.network.body)
    frozen = freeze_body(
        network.backbone.body,
        stages=recipe.network.frozen_stages,
        is_batch_norm_frozen=recipe.network.is_batch_norm_frozen,
    )
    samples = _read_samples(recipe, skeleton, run.data_folder, is_training=True)
    evaluate: Evaluate | None = None
    if recipe.data.dev and recipe.loop.evaluate_every_epochs:
        is_evaluator = run.world.is_main
        evaluate = make_evaluation(recipe, skeleton, run) if is_evaluator else evaluate_nothing
    task = Task(
        network,
        make_dataset(recipe, samples, skeleton.flip_index),
        samples.num_images,
        make_detection_losses(frozen),
        evaluate,
        run.recipe_text,
        collate_samples,
        body=_BODY if run.weights is not None or recipe.network.body else (),
    )
    return make_trainer(task, recipe, run)


def make_evaluation(
    recipe: DetectionRecipe, skeleton: Skeleton, run: TrainingRun
) -> Callable[[nn.Module, int], Metrics]:
    """A function that evaluates a network on the recipe's dev set, and draws some of its images.

    Returns:
        From network and epoch to the numbers of boxes, AP first; where network and dev set have masks or
        keypoints, also their numbers, called `segm_AP`, `keypoints_AP` and so on.
    """
    path = run.data_folder / recipe.data.dev
    samples = _read_samples(recipe, skeleton, run.data_folder, is_training=False)
    annotations = keep_images(_keep_people(read_coco_annotations(path)), samples.image_ids.tolist())
    image_paths = dict(zip(samples.image_ids.tolist(), samples.image_paths, strict=True))
    shown = spread_positions(samples.num_images, _SHOWN_IMAGES)
    dev = DevImages(
        group_by_size(image_paths, annotations), collect_instances(samples, shown), _MIN_SHOWN_SCORE
    )
    has_outlines = None not in samples.outlines
    has_keypoints = bool((samples.keypoints_xyw[..., 2] > 0).any())
    settings = make_settings(recipe)

    def evaluate(network: nn.Module, epoch: int) -> Metrics:
        compute = find_compute(network, recipe.loop.precision)
        predict = RCNNPredictor(cast(RCNN, network), settings, compute)
        predicted = predict_dev_images(dev, Networks(predict, None, skeleton), run.find_samples(epoch))
        results = collect_results(predicted)
        numbers = evaluate_coco(annotations, results["bbox"], iou_type="bbox", annotations_name=str(path))
        others: dict[str, dict[str, Any]] = {}
        if "segm" in results and has_outlines:
            others["segm"] = {}
        if "keypoints" in results and has_keypoints:
            others["keypoints"] = {"sigmas": skeleton.sigmas}
        for iou_type, options in others.items():
            found = evaluate_coco(
                annotations, results[iou_type], iou_type=iou_type, annotations_name=str(path), **options
            )
            numbers |= {f"{iou_type}_{name}": number for name, number in found.items()}
        return numbers

    return evaluate


def make_settings(recipe: DetectionRecipe) -> TwoStageSettings:
    """The settings of the predictor that evaluates a recipe's network."""
    evaluation = recipe.evaluation
    return TwoStageSettings(
        recipe.network.name,
        skeleton=recipe.data.skeleton,
        longest_side_px=evaluation.longest_side_px,
        shorter_side_px=evaluation.shorter_side_px,
        score_threshold=evaluation.score_threshold,
        nms_iou=evaluation.nms_iou,
    )


def collect_instances(samples: InstanceSamples, images: IntArray) -> dict[int, Instances]:
    """The annotated people of some images, by the images' numbers; regions to ignore are left out.

    Args:
        samples: N people.
        images: Positions of the images.
    """
    shown = {}
    for i in images.tolist():
        rows = np.arange(len(samples.is_ignored))[samples.find_rows(i)]
        rows = rows[~samples.is_ignored[rows]]
        shown[int(samples.image_ids[i])] = Instances(
            boxes_xyxy=samples.boxes_xyxy[rows],
            box_scores=np.ones(len(rows), np.float32),
            keypoints_xy=from_pixel_indices(samples.keypoints_xyw[rows, :, :2]),
            keypoint_scores=np.clip(samples.keypoints_xyw[rows, :, 2], 0, 1),
        )
    return shown


def _read_samples(
    recipe: DetectionRecipe, skeleton: Skeleton, data_folder: Path, *, is_training: bool
) -> InstanceSamples:
    data, K = recipe.data, skeleton.num_keypoints
    if not is_training:
        dev = read_coco_instances(data_folder / data.dev, data_folder / data.dev_images, K)
        most = data.max_dev_images or dev.num_images
        return select_images(dev, spread_positions(dev.num_images, most))
    samples = read_coco_instances(
        data_folder / data.train, data_folder / data.train_images, K, min_box_score=data.min_box_score
    )
    return keep_peopled(samples) if data.is_peopled_only else samples


def _keep_people(annotations: dict[str, Any]) -> dict[str, Any]:
    """Annotations of people only: other categories would count as never found."""
    wanted = find_person(annotations.get("categories", []))
    if wanted is None:
        return annotations
    return {
        **annotations,
        "categories": [each for each in annotations["categories"] if each["id"] == wanted],
        "annotations": [each for each in annotations["annotations"] if each["category_id"] == wanted],
    }
