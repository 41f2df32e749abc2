"""Time the start of a run whose networks are in the cache, against importing torch and OpenVINO alone.

CPU time of a whole `posetrack run` of one frame, to its end, as a ratio.

Run: python scripts/bench_startup.py [VIDEO] [--recipe default --recipe fast] [--times 6]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

WANTED_RATIO = 1.3
CLIP = Path(__file__).parent.parent / "docs" / "media" / "street.mp4"
IMPORTS = ("-c", "import torch, openvino")


def main() -> None:
    """Print the seconds of the imports and of each recipe."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", nargs="?", type=Path, default=CLIP)
    parser.add_argument("--recipe", action="append", help="by default, default and fast")
    parser.add_argument("--times", type=int, default=6)
    chosen = parser.parse_args()
    recipes = chosen.recipe or ["default", "fast"]
    with tempfile.TemporaryDirectory() as folder:
        commands: dict[str, Sequence[str]] = {"imports alone": IMPORTS}
        for recipe in recipes:
            options = (str(chosen.video), "--end", "0.01", "--recipe", recipe, "--out", folder, "--overwrite")
            commands[recipe] = ("-m", "posetrack", "run", *options)
        took: dict[str, list[float]] = {name: [] for name in commands}
        # The first time fills the caches: of networks, and of Python's own.
        for turn in range(chosen.times + 1):
            for name, command in commands.items():
                seconds = run(command)
                if turn:
                    took[name].append(seconds)
    alone_s = statistics.median(took["imports alone"])
    ratios = {name: statistics.median(times) / alone_s for name, times in took.items()}
    for name, times in took.items():
        print(f"{name}: {statistics.median(times):.2f} s of CPU time, {ratios[name]:.2f} of the imports")
    print(f"wanted: up to the first frame at most {WANTED_RATIO} of the imports")


def run(command: Sequence[str]) -> float:
    """Run Python; returns the seconds of CPU time that it took."""
    # Python's own cache as users have it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, env=environment, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
