"""The pipeline: frames flow from a source through processors into sinks.

A processor is a generator over frames, so it may hold several frames back to batch them, its state lives and
dies with one run, and memory stays bounded. Decoding runs ahead on a thread of its own and the sinks (drawing,
encoding, writing) follow on another, each behind a bounded queue. The processors run on the caller's thread,
unless `run_ahead` stands among them: then those before it have a thread of their own as well. Not for networks
that torch computes: OpenMP keeps a pool of workers for every thread that computes, and with more pools than
cores they wait for one another asleep, which made the networks a fifth slower.
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
"""Takes an iterator of frames, gives an iterator of the same frames, richer."""


@dataclass(frozen=True)
class Stage:
    """A processor with a name, and called like one.

    Attributes:
        name: What it does, in one word: `detect`, `track`. Benchmarks report under it.
        process: The processor.
    """

    name: str
    process: FrameProcessor

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Apply the processor."""
        return self.process(frames)


FrameSink = Callable[[Frame], None]
"""Takes each finished frame: writes it, shows it, counts it."""

QUEUE_FRAMES = 8
"""Frames that wait between two threads at most."""

_POLL_S = 0.1
_THREAD_NAME = "posetrack-stage"

T = TypeVar("T")
Q = TypeVar("Q")


def stream(
    source: Iterable[Frame], processors: Sequence[FrameProcessor], *, is_live: bool = False
) -> Generator[Frame]:
    """Send frames through processors, while the source runs ahead on its own thread.

    Args:
        source: Frames in order.
        processors: Applied first to last.
        is_live: The source does not run ahead: for one that captures on its own thread and gives its newest
            frame, which would grow old in a queue.

    Yields:
        The finished frames in order. Closing the generator stops the thread.

    Raises:
        BaseException: Whatever the source or a processor raised, as it was.
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
    """Send frames through processors into sinks, until the source ends.

    When anything fails, or Ctrl-C is pressed, the sinks still get every frame that was finished before.

    Args:
        source: Frames in order.
        processors: Applied first to last, on the caller's thread.
        sinks: Called with each finished frame in this order, on a thread of their own.
        is_live: As for `stream`.

    Raises:
        BaseException: Whatever a stage or a sink raised; every thread has stopped by then.
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
        items: Consumed, and closed when it is a generator, on the other thread alone.
        capacity: Items that may wait.

    Yields:
        The items in order. When the generator is closed or fails, the thread has ended.

    Raises:
        BaseException: What `items` raised, after everything before it was yielded.
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
    """A processor that changes nothing: those before it run on a thread of their own, some frames ahead.

    For networks whose engine brings its own threads (see the top of this file for those that do not).
    """
    return prefetch(frames)


RUN_AHEAD = Stage("run ahead", run_ahead)
"""The stage of `run_ahead`, which only waits."""


def _iterate(source: Iterable[Frame]) -> Generator[Frame]:
    yield from source


class _End:
    """The last thing on a queue: no more items, and why if it was not the end of them."""

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
    """Wait for a place on the queue; returns whether there was one before `stop` was set."""
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
