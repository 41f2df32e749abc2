"""Overfit networks of the DensePose family on four made images, and print the GPS of what they then find there.

    python scripts/overfit_densepose.py [NETWORK ...] [--steps 200] [--rate 2e-4] [--every 0] [--small]

A network that cannot overfit has a fault. Training is that of `posetrack train`, from random weights; people
are found by the predictor of `posetrack run`, and evaluated as by `posetrack eval densepose`. They are boxes of
6 x 4 charts on a made mesh, whose colours tell the place on the body. With --small, bodies are ResNet-18 and
heads are thin: a minute or two on one core instead of ten to sixty.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from made_surfaces import NUM_CHARTS, draw_surface, make_person, write_mesh

from models.backbones.variants import ResNetFPNConfig
from models.densepose.recipe import read_densepose_recipe
from models.densepose.variants import NETWORKS, DensePoseConfig
from models.training.distributed import World
from models.training.loop import Trainer
from posetrack.evaluation.densepose.evaluate import DenseEvaluation, evaluate_densepose
from posetrack.evaluation.densepose.mesh import read_mesh
from posetrack.evaluation.densepose.predicted import list_dense_results
from posetrack.evaluation.densepose.truth import read_surface_truth
from posetrack.frame import Instances, from_xywh
from posetrack.predictors.densepose import DensePosePredictor
from posetrack.predictors.settings import TwoStageSettings
from posetrack.training.densepose import make_densepose_task
from posetrack.training.evaluation import find_compute
from posetrack.training.run import TrainingRun, make_trainer

SIDE_PX = 128
BOXES_XYWH = ([20, 14, 56, 96], [60, 24, 60, 90], [8, 30, 70, 84], [44, 10, 64, 110])
"""Of the only person of each image."""
NUM_POINTS = 100
RECIPE = """
[network]
name = "{name}"
proposals = 100
sampled_proposals = 16
sampled_anchors = 128
[data]
train = "people.json"
train_images = "."
[canvas]
width_px = {side}
height_px = {side}
[augment]
flip_fraction = 0
[optimizer]
name = "adam"
learning_rate = {rate}
[schedule]
name = "linear"
warmup_steps = 10
warmup_factor = 0.1
[loop]
steps = {steps}
batch_size = 4
num_workers = 0
evaluate_every_epochs = 0
save_every_steps = 1000000
"""


@dataclass(frozen=True)
class Progress:
    """What a network finds after a number of steps.

    Attributes:
        step: The number.
        seconds: Of training.
        found: The evaluation of the people whom the network finds.
        in_boxes: That of the dense poses in annotated boxes.
    """

    step: int
    seconds: float
    found: DenseEvaluation
    in_boxes: DenseEvaluation


def list_gps(evaluation: DenseEvaluation) -> list[float]:
    """GPS of the result that is most like the person of each image; 0 where nothing is found."""
    found = (image.gps for image in evaluation.images.values())
    return [0.0 if gps is None or not gps.size else float(gps.max()) for gps in found]


def draw_images(folder: Path) -> None:
    """Write four images of one person each, `people.json`, and the files of a mesh."""
    random = np.random.default_rng(0)
    images, people = [], []
    for i, (x, y, w, h) in enumerate(BOXES_XYWH):
        image = random.integers(0, 90, (SIDE_PX, SIDE_PX, 3)).astype(np.uint8)
        charts = draw_surface(h, w)[0].astype(int)
        rows, columns = np.indices((h, w))
        is_even = (charts // 4 + charts) % 2
        colors = np.stack([80 + 175 * columns / w, 80 + 175 * rows / h, 120 + 100 * is_even], axis=-1)
        image[y : y + h, x : x + w][charts > 0] = colors[charts > 0]
        cv2.imwrite(str(folder / f"{i}.png"), image[..., ::-1])
        images.append({"id": i, "file_name": f"{i}.png", "width": SIDE_PX, "height": SIDE_PX})
        people.append(make_person(random, i, i, [float(side) for side in (x, y, w, h)], NUM_POINTS))
    content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    (folder / "people.json").write_text(json.dumps(content))
    write_mesh(make_body(), folder)


def make_body(side: int = 5) -> dict[str, npt.NDArray[Any]]:
    """Make the mesh of a flat body of 0.48 x 1.7 m, whose charts meet as in the images of `draw_images`.

    Args:
        side: Vertices of a chart each way.

    Returns:
        As `made_surfaces.make_mesh`.
    """
    chart, row, column = (
        axis.ravel() for axis in np.meshgrid(*map(np.arange, (NUM_CHARTS, side, side)), indexing="ij")
    )
    places = np.stack([chart % 4, chart // 4], axis=1) + np.stack([column, row], axis=1) / (side - 1)
    unique, coarse = np.unique(places, axis=0, return_inverse=True)
    positions = unique * (0.12, 1.7 / 6)
    pairs = [np.linalg.norm(positions[:i] - here, axis=1) for i, here in enumerate(positions)]
    return {
        "u": column / (side - 1),
        "v": row / (side - 1),
        "part": chart.astype(np.uint8) + 1,
        "index": coarse.ravel().astype(np.int32) + 1,
        "distances": np.concatenate(pairs).astype(np.float32),
    }


def learn_images(name: str, folder: Path, steps: int, rate: float, every: int) -> Iterator[Progress]:
    """Train a network on the images of `draw_images`.

    Args:
        name: The network.
        folder: Of the images.
        steps: Number of steps.
        rate: Learning rate, which falls to 0.
        every: Steps between evaluations.

    Yields:
        What the network finds, each time.
    """
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(name=name, side=SIDE_PX, rate=rate, steps=steps))
    run = TrainingRun("", folder, folder / name, World(0, 1, torch.device("cpu")))
    trainer = make_trainer(read_densepose_recipe(path), run, make_densepose_task)
    seconds = 0.0
    while trainer.step < steps:
        start = time.perf_counter()
        trainer.run(every)
        seconds += time.perf_counter() - start
        yield Progress(trainer.step, seconds, *evaluate_images(trainer, name, folder))


def evaluate_images(trainer: Trainer, name: str, folder: Path) -> list[DenseEvaluation]:
    """Evaluate the network of a training on the images that it learns: `Progress.found` and `in_boxes`."""
    network = trainer.network.eval()
    settings = TwoStageSettings(name, longest_side_px=SIDE_PX, score_threshold=0.05, nms_iou=0.5)
    predict = DensePosePredictor(network, settings, find_compute(network, "f32"))
    network.train()
    images = [cv2.imread(str(folder / f"{i}.png"))[..., ::-1].copy() for i in range(len(BOXES_XYWH))]
    boxes = [from_xywh(np.array([box], np.float32)) for box in BOXES_XYWH]
    in_boxes = [
        Instances(boxes_xyxy=box, box_scores=np.ones(1, np.float32), dense=poses)
        for box, poses in zip(boxes, predict.estimate_dense(images, boxes), strict=True)
    ]
    truth, mesh = read_surface_truth(folder / "people.json"), read_mesh(folder)
    return [
        evaluate_densepose(
            truth, [one for i, here in enumerate(people) for one in list_dense_results(i, here)], mesh
        )
        for people in (predict(images), in_boxes)
    ]


def shrink(config: DensePoseConfig) -> DensePoseConfig:
    """The same variant with a small body and thin heads."""
    body = ResNetFPNConfig("resnet18", channels=64)
    return replace(config, backbone=body, proposals=(100, 50), box_width=128, dense_width=64, max_people=10)


def main() -> None:
    """Draw the images, then train and evaluate each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(NETWORKS)}; all")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--every", type=int, default=0, help="steps between evaluations; 0: one at the end")
    parser.add_argument("--small", action="store_true")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.networks if name not in NETWORKS]
    if unknown:
        parser.error(f"unknown network {unknown[0]}: {', '.join(NETWORKS)}")
    for name in chosen.networks or list(NETWORKS):
        if chosen.small:
            NETWORKS[name] = shrink(NETWORKS[name])
        with tempfile.TemporaryDirectory() as folder:
            draw_images(Path(folder))
            every = chosen.every or chosen.steps
            for progress in learn_images(name, Path(folder), chosen.steps, chosen.rate, every):
                print(
                    f"{name}: step {progress.step}, {progress.seconds:.0f} s; {describe(progress)}", flush=True
                )


def describe(progress: Progress) -> str:
    """GPS of each person, and AP."""
    in_boxes, found = (
        " ".join(f"{gps:.3f}" for gps in list_gps(each)) for each in (progress.in_boxes, progress.found)
    )
    aps = (f"{name} {progress.found.metrics[name]['AP']:.1f}" for name in ("GPS", "GPSM", "IOU", "BOX"))
    return f"GPS in annotated boxes {in_boxes}, found {found}; AP {', '.join(aps)}"


if __name__ == "__main__":
    main()
