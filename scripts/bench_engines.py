"""Speed of each engine relative to eager torch, on MoveNet.

    python scripts/bench_engines.py [--repeats N] [--busy]

Prints ratios: eager seconds over the engine's, the median over rounds in which all take turns. With `--busy`,
another thread occupies one core meanwhile, as decoding and encoding do in a run.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch

from models.backbones.variants import MOVENET_MULTIPOSE
from models.checkpoints import load_embedded
from models.engines.choice import MIXED, is_installed, list_precisions
from models.engines.make import ENGINES, make_engine
from models.movenet.network import MoveNet
from posetrack.runtime import tune_process

CPU = torch.device("cpu")
CASES = (("movenet-multipose", MOVENET_MULTIPOSE, (288, 512), (1, 4)),)


def make_contenders(network: MoveNet, name: str) -> dict[str, Callable[[torch.Tensor], object]]:
    """Make eager torch, and every engine in every precision that this machine supports."""
    contenders: dict[str, Callable[[torch.Tensor], object]] = {"eager f32": torch.inference_mode()(network)}
    example = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    for engine in filter(is_installed, ENGINES):
        for precision in list_precisions(engine, CPU):
            if precision == MIXED:
                continue
            contenders[f"{engine} {precision}"] = make_engine(
                network, name=name, example=example, device=CPU, engine=engine, precision=precision
            )
    return contenders


def measure(
    contenders: dict[str, Callable[[torch.Tensor], object]], images: torch.Tensor, repeats: int
) -> dict[str, list[float]]:
    """Measure the seconds of each round of each contender, after two warm-up rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for i in range(repeats + 2):
        for name, run in contenders.items():
            start = time.perf_counter()
            run(images)
            if i >= 2:
                seconds[name].append(time.perf_counter() - start)
    return seconds


@contextmanager
def keep_a_core_busy(is_wanted: bool) -> Iterator[None]:
    """Occupy a core by blurring an image repeatedly on another thread."""
    done = threading.Event()

    def work() -> None:
        image = np.zeros((720, 1280, 3), np.uint8)
        while not done.is_set():
            cv2.GaussianBlur(image, (31, 31), 5)

    thread = threading.Thread(target=work)
    if is_wanted:
        thread.start()
    try:
        yield
    finally:
        done.set()
        if is_wanted:
            thread.join()


def main() -> None:
    """Print a line for each network and batch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--busy", action="store_true")
    arguments = parser.parse_args()
    tune_process()
    for name, config, (H, W), batches in CASES:
        network = MoveNet(config).eval().to(memory_format=torch.channels_last)
        load_embedded(network, name)
        contenders = make_contenders(network, name)
        for B in batches:
            images = torch.randint(0, 256, (B, H, W, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
            with keep_a_core_busy(arguments.busy):
                seconds = measure(contenders, images, arguments.repeats)
            ratios = {
                contender: statistics.median(a / b for a, b in zip(seconds["eager f32"], taken, strict=True))
                for contender, taken in seconds.items()
            }
            rate = B / statistics.median(seconds["eager f32"])
            words = "  ".join(f"{contender} {ratio:.2f}" for contender, ratio in ratios.items())
            print(f"{name} {B} x {H} x {W}: eager {rate:.1f} images/s; ratios: {words}")


if __name__ == "__main__":
    main()
