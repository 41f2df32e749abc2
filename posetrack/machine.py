"""What a machine is and how busy it is, to be named beside measured times."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def describe_machine() -> str:
    """Name the processor and the number of its cores."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        fields = (line.partition(":") for line in _CPU_INFO.read_text().splitlines())
        name = next((value.strip() for key, _, value in fields if key.strip() == "model name"), name)
    cores = os.cpu_count() or 1
    return f"{name}, {cores} core{'' if cores == 1 else 's'}"


def read_load() -> float:
    """How many threads have run or waited for a core, of all processes, on average over the last minute."""
    return os.getloadavg()[0]
