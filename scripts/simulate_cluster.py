"""Lose a worker and a node of a Ray cluster in the middle of a run, and compare the files with runs one by one.

    python scripts/simulate_cluster.py [VIDEO ...] [--nodes 2] [--recipe fast] [--split SECONDS]

The cluster is Ray's own fixture: several nodes on this machine, each with a core. When the first frames are
there, a worker process is killed and a node is removed. Exit code 1 if a file differs or is missing, something
is left half, or a source failed. Needs the extra `cluster`; a minute or two on two cores.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CLIPS = ("docs/media/street.mp4", "docs/media/crossing.mp4")
_STORE_BYTES = 100 * 2**20
_LONGEST_S = 900.0
_TASK_NAME = "ray::do_on_node"


def find_workers() -> Iterator[tuple[int, str]]:
    """Processes that do a task of ours on this machine now, each with the node that it is of."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if title.startswith(_TASK_NAME):
            settings = dict(each.partition(b"=")[::2] for each in variables)
            yield int(folder.name), settings.get(b"RAY_NODE_ID", b"").decode()


def start_cluster(nodes: int) -> tuple[Any, list[Any]]:
    """Start a head without cores, on which the command runs, and nodes of one core."""
    from ray.cluster_utils import Cluster

    quiet: dict[str, Any] = {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **quiet})
    added = [cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES) for _ in range(nodes)]
    return cluster, added


def run(arguments: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start `posetrack run ARGUMENTS`, with what it says in a file."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (folder / "log.txt").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "posetrack", "run", *arguments],
            stderr=log,
            stdout=log,
            env=environment,
            text=True,
        )


def wait_for_records(out: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a checkpoint has some frames."""
    begin_s = time.monotonic()
    while process.poll() is None and time.monotonic() - begin_s < _LONGEST_S:
        sizes = [path.stat().st_size for path in out.rglob(".checkpoint/*.jsonl")]
        if any(size > 2000 for size in sizes):
            return
        time.sleep(0.05)
    raise SystemExit("no frame was written before the end")


def lose(cluster: Any, node: Any) -> None:
    """Kill a worker of another node, if one works, then remove a node."""
    others = [pid for pid, node_id in find_workers() if node_id != node.node_id]
    if others:
        os.kill(others[0], signal.SIGKILL)
        print(f"killed worker {others[0]}", flush=True)
    cluster.remove_node(node, allow_graceful=False)
    print("removed a node", flush=True)


def compare(one: Path, many: Path) -> list[str]:
    """What differs between two folders of results."""
    names = {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
    found = {path.relative_to(many) for path in many.rglob("*") if path.is_file()} - {Path("summary.csv")}
    wrong = [f"{name}: missing" for name in sorted(names - found)]
    wrong += [f"{name}: left over" for name in sorted(found - names)]
    for name in sorted(names & found):
        if name.name == "poses.jsonl" and (one / name).read_bytes() != (many / name).read_bytes():
            wrong.append(f"{name}: other bytes")
    return wrong


def simulate(videos: list[str], nodes: int, options: list[str], split: list[str], folder: Path) -> list[str]:
    """Run over a cluster that loses a worker and a node; returns what is wrong."""
    one, many = folder / "one", folder / "many"
    for name in ("one", "many"):
        (folder / f"log-{name}").mkdir()
    # Several folders below it also for one video.
    base = [*videos, *options]
    if run([*base, "--out", str(one), "--quiet"], folder / "log-one").wait(_LONGEST_S):
        return [(folder / "log-one" / "log.txt").read_text()]
    cluster, added = start_cluster(nodes)
    try:
        arguments = [*base, "--out", str(many), "--cluster", cluster.address, *split]
        process = run(arguments, folder / "log-many")
        try:
            wait_for_records(many, process)
            lose(cluster, added[0])
            code = process.wait(_LONGEST_S)
        finally:
            process.kill()
    finally:
        cluster.shutdown()
    log = (folder / "log-many" / "log.txt").read_text()
    print(log, flush=True)
    return [*([f"exit code {code}"] if code else []), *compare(one, many)]


def main() -> int:
    """Simulate; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", metavar="VIDEO", default=[str(ROOT / clip) for clip in CLIPS])
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--split", type=float)
    parser.add_argument("--end", type=float, help="end of the part of each video, in seconds")
    arguments = parser.parse_args()
    options = ["--recipe", arguments.recipe]
    options += [] if arguments.end is None else ["--end", f"{arguments.end:g}"]
    split = [] if arguments.split is None else ["--split", f"{arguments.split:g}"]
    with tempfile.TemporaryDirectory(prefix="posetrack-cluster-") as folder:
        wrong = simulate(arguments.videos, arguments.nodes, options, split, Path(folder))
    for line in wrong:
        print(line, file=sys.stderr)
    print("not borne" if wrong else "borne: the same files as one by one")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
