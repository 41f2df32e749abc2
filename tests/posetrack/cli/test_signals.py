"""Ctrl-C and SIGTERM, and sources that fall silent: real processes, pipes and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
ENTRY = "from posetrack.cli.entry import main; main()"
START_S = 120.0
# The promise is 3 s, on a machine that does nothing else.
LIMIT_S = 20.0

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python code as a process of its own, with its standard error as a pipe."""
    started: list[subprocess.Popen[str]] = []

    def start_one(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=LIMIT_S)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """A named pipe with a producer that holds it open in silence, after 40 images of a clip with sound."""
    path = tmp_path / "pipe.mkv"
    os.mkfifo(path)
    whole = tmp_path / "whole.mkv"
    with av.open(str(CLIP)) as source, av.open(str(whole), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream("aac", rate=48000, layout="mono")
        for packet in source.demux(video=0):
            if packet.dts is not None and packet.pts * packet.time_base < 2:
                packet.stream = video
                out.mux(packet)
        for i in range(80):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="flt", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, 1024 * i, Fraction(1, 48000)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    # Read and write: opening waits for no reader, and the end never comes.
    descriptor = os.open(path, os.O_RDWR)
    feeder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys, time; sys.stdout.buffer.write(open({str(whole)!r}, 'rb').read()); "
            "sys.stdout.flush(); time.sleep(600)",
        ],
        stdout=descriptor,
    )
    yield path
    feeder.kill()
    feeder.wait()
    os.close(descriptor)


def wait_for_frames(poses: Path, count: int, process: subprocess.Popen[str]) -> None:
    limit_s = time.monotonic() + START_S
    while not (poses.exists() and poses.read_bytes().count(b"\n") > count):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit_s
        time.sleep(0.05)


def read_frames(poses: Path) -> list[int]:
    _, *records = map(json.loads, poses.read_text().splitlines())
    return [record["frame"] for record in records]


def count_images(path: Path) -> int:
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


def test_ctrl_c_ends_a_run_whose_pipe_is_silent(start: Start, pipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(ENTRY, "run", pipe, "--recipe", "fast", "--out", out, "--format", "mot")
    wait_for_frames(out / "poses.jsonl", 16, process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert error.endswith("posetrack: interrupted\n")
    assert "Traceback" not in error
    assert "its sound could only be read by opening it again" in error
    frames = read_frames(out / "poses.jsonl")
    assert frames == list(range(len(frames)))
    assert count_images(out / "overlay.mp4") == len(frames) >= 16
    assert {path.name for path in out.iterdir()} == {"poses.jsonl", "overlay.mp4", "mot.txt"}


def test_a_silent_pipe_ends_at_the_time_out_with_its_frames(start: Start, pipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(ENTRY, "run", pipe, "--recipe", "fast", "--out", out, "--timeout", 4, "--quiet")
    _, error = process.communicate(timeout=START_S)
    assert process.returncode == 1
    assert error.splitlines()[-1] == (
        f"posetrack: {pipe}: no data for 4 s; check that it is there and sending, or allow more with --timeout"
    )
    assert "Traceback" not in error
    frames = read_frames(out / "poses.jsonl")
    assert count_images(out / "overlay.mp4") == len(frames) >= 16


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_pipe_that_nobody_writes_to_is_left(start: Start, tmp_path: Path, how: signal.Signals) -> None:
    path = tmp_path / "pipe.mkv"
    os.mkfifo(path)
    process = start(ENTRY, "convert", path, "--to", "mot")
    time.sleep(3)
    process.send_signal(how)
    _, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert error == "posetrack: interrupted\n"


PREPARE = """
import ctypes, os, signal, sys, time
from posetrack.cli.signals import handle_signals
from posetrack.interruption import finishing, raise_if_interrupted
handle_signals()
"""
READY = "print('ready', flush=True);"
# Blocked signals do not break off a call in C, as none does in FFmpeg; another thread receives them.
STUCK = PREPARE + "signal.pthread_sigmask(signal.SIG_BLOCK, {2, 15}); " + READY + "ctypes.CDLL(None).sleep(60)"
FINISHING = PREPARE + "with finishing(): " + READY + "time.sleep(1); print('whole', flush=True); time.sleep(60)"
LOST = (
    PREPARE
    + """
class Leaving:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(2)  # The KeyboardInterrupt comes here, where Python ignores it.
sys.stderr = open(os.devnull, "w")
leaving = Leaving()
del leaving
while True:
    time.sleep(0.1)
    raise_if_interrupted()
"""
)


def test_a_main_thread_that_is_stuck_is_left(start: Start) -> None:
    process = start(STUCK)
    process.stdout.readline()
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, error) == (130, "posetrack: interrupted\n")


def test_the_second_signal_ends_at_once_also_while_files_are_finished(start: Start) -> None:
    process = start(FINISHING)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "whole\n", "the first one lets them be finished"
    process.send_signal(signal.SIGTERM)
    process.wait(LIMIT_S)
    assert process.returncode == 130


def test_two_signals_in_one_moment_are_one(start: Start) -> None:
    """`timeout` signals the process and its group."""
    process = start(FINISHING)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "whole\n"


def test_an_interruption_that_python_lost_is_raised_again(start: Start) -> None:
    process = start(LOST)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.wait(LIMIT_S)
    assert process.returncode == -signal.SIGINT, "by a KeyboardInterrupt of its own, before anyone else ends it"


def test_a_forked_child_has_signals_of_its_own(start: Start) -> None:
    """Those of the child do not count as its parent's."""
    code = PREPARE + (
        READY + "child = os.fork()\n"
        "if not child: time.sleep(15)\n"
        "time.sleep(1); os.kill(child, signal.SIGTERM)\n"
        "print(os.waitpid(child, 0)[1], flush=True)\n"
        "time.sleep(3); print('whole', flush=True)"
    )
    process = start(code)
    out, _ = process.communicate(timeout=LIMIT_S)
    assert out.split() == ["ready", str(int(signal.SIGTERM)), "whole"]
