"""Train one network with the losses of UV R-CNN at rising learning rates, and print what became of each.

    python scripts/compare_dense_losses.py --data synthetic/train --dev synthetic/dev --out claims [--steps 300]

UV R-CNN claims that its Dense Points loss, and then its balanced weighting (BWS), keep training stable at
learning rates at which Smooth-L1 fails. Each run is a training of `posetrack train` with another loss, learning
rate or seed; then the dense poses in the annotated boxes of the dev images are compared with their annotations
(GPS): as the network gives them, and without background, so that every pixel of a box is body, because after so
few steps GPS depends most on what is left to the background. Runs that have ended are in OUT/runs.jsonl and are
not repeated, so that a killed comparison goes on.
The head has batch norms: without them, so few steps of SGD teach it nothing. The context modules LADCEM and GCE
have none, and are compared with AdamW.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dense_outcomes import Outcome, describe, draw_curves, print_table

from models.data.coco_people import read_coco_people
from models.data.image_files import list_images, read_image
from models.densepose.recipe import read_densepose_recipe
from models.densepose.variants import NETWORKS
from models.training.distributed import World
from models.training.errors import NonFiniteLossError
from posetrack.evaluation.densepose.evaluate import evaluate_densepose
from posetrack.evaluation.densepose.mesh import read_mesh
from posetrack.evaluation.densepose.predicted import list_dense_results
from posetrack.evaluation.densepose.truth import keep_truth, read_surface_truth
from posetrack.frame import Instances, from_xywh
from posetrack.predictors.densepose import DensePosePredictor
from posetrack.predictors.settings import TwoStageSettings
from posetrack.training.densepose import make_densepose_task
from posetrack.training.evaluation import find_compute, spread_positions
from posetrack.training.run import TrainingRun, make_trainer

BASE_RATE = 0.002
FACTORS = (1, 5, 10, 20, 30)
"""Of the learning rate; the last is that of UV R-CNN with BWS."""
_HIGH_RATE = 0.01
_EVERY = 10
# Logit of a certainty.
_SURE = 1e4
RECIPE = """
[network]
name = "{network}"
frozen_stages = {frozen}
is_batch_norm_frozen = true
sampled_proposals = 48
sampled_dense = 3
[data]
train = "people.json"
train_images = "."
symmetry = "made"
[canvas]
width_px = {side}
height_px = {side}
[augment]
flip_fraction = 0.5
[losses]
coordinate_weight = {coordinate_weight}
coordinate_loss = "{loss}"
omega = {omega}
balance = {balance}
is_balance_detached = {detached}
[optimizer]
name = "{optimizer}"
learning_rate = {rate}
momentum = 0.9
weight_decay = 1e-4
[schedule]
name = "multi_step"
milestones_steps = [{first}, {second}]
warmup_steps = {warmup}
warmup_factor = 0.1
[loop]
steps = {steps}
batch_size = {batch}
seed = {seed}
num_workers = 0
log_every_steps = {every}
evaluate_every_epochs = 0
save_every_steps = 1000000
"""


@dataclass(frozen=True)
class Loss:
    """One row of the table.

    Attributes:
        name: Its name.
        coordinates: Loss of u and v.
        omega: Of the Dense Points loss.
        balance: K of BWS; 0 adds the losses.
        is_detached: Whether the weights of BWS are constants.
    """

    name: str
    coordinates: str = "dense_points"
    omega: float = 0.25
    balance: float = 0.0
    is_detached: bool = True


LOSSES = (
    Loss("Smooth-L1", "smooth_l1"),
    Loss("DP 0.5", omega=0.5),
    Loss("DP 0.25"),
    Loss("DP 0.25 + BWS, K 1", balance=1.0),
    Loss("DP 0.25 + BWS, K 2", balance=2.0),
    Loss("DP 0.25 + BWS through weights, K 1", balance=1.0, is_detached=False),
    Loss("DP 0.25 + BWS through weights, K 2", balance=2.0, is_detached=False),
)
HEAD = "gce_normed"
CONTEXTS = ("gce", "ladcem")
_CONTEXT_FACTOR = 0.5


def list_runs(seeds: int) -> Iterator[tuple[str, Loss, float, int]]:
    """Head, loss, factor of the learning rate and seed of each run."""
    for seed in range(seeds):
        for factor in FACTORS:
            for loss in LOSSES:
                yield HEAD, loss, factor, seed
        for head in CONTEXTS:
            yield head, LOSSES[2], _CONTEXT_FACTOR, seed


def name_run(head: str, loss: Loss) -> str:
    """The name of a row: that of the loss, and of the head and its optimiser if it is another."""
    return loss.name if head == HEAD else f"{loss.name}, {head.upper()}, AdamW"


class Comparison:
    """The runs of a comparison.

    Args:
        chosen: The command's arguments.
    """

    def __init__(self, chosen: argparse.Namespace) -> None:
        self._chosen = chosen
        self._base = NETWORKS[chosen.network]
        self._path = chosen.out / "runs.jsonl"
        content = read_coco_people(chosen.dev / "people.json", (), needs_keypoints=False).content
        files = list_images(content, chosen.dev, str(chosen.dev))
        kept = spread_positions(len(files), min(chosen.dev_images, len(files)))
        self._images = {content["images"][i]["id"]: files[i] for i in kept}
        self._truth = keep_truth(read_surface_truth(chosen.dev / "people.json"), self._images)
        self._mesh = read_mesh("made")

    def read(self) -> list[Outcome]:
        """The runs that have ended."""
        if not self._path.is_file():
            return []
        return [Outcome(**json.loads(line)) for line in self._path.read_text().splitlines()]

    def run(self, head: str, loss: Loss, factor: float, seed: int) -> Outcome:
        """Train and evaluate one network, and note it."""
        chosen, name = self._chosen, name_run(head, loss)
        NETWORKS[chosen.network] = replace(self._base, dense_head=head)
        folder = chosen.out / f"{name} x{factor:g} {seed}".replace(" ", "-").replace(",", "")
        folder.mkdir(parents=True, exist_ok=True)
        path, rate, steps = folder / "recipe.toml", BASE_RATE * factor, chosen.steps
        path.write_text(
            RECIPE.format(
                network=chosen.network,
                frozen=chosen.frozen_stages,
                side=chosen.side,
                coordinate_weight=0.05 if rate >= _HIGH_RATE else 0.1,
                loss=loss.coordinates,
                omega=loss.omega,
                balance=loss.balance,
                detached=str(loss.is_detached).lower(),
                optimizer="sgd" if head == HEAD else "adamw",
                rate=rate,
                first=steps * 10 // 13,
                second=steps * 12 // 13,
                warmup=max(steps // 20, 1),
                steps=steps,
                batch=chosen.batch,
                seed=seed,
                every=_EVERY,
            )
        )
        curve: list[float] = []

        def report(now: Any) -> None:
            if now.step % _EVERY == 0:
                curve.append(sum(value for key, value in now.losses.items() if key.startswith("dense_")))

        run = TrainingRun("", chosen.data, folder, World(0, 1, torch.device("cpu")), chosen.weights, report)
        trainer = make_trainer(read_densepose_recipe(path), run, make_densepose_task)
        start, failed_at, gps, gps_inside = time.perf_counter(), None, 0.0, 0.0
        try:
            trainer.run()
        except NonFiniteLossError as error:
            failed_at = error.step
        seconds = time.perf_counter() - start
        if failed_at is None:
            gps = self.measure(trainer.network.eval())
            leave_no_background(trainer.network)
            gps_inside = self.measure(trainer.network)
        parameters = sum(p.numel() for p in trainer.network.roi_heads.dense_head.parameters())
        outcome = Outcome(name, factor, seed, seconds, parameters, gps, gps_inside, failed_at, curve)
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
        NETWORKS[chosen.network] = self._base
        return outcome

    def measure(self, network: Any) -> float:
        """Mean GPS of the dense poses in the annotated boxes of the dev people."""
        side = self._chosen.side
        predict = DensePosePredictor(
            network, TwoStageSettings(self._chosen.network, longest_side_px=side), find_compute(network, "f32")
        )
        results = []
        for number, file in self._images.items():
            people = self._truth.images[number].people
            boxes = from_xywh(np.array([person.box for person in people], np.float32).reshape(-1, 4))
            (poses,) = predict.estimate_dense([read_image(file)], [boxes])
            scores = np.linspace(1, 0.5, len(boxes), dtype=np.float32)
            results += list_dense_results(number, Instances(boxes_xyxy=boxes, box_scores=scores, dense=poses))
        similarities = evaluate_densepose(self._truth, results, self._mesh, ("gps",)).images
        values = [row.max() for each in similarities.values() if each.gps is not None for row in each.gps.T]
        return float(np.mean(values)) if values else 0.0


def leave_no_background(network: Any) -> None:
    """Change a network such that it takes no cell of a region for the background."""
    layers = network.roi_heads.dense_predictor.layers
    with torch.no_grad():
        for name in ("coarse", "fine"):
            layers[name].bias[0] = -_SURE


def main() -> None:
    """Run what has not been run, then print the table and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of made people")
    parser.add_argument("--dev", type=Path, required=True, help="the same of other people")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", default="mobile-parsing-b", choices=sorted(NETWORKS))
    parser.add_argument("--weights", type=Path, help="what training starts from")
    numbers = {"steps": 300, "batch": 4, "side": 256, "seeds": 2, "dev_images": 100, "frozen_stages": 0}
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    comparison = Comparison(chosen)
    done = {(outcome.loss, outcome.factor, outcome.seed) for outcome in comparison.read()}
    for head, loss, factor, seed in list_runs(chosen.seeds):
        if (name_run(head, loss), factor, seed) not in done:
            outcome = comparison.run(head, loss, factor, seed)
            measured = describe(outcome, outcome.gps)
            print(f"{outcome.loss}, x{factor:g}, seed {seed}: {measured}, {outcome.seconds:.0f} s", flush=True)
    outcomes = comparison.read()
    print("GPS")
    print_table(outcomes, lambda outcome: outcome.gps, BASE_RATE)
    print("\nGPS without background")
    print_table(outcomes, lambda outcome: outcome.gps_inside, BASE_RATE)
    draw_curves(outcomes, chosen.out / "curves.png", BASE_RATE)


if __name__ == "__main__":
    main()
