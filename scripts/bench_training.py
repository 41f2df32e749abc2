"""Time the training of HRNet by our loop and by a plain one with the structure of HRNet's public code.

Ours: bfloat16 autocast, channels last, images normalised and heatmaps drawn on the device for a whole batch.
Plain: float32, channels first, images normalised and heatmaps drawn on the CPU, keypoint by keypoint; one loss
per keypoint, loss and accuracy read after every step.

Both read the same images and cut the same crops; blocks of steps alternate, so that other load on the machine
affects both.

Run: python scripts/bench_training.py [--network hrnet-w18] [--batch 8] [--steps 3] [--blocks 3] [--device cuda]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from models.data.augment import AugmentConfig
from models.data.image_files import ImageFile
from models.data.samples import PoseSamples
from models.hrnet.codec import CODING_256X192, decode_heatmaps
from models.hrnet.dataset import PoseDataset
from models.hrnet.recipe import PoseNetworkRecipe, make_network
from models.hrnet.train import make_pose_losses
from models.training.batches import BatchPlan, BatchSampler
from models.training.config import LoopConfig
from models.training.distributed import World
from models.training.loop import Trainer
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.task import StepReport, Task
from models.training.workers import WORKER_START, start_worker
from posetrack.skeleton import COCO_17

SIZE_WH = (192, 256)
K = COCO_17.num_keypoints
IMAGES = 32
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class Settings:
    """Network, samples per step, timed steps per block, blocks, data loading processes, and device."""

    network: str
    batch: int
    steps: int
    blocks: int
    workers: int
    device: torch.device


class PlainDataset(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """The same crops, normalised, with their heatmaps and weights, all made one by one on the CPU."""

    def __init__(self, crops: PoseDataset) -> None:
        self._crops = crops

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        sample = self._crops[key]
        image = (sample["image"].astype(np.float32) / 255 - MEAN) / STD
        targets, weights = draw_targets(sample["keypoints_xy"], sample["weights"])
        return torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(targets), weights


def draw_targets(keypoints_xy: np.ndarray[Any, Any], weights: np.ndarray[Any, Any]) -> tuple[Any, Tensor]:
    """Make heatmaps (K, H, W) and weights (K, 1) in a loop over keypoints that pastes a patch each."""
    W, H = CODING_256X192.heatmap_wh
    sigma = CODING_256X192.sigma_cells
    reach = int(3 * sigma)
    targets, kept = np.zeros((K, H, W), np.float32), weights[:, None].copy()
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    patch = np.exp(-(offsets**2 + offsets[:, None] ** 2) / (2 * sigma**2))
    for k in range(K):
        x, y = (int(value / CODING_256X192.stride + 0.5) for value in keypoints_xy[k])
        if x - reach >= W or y - reach >= H or x + reach < 0 or y + reach < 0:
            kept[k] = 0
        if kept[k] > 0:
            left, right = max(0, x - reach), min(W, x + reach + 1)
            top, bottom = max(0, y - reach), min(H, y + reach + 1)
            cut = patch[top - y + reach : bottom - y + reach, left - x + reach : right - x + reach]
            targets[k, top:bottom, left:right] = cut
    return targets, torch.from_numpy(kept)


def write_people(folder: Path, count: int) -> PoseSamples:
    """Make noise images of 640 x 480, each with one person at a random position."""
    rng = np.random.default_rng(0)
    paths = []
    for i in range(IMAGES):
        image = cv2.resize(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8), (640, 480))
        paths.append(folder / f"{i}.jpg")
        cv2.imwrite(str(paths[-1]), image)
    corner = rng.uniform(0, 200, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(100, 250, (count, 2))], axis=1).astype(np.float32)
    share = rng.random((count, K, 2), np.float32)
    return PoseSamples(
        images=tuple(map(ImageFile, paths)),
        image_ids=np.arange(IMAGES),
        image_index=np.arange(count) % IMAGES,
        boxes_xyxy=boxes,
        scores=np.ones(count, np.float32),
        keypoints_xy=boxes[:, None, :2] + share * (boxes[:, None, 2:] - boxes[:, None, :2]),
        weights=np.ones((count, K), np.float32),
    )


def run_ours(crops: PoseDataset, settings: Settings) -> Iterator[list[float]]:
    """Measure the seconds of each step of our loop except the first of each block."""
    marks: list[float] = []

    def report(step: StepReport) -> None:
        # A GPU computes asynchronously; the other loop waits for its losses after every step.
        if settings.device.type == "cuda" and len(marks) in (0, settings.steps):
            torch.cuda.synchronize()
        marks.append(time.perf_counter())

    trainer = make_trainer(crops, settings, report)
    for _ in range(settings.blocks):
        marks.clear()
        trainer.run(settings.steps + 1)
        yield np.diff(marks).tolist()


def make_trainer(crops: PoseDataset, settings: Settings, report: Callable[[StepReport], None]) -> Trainer:
    """Make our loop with the recipes' settings for speed."""
    network = make_network(PoseNetworkRecipe(settings.network), K)
    return Trainer(
        Task(network, crops, len(crops), make_pose_losses(CODING_256X192, "mse")),
        loop=LoopConfig(
            epochs=1,
            batch_size=settings.batch,
            precision="bf16",
            channels_last=True,
            num_workers=settings.workers,
        ),
        optimizer=OptimizerConfig(),
        schedule=ScheduleConfig(),
        world=World(0, 1, settings.device),
        report=report,
    )


def run_plain(crops: PoseDataset, settings: Settings) -> Iterator[list[float]]:
    """Measure the seconds of each step of the plain loop."""
    network = make_network(PoseNetworkRecipe(settings.network), K).to(settings.device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    plan = BatchPlan(len(crops), settings.batch, 1)
    for block in range(settings.blocks):
        first = block * (settings.steps + 1)
        loader = DataLoader(
            PlainDataset(crops),
            batch_sampler=BatchSampler(plan, first, first + settings.steps + 1),
            num_workers=settings.workers,
            pin_memory=settings.device.type == "cuda",
            worker_init_fn=start_worker,
            multiprocessing_context=WORKER_START if settings.workers else None,
        )
        marks = []
        for batch in loader:
            step_plain(network, optimizer, [part.to(settings.device, non_blocking=True) for part in batch])
            marks.append(time.perf_counter())
        yield np.diff(marks).tolist()


def step_plain(
    network: nn.Module, optimizer: torch.optim.Optimizer, batch: list[Tensor]
) -> tuple[float, float]:
    """Take one step on the mean of the keypoints' weighted losses; returns loss and accuracy."""
    images, targets, weights = batch
    heatmaps = network(images)
    measure = nn.MSELoss()
    total = heatmaps.new_zeros(())
    for k in range(K):
        found, wanted = heatmaps[:, k].flatten(1), targets[:, k].flatten(1)
        total = total + 0.5 * measure(found * weights[:, k], wanted * weights[:, k])
    loss = total / K
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    found_xy, _ = decode_heatmaps(heatmaps.detach(), CODING_256X192)
    wanted_xy, _ = decode_heatmaps(targets, CODING_256X192)
    is_near = (found_xy - wanted_xy).norm(dim=2) < SIZE_WH[1] / 20
    return loss.item(), is_near.float().mean().item()


def main() -> None:
    """Print the median time of a step of both loops, and their ratio."""
    settings = read_settings()
    with tempfile.TemporaryDirectory() as folder:
        samples = write_people(Path(folder), settings.batch * settings.blocks * (settings.steps + 1))
        flip_index = COCO_17.flip_index
        crops = PoseDataset(samples, size_wh=SIZE_WH, flip_index=flip_index, augment=AugmentConfig())
        ours, plain = run_ours(crops, settings), run_plain(crops, settings)
        times_s: dict[str, list[float]] = {"ours": [], "plain": []}
        for _ in range(settings.blocks):
            times_s["ours"] += next(ours)
            times_s["plain"] += next(plain)
    print(
        f"{settings.network} at {SIZE_WH[1]} x {SIZE_WH[0]}, batches of {settings.batch}, {settings.device}, "
        f"{torch.get_num_threads()} threads, {len(times_s['ours'])} steps each:"
    )
    # The mean over blocks on a GPU, because single steps are not synchronised.
    middle = np.mean if settings.device.type == "cuda" else np.median
    medians = {name: float(middle(values)) for name, values in times_s.items()}
    for name, seconds in medians.items():
        print(f"  {name:<6} {1000 * seconds:8.1f} ms a step   {settings.batch / seconds:8.2f} samples/s")
    print(f"  ours is {medians['plain'] / medians['ours']:.2f} times as fast (wanted: 1.3)")


def read_settings() -> Settings:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Time the training of HRNet beside a plain loop.")
    parser.add_argument("--network", default="hrnet-w32", help="a network of models.hrnet.recipe")
    parser.add_argument("--batch", type=int, default=8, help="samples a step")
    parser.add_argument("--steps", type=int, default=3, help="timed steps in a block")
    parser.add_argument("--blocks", type=int, default=3, help="blocks of each loop")
    parser.add_argument("--workers", type=int, default=0, help="processes that read images")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    return Settings(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
