"""Commands of PoseTrack as processes that are limited, interrupted and killed; and what they may say."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CLIP = Path(__file__).parents[2] / "docs" / "media" / "street.mp4"
LONGEST_S = 120.0
_LONGEST_LINE = 1000


class FaultError(Exception):
    """A command did not bear a fault as it should."""


@dataclass(frozen=True)
class Limits:
    """What a process may use at most; None for no limit.

    Attributes:
        file_bytes: Size of a file it writes; further writes fail, as on a full disk.
        descriptors: Open files and sockets.
    """

    file_bytes: int | None = None
    descriptors: int | None = None

    def apply(self) -> None:
        """Set the limits, in the process itself before its program starts."""
        if self.file_bytes is not None:
            # Without this the signal, not the error, would end the process.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_bytes, self.file_bytes))
        if self.descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes:
        code: Exit code; negative for the signal that killed it.
        said: What it wrote to stdout and stderr.
        seconds: How long it ran, or since the signal if one was sent.
    """

    code: int
    said: str
    seconds: float

    def expect(self, *codes: int) -> None:
        """Check the exit code, and that a failure is said in one line.

        Raises:
            FaultError: The code is another, or there is a traceback or no message.
        """
        last = self.said.rstrip().rpartition("\n")[2]
        if self.code not in codes or "Traceback" in self.said:
            raise FaultError(f"exit code {self.code} after {self.seconds:.1f} s: {self.said[-3000:]}")
        if self.code == 1 and not (last.startswith("posetrack: ") and len(last) <= _LONGEST_LINE):
            raise FaultError(f"exit code 1 without a line that says why: {self.said[-3000:]!r}")


@dataclass
class Command:
    """A running `posetrack` command.

    Attributes:
        process: The process.
        said: The file that its output goes to.
        started_s: `time.monotonic()` at its start.
    """

    process: subprocess.Popen[bytes]
    said: Path
    started_s: float

    def kill_after(self, seconds: float, number: int = signal.SIGKILL) -> Outcome:
        """Send a signal some time after the start, unless it has ended by then, and wait for the end."""
        try:
            self.process.wait(max(0.0, self.started_s + seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> Outcome:
        """Wait for the end.

        Raises:
            FaultError: There is none within two minutes; the process is killed.
        """
        since_s = time.monotonic()
        try:
            code = self.process.wait(LONGEST_S)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            self.process.wait()
            raise FaultError(f"no end within {LONGEST_S:g} s: {self.said.read_text()[-3000:]}") from error
        said = self.said.read_text(errors="replace")
        return Outcome(code, said, time.monotonic() - since_s)


@contextmanager
def start(
    folder: Path, *arguments: object, limits: Limits | None = None, stdin: IO[bytes] | int | None = None
) -> Iterator[Command]:
    """Start `posetrack ARGUMENTS` in a folder; what still runs at the end is killed."""
    program = [sys.executable, "-m", "posetrack", *map(str, arguments)]
    with _start(folder, program, limits or Limits(), subprocess.DEVNULL if stdin is None else stdin) as command:
        yield command


@contextmanager
def start_program(folder: Path, code: str) -> Iterator[Command]:
    """Start a program of Python in a folder; what still runs at the end is killed."""
    with _start(folder, [sys.executable, "-c", code], Limits(), subprocess.DEVNULL) as command:
        yield command


def run(folder: Path, *arguments: object, limits: Limits | None = None) -> Outcome:
    """Run `posetrack ARGUMENTS` to its end."""
    with start(folder, *arguments, limits=limits) as command:
        return command.wait()


@contextmanager
def _start(folder: Path, program: Sequence[str], limits: Limits, stdin: IO[bytes] | int) -> Iterator[Command]:
    said = folder / f"said-{time.monotonic_ns()}.txt"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "no_proxy": "*"}
    with said.open("wb") as output:
        process = subprocess.Popen(
            program,
            cwd=folder,
            env=environment,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=limits.apply,  # noqa: PLW1509, the limits are set without locks
        )
    try:
        yield Command(process, said, time.monotonic())
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
