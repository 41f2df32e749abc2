"""Workers that are processes of this machine."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from posetrack.interruption import finishing, interrupt, raise_if_interrupted
from posetrack.workers.task import (
    MOST_TRIES,
    Note,
    Outcome,
    Progress,
    Task,
    Tell,
    TrackerSettings,
)

_POLL_S = 0.1
_LEAVE_S = 20.0
_THREADS_VARIABLE = "OMP_NUM_THREADS"

_NO_MEMORY = "ran out of memory"
"""The last message of a process that has no memory left."""
_AT_ONCE = getattr(signal, "SIGKILL", signal.SIGTERM)

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Slot:
    """A process, its pipe, and its task: how often that was begun, whether it has written; why it was lost."""

    rank: int
    process: SpawnProcess
    pipe: Connection
    task: Task | None = None
    tries: int = 0
    has_begun: bool = False
    reason: str = ""


class LocalRunner:
    """Runs tasks in processes of this machine, each of which loads the networks once.

    A task whose process is lost (killed, or without memory) is begun again by a new one, which goes on behind
    the last whole record. Processes are started as tasks come, and spawned: a forked one lacks the threads of
    the engines.

    Args:
        settings: Those of the tracker.
        num_workers: Number of processes.
        threads: Threads of each one's engines; None shares the cores, unless OMP_NUM_THREADS says.
    """

    def __init__(self, settings: TrackerSettings, num_workers: int, *, threads: int | None = None) -> None:
        self._settings, self._num_workers, self._threads = settings, num_workers, threads

    def run(self, tasks: Iterable[Task], tell: Tell) -> Generator[Outcome]:
        """Do tasks; see `TaskRunner`."""
        fresh, again = iter(tasks), deque[tuple[Task, int]]()
        slots: list[_Slot] = []
        try:
            while True:
                self._hand_out(slots, fresh, again)
                busy = {slot.pipe: slot for slot in slots if slot.task is not None}
                if not busy:
                    return
                for pipe in wait(list(busy), _POLL_S):
                    slot = busy[pipe]  # type: ignore[index]
                    try:
                        message = slot.pipe.recv()
                    except (EOFError, OSError):
                        slots.remove(slot)
                        if outcome := _bury(slot, again):
                            yield outcome
                        continue
                    if isinstance(message, str):
                        slot.reason = message
                    elif isinstance(message, Outcome):
                        slot.task = None
                        yield message
                    else:
                        slot.has_begun |= isinstance(message, Progress)
                        tell(message)
                raise_if_interrupted()
        finally:
            _stop(slots)

    def _hand_out(self, slots: list[_Slot], fresh: Iterator[Task], again: deque[tuple[Task, int]]) -> None:
        """Give each free process a task, and start processes for others, as long as there are tasks."""
        while True:
            free = next((slot for slot in slots if slot.task is None), None)
            if free is None and len(slots) == self._num_workers:
                return
            task, tries = again.popleft() if again else (next(fresh, None), 0)
            if task is None:
                return
            if free is None:
                rank = min(set(range(self._num_workers)) - {slot.rank for slot in slots})
                free = self._start(rank)
                slots.append(free)
            free.task, free.tries, free.has_begun = task, tries + 1, False
            with suppress(OSError):  # It has died meanwhile, which its pipe will tell.
                free.pipe.send(task)

    def _start(self, rank: int) -> _Slot:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        arguments = (theirs, self._settings, rank)
        process = context.Process(target=_serve, args=arguments, name=f"posetrack-worker-{rank + 1}")
        process.daemon = True
        with _set_threads(self._threads or share_threads(self._num_workers)):
            process.start()
        theirs.close()
        return _Slot(rank, process, ours)


def share_threads(num_workers: int) -> int:
    """Threads of the engines of each worker: what OMP_NUM_THREADS says, or an equal number of cores.

    Args:
        num_workers: Number of workers on this machine.
    """
    text = os.environ.get(_THREADS_VARIABLE, "")
    return int(text) if text.isdecimal() and int(text[:5]) > 0 else max(count_cores() // num_workers, 1)


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _set_threads(threads: int) -> Iterator[None]:
    """Set the number of threads in the environment, which libraries read when they are imported."""
    before = os.environ.get(_THREADS_VARIABLE)
    os.environ[_THREADS_VARIABLE] = str(threads)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS_VARIABLE]
        else:
            os.environ[_THREADS_VARIABLE] = before


def _bury(slot: _Slot, again: deque[tuple[Task, int]]) -> Outcome | None:
    """Put the task of a lost process behind the others, or, after several tries, give its outcome."""
    slot.pipe.close()
    slot.process.join(_LEAVE_S)
    task, worker = slot.task, str(slot.rank + 1)
    if task is None:
        return None
    reason = slot.reason or _explain_loss(slot.process.exitcode)
    if slot.tries >= MOST_TRIES:
        remedy = "give it more memory, or fewer workers"
        return Outcome(task.number, worker, error=f"{task.name}: lost {slot.tries} workers, {reason}; {remedy}")
    _log.warning("%s: worker %s %s; another one goes on", task.name, worker, reason)
    again.append((task.begin_again(has_begun=slot.has_begun), slot.tries))
    return None


def _explain_loss(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"was killed ({name}{', perhaps for its memory' if -code == signal.SIGKILL else ''})"
    return f"has ended (exit code {code})"


def _stop(slots: list[_Slot]) -> None:
    """End the processes: idle ones at once, others when their files are closed."""
    with finishing():
        for slot in slots:
            with suppress(OSError):
                if slot.task is None:
                    slot.pipe.send(None)
                else:
                    slot.process.terminate()
        for slot in slots:
            while slot.task is not None and slot.process.is_alive() and slot.pipe.poll(_LEAVE_S):
                try:  # A full pipe would keep it from ending.
                    slot.pipe.recv()
                except (EOFError, OSError):
                    break
            slot.process.join(_LEAVE_S if slot.task is not None else _POLL_S)
            if slot.process.is_alive():
                slot.process.kill()
                slot.process.join(_POLL_S)
            slot.pipe.close()


def _serve(pipe: Connection, settings: TrackerSettings, rank: int) -> None:
    """Do the tasks that come through a pipe, in a process of its own."""
    threading.Thread(target=_watch_parent, name="posetrack-parent", daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _handle)
    try:
        _do_tasks(pipe, settings, rank)
    except (KeyboardInterrupt, EOFError, BrokenPipeError):
        pass
    except MemoryError:
        with suppress(OSError):
            pipe.send(_NO_MEMORY)
    # Threads of torch and the engines may abort the process, with a message, where Python ends it.
    os.kill(os.getpid(), _AT_ONCE)


def _do_tasks(pipe: Connection, settings: TrackerSettings, rank: int) -> None:
    from posetrack.workers.work import NoteHandler, VideoWorker

    lock = threading.Lock()

    def tell(message: Progress | Note | Outcome) -> None:
        with lock, suppress(BrokenPipeError):
            pipe.send(message)

    logging.basicConfig(level=settings.log_level, handlers=[NoteHandler(tell, settings.log_level)])
    worker = VideoWorker(settings, str(rank + 1), rank)
    while (task := pipe.recv()) is not None:
        tell(worker.do(task, tell))


def _handle(number: int, frame: FrameType | None) -> None:
    interrupt()


def _watch_parent() -> None:
    """End this process when the one that started it has gone, however that was."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
