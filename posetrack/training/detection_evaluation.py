"""Evaluation of the R-CNN family during training: its predictor on the recipe's dev set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import nn

from models.data.coco_people import read_coco_people
from models.data.instances import (
    InstanceSamples,
    read_coco_instances,
    select_images,
)
from models.data.samples import IntArray
from models.detection.recipe import TwoStageRecipe
from models.rcnn.network import RCNN
from models.rcnn.recipe import DetectionData, DetectionRecipe
from models.rcnn.variants import NETWORKS
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.coco_files import keep_images
from posetrack.evaluation.pictures import collect_results, group_by_size
from posetrack.frame import Instances, from_pixel_indices
from posetrack.predictors.networks import Networks
from posetrack.predictors.rcnn import RCNNPredictor
from posetrack.predictors.settings import RCNNSettings
from posetrack.skeleton_files import encode_skeleton
from posetrack.training.evaluation import (
    DevImages,
    Metrics,
    check_dev_images,
    find_compute,
    predict_dev_images,
    spread_positions,
)
from posetrack.training.run import TrainingRun
from posetrack.training.skeletons import find_skeleton

SHOWN_IMAGES = 12
"""Number of sample images."""
MIN_SHOWN_SCORE = 0.3
"""People with a lower score are not drawn in them."""


def make_detection_evaluation(recipe: DetectionRecipe, run: TrainingRun) -> Callable[[nn.Module, int], Metrics]:
    """Make the function that evaluates a network on the recipe's dev set and draws sample images.

    Returns:
        A function from network and epoch to the metrics of boxes, AP first; if network and dev set have masks
        or keypoints, also their metrics, named `segm_AP`, `keypoints_AP` and so on.

    Raises:
        TrainingError: Data are missing or not valid.
        ResultsError: Annotations are missing or not valid.
    """
    skeleton = find_skeleton(recipe)
    path = run.data_folder / recipe.data.dev
    samples = _read_samples(recipe.data, skeleton.names, run.data_folder)
    people = read_coco_people(path, skeleton.names, needs_keypoints=False)
    annotations = keep_images(people.content, samples.image_ids.tolist())
    images = dict(zip(samples.image_ids.tolist(), samples.images, strict=True))
    shown = spread_positions(samples.num_images, SHOWN_IMAGES)
    dev = DevImages(group_by_size(images), collect_instances(samples, shown), MIN_SHOWN_SCORE)
    dev = check_dev_images(dev, str(path))
    has_outlines = None not in samples.outlines
    has_keypoints = bool((samples.keypoints_xyw[..., 2] > 0).any())
    settings = make_settings(recipe, encode_skeleton(skeleton))

    def measure(results: Mapping[str, Any]) -> Metrics:
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

    def evaluate(network: nn.Module, epoch: int) -> Metrics:
        compute = find_compute(network, recipe.loop.precision)
        predict = RCNNPredictor(cast(RCNN, network), settings, compute)
        predicted = predict_dev_images(dev, Networks(predict, None, skeleton), run.find_samples(epoch))
        return measure(collect_results(predicted, by_detector=settings.RANKS_POSES))

    variant = NETWORKS[recipe.network.name]
    kinds = {"bbox": True, "segm": variant.has_masks, "keypoints": variant.has_keypoints}
    # Nothing is found yet: this checks the annotations before the training.
    measure({kind: [] for kind, is_given in kinds.items() if is_given})
    return evaluate


def make_settings(recipe: TwoStageRecipe, skeleton: str) -> RCNNSettings:
    """Make the settings of the predictor for the evaluation; `skeleton` is the name of that of its poses."""
    evaluation = recipe.evaluation
    return RCNNSettings(
        recipe.network.name,
        skeleton=skeleton,
        longest_side_px=evaluation.longest_side_px,
        shorter_side_px=evaluation.shorter_side_px,
        proposals=evaluation.proposals,
        score_threshold=evaluation.score_threshold,
        nms_iou=evaluation.nms_iou,
        keypoint_origin="corner",
    )


def collect_instances(samples: InstanceSamples, images: IntArray) -> dict[int, Instances]:
    """Collect the annotated people of some images, by image number, without regions to ignore.

    Args:
        samples: N people.
        images: Positions of the images.
    """
    shown = {}
    for i in images.tolist():
        rows = np.arange(len(samples.is_ignored))[samples.find_rows(i)]
        rows = rows[~samples.is_ignored[rows]]
        people = Instances(boxes_xyxy=samples.boxes_xyxy[rows], box_scores=np.ones(len(rows), np.float32))
        if samples.keypoints_xyw.shape[1]:
            people = people.with_columns(
                keypoints_xy=from_pixel_indices(samples.keypoints_xyw[rows, :, :2]),
                keypoint_scores=np.clip(samples.keypoints_xyw[rows, :, 2], 0, 1),
            )
        shown[int(samples.image_ids[i])] = people
    return shown


def _read_samples(data: DetectionData, keypoint_names: Sequence[str], data_folder: Path) -> InstanceSamples:
    samples = read_coco_instances(data_folder / data.dev, data_folder / data.dev_images, keypoint_names)
    most = data.max_dev_images or samples.num_images
    return select_images(samples, spread_positions(samples.num_images, most))
