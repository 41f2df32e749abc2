"""Training of the DensePose family: network, data and losses of a recipe, and its evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any, cast

from torch import nn

from models.data.coco_people import read_coco_people
from models.data.instances import InstanceSamples, join_instances, read_coco_instances, select_images
from models.densepose.recipe import DensePoseData, DensePoseRecipe, make_network
from models.densepose.train import load_densepose_start, make_dataset, read_training_samples
from models.detection.network import TwoStageNetwork
from models.training.draws import list_training_sets
from models.training.task import Task
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.coco_files import keep_images
from posetrack.evaluation.densepose.evaluate import evaluate_densepose, to_fractions
from posetrack.evaluation.densepose.mesh import read_mesh
from posetrack.evaluation.densepose.predicted import choose_possible, pass_dense
from posetrack.evaluation.densepose.truth import keep_truth, read_surface_truth
from posetrack.evaluation.pictures import collect_results, group_by_size
from posetrack.frame import Instances
from posetrack.predictors.densepose import DensePosePredictor
from posetrack.predictors.networks import Networks
from posetrack.results.dense_results import DenseResult
from posetrack.skeleton import COCO_17
from posetrack.training.detection import TwoStageData, make_two_stage_task
from posetrack.training.detection_evaluation import (
    MIN_SHOWN_SCORE,
    SHOWN_IMAGES,
    collect_instances,
    make_settings,
)
from posetrack.training.evaluation import (
    DevImages,
    Metrics,
    check_dev_images,
    find_compute,
    predict_dev_images,
    spread_positions,
)
from posetrack.training.run import TrainingRun


def make_densepose_task(recipe: DensePoseRecipe, run: TrainingRun) -> Task:
    """Make network, data set and losses of a recipe of the DensePose family.

    Args:
        recipe: The recipe.
        run: The run; its weights are the initial ones, instead of those that the recipe names.

    Raises:
        TrainingError: Data or weights are missing or not valid.
    """
    parts = read_training_samples(recipe, run.data_folder, COCO_17.names)
    whole = make_dataset(recipe, reduce(join_instances, parts), run.data_folder)
    counts = [part.num_images for part in parts]
    data = TwoStageData(whole, counts, list_training_sets(recipe))
    return make_two_stage_task(make_network(recipe), data, recipe, run, load_densepose_start)


def make_densepose_evaluation(recipe: DensePoseRecipe, run: TrainingRun) -> Callable[[nn.Module, int], Metrics]:
    """Make the function that evaluates a network on the recipe's dev set and draws sample images.

    Returns:
        A function from network and epoch to the metrics. With a mesh, `gps_AP` and so on come first, then
        those of GPSm, of masks (`iou_AP`) and of boxes (`AP`). Without one, those of boxes come first, then
        those of masks, if some are painted.

    Raises:
        TrainingError: Data are missing or not valid.
        ResultsError: Annotations or mesh files for the evaluation are missing or not valid.
    """
    path = run.data_folder / recipe.data.dev
    samples = read_dev_samples(recipe.data, run)
    people = read_coco_people(path, (), needs_keypoints=False)
    annotations = keep_images(people.content, samples.image_ids.tolist())
    images = dict(zip(samples.image_ids.tolist(), samples.images, strict=True))
    shown = spread_positions(samples.num_images, SHOWN_IMAGES)
    dev = DevImages(group_by_size(images), collect_instances(samples, shown), MIN_SHOWN_SCORE)
    dev = check_dev_images(dev, str(path))
    settings = make_settings(recipe, COCO_17.name)
    measure_dense = make_dense_measure(recipe.data, run, annotations)

    def measure(predicted: Iterable[tuple[int, Instances]]) -> Metrics:
        dense: list[DenseResult] = []
        boxes = collect_results(pass_dense(predicted, dense)).get("bbox", [])
        of_boxes = evaluate_coco(annotations, boxes, iou_type="bbox", annotations_name=str(path))
        of_poses = measure_dense(dense)
        return of_poses | of_boxes if recipe.data.mesh else of_boxes | of_poses

    def evaluate(network: nn.Module, epoch: int) -> Metrics:
        compute = find_compute(network, recipe.loop.precision)
        predict = DensePosePredictor(cast(TwoStageNetwork, network), settings, compute)
        return measure(predict_dev_images(dev, Networks(predict, None, COCO_17), run.find_samples(epoch)))

    # Nothing is found yet: this checks the annotations before the training.
    measure([])
    return evaluate


def make_dense_measure(
    data: DensePoseData, run: TrainingRun, annotations: Mapping[str, Any]
) -> Callable[[list[DenseResult]], Metrics]:
    """Make the function that evaluates dense poses, as far as mesh and annotations allow.

    Args:
        data: The dev set and the mesh.
        run: The run, to whose data folder they are relative.
        annotations: Content of the dev set's file, of the images that are evaluated.

    Raises:
        ResultsError: Annotations or mesh files are missing or not valid.
    """
    mesh = read_mesh(data.mesh, "data.mesh", run.data_folder) if data.mesh else None
    if mesh is None and all(entry.get("dp_x") is None for entry in annotations["annotations"]):
        return lambda results: {}
    truth = read_surface_truth(run.data_folder / data.dev)
    truth = keep_truth(truth, (image["id"] for image in annotations["images"]))
    metrics = choose_possible(truth, mesh)
    if not metrics:
        return lambda results: {}
    return lambda results: to_fractions(evaluate_densepose(truth, results, mesh, metrics).metrics)


def read_dev_samples(data: DensePoseData, run: TrainingRun) -> InstanceSamples:
    """Read the people of the dev set, of as many of its images as are evaluated.

    Raises:
        DataError: The annotations are missing or not valid.
    """
    samples = read_coco_instances(run.data_folder / data.dev, run.data_folder / data.dev_images, ())
    most = data.max_dev_images or samples.num_images
    return select_images(samples, spread_positions(samples.num_images, most))
