"""Time the decoding of bottom-up poses and of the public algorithm: 30 people, 17 keypoints.

Run: python scripts/bench_grouping.py

Both get the same maps in the same run, and their results are compared. In `clear`, people's tags differ and
every keypoint has a peak; in `crowd` a fifth of the keypoints have none; `large` are maps of a whole image at
512 px. The slow side imitates the public code: it finds peaks and missing keypoints on whole maps in torch and
numpy, and assigns in plain Python.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from models.swahr.codec import DecodeConfig, decode_people
from models.swahr.grouping import group_peaks
from models.swahr.peaks import FloatArray, find_peaks

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from reference import swahr_grouping as naive

PEOPLE, K = 30, 17
# Face, shoulders, hips, elbows, wrists, knees, ankles, as in the public code.
ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
REPEATS = 20
# Name: side of the maps, fraction of keypoints without peak, spread of a person's tags, distance between
# people's tags.
CASES = {"clear": (256, 0.0, 0.05, 2.0), "crowd": (256, 0.2, 0.1, 2.0), "large": (512, 0.2, 0.1, 2.0)}


def main() -> None:
    """Print the total time and that of each step, and whether the results agree."""
    threads = torch.get_num_threads()
    print(f"{PEOPLE} people, {K} keypoints, 2 tag maps, {threads} threads, median (least) of {REPEATS}:")
    for name, (size, missing, noise, apart) in CASES.items():
        heatmaps, tags = draw_maps(size, missing, noise, apart)
        maps = [torch.from_numpy(maps)[None] for maps in (heatmaps, *tags)]
        found = decode_people(maps[0], maps[1:], ORDER)[0]
        whole = measure_ms(lambda m=maps: decode_people(m[0], m[1:], ORDER))
        plain = measure_ms(lambda m=maps: decode_people(m[0], m[1:], ORDER, DecodeConfig(fills_missing=False)))
        peaks = find_peaks(heatmaps, tags, min_score=0.1)
        peaks_ms = measure_ms(lambda h=heatmaps, t=tags: find_peaks(h, t, min_score=0.1))
        group_ms = measure_ms(lambda p=peaks: group_peaks(p, ORDER))
        start_s = time.perf_counter()
        expected, _ = decode_slowly(heatmaps, np.stack(tags, axis=-1))
        slow_ms = (time.perf_counter() - start_s) * 1000
        is_same = np.array_equal(expected[..., :2], found.keypoints_xy)
        print(
            f"  {name:<6} {size} px: all {whole} ms   without filling in {plain} ms   peaks {peaks_ms} ms   "
            f"grouping {group_ms} ms   step by step {slow_ms:.0f} ms   {len(expected)} people, "
            f"{'equal' if is_same else 'DIFFERENT'}"
        )


def draw_maps(size: int, missing: float, noise: float, apart: float) -> tuple[FloatArray, list[FloatArray]]:
    """Make heatmaps and tags of people standing in a grid, with a smooth background."""
    rng = np.random.default_rng(0)
    heatmaps = np.abs(rng.normal(0, 0.005, (K, size, size))).astype(np.float32)
    coarse = torch.from_numpy(rng.normal(0, 10, (2, K, size // 16, size // 16)).astype(np.float32))
    tags = list(torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear").numpy())
    offsets = np.arange(-7, 8)
    gaussian = np.exp(-(offsets[:, None] ** 2 + offsets**2) / 8)
    places = [(y, x) for y in range(5) for x in range(6)]
    for person in range(PEOPLE):
        for k in range(K):
            cell = size // 6
            y, x = (place * cell + 8 + rng.integers(0, cell - 16) for place in places[person])
            height = rng.uniform(0, 0.09) if rng.random() < missing else rng.uniform(0.2, 1)
            window = (k, slice(y - 7, y + 8), slice(x - 7, x + 8))
            heatmaps[window] = np.maximum(heatmaps[window], gaussian * height)
            for channel in tags:
                channel[window] = (person - PEOPLE / 2) * apart + rng.normal(0, noise, (15, 15))
    return heatmaps, tags


def decode_slowly(heatmaps: FloatArray, tags: FloatArray) -> tuple[FloatArray, list[float]]:
    """Run the public algorithm: peaks by a maximum filter over whole maps, the rest in loops."""
    maps = torch.from_numpy(heatmaps)
    kept = (maps * (torch.nn.functional.max_pool2d(maps[None], 5, 1, 2)[0] == maps)).flatten(1)
    cells = kept.topk(PEOPLE, dim=1).indices.numpy()
    width = heatmaps.shape[2]
    peaks = [[(int(cell % width), int(cell // width)) for cell in row] for row in cells]
    people = naive.group(heatmaps, tags, peaks, ORDER, 0.1, PEOPLE, 1.0)
    return naive.finish(heatmaps, tags, people)


def measure_ms(work: Callable[[], object]) -> str:
    """Measure the median and least time of one call in milliseconds, after one warm-up call."""
    work()
    times_s = []
    for _ in range(REPEATS):
        start_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - start_s)
    return f"{np.median(times_s) * 1000:5.1f} ({min(times_s) * 1000:.1f})"


if __name__ == "__main__":
    main()
