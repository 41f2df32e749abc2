"""Training of the R-CNN family: its data, its start, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.data.instances import (
    InstanceSamples,
    find_person,
    keep_peopled,
    read_coco_instances,
    select_images,
)
from models.rcnn.dataset import collate_samples
from models.rcnn.recipe import DetectionRecipe, make_network
from models.rcnn.start import load_start
from models.rcnn.train import encode_results, find_people, make_dataset, make_detection_losses
from models.training.freeze import freeze_body
from models.training.loop import Evaluate, Task, Trainer
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.coco_files import keep_images, read_coco_annotations
from posetrack.skeleton import Skeleton
from posetrack.training.detection_images import write_detection_images
from posetrack.training.evaluation import Metrics, evaluate_nothing, spread_positions
from posetrack.training.run import TrainingRun, make_trainer
from posetrack.training.skeletons import find_skeleton

_SHOWN_IMAGES = 12
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
        make_dataset(recipe, samples, skeleton.flip_index, is_training=True),
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
    dataset = make_dataset(recipe, samples, skeleton.flip_index, is_training=False)
    shown = spread_positions(samples.num_images, _SHOWN_IMAGES)
    has_outlines = None not in samples.outlines
    has_keypoints = bool((samples.keypoints_xyw[..., 2] > 0).any())

    def evaluate(network: nn.Module, epoch: int) -> Metrics:
        found = find_people(
            network,
            dataset,
            batch_size=recipe.loop.batch_size,
            num_workers=recipe.loop.num_workers if len(dataset) > 64 else 0,
            precision=recipe.loop.precision,
        )
        images = run.out_folder / "samples" / f"epoch-{epoch:03d}.jpg"
        write_detection_images(samples, found, shown, images)
        results = encode_results(found, samples.image_ids)
        numbers = evaluate_coco(annotations, results, iou_type="bbox", annotations_name=str(path))
        others: dict[str, dict[str, Any]] = {}
        if found.masks is not None and has_outlines:
            others["segm"] = {}
        if found.keypoints_xyw is not None and has_keypoints:
            others["keypoints"] = {"sigmas": skeleton.sigmas}
        for iou_type, options in others.items():
            found_numbers = evaluate_coco(
                annotations, results, iou_type=iou_type, annotations_name=str(path), **options
            )
            numbers |= {f"{iou_type}_{name}": number for name, number in found_numbers.items()}
        return numbers

    return evaluate


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
