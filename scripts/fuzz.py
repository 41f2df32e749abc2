"""Read damaged files of every kind: each is read, or refused in one line.

    python scripts/fuzz.py [KIND ...] [--seconds 120] [--seed 0] [--workers 2] [--keep FOLDER]
    python scripts/fuzz.py [KIND ...] --again NUMBER [--seed 0]

Healthy files are made, damaged one at a time (`fuzzing/mutations.py`) and read by the commands and functions
that people use (`fuzzing/media.py`, `data_sets.py`). A finding is a traceback, a message that is none, a crash
of the process, no end within a minute, more than 2 GiB for a file of a few kilobytes, or threads and open files
that stay. The kinds take turns, so that each is tried equally often. A try is known by the kinds, the seed and
its number: `--again` repeats one, and shows its traceback. Exit code 1 if something was found; its files
are kept.
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random

from fuzzing.kind import Kind
from fuzzing.kinds import KINDS

_LONGEST_TRY_S = 60.0
_MOST_GROWTH_MIB = 2048
_MOST_LEFT = 20
_FIRST_TRIES = 2
"""Tries of each kind after which threads and open files are counted: libraries start theirs on first use."""


@dataclass(frozen=True)
class Plan:
    """What a worker tries.

    Attributes:
        kinds: Names of the kinds; try number i is of the i-th, over and over.
        seed: Decides with the number of a try how its file is damaged.
        folder: Where the healthy files of each kind are made, and damaged files are kept.
    """

    kinds: tuple[str, ...]
    seed: int
    folder: Path


class Inputs:
    """The healthy files of the kinds, in a folder of the worker's own."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._out = folder / "out"
        self._files: dict[str, list[Path]] = {}
        for name in plan.kinds:
            (folder / name).mkdir()
            self._files[name] = KINDS[name].make(folder / name)

    def read_damaged(self, number: int) -> None:
        """Damage a file as the number says, read it, and mend it.

        Raises:
            Exception: The finding. The damaged file is kept.
        """
        kind, rng = self.find_kind(number), Random(f"{self._plan.seed} {number}")
        path = rng.choice(self._files[kind.name])
        healthy = path.read_bytes()
        shutil.rmtree(self._out, ignore_errors=True)
        self._out.mkdir()
        path.write_bytes(rng.choice(kind.mutations)(healthy, rng))
        try:
            kind.read(path, self._out, rng)
        except BaseException:
            shutil.copy(path, self._plan.folder / f"{self._plan.seed}-{number}-{path.name}")
            raise
        finally:
            path.write_bytes(healthy)

    def find_kind(self, number: int) -> Kind:
        """The kind of a try."""
        return KINDS[self._plan.kinds[number % len(self._plan.kinds)]]


def work(plan: Plan, numbers: range, out: Connection) -> None:
    """Try numbers, in a process of its own; tells each number before it, and what was found after it."""
    logging.disable()
    # Libraries in C print what they make of a file.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    with tempfile.TemporaryDirectory() as name:
        inputs = Inputs(plan, Path(name))
        tried: Counter[str] = Counter()
        before = _count_left()
        for number in numbers:
            out.send((number, None))
            peak_mib = _read_peak_mib()
            problem = _try(inputs, number)
            kind = inputs.find_kind(number).name
            tried[kind] += 1
            left = _count_left()
            if tried[kind] <= _FIRST_TRIES:
                before = max(before, left)
            elif not problem and left > before + _MOST_LEFT:
                problem = f"{left - before} threads and open files stay"
                before = left
            growth_mib = _read_peak_mib() - peak_mib
            if not problem and growth_mib > _MOST_GROWTH_MIB:
                problem = f"took {growth_mib} MiB of memory"
            out.send((number, problem))


def _try(inputs: Inputs, number: int) -> str:
    """Try one number; returns what was found, empty if all was well."""
    try:
        inputs.read_damaged(number)
    except BaseException:  # noqa: BLE001, whatever passes is a finding
        return traceback.format_exc()
    return ""


def _count_left() -> int:
    """The number of threads and open files of this process."""
    gc.collect()
    return threading.active_count() + len(os.listdir("/proc/self/fd"))


def _read_peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class Worker:
    """A process that tries numbers; a new one takes over where it crashes or does not end.

    Args:
        plan: What to try.
        first: Its first number.
        step: The distance to its next ones.
    """

    def __init__(self, plan: Plan, first: int, step: int) -> None:
        self._plan = plan
        self._step = step
        self.num_tries = 0
        self._start(first)

    def _start(self, first: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe(duplex=False)
        numbers = range(first, sys.maxsize, self._step)
        self._process = context.Process(target=work, args=(self._plan, numbers, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._number = first
        self._since_s = time.monotonic() + _LONGEST_TRY_S

    def listen(self) -> str:
        """Take what the process has sent, or see that it is gone; returns what was found."""
        try:
            self._number, problem = self.connection.recv()
        except EOFError:
            self._process.join()
            return self._replace(f"the process ended with exit code {self._process.exitcode}")
        self._since_s = time.monotonic()
        if problem is None:
            return ""
        self.num_tries += 1
        return self._describe(problem) if problem else ""

    def check_end(self) -> str:
        """See whether the current try takes too long; returns what was found."""
        if time.monotonic() - self._since_s < _LONGEST_TRY_S:
            return ""
        return self._replace(f"no end within {_LONGEST_TRY_S:g} s")

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()

    def _replace(self, problem: str) -> str:
        self.stop()
        self.num_tries += 1
        described = self._describe(problem)
        self._start(self._number + self._step)
        return described

    def _describe(self, problem: str) -> str:
        kind = self._plan.kinds[self._number % len(self._plan.kinds)]
        return f"{kind}, try {self._number}: {problem}"


def search(plan: Plan, num_workers: int, seconds: float) -> tuple[int, list[str]]:
    """Try numbers on several processes for some time; returns the number of tries and the findings."""
    workers = [Worker(plan, i, num_workers) for i in range(num_workers)]
    findings = []
    end_s = time.monotonic() + seconds
    try:
        while time.monotonic() < end_s:
            ready = wait([worker.connection for worker in workers], 1.0)
            for problem in _listen_to(workers, ready):
                findings.append(problem)
                print(f"finding: {problem}", flush=True)
    finally:
        for worker in workers:
            worker.stop()
    return sum(worker.num_tries for worker in workers), findings


def _listen_to(workers: list[Worker], ready: list[object]) -> Iterator[str]:
    for worker in workers:
        problem = worker.listen() if worker.connection in ready else worker.check_end()
        if problem:
            yield problem


def main() -> int:
    """Search for findings, or repeat one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "posetrack-fuzz")
    parser.add_argument("--again", type=int, metavar="NUMBER")
    arguments = parser.parse_args()
    unknown = set(arguments.kinds) - set(KINDS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: no such kind; there are {', '.join(KINDS)}")
    arguments.keep.mkdir(parents=True, exist_ok=True)
    plan = Plan(tuple(arguments.kinds or KINDS), arguments.seed, arguments.keep)
    if arguments.again is not None:
        with tempfile.TemporaryDirectory() as name:
            Inputs(plan, Path(name)).read_damaged(arguments.again)
        print(f"try {arguments.again}: all is well")
        return 0
    num_tries, findings = search(plan, arguments.workers, arguments.seconds)
    print(f"{num_tries} damaged files of {len(plan.kinds)} kinds, seed {plan.seed}: {len(findings)} findings")
    if findings:
        print(f"the files are in {plan.folder}")
    return int(bool(findings) or not num_tries)


if __name__ == "__main__":
    sys.exit(main())
