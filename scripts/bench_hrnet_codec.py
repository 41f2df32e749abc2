"""Time the encoding and decoding of heatmaps: 100 people, 17 keypoints, 64 x 48 cells.

Run: python scripts/bench_hrnet_codec.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import torch

from models.hrnet.codec import CODING_256X192, average_flipped, decode_heatmaps, encode_heatmaps

PEOPLE, K = 100, 17
REPEATS = 50
Kind = Literal["offset", "dark", "udp"]


def main() -> None:
    """Print the median times of encoding, decoding and averaging with mirrored heatmaps, for each coding."""
    rng = torch.Generator().manual_seed(0)
    points = torch.rand(PEOPLE, K, 2, generator=rng) * torch.tensor([192.0, 256.0])
    weights = torch.ones(PEOPLE, K)
    noise = torch.randn(PEOPLE, K, 64, 48, generator=rng) / 50
    print(f"{PEOPLE} people, {K} keypoints, {torch.get_num_threads()} threads, median (least) of {REPEATS}:")
    for kind in get_args(Kind):
        coding = replace(CODING_256X192, kind=kind)
        heatmaps = encode_heatmaps(points, weights, coding)[0] + noise
        decode = measure_ms(lambda h=heatmaps, c=coding: decode_heatmaps(h, c))
        encode = measure_ms(lambda c=coding: encode_heatmaps(points, weights, c))
        average = measure_ms(lambda h=heatmaps, c=coding: average_flipped(h, h, range(K), c))
        print(f"  {kind:<7} decode {decode} ms (wanted: < 5)   encode {encode} ms   average {average} ms")


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
