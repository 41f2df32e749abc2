"""Check that memory does not grow with the length of a video.

    python scripts/bench_memory.py [CLIP] [--recipe NAME] [--engine NAME]

Prints the peak memory of `posetrack run` on a clip repeated ten times and on the clip itself, each in a process
of its own. If the ratio exceeds 1.1, the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import av

BUNDLED = Path(__file__).parents[1] / "docs" / "media" / "street.mp4"
MOST_GROWTH = 1.1


def loop_video(clip: Path, times: int, out: Path) -> None:
    """Write a video that repeats a clip, without encoding it again."""
    with av.open(str(out), "w") as target:
        stream = None
        for i in range(times):
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream = target.add_stream_from_template(video)
                length = (video.duration or 0) + (video.start_time or 0)
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += i * length
                    packet.dts += i * length
                    packet.stream = stream
                    target.mux(packet)


def measure_peak_mib(video: Path, out: Path, options: list[str]) -> float:
    """Measure the peak memory of one run, in MiB."""
    command = [
        sys.executable,
        "-m",
        "posetrack.cli.entry",
        "run",
        str(video),
        "--out",
        str(out),
        "--quiet",
        *options,
    ]
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return usage.ru_maxrss / 1024


def main() -> int:
    """Print both peaks and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, default=BUNDLED)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--engine", default="auto")
    arguments = parser.parse_args()
    options = ["--recipe", arguments.recipe, "--engine", arguments.engine]
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        for times in (1, 10):
            video = Path(name) / f"loop{times}.mp4"
            loop_video(arguments.clip, times, video)
            peaks.append(measure_peak_mib(video, Path(name) / f"out{times}", options))
    growth = peaks[1] / peaks[0]
    print(
        f"{arguments.clip.name}, recipe {arguments.recipe}: peak memory {peaks[0]:.0f} MiB once, "
        f"{peaks[1]:.0f} MiB ten times over; ratio {growth:.2f} (at most {MOST_GROWTH})"
    )
    return int(growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
