"""Training of top-down pose: its data, its start, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.data.coco import encode_coco_results, read_coco_detections, read_coco_samples
from models.data.crop import compute_region_areas
from models.data.mpii import read_mpii_samples
from models.data.samples import (
    FloatArray,
    IntArray,
    PoseSamples,
    enclose_keypoints,
    join_samples,
    keep_trainable,
)
from models.hrnet.dataset import PoseDataset
from models.hrnet.recipe import PoseRecipe, make_network
from models.hrnet.start import load_body, load_whole
from models.hrnet.train import (
    make_coding,
    make_dataset,
    make_pose_losses,
    predict_poses,
)
from models.settings import SettingsError
from models.training.errors import TrainingError
from models.training.freeze import freeze_movenet
from models.training.loop import Evaluate, Task, Trainer
from posetrack.annotations.read import read_annotations
from posetrack.annotations.video import AnnotatedVideo
from posetrack.evaluation.alike import suppress_alike
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.coco_files import read_coco_annotations
from posetrack.evaluation.crowdpose import evaluate_crowdpose
from posetrack.evaluation.mpii import evaluate_mpii
from posetrack.evaluation.mpii_files import read_mpii_truth
from posetrack.frame import Instances
from posetrack.skeleton import CROWDPOSE_14, Skeleton
from posetrack.training.evaluation import Metrics, evaluate_nothing, spread_positions
from posetrack.training.run import TrainingRun, make_trainer
from posetrack.training.sample_images import write_sample_images
from posetrack.training.skeletons import find_skeleton

_LEGS = ("hip", "knee", "ankle", "pelvis")
_MPII_TRUTH = "gt_valid.mat"


def make_top_down_trainer(recipe: PoseRecipe, run: TrainingRun) -> Trainer:
    """Everything that a recipe of top-down pose says, ready to run.

    Args:
        recipe: What to train.
        run: Where, and who takes part; its weights stand for those that the recipe names: the whole network's
            for `network.weights`, else the body's.

    Raises:
        TrainingError: Data or weights are missing or not what they should be.
        ResultsError: The same of annotations to evaluate on.
    """
    skeleton = find_skeleton(recipe.data.skeleton)
    data_folder = run.data_folder
    run.check_data_folder()
    torch.manual_seed(recipe.loop.seed)
    network = make_network(recipe.network, skeleton.num_keypoints)
    if recipe.network.weights:
        load_whole(network, run.weights or data_folder / recipe.network.weights)
    elif run.weights is not None or recipe.network.body:
        load_body(network, run.weights or data_folder / recipe.network.body)
    body = freeze_movenet(network, stages=recipe.network.frozen_stages)
    upper_body = tuple(i for i, name in enumerate(skeleton.names) if not name.endswith(_LEGS))
    samples = keep_trainable(read_samples(recipe, skeleton, data_folder, is_training=True))
    dataset = make_dataset(recipe, samples, skeleton.flip_index, upper_body, is_training=True)
    evaluate: Evaluate | None = None
    if recipe.data.dev and recipe.loop.evaluate_every_epochs:
        is_evaluator = run.world.is_main
        evaluate = make_evaluation(recipe, skeleton, run) if is_evaluator else evaluate_nothing
    task = Task(
        network,
        dataset,
        len(samples),
        make_pose_losses(make_coding(recipe), recipe.crop.loss),
        evaluate,
        run.recipe_text,
        body=body,
    )
    return make_trainer(task, recipe, run)


def read_samples(
    recipe: PoseRecipe, skeleton: Skeleton, data_folder: Path, *, is_training: bool
) -> PoseSamples:
    """Read the annotated people that a recipe trains on, or those that it evaluates on.

    Raises:
        TrainingError: Files are missing or not what they should be.
        ResultsError: The same of PoseTrack's files.
    """
    data = recipe.data
    path = data_folder / (data.train if is_training else data.dev)
    images = data_folder / (data.train_images if is_training else data.dev_images)
    if data.format == "mpii":
        samples = read_mpii_samples(path, images)
    elif data.format == "posetrack":
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not files:
            raise TrainingError(f"{path}: no annotation files (*.json) in this folder")
        samples = join_samples([convert_annotated_video(read_annotations(file), images) for file in files])
        # Numbers of one file may stand in another, and PoseTrack17 has none at all.
        samples = replace(samples, image_ids=np.arange(len(samples.image_paths)))
    else:
        samples = read_coco_samples(path, images, skeleton.num_keypoints)
    if samples.num_keypoints != skeleton.num_keypoints:
        raise SettingsError(
            f"data.skeleton: {skeleton.name} has {skeleton.num_keypoints} keypoints, but {path} has "
            f"{samples.num_keypoints}"
        )
    return enclose_keypoints(samples) if data.boxes == "keypoints" else samples


def convert_annotated_video(video: AnnotatedVideo, image_folder: Path) -> PoseSamples:
    """The people of a PoseTrack sequence as samples; those without a box get the one around their keypoints."""
    people = video.people
    known = people.present & people.has_points[:, None]
    frames = video.frames
    samples = PoseSamples(
        image_paths=tuple(image_folder / frame.file_name for frame in frames),
        image_ids=np.arange(len(frames)),
        image_index=people.frame_index,
        boxes_xyxy=people.boxes_xyxy.astype(np.float32),
        scores=np.ones(len(people), np.float32),
        keypoints_xy=np.nan_to_num(people.keypoints_xy).astype(np.float32),
        weights=known.astype(np.float32),
    )
    has_box = np.isfinite(samples.boxes_xyxy).all(axis=1, keepdims=True)
    boxes = np.where(has_box, samples.boxes_xyxy, enclose_keypoints(samples).boxes_xyxy)
    # Whoever has neither has an empty box, and is left out with those of whom nothing is known.
    return replace(samples, boxes_xyxy=np.nan_to_num(boxes).astype(np.float32))


def make_evaluation(
    recipe: PoseRecipe, skeleton: Skeleton, run: TrainingRun
) -> Callable[[nn.Module, int], Metrics]:
    """A function that evaluates a network on the recipe's dev set, and draws some of its people.

    Returns:
        From network and epoch to numbers, AP or PCKh first.
    """
    data_folder = run.data_folder
    truth = read_samples(recipe, skeleton, data_folder, is_training=False)
    people = truth if recipe.data.format == "mpii" else keep_trainable(truth)
    if recipe.data.dev_detections:
        people = read_coco_detections(data_folder / recipe.data.dev_detections, truth)
    measure = _make_measure(recipe, skeleton, data_folder, truth)
    coding = make_coding(recipe)
    dataset = make_dataset(recipe, people, skeleton.flip_index, is_training=False)
    shown = make_dataset(recipe, _choose_shown(keep_trainable(truth)), skeleton.flip_index, is_training=False)

    def predict(network: nn.Module, people: PoseDataset) -> tuple[FloatArray, FloatArray]:
        return predict_poses(
            network,
            people,
            coding,
            is_flip_tested=recipe.crop.is_flip_tested,
            num_workers=recipe.loop.num_workers if len(people) > 64 else 0,
            precision=recipe.loop.precision,
        )

    def evaluate(network: nn.Module, epoch: int) -> Metrics:
        if len(shown):
            poses = predict(network, shown)
            images = run.out_folder / "samples" / f"epoch-{epoch:03d}.jpg"
            write_sample_images(shown, *poses, skeleton, images)
        return measure(people, *predict(network, dataset))

    return evaluate


def _choose_shown(samples: PoseSamples, count: int = 12) -> PoseSamples:
    return samples.select(spread_positions(len(samples), count))


def _make_measure(
    recipe: PoseRecipe, skeleton: Skeleton, data_folder: Path, truth: PoseSamples
) -> Callable[[PoseSamples, FloatArray, FloatArray], Metrics]:
    path = data_folder / recipe.data.dev
    if recipe.data.format == "mpii":
        beside = path.with_name(_MPII_TRUTH)
        mpii = read_mpii_truth(beside if beside.is_file() else path)

        def measure_mpii(people: PoseSamples, keypoints_xy: FloatArray, scores: FloatArray) -> Metrics:
            # MPII counts pixels from 1.
            columns = evaluate_mpii(keypoints_xy + 1, mpii).columns
            return {"Mean": columns["Mean"], **columns}

        return measure_mpii
    is_coco = recipe.data.format == "coco"
    annotations = read_coco_annotations(path) if is_coco else _make_annotations(truth, skeleton)

    def measure(people: PoseSamples, keypoints_xy: FloatArray, scores: FloatArray) -> Metrics:
        totals = Instances(box_scores=people.scores, keypoint_scores=scores).person_scores
        rows = np.arange(len(people))
        if recipe.data.dev_detections:
            areas = compute_region_areas(people.boxes_xyxy, recipe.size_wh, recipe.crop.padding)
            rows = suppress_alike_people(people, keypoints_xy, totals, areas, skeleton)
        results = encode_coco_results(people.select(rows), keypoints_xy[rows], scores[rows], totals[rows])
        if skeleton is CROWDPOSE_14:
            return evaluate_crowdpose(annotations, results, annotations_name=str(path))
        return evaluate_coco(annotations, results, sigmas=skeleton.sigmas, annotations_name=str(path))

    return measure


def suppress_alike_people(
    people: PoseSamples, keypoints_xy: FloatArray, scores: FloatArray, areas_px2: FloatArray, skeleton: Skeleton
) -> IntArray:
    """Leave out poses that are too much like a higher-scoring one of the same image (OKS-NMS).

    Args:
        people: N, with their images.
        keypoints_xy: (N, K, 2) predicted, pixels.
        scores: (N,) of the poses.
        areas_px2: (N,).
        skeleton: Gives the sigmas.

    Returns:
        The rows that stay, rising.
    """
    kept = [np.empty(0, np.int64)]
    for image in np.unique(people.image_index):
        rows = np.flatnonzero(people.image_index == image)
        kept.append(rows[suppress_alike(keypoints_xy[rows], scores[rows], areas_px2[rows], skeleton.sigmas)])
    return np.sort(np.concatenate(kept))


def _make_annotations(truth: PoseSamples, skeleton: Skeleton) -> dict[str, Any]:
    """Samples as COCO annotations, for formats that have no such file; areas are those of boxes."""
    sizes = truth.boxes_xyxy[:, 2:] - truth.boxes_xyxy[:, :2]
    triples = np.concatenate([truth.keypoints_xy, np.where(truth.weights > 0, 2.0, 0.0)[..., None]], axis=2)
    boxes = np.concatenate([truth.boxes_xyxy[:, :2], sizes], axis=1)
    ids = truth.image_ids[truth.image_index].tolist()
    return {
        "images": [{"id": number} for number in truth.image_ids.tolist()],
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.names)}],
        "annotations": [
            {
                "id": i,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": box,
                "area": box[2] * box[3],
                "keypoints": row,
                "num_keypoints": int((np.array(row[2::3]) > 0).sum()),
            }
            for i, (number, box, row) in enumerate(
                zip(ids, boxes.tolist(), triples.reshape(len(truth), -1).tolist(), strict=True), start=1
            )
        ],
    }
