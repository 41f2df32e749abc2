"""Workers of a Ray cluster: Ray schedules the tasks, and begins those again whose worker or node is lost."""

from __future__ import annotations

import importlib
import logging
import os
import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posetrack.interruption import finishing, raise_if_interrupted
from posetrack.results.files import cannot_write
from posetrack.workers.ray_cluster import connect, count_slots, find_threads
from posetrack.workers.task import MOST_TRIES, Note, Outcome, Progress, Task, Tell, TrackerSettings

_POLL_S = 0.2
_CANCEL_S = 10.0


@dataclass(frozen=True)
class SharedFolder:
    """What a worker's machine must see.

    Attributes:
        working: The working folder, to which sources and outputs may be relative.
        out: The folder of all results.
        token: A file in it that this start has written.
    """

    working: str
    out: str
    token: str


class RayRunner:
    """Runs tasks on a Ray cluster.

    Args:
        settings: Those of the tracker.
        address: As of `posetrack.workers.ray_cluster.connect`.
        out: The folder of all results, on storage that all nodes share.
        num_workers: The most tasks at a time; None for as many as the cluster has room for.

    Raises:
        MissingPackageError: Ray is not installed.
        PoseTrackError: The cluster cannot be joined.
    """

    def __init__(
        self, settings: TrackerSettings, address: str, out: Path, num_workers: int | None = None
    ) -> None:
        self._settings, self._out, self._num_workers = settings, out, num_workers
        self._address = address
        self._ray: Any = None

    def connect(self) -> None:
        """Join the cluster, if that was not done before.

        Raises:
            MissingPackageError: Ray is not installed.
            PoseTrackError: The cluster cannot be joined.
        """
        if self._ray is None:
            self._ray = connect(self._address)

    def run(self, tasks: Iterable[Task], tell: Tell) -> Generator[Outcome]:
        """Do tasks; see `TaskRunner`."""
        self.connect()
        ray = self._ray
        running: dict[Any, Task] = {}
        with _shared(self._out) as shared:
            board = self._make_board()
            do = self._make_function()
            fresh = iter(tasks)
            settings = ray.put(self._settings)
            try:
                while True:
                    while len(running) < self._count_wanted() and (task := next(fresh, None)) is not None:
                        running[do.remote(task, settings, shared, board)] = task
                    if not running:
                        break
                    done, _ = ray.wait(list(running), timeout=_POLL_S)
                    for message in ray.get(board.take.remote()):
                        tell(message)
                    for reference in done:
                        yield self._find_outcome(reference, running.pop(reference))
                    raise_if_interrupted()
            finally:
                with finishing():
                    self._cancel(list(running))
                    ray.kill(board)

    def _count_wanted(self) -> int:
        """How many tasks are to be with Ray: some more than it has room for, so that no worker waits."""
        if self._num_workers is not None:
            return self._num_workers
        return max(2 * count_slots(self._ray, self._threads, on_gpus=self._on_gpus), 1)

    def _make_board(self) -> Any:
        """Start the actor that takes messages, on this node, which lives as long as we do."""
        ray = self._ray
        here = ray.get_runtime_context().get_node_id()
        strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        return ray.remote(Board).options(num_cpus=0, scheduling_strategy=strategy).remote()

    def _make_function(self) -> Any:
        """The remote function. Ray sets OMP_NUM_THREADS by its cores, and CUDA_VISIBLE_DEVICES by its GPUs."""
        ray = self._ray
        self._threads = find_threads(ray)
        has_gpus = ray.cluster_resources().get("GPU", 0) > 0
        self._on_gpus = has_gpus and self._settings.device.partition(":")[0] in ("auto", "cuda")
        return ray.remote(do_on_node).options(
            num_cpus=self._threads,
            num_gpus=1 if self._on_gpus else 0,
            max_retries=MOST_TRIES - 1,
            retry_exceptions=[MemoryError],
            scheduling_strategy="SPREAD",
        )

    def _find_outcome(self, reference: Any, task: Task) -> Outcome:
        try:
            outcome: Outcome = self._ray.get(reference)
        except (self._ray.exceptions.RayError, MemoryError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = (lines or [type(error).__name__])[-1 if isinstance(error, MemoryError) else 0]
            return Outcome(task.number, "", error=f"{task.name}: its workers were lost: {reason[:300]}")
        return outcome

    def _cancel(self, references: list[Any]) -> None:
        """Interrupt the workers, and give them time to close their files."""
        for reference in references:
            with suppress(self._ray.exceptions.RayError):
                self._ray.cancel(reference)
        if references:
            self._ray.wait(references, num_returns=len(references), timeout=_CANCEL_S)


class Board:
    """Takes what the workers tell, until it is asked for."""

    def __init__(self) -> None:
        self._messages: list[Progress | Note] = []

    def put(self, message: Progress | Note) -> None:
        """Take a message."""
        self._messages.append(message)

    def take(self) -> list[Progress | Note]:
        """Give the messages that have come since the last time."""
        messages, self._messages = self._messages, []
        return messages


@contextmanager
def _shared(out: Path) -> Iterator[SharedFolder]:
    """Write a file into the folder of results by which nodes know that they share it."""
    token = out / f".shared-{uuid.uuid4().hex[:12]}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        token.touch()
        yield SharedFolder(os.getcwd(), str(out), str(token))
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        with suppress(OSError):
            token.unlink(missing_ok=True)


_workers: dict[int, Any] = {}
"""The worker of this process, whose networks are loaded once; by the digest of its settings."""


def do_on_node(task: Task, settings: TrackerSettings, shared: SharedFolder, board: Any) -> Outcome:
    """Do a task in a process of a node.

    Args:
        task: The task.
        settings: Those of the tracker.
        shared: What this node must see.
        board: The actor that takes messages.
    """
    ray: Any = importlib.import_module("ray")
    node = f"{ray.util.get_node_ip_address()}/{ray.get_runtime_context().get_node_id()[:6]}"
    lack = _find_lack(task, shared, node)
    if lack is not None:
        return lack
    from posetrack.workers.staging import do_staged
    from posetrack.workers.work import NoteHandler, VideoWorker

    def tell(message: Progress | Note) -> None:
        board.put.remote(message)

    key = hash(repr(settings))
    if key not in _workers:
        _workers.clear()  # Networks of an earlier start.
        _workers[key] = VideoWorker(settings, node)
        logging.getLogger("posetrack").handlers = [NoteHandler(tell, settings.log_level)]
        logging.getLogger("posetrack").propagate = False
    else:
        logging.getLogger("posetrack").handlers = [NoteHandler(tell, settings.log_level)]
    outcome: Outcome = do_staged(_workers[key], task, tell)
    return outcome


def _find_lack(task: Task, shared: SharedFolder, node: str) -> Outcome | None:
    """What this node does not see of what the machine of the start does; None if nothing."""
    remedy = "give paths on storage that all nodes share"
    try:
        os.chdir(shared.working)
    except OSError:
        error = f"{shared.working}: node {node} has no such folder; {remedy}"
        return Outcome(task.number, node, error=error, is_fatal=True)
    if not os.path.exists(shared.token):
        error = (
            f"{shared.out}: is not shared: node {node} does not see what this machine writes there; {remedy}"
        )
        return Outcome(task.number, node, error=error, is_fatal=True)
    paths = [task.source] if isinstance(task.source, str) else task.source
    for path in paths:
        is_path = "://" not in path and not any(letter in path for letter in "*?[")
        if is_path and not os.access(path, os.R_OK):
            return Outcome(task.number, node, error=f"{path}: node {node} cannot read it; {remedy}")
    return None
