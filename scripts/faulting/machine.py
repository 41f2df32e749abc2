"""Full disks, few descriptors, silent sources, servers that are slow or lie: what is done is kept."""

from __future__ import annotations

import os
import signal
import socket
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random

from faulting.commands import CLIP, FaultError, Limits, run, start
from faulting.servers import LIES, cut_off, read_bytes, say, send_slowly, serve, stay_silent
from posetrack.results.jsonl import read_jsonl

_FAST = ("--recipe", "fast", "--quiet")
_LONGEST_END_S = 10.0
"""Three seconds are promised on a machine that does nothing else."""


def fill_disk(folder: Path, rng: Random) -> None:
    """A disk that is full in the middle of a run: one line, and the poses so far are whole."""
    limits = Limits(file_bytes=rng.randrange(2_000, 60_000))
    run(folder, "run", CLIP, *_FAST, "--out", "out", limits=limits).expect(1)
    poses = folder / "out" / "poses.jsonl"
    if poses.exists() and poses.stat().st_size:
        for _ in read_jsonl(poses)[1]:
            pass
    run(folder, "run", CLIP, *_FAST, "--out", "out", "--resume", "--end", "1").expect(0, 1)


def use_descriptors(folder: Path, rng: Random) -> None:
    """More connections than a live session has descriptors: it goes on, and serves viewers afterwards."""
    port = _find_port()
    live = ("live", CLIP, "--loop", *_FAST, "--serve", f"127.0.0.1:{port}", "--record", "a.mp4")
    with start(folder, *live, limits=Limits(descriptors=200)) as command, ExitStack() as stack:
        _wait_for(port, 60)
        for _ in range(rng.randrange(200, 400)):
            with suppress(OSError):
                one = stack.enter_context(socket.create_connection(("127.0.0.1", port), 1))
                one.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        time.sleep(10)
        if command.process.poll() is not None:
            raise FaultError(f"the session has ended: {command.said.read_text()[-2000:]}")
        _wait_for(port, 30)
        outcome = command.kill_after(0, signal.SIGINT)
        outcome.expect(0, 130)
        if outcome.said.count("\n") > 50:
            raise FaultError(f"{outcome.said.count(chr(10))} lines were logged: {outcome.said[:2000]}")


def interrupt_silent_pipe(folder: Path, rng: Random) -> None:
    """A pipe that falls silent: the first signal ends the run, and what was finished is kept."""
    head = read_bytes(_make_matroska(folder))
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source:
        with start(folder, "run", "/dev/stdin", *_FAST, "--out", "out", stdin=source) as command:
            os.write(writer, head[: rng.randrange(2_000, min(60_000, len(head)))])
            outcome = command.kill_after(rng.uniform(4, 12), rng.choice((signal.SIGINT, signal.SIGTERM)))
        os.close(writer)
    outcome.expect(130, -signal.SIGINT, -signal.SIGTERM)
    _check_seconds(outcome.seconds)


def interrupt_silent_server(folder: Path, rng: Random) -> None:
    """A server that accepts and never answers: the first signal ends the run."""
    with (
        serve(stay_silent) as port,
        start(folder, "run", f"http://127.0.0.1:{port}/a.mp4", *_FAST, "--out", "out") as command,
    ):
        outcome = command.kill_after(rng.uniform(3, 8), signal.SIGTERM)
    outcome.expect(130, -signal.SIGTERM)
    _check_seconds(outcome.seconds)


def time_out(folder: Path, rng: Random) -> None:
    """A server that falls silent, with `--timeout`: one line."""
    with serve(stay_silent) as port:
        run(folder, "run", f"http://127.0.0.1:{port}/a.mp4", *_FAST, "--timeout", "2").expect(1)


def read_slow_server(folder: Path, rng: Random) -> None:
    """A slow server, and one that closes too early: every frame that has come is kept."""
    data = read_bytes(_make_matroska(folder))
    with serve(send_slowly(data, 200_000)) as port:
        run(folder, "run", f"http://127.0.0.1:{port}/a.mkv", *_FAST, "--out", "slow").expect(0)
    with serve(cut_off(data, rng.uniform(0.2, 0.9))) as port:
        run(folder, "run", f"http://127.0.0.1:{port}/a.mkv", *_FAST, "--out", "cut").expect(0, 1)
    slow, cut = (sum(1 for _ in read_jsonl(folder / name / "poses.jsonl")[1]) for name in ("slow", "cut"))
    if not 0 < cut < slow:
        raise FaultError(f"{cut} frames of a part, {slow} of the whole")


def read_lies(folder: Path, rng: Random) -> None:
    """Servers that answer anything but a file: one line, of a run and of a download."""
    name = rng.choice(list(LIES))
    with serve(say(LIES[name])) as port:
        address = f"http://user:pw-secret@127.0.0.1:{port}"
        watched = run(folder, "run", f"{address}/a.mp4", *_FAST, "--timeout", "5")
        fetched = run(folder, "weights", "fetch", "hrnet-w32-coco-256x192", "--mirror", address)
    for outcome in (watched, fetched):
        try:
            outcome.expect(1)
        except FaultError as error:
            raise FaultError(f"{name}: {error}") from error
        if "pw-secret" in outcome.said:
            raise FaultError(f"{name}: the password is shown: {outcome.said}")


def _make_matroska(folder: Path) -> Path:
    """The bundled clip in a container that can be read from a pipe."""
    import av

    path = folder / "clip.mkv"
    with av.open(str(CLIP)) as source, av.open(str(path), "w") as target:
        video = source.streams.video[0]
        stream = target.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path


def _find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_for(port: int, seconds: float) -> None:
    """Wait until the live session answers."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.3)
    raise FaultError(f"the session does not answer within {seconds:g} s")


def _check_seconds(seconds: float) -> None:
    if seconds > _LONGEST_END_S:
        raise FaultError(f"it ended {seconds:.1f} s after the signal")
