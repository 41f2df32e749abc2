"""Try faults of the machine and of other machines on the commands: nothing that was written is lost.

    python scripts/faults.py [NAME ...] [--times 1] [--seed 0]

Each fault is a function of `faulting/kills.py` or `faulting/machine.py`, and happens at a moment, or in a way,
that the seed decides. Each works in a folder of its own, which stays if the fault was not borne. Exit code 1 if
one was not. All of them take some minutes on two cores.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from faulting import kills, machine
from faulting.commands import FaultError

FAULTS: dict[str, Callable[[Path, Random], None]] = {
    "kill-run": kills.kill_run,
    "kill-stitched-run": kills.kill_stitched_run,
    "kill-live": kills.kill_live,
    "kill-train": kills.kill_train,
    "kill-convert": kills.kill_convert,
    "kill-evaluation": kills.kill_evaluation,
    "kill-fetch": kills.kill_fetch,
    "full-disk": machine.fill_disk,
    "descriptors": machine.use_descriptors,
    "silent-pipe": machine.interrupt_silent_pipe,
    "silent-server": machine.interrupt_silent_server,
    "time-out": machine.time_out,
    "slow-server": machine.read_slow_server,
    "lying-server": machine.read_lies,
}


def try_fault(name: str, seed: str) -> bool:
    """Try one fault; returns whether it was borne, and prints a line."""
    folder = Path(tempfile.mkdtemp(prefix=f"posetrack-{name}-"))
    begin_s = time.monotonic()
    try:
        FAULTS[name](folder, Random(seed))
    except FaultError as error:
        print(f"{name}, seed {seed}: NOT BORNE: {error}\n  in {folder}", flush=True)
        return False
    print(f"{name}, seed {seed}: borne ({time.monotonic() - begin_s:.0f} s)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    return True


def main() -> int:
    """Try the faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FAULTS))
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(FAULTS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: no such fault; there are {', '.join(FAULTS)}")
    names = arguments.names or list(FAULTS)
    borne = [try_fault(name, f"{arguments.seed}.{i}") for i in range(arguments.times) for name in names]
    print(f"{sum(borne)} of {len(borne)} faults were borne")
    return int(not all(borne))


if __name__ == "__main__":
    sys.exit(main())
