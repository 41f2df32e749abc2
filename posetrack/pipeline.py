"""The pipeline: frames pass from a source through processors to sinks.

A processor is a generator over frames, so it may hold several frames back to batch them, its state is local to
one run, and memory is bounded. Decoding runs ahead on a thread of its own and the sinks (drawing, encoding,
writing) run on another, each behind a bounded queue. The processors run on the caller's thread; those before a
`run_ahead` have a thread of their own as well. `run_ahead` is not for networks run by torch: OpenMP keeps a
pool of workers for every computing thread, and with more pools than cores they block one another, which made
the networks 20 % slower.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

from posetrack.frame import Frame

FrameProcessor = Callable[[Iterator[Frame]], Iterator[Frame]]
"""Maps an iterator of frames to an iterator of the same frames with more results."""


@dataclass(frozen=True)
class Stage:
    """A processor with a name.

    Attributes:
        name: What it does, in one word: `detect`, `track`. Used in benchmark reports.
        process: The processor.
    """

    name: str
    process: FrameProcessor

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Apply the processor."""
        return self.process(frames)


FrameSink = Callable[[Frame], None]
"""Receives each finished frame, to write, show or count it."""

QUEUE_FRAMES = 8
"""Largest number of frames waiting between two threads."""

_POLL_S = 0.1
_THREAD_NAME = "posetrack-stage"

T = TypeVar("T")
Q = TypeVar("Q")


def stream(
    source: Iterable[Frame], processors: Sequence[FrameProcessor], *, is_live: bool = False
) -> Generator[Frame]:
    """Pass frames through processors, while the source runs ahead on its own thread.

    Args:
        source: Frames in order.
        processors: Applied first to last.
        is_live: Whether the source must not run ahead, because it captures on its own thread and yields its
            newest frame, which would become outdated in a queue.

    Yields:
        The finished frames in order. Closing the generator stops the thread.

    Raises:
        BaseException: The exception of the source or a processor.
    """
    with closing(_iterate(source) if is_live else prefetch(source)) as decoded:
        frames: Iterator[Frame] = decoded
        for process in processors:
            frames = process(frames)
        yield from frames


def run(
    source: Iterable[Frame],
    processors: Sequence[FrameProcessor],
    sinks: Sequence[FrameSink],
    *,
    is_live: bool = False,
) -> None:
    """Pass frames through processors to sinks, until the source ends.

    After a failure or Ctrl-C, the sinks still receive every frame that was finished before.

    Args:
        source: Frames in order.
        processors: Applied first to last, on the caller's thread.
        sinks: Called with each finished frame in this order, on a thread of their own.
        is_live: As for `stream`.

    Raises:
        BaseException: The exception of a stage or a sink; all threads have stopped by then.
    """
    finished: Queue[Frame | None] = Queue(QUEUE_FRAMES)
    failures: list[BaseException] = []
    failed = Event()
    thread = Thread(target=_consume, args=(finished, sinks, failures, failed), name=_THREAD_NAME, daemon=True)
    thread.start()
    try:
        with closing(stream(source, processors, is_live=is_live)) as frames:
            for frame in frames:
                if not _put(finished, frame, failed):
                    break
    finally:
        _put(finished, None, failed)
        thread.join()
    if failures:
        raise failures[0]


def prefetch(items: Iterable[T], capacity: int = QUEUE_FRAMES) -> Generator[T]:
    """Iterate on another thread, at most `capacity` items ahead.

    Args:
        items: Consumed on the other thread only, and closed there if it is a generator.
        capacity: Largest number of waiting items.

    Yields:
        The items in order. When the generator is closed or fails, the thread has ended.

    Raises:
        BaseException: The exception of `items`, after all items before it were yielded.
    """
    waiting: Queue[tuple[T] | _End] = Queue(capacity)
    stop = Event()
    thread = Thread(target=_produce, args=(items, waiting, stop), name=_THREAD_NAME, daemon=True)
    thread.start()
    try:
        while isinstance(item := waiting.get(), tuple):
            yield item[0]
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        _drain(waiting)
        thread.join()


def run_ahead(frames: Iterator[Frame]) -> Iterator[Frame]:
    """A processor that changes nothing but makes those before it run ahead on a thread of their own.

    For networks whose engine has its own threads (see the docstring of this module).
    """
    return prefetch(frames)


RUN_AHEAD = Stage("run ahead", run_ahead)
"""The stage of `run_ahead`, which only waits."""


def _iterate(source: Iterable[Frame]) -> Generator[Frame]:
    yield from source


class _End:
    """The last entry of a queue: the end of the items, with the exception if there was one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _produce(items: Iterable[T], waiting: Queue[tuple[T] | _End], stop: Event) -> None:
    end = _End()
    try:
        for item in items:
            if not _put(waiting, (item,), stop):
                break
    except BaseException as error:  # noqa: BLE001, carried over to the consumer's thread and raised there
        end = _End(error)
    finally:
        if isinstance(items, Generator):
            items.close()
        _put(waiting, end, stop)


def _consume(
    finished: Queue[Frame | None], sinks: Sequence[FrameSink], failures: list[BaseException], failed: Event
) -> None:
    try:
        while (frame := finished.get()) is not None:
            for sink in sinks:
                sink(frame)
    except BaseException as error:  # noqa: BLE001, carried over to the caller's thread and raised there
        failures.append(error)
        failed.set()


def _put(waiting: Queue[Q], item: Q, stop: Event) -> bool:
    """Put an item on the queue, waiting for space; returns False if the consumer stopped first."""
    while not stop.is_set():
        try:
            waiting.put(item, timeout=_POLL_S)
        except Full:
            continue
        return True
    return False


def _drain(waiting: Queue[tuple[T] | _End]) -> None:
    while True:
        try:
            waiting.get_nowait()
        except Empty:
            return
