"""Time the evaluation of dense poses from files to numbers: 300 people with 110 points, 600 results.

Run: python scripts/bench_densepose.py [--images 100] [--people 3] [--points 110] [--side 18]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from made_surfaces import make_files, make_mesh, write_mesh

from posetrack.evaluation.densepose.evaluate import evaluate_densepose
from posetrack.evaluation.densepose.mesh import read_mesh
from posetrack.evaluation.densepose.read import read_dense_results
from posetrack.evaluation.densepose.truth import read_surface_truth

PUBLIC_S = (3.4, 6.1, 6.9)
"""Seconds of the public tool for GPS, GPSm and IoU, a run each, on data of this size and two slow cores."""


def main() -> None:
    """Print the seconds of the parts and of the whole."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("images", 100), ("people", 3), ("points", 110), ("side", 18)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        write_mesh(make_mesh(np.random.default_rng(0), chosen.side), folder)
        files = make_files(
            0, chosen.images, num_people=chosen.people, num_points=chosen.points, image_wh=(640, 480)
        )
        for name, content in zip(("people", "results"), files, strict=True):
            (folder / f"{name}.json").write_text(json.dumps(content))
        times = [time.perf_counter()]
        mesh = read_mesh(folder)
        times.append(time.perf_counter())
        truth = read_surface_truth(folder / "people.json")
        times.append(time.perf_counter())
        results = read_dense_results(folder / "results.json", truth)
        times.append(time.perf_counter())
        evaluation = evaluate_densepose(truth, results, mesh)
        times.append(time.perf_counter())
    people = sum(len(image.people) for image in truth.images.values())
    values = ", ".join(f"{name} {evaluation.metrics[name]['AP']:.1f}" for name in ("GPS", "GPSM", "IOU"))
    print(f"{people} people, {len(results)} results, {24 * chosen.side**2} vertices; AP: {values}")
    for name, seconds in zip(("mesh", "people", "results", "evaluation"), np.diff(times), strict=True):
        print(f"  {name:<12} {seconds:6.2f} s")
    print(f"  {'whole':<12} {times[-1] - times[0]:6.2f} s  (wanted: a fifth of {sum(PUBLIC_S):.1f} s)")


if __name__ == "__main__":
    main()
