"""`posetrack live` from the command line, on the bundled clip."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from servers.streams import MjpegServer, SilentServer

from posetrack.cli.main import main
from posetrack.cli.serve_options import read_address
from posetrack.errors import PoseTrackError

ROOT = Path(__file__).parents[3]
CLIP = ROOT / "docs" / "media" / "street.mp4"
ENTRY = "from posetrack.cli.entry import main; main()"
LOADING = re.compile(r"posetrack: recipe [\w-]+: loading .+\n")
PATIENCE_S = 60.0
LIVE = ["--json", "-", "--recipe", "fast", "--quiet", "--device", "cpu"]


def run_cli(*arguments: object) -> int:
    """Run `posetrack live ARGUMENTS` in this process; returns the exit code."""
    before = sys.argv
    sys.argv = ["posetrack", "live", *map(str, arguments)]
    try:
        main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    finally:
        sys.argv = before
    return 0


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts `posetrack live ARGUMENTS` as a process of its own."""
    started: list[subprocess.Popen] = []

    def start_one(*arguments: object, **options) -> subprocess.Popen:
        command = [sys.executable, "-c", ENTRY, "live", *map(str, arguments)]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT} | options
        process = subprocess.Popen(command, env=os.environ | {"COLUMNS": "200"}, **options)
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE_S)


def read_lines(text: str) -> list[dict]:
    header, *records = map(json.loads, text.splitlines())
    assert header["schema"] == "posetrack/1"
    return records


def count_images(path: Path) -> int:
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


def test_a_clip_becomes_json_lines_and_a_recording(tmp_path, capfd):
    out = tmp_path / "out.mp4"
    assert run_cli(CLIP, "--recipe", "fast", "--json", "-", "--record", out, "--mirror", "--speed", 2) == 0
    printed = capfd.readouterr()
    records = read_lines(printed.out)
    indexes = [record["frame"] for record in records]
    assert indexes == sorted(set(indexes))
    assert indexes[-1] == 114, "as far as the last image"
    assert any(record["people"] for record in records)
    assert "fps, latency " in printed.err
    assert "dropped, recipe fast, recording" in printed.err
    assert count_images(out) == len(records)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("layers", "least", "most"),
    [
        (["--no-boxes", "--no-ids", "--no-skeletons"], 0.9, 1.1),
        (["--no-boxes", "--no-ids", "--no-skeletons", "--blur-faces"], 0, 0.7),
        (["--no-boxes", "--no-ids"], 1.5, 10),
    ],
)
def test_layers_are_chosen(tmp_path, capfd, layers, least, most):
    out = tmp_path / "out.mp4"
    assert run_cli(CLIP, *LIVE, "--record", out, "--speed", 2, *layers) == 0
    records = read_lines(capfd.readouterr().out)
    originals, drawn = read_images(CLIP), read_images(out)
    assert len(drawn) == len(records)
    contrasts = []
    for record, image in zip(records, drawn, strict=True):
        for person in record["people"][:1]:
            x, y = map(int, person["keypoints"][0][:2])
            face = np.s_[max(y - 12, 0) : y + 12, max(x - 12, 0) : x + 12]
            contrasts.append(image[face].std() / originals[record["frame"]][face].std())
    assert least <= np.mean(contrasts) <= most


def read_images(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def test_it_runs_for_as_long_as_it_is_told(capfd):
    assert run_cli(CLIP, *LIVE, "--loop", "--duration", 3, "--speed", 3) == 0
    printed = capfd.readouterr()
    records = read_lines(printed.out)
    assert len(records) >= 1
    assert printed.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope.mp4"], "nope.mp4: no such camera or file"),
        ([CLIP, "--recipe", "fasst"], "fasst: no such recipe; did you mean 'fast'?"),
        ([CLIP, "--weights", "w.safetensors"], "neither a file nor weights that PoseTrack knows"),
        ([CLIP, "--recipe", "hrnet-w32", "--weights", "no.safetensors"], "no.safetensors: neither a file"),
        ([CLIP, "--device", "tpu"], "--device tpu: no such device"),
        ([CLIP, "--json", "out.jsonl"], "--json out.jsonl: only '-' is known"),
        ([CLIP, "--record", "README.md"], "README.md: is there already"),
        ([CLIP, "--record", CLIP], ": is the input itself; use another --record"),
        ([CLIP, "--record", "docs"], "docs: is a folder, and a file is written; give its name with --record"),
        ([CLIP, "--record", "no/out.mp4"], "no/out.mp4: there is no such folder"),
        ([CLIP, "--serve", "here"], "--serve here: expected PORT or HOST:PORT"),
        (["http://127.0.0.1:9/live"], "Connection refused; check the address"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(arguments, message, monkeypatch, capfd):
    monkeypatch.chdir(ROOT)
    assert run_cli("--recipe", "fast", "--device", "cpu", *arguments) == 1
    printed = capfd.readouterr()
    assert message in printed.err
    assert LOADING.sub("", printed.err).count("\n") == 1
    assert "Traceback" not in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("arguments", [["--speed", "0"], ["--duration", "-1"], ["--nonsense"]])
def test_arguments_that_make_no_sense_are_exit_code_2(arguments, capfd):
    assert run_cli(CLIP, *arguments) == 2
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8000", ("127.0.0.1", 8000)),
        (":80", ("127.0.0.1", 80)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:9", ("::1", 9)),
        ("localhost:8000", ("localhost", 8000)),
    ],
)
def test_addresses(text, expected):
    assert read_address(text) == expected


@pytest.mark.parametrize("text", ["", "host", "host:", "1:99999", "1:-1", "²"])
def test_addresses_that_are_none(text):
    with pytest.raises(PoseTrackError, match="expected PORT or HOST:PORT"):
        read_address(text)


def test_ctrl_c_leaves_whole_files_and_130(start, tmp_path):
    out = tmp_path / "out.mp4"
    process = start(CLIP, "--recipe", "fast", "--json", "-", "--record", out, "--loop", "--device", "cpu")
    lines = [process.stdout.readline() for _ in range(8)]
    pressed_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest, error = process.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - pressed_s < 5
    assert process.returncode == 130
    assert "Traceback" not in error.decode()
    assert LOADING.sub("", error.decode()).count("\n") == 2, "the numbers"
    assert error.endswith(b"posetrack: interrupted\n")
    records = read_lines((b"".join(lines) + rest).decode())
    assert count_images(out) == len(records)
    assert list(tmp_path.iterdir()) == [out]


def test_a_reader_who_goes_away_ends_it_in_silence(start, tmp_path):
    out = tmp_path / "out.mp4"
    process = start(CLIP, "--record", out, "--loop", *LIVE)
    for _ in range(3):
        process.stdout.readline()
    process.stdout.close()
    process.wait(PATIENCE_S)
    assert process.stderr.read() == b""
    assert process.returncode == 1
    assert count_images(out) >= 1


def test_a_reader_who_reads_no_more_does_not_hold_ctrl_c(start):
    process = start(CLIP, *LIVE, "--loop", "--smooth")
    # As small as a pipe can be, so that it is full at once.
    if sys.platform == "linux":
        fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, 4096)
    process.stdout.readline()
    time.sleep(1)
    pressed_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE_S)
    assert time.monotonic() - pressed_s < 5
    assert process.returncode == 130
    assert b"Traceback" not in process.stderr.read()


@pytest.fixture
def press_ctrl_c_when() -> Iterator[Callable[[Callable[[], bool]], list[float]]]:
    """Presses Ctrl-C in this process once something is so; the list then has the moment."""
    is_over = threading.Event()
    threads: list[threading.Thread] = []
    # A shell that starts the tests in the background has them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def prepare(condition: Callable[[], bool]) -> list[float]:
        pressed_s: list[float] = []

        def work() -> None:
            while not is_over.wait(0.02):
                if condition():
                    pressed_s.append(time.monotonic())
                    os.kill(os.getpid(), signal.SIGINT)
                    return

        threads.append(threading.Thread(target=work))
        threads[0].start()
        return pressed_s

    yield prepare
    is_over.set()
    threads[0].join(PATIENCE_S)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_connecting(press_ctrl_c_when, capfd):
    with SilentServer("http") as server:
        pressed_s = press_ctrl_c_when(lambda: server.num_connections > 0)
        assert run_cli(server.url, *LIVE) == 130
        assert time.monotonic() - pressed_s[0] < 3
    assert capfd.readouterr().err == ""


def test_ctrl_c_while_the_source_is_lost(press_ctrl_c_when, capfd, caplog):
    server = MjpegServer()
    server.last = 20

    def is_lost() -> bool:
        return any("connecting again" in record.getMessage() for record in caplog.records)

    with server:
        pressed_s = press_ctrl_c_when(is_lost)
        assert run_cli(server.url, *LIVE) == 130
        assert time.monotonic() - pressed_s[0] < 3
    assert capfd.readouterr().err == ""
