"""Attack a live session from its port for a while, and measure that it stays as it is.

    python scripts/attack_live.py [CLIP] [--minutes N] [--only NAME ...]

Starts `posetrack live CLIP --loop` with a page and a recording, as a process of its own that may open 200
files, and lets some attackers at its port, one after another for 20 s each and then all together. An honest
viewer watches all the time and is counted; `/healthz` is asked every second. Memory, threads and open files of
the session are printed. The exit code is 1 if the session ends, memory grows by more than 64 MiB or threads or
files by more than 20 from the second measurement on, an honest request fails more than 3 times in a row, more
than 8 lines a minute are logged or the recording does not play.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import av
from faulting.attacks import ATTACKS, attack

BUNDLED = Path(__file__).parents[1] / "docs" / "media" / "street.mp4"
NUM_FILES = 200
EACH_S = 20.0
MOST_GROWTH_MIB = 64.0
MOST_GROWTH = 20
MOST_FAILURES = 3
NUM_KINDS = 8
START_S = 120.0


@dataclass
class Honest:
    """What an honest viewer and an honest client saw."""

    num_images: int = 0
    num_answers: int = 0
    num_failures: int = 0
    num_in_a_row: int = 0
    most_in_a_row: int = 0
    slowest_s: float = 0.0

    async def watch(self, port: int) -> None:
        """Watch, and connect again when disconnected."""
        async with aiohttp.ClientSession() as client:
            while True:
                with suppress(aiohttp.ClientError, TimeoutError, OSError):
                    await self._watch_once(client, port)
                await asyncio.sleep(0.5)

    async def _watch_once(self, client: aiohttp.ClientSession, port: int) -> None:
        async with client.ws_connect(f"http://127.0.0.1:{port}/ws") as ws:
            number = None
            async for message in ws:
                if message.type is aiohttp.WSMsgType.TEXT:
                    number = message.json().get("image")
                elif message.type is aiohttp.WSMsgType.BINARY:
                    self.num_images += 1
                    await ws.send_json({"ack": number})

    async def ask(self, port: int) -> None:
        """Ask every second, each time over a connection of its own."""
        while True:
            begin_s = time.monotonic()
            try:
                async with (
                    aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as client,
                    client.get(f"http://127.0.0.1:{port}/healthz") as answer,
                ):
                    await answer.text()
                self.num_answers, self.num_in_a_row = self.num_answers + 1, 0
                self.slowest_s = max(self.slowest_s, time.monotonic() - begin_s)
            except (aiohttp.ClientError, TimeoutError, OSError):
                self.num_failures += 1
                self.num_in_a_row += 1
                self.most_in_a_row = max(self.most_in_a_row, self.num_in_a_row)
            await asyncio.sleep(1)


def measure(pid: int) -> tuple[float, int, int]:
    """Memory in MiB, number of threads and of open files of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    rss_mib = int(status.split("VmRSS:")[1].split()[0]) / 1024
    return rss_mib, len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd"))


async def run(port: int, process: subprocess.Popen[bytes], seconds: float, names: list[str]) -> list[str]:
    """Attack for a while; returns the faults."""
    honest = Honest()
    viewers = [asyncio.create_task(honest.watch(port)), asyncio.create_task(honest.ask(port))]
    looks: list[tuple[float, int, int]] = []
    end_s, position = time.monotonic() + seconds, 0
    while time.monotonic() < end_s and process.poll() is None:
        chosen = names if position % (len(names) + 1) == len(names) else [names[position % (len(names) + 1)]]
        position += 1
        attackers = [asyncio.create_task(attack(name, port)) for name in chosen]
        num_before = honest.num_images
        await asyncio.sleep(min(EACH_S, end_s - time.monotonic()))
        for task in attackers:
            task.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
        if process.poll() is None:
            looks.append(measure(process.pid))
            print(
                f"{'+'.join(chosen) if len(chosen) < 3 else 'all':>10}: {looks[-1][0]:6.0f} MiB, "
                f"{looks[-1][1]} threads, {looks[-1][2]} files, {honest.num_images - num_before} images seen",
                flush=True,
            )
    for task in viewers:
        task.cancel()
    await asyncio.gather(*viewers, return_exceptions=True)
    print(honest)
    faults = [] if process.poll() is None else [f"the session ended with {process.returncode}"]
    if honest.most_in_a_row > MOST_FAILURES:
        faults.append(f"{honest.most_in_a_row} honest requests failed in a row")
    for place, (name, most) in enumerate(
        (("memory", MOST_GROWTH_MIB), ("threads", MOST_GROWTH), ("files", MOST_GROWTH))
    ):
        values = [look[place] for look in looks[1:]]
        if values and values[-1] - values[0] > most:
            faults.append(f"{name} grew from {values[0]:.0f} to {values[-1]:.0f}")
    return faults


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the port is served."""
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.3)
    raise SystemExit("the session did not start")


def main() -> int:
    """Print the measurements; exit code 1 if there are faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, default=BUNDLED)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", nargs="+", choices=ATTACKS, default=list(ATTACKS), metavar="NAME")
    arguments = parser.parse_args()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
        free.close()
        said, recording = Path(name) / "said.txt", Path(name) / "out.mp4"
        options = ["--loop", "--recipe", "fast", "--quiet", "--record", str(recording)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (NUM_FILES, limits[1]))  # inherited
        with said.open("wb") as file:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "posetrack",
                    "live",
                    str(arguments.clip),
                    *options,
                    "--serve",
                    str(port),
                ],
                stderr=file,
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        try:
            wait_for(port, process)
            faults = asyncio.run(run(port, process, 60 * arguments.minutes, arguments.only))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        lines = said.read_text().splitlines()
        with av.open(str(recording)) as video:
            print(f"{len(lines)} lines logged; {sum(1 for _ in video.decode(video=0))} images recorded")
        print("\n".join(lines[:20]))
        if len(lines) > NUM_KINDS * (arguments.minutes + 1):
            faults.append(f"{len(lines)} lines were logged")
    for fault in faults:
        print(f"FAULT: {fault}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
