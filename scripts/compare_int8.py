"""Compare an int8 export with the float network on real frames: how alike their people are, and their speed.

Run: python scripts/compare_int8.py FLOAT INT8 CLIP... [--side 512] [--frames 20] [--score 0.5]

FLOAT and INT8 are weights or exports as recipes take them; a network that takes boxes, such as those of
`mobile-densepose-b` and `thunder-heatmaps-256x192`, gets those that `movenet-person` finds in float, and is
timed without it. People are matched by boxes (IoU above 0.5). Of those with dense poses: IoU of the masks,
and the fraction of pixels in both masks with the same part. Of those with keypoints: how far these move, in
percent of the box's height, the median and the 95th percentile of those that score 0.2 or more in float.
Times are of the whole predictor, float in f32 and bf16 and int8 in turns on the same frames, on one engine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

from models.densepose.crops.variants import NETWORKS as CROP_NETWORKS
from models.densepose.pixel_box import find_pixels
from posetrack.build import build_networks
from posetrack.compute import Compute
from posetrack.families.hrnet import FAMILY as HRNET
from posetrack.families.table import find_role
from posetrack.frame import ImageArray, Instances
from posetrack.predictors.settings import DenseCropSettings, DetectorSettings
from posetrack.recipe import Recipe, read_recipe
from posetrack.results.people import complete_boxes
from posetrack.video.source import open_video
from posetrack.weights.metadata import find_metadata

Find = Callable[[ImageArray], Instances]

FINDER = "default"
LEAST_IOU = 0.5
LEAST_KEYPOINT_SCORE = 0.2
WANTED = 0.9


def main() -> None:
    """Print the agreement on each clip, and the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help="Of the float network.")
    parser.add_argument("int8", help="Its int8 export.")
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--side", type=int, default=512, help="The shorter side, pixels.")
    parser.add_argument("--frames", type=int, default=20, help="Of each clip, evenly spread.")
    parser.add_argument("--score", type=float, default=0.5, help="The least score of people.")
    parser.add_argument("--engine", default="auto")
    chosen = parser.parse_args()
    both = {"f32": chosen.weights, "bf16": chosen.weights, "int8": chosen.int8, "int8+bf16": chosen.int8}
    find = make_finder(chosen)
    networks = {name: make_run(name, weights, chosen, find) for name, weights in both.items()}
    times: dict[str, list[float]] = {name: [] for name in networks}
    for clip in chosen.clips:
        images = read_spread(clip, chosen.frames)
        found = run_in_turns(networks, images, times, find)
        for name in list(networks)[1:]:
            print(f"{clip.name:<20} {name:<10} {describe(list(zip(found['f32'], found[name], strict=True)))}")
    base = statistics.median(times["f32"])
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"{name:<10} {1000 * middle:6.0f} ms an image, {base / middle:.2f} times as fast as f32")


def make_run(name: str, weights: str, chosen: argparse.Namespace, find: Find) -> Find:
    """Make the function that runs weights on an image, with the settings of the options."""
    metadata = find_metadata(weights)
    if metadata is None:
        raise SystemExit(f"{weights}: does not say its network")
    compute = Compute(torch.device("cpu"), chosen.engine, "bf16" if "bf16" in name else "f32")
    if metadata.network in HRNET.roles["estimator"].networks:
        return make_poser(metadata.network, weights, compute, find)
    if metadata.network not in CROP_NETWORKS:
        settings = find_role(metadata.network, "detector", weights).settings(
            network=metadata.network,
            weights=weights,
            shorter_side_px=chosen.side,
            longest_side_px=4 * chosen.side,
            score_threshold=chosen.score,
        )
        detect = build_networks(
            Recipe(name, cast(DetectorSettings, settings)), compute, batch_frames=1
        ).detector
        return lambda image: detect([image])[0]
    dense = DenseCropSettings(network=metadata.network, weights=weights)
    recipe = Recipe(name, read_recipe(FINDER).detector, dense=dense)
    estimate = build_networks(recipe, compute, batch_frames=1).dense
    assert estimate is not None

    def run(image: ImageArray) -> Instances:
        people = find(image)
        return people.with_columns(dense=estimate([image], [complete_boxes(people)])[0])

    return run


def make_poser(network: str, weights: str, compute: Compute, find: Find) -> Find:
    """Make the function that estimates poses in the boxes of an image."""
    base = read_recipe(FINDER)
    assert base.estimator is not None
    recipe = Recipe(network, base.detector, replace(base.estimator, network=network, weights=weights))
    estimate = build_networks(recipe, compute, batch_frames=1).estimator
    assert estimate is not None

    def run(image: ImageArray) -> Instances:
        people = find(image)
        xy, scores = estimate([image], [complete_boxes(people)])[0]
        return people.with_columns(keypoints_xy=xy, keypoint_scores=scores)

    return run


def make_finder(chosen: argparse.Namespace) -> Find:
    """Make the function that finds the boxes for networks that take them, of each image once."""
    compute = Compute(torch.device("cpu"), chosen.engine, "f32")
    detect = build_networks(read_recipe(FINDER), compute, batch_frames=1).detector
    last: list[tuple[ImageArray, Instances]] = []

    def find(image: ImageArray) -> Instances:
        if not last or last[0][0] is not image:
            (people,) = detect([image])
            last[:] = [(image, people[people.person_scores >= chosen.score])]
        return last[0][1]

    return find


def read_spread(clip: Path, count: int) -> list[ImageArray]:
    """Read so many frames of a clip, evenly spread."""
    with open_video(clip) as video:
        every = max((video.info.num_frames or count) // count, 1)
    with open_video(clip, every=every) as video:
        return [frame.image for frame in islice(video, count)]


def run_in_turns(
    networks: dict[str, Find], images: list[ImageArray], times: dict[str, list[float]], find: Find
) -> dict[str, list[Instances]]:
    """Run every network on every image, in turns, so that all have the same noise; the first image warms up."""
    found: dict[str, list[Instances]] = {name: [] for name in networks}
    for run in networks.values():
        run(images[0])
    for image in images:
        find(image)
        for name, run in networks.items():
            start = time.perf_counter()
            found[name].append(run(image))
            times[name].append(time.perf_counter() - start)
    return found


def describe(pairs: list[tuple[Instances, Instances]]) -> str:
    """Describe how alike the people of two networks are."""
    ious, mask_ious, alike, moves = [], [], [], []
    counts = [0, 0]
    for expected, found in pairs:
        counts[0] += len(expected)
        counts[1] += len(found)
        boxes = [torch.from_numpy(np.asarray(people.boxes_xyxy)) for people in (expected, found)]
        overlaps = box_iou(*boxes).numpy()
        for i, j in zip(*linear_sum_assignment(-overlaps), strict=True):
            if overlaps[i, j] > LEAST_IOU:
                ious.append(float(overlaps[i, j]))
                if expected.dense is not None and found.dense is not None:
                    mask_iou, part = compare_dense(expected[[i]], found[[j]])
                    mask_ious.append(mask_iou)
                    alike.append(part)
                moves += measure_moves(expected[[i]], found[[j]])
    text = f"people {counts[0]} and {counts[1]}, {len(ious)} the same"
    if ious:
        text += f", box IoU {np.mean(ious):.3f}"
    if mask_ious:
        text += f", mask IoU {np.nanmean(mask_ious):.3f}, same part {np.nanmean(alike):.3f} (wanted: {WANTED})"
    if moves:
        middle, most = np.percentile(moves, [50, 95])
        text += f", keypoints move by {middle:.2f} % of the height (95th percentile: {most:.2f} %)"
    return text


def measure_moves(expected: Instances, found: Instances) -> list[float]:
    """How far the keypoints of a person move, in percent of the box's height; low-scoring ones are left out."""
    if expected.keypoints_xy is None or found.keypoints_xy is None:
        return []
    assert expected.keypoint_scores is not None
    _, top, _, bottom = complete_boxes(expected)[0]
    moves = np.linalg.norm(found.keypoints_xy - expected.keypoints_xy, axis=-1)
    kept = moves[expected.keypoint_scores >= LEAST_KEYPOINT_SCORE]
    return list(100 * kept / max(float(bottom - top), 1.0))


def compare_dense(expected: Instances, found: Instances) -> tuple[float, float]:
    """Mask IoU and fraction of alike parts of two dense poses; NaN where there is nothing to compare."""
    placed = []
    for people in (expected, found):
        assert people.dense is not None
        assert people.boxes_xyxy is not None
        x, y, _, _ = find_pixels(people.boxes_xyxy[0])
        placed.append((x, y, people.dense[0][..., 0]))
    left, top = min(x for x, _, _ in placed), min(y for _, y, _ in placed)
    width = max(x + part.shape[1] for x, _, part in placed) - left
    height = max(y + part.shape[0] for _, y, part in placed) - top
    canvas = np.zeros((2, height, width), np.uint8)
    for drawn, (x, y, part) in zip(canvas, placed, strict=True):
        drawn[y - top : y - top + part.shape[0], x - left : x - left + part.shape[1]] = part
    both, either = (canvas > 0).all(0), (canvas > 0).any(0)
    same = float((canvas[0] == canvas[1])[both].mean()) if both.any() else float("nan")
    return float(both.sum() / either.sum()) if either.any() else float("nan"), same


if __name__ == "__main__":
    main()
