"""Time our detector on one frame and on batches, and the pose network of recipe `default` for comparison.

    python scripts/bench_detector.py [--network movenet-person] [--weights NAME_OR_FILE] [--side 416]
        [--repeats 15] [--engine auto]

All take turns within each round; the medians are over rounds. A frame is 1280 x 720; resizing is included.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from models.rcnn.variants import NETWORKS
from posetrack.build import build_networks
from posetrack.compute import Compute, choose_device
from posetrack.predictors.settings import MultiposeSettings, RCNNSettings
from posetrack.recipe import Recipe, read_recipe
from posetrack.runtime import tune_process

_BATCH = 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="movenet-person")
    parser.add_argument("--weights", help="name or file; those of the network's name")
    parser.add_argument("--side", type=int, default=416, help="longest side of the detector's input")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--engine", default="auto")
    arguments = parser.parse_args()
    compute = Compute(choose_device(), arguments.engine)
    if compute.device.type == "cpu":
        tune_process(torch_computes=compute.engine == "torch")
    name = arguments.network
    ours = RCNNSettings(name, weights=arguments.weights or name, longest_side_px=arguments.side)
    theirs = MultiposeSettings("movenet-multipose", weights="movenet-multipose")
    pose = read_recipe("default").estimator
    assert pose is not None
    networks = build_networks(Recipe("bench", ours, pose), compute, batch_frames=_BATCH)
    detect, estimate = networks.detector, networks.estimator
    assert estimate is not None
    multipose = build_networks(Recipe("bench", theirs), compute, batch_frames=_BATCH).detector
    rng = np.random.default_rng(0)
    # Coarse noise, for which the networks take as long as for a real image.
    noise = rng.integers(0, 256, (_BATCH, 45, 80, 3)).astype(np.uint8)
    images = [image.repeat(16, axis=0).repeat(16, axis=1) for image in noise]
    person = np.array([[500, 200, 700, 600]], np.float32)
    runs: dict[str, Callable[[], object]] = {
        "detector, one frame": lambda: detect(images[:1]),
        f"detector, {_BATCH} frames at once": lambda: detect(images),
        "MoveNet multipose, one frame": lambda: multipose(images[:1]),
        f"{pose.network}, one person": lambda: estimate(images[:1], [person]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(arguments.repeats + 2):
        for label, run in runs.items():
            start = time.perf_counter()
            run()
            if i >= 2:
                seconds[label].append(time.perf_counter() - start)
    medians_ms = {label: 1000 * statistics.median(times) for label, times in seconds.items()}
    print(f"{name} at {arguments.side} px, {compute.engine} {compute.precision}, {arguments.repeats} rounds")
    for label, median_ms in medians_ms.items():
        print(f"  {label:<30} {median_ms:7.1f} ms, least {1000 * min(seconds[label]):.1f}")
    one, batch, _, person_ms = medians_ms.values()
    print(f"  a frame over a person's pose: {one / person_ms:.2f}")
    print(f"  {_BATCH} frames one by one over {_BATCH} at once: {_BATCH * one / batch:.2f}")


if __name__ == "__main__":
    main()
