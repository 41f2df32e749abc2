"""The pipeline: frames pass from a source through processors to sinks.

A processor is a generator over frames, so it may hold several frames back to batch them, its state is local to
one run, and memory is bounded. Decoding runs ahead on a thread of its own and the sinks (drawing, encoding,
writing) run on another, each behind a bounded queue. The processors run on a third one, in `stream` on the
caller's; those before a `run_ahead` have a thread of their own as well. `run_ahead` is not for networks run by
torch: OpenMP keeps a pool of workers for every computing thread, and with more pools than cores they block one
another, which made the networks 20 % slower.

No thread waits for another one without a limit, since a thread may hang in FFmpeg, a network or a blocked pipe:
it is then left behind, ends as soon as it can, and does not keep the process from ending. Ctrl-C reaches the
caller's thread, which in `run` does nothing but wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

from posetrack.frame import Frame
from posetrack.interruption import finishing, raise_if_interrupted

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

WhileWaiting = Callable[[float], None]
"""Called with the seconds for which a thread has waited for an item."""

_POLL_S = 0.1
_LEAVE_S = 0.5
_STUCK_S = 1.0
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
        BaseException: The exception of the source, after all frames before it, or of a processor.
    """
    return _stream(source, processors, is_live=is_live)


def _stream(
    source: Iterable[Frame],
    processors: Sequence[FrameProcessor],
    *,
    is_live: bool,
    while_waiting: WhileWaiting | None = None,
) -> Generator[Frame]:
    decoded = _iterate(source) if is_live else prefetch(source, while_waiting=while_waiting)
    failures: list[Exception] = []
    with closing(decoded):
        frames = _hold_failure(decoded, failures)
        for process in processors:
            frames = process(frames)
        yield from frames
        if failures:
            raise failures[0]


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
        processors: Applied first to last, on a thread of their own.
        sinks: Called with each finished frame in this order, on another.
        is_live: As for `stream`.

    Raises:
        BaseException: The exception of a stage or a sink; all threads have stopped by then, except those that
            hang in a source, a network or a sink after Ctrl-C.
    """
    work = _Work(source, processors, sinks, is_live=is_live)
    try:
        work.start()
        work.wait()
    except BaseException:
        work.interrupt()
        raise


def prefetch(
    items: Iterable[T], capacity: int = QUEUE_FRAMES, *, while_waiting: WhileWaiting | None = None
) -> Generator[T]:
    """Iterate on another thread, at most `capacity` items ahead.

    Args:
        items: Consumed on the other thread only, and closed there if it is a generator.
        capacity: Largest number of waiting items.
        while_waiting: Called now and then while there is no item, with the seconds waited; what it raises ends
            the waiting.

    Yields:
        The items in order. When the generator is closed or fails, the thread ends; one that hangs is left
        behind.

    Raises:
        BaseException: The exception of `items`, after all items before it were yielded.
    """
    waiting: Queue[tuple[T] | _End] = Queue(capacity)
    stop = Event()
    thread = Thread(target=_produce, args=(items, waiting, stop), name=_THREAD_NAME, daemon=True)
    thread.start()
    try:
        while isinstance(item := _get(waiting, while_waiting), tuple):
            yield item[0]
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        _drain(waiting)
        thread.join(_LEAVE_S)


def run_ahead(frames: Iterator[Frame]) -> Iterator[Frame]:
    """A processor that changes nothing but makes those before it run ahead on a thread of their own.

    For networks whose engine has its own threads (see the docstring of this module).
    """
    return prefetch(frames)


RUN_AHEAD = Stage("run ahead", run_ahead)
"""The stage of `run_ahead`, which only waits."""


def _hold_failure(frames: Iterator[Frame], failures: list[Exception]) -> Iterator[Frame]:
    """End where the source fails, so that processors finish the frames that they hold back for a batch."""
    try:
        yield from frames
    except Exception as error:  # noqa: BLE001, raised when those frames are through
        failures.append(error)


def _iterate(source: Iterable[Frame]) -> Generator[Frame]:
    yield from source


class _Work:
    """The threads of a run: one that decodes and processes frames, and one that passes them to the sinks."""

    def __init__(
        self,
        source: Iterable[Frame],
        processors: Sequence[FrameProcessor],
        sinks: Sequence[FrameSink],
        *,
        is_live: bool,
    ) -> None:
        self._source = source
        self._processors = processors
        self._sinks = sinks
        self._is_live = is_live
        self._finished: Queue[Frame | None] = Queue(QUEUE_FRAMES)
        self._failures: list[BaseException] = []
        self._stop = Event()
        self._is_interrupted = False
        self._num_written = 0
        self._threads = [
            Thread(target=target, name=_THREAD_NAME, daemon=True) for target in (self._process, self._write)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Wait for the end.

        Raises:
            BaseException: The exception of a stage or a sink; or that of an interruption.
        """
        for thread in self._threads:
            while thread.is_alive():
                thread.join(_POLL_S)
                raise_if_interrupted()
        if self._failures:
            raise self._failures[0]

    def interrupt(self) -> None:
        """Stop processing, and pass on the frames that are finished; a thread that hangs is left behind."""
        with finishing():
            self._is_interrupted = True
            self._stop.set()
            processing, writing = self._threads
            if processing.ident is not None:
                processing.join(_LEAVE_S)
            num_written, progress_s = self._num_written, time.monotonic()
            while writing.is_alive() and time.monotonic() - progress_s < _STUCK_S:
                writing.join(_POLL_S)
                if self._num_written > num_written:
                    num_written, progress_s = self._num_written, time.monotonic()
            if writing.is_alive():
                # Without a word: it may be the reader of the log who hangs.
                _drain(self._finished)

    def _process(self) -> None:
        frames = _stream(
            self._source, self._processors, is_live=self._is_live, while_waiting=self._raise_if_stopped
        )
        try:
            with closing(frames):
                for frame in frames:
                    if not _put(self._finished, frame, self._stop):
                        break
        except _StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001, carried over to the caller's thread and raised there
            self._failures.append(error)
        finally:
            _put(self._finished, None, self._stop)

    def _raise_if_stopped(self, waited_s: float) -> None:
        if self._stop.is_set():
            raise _StoppedError

    def _write(self) -> None:
        try:
            while (frame := self._next_finished()) is not None:
                for sink in self._sinks:
                    sink(frame)
                self._num_written += 1
        except BaseException as error:  # noqa: BLE001, carried over to the caller's thread and raised there
            self._failures.append(error)
            self._stop.set()

    def _next_finished(self) -> Frame | None:
        """The next finished frame; None at the end, and after an interruption when there is no other."""
        while True:
            is_over = self._is_interrupted
            try:
                return self._finished.get(timeout=_POLL_S)
            except Empty:
                if is_over:
                    return None


class _StoppedError(Exception):
    """Ends the waiting for a frame that nobody wants any more."""


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


def _put(waiting: Queue[Q], item: Q, stop: Event) -> bool:
    """Put an item on the queue, waiting for space; returns False if the consumer stopped first."""
    while not stop.is_set():
        try:
            waiting.put(item, timeout=_POLL_S)
        except Full:
            continue
        return True
    return False


def _get(waiting: Queue[Q], while_waiting: WhileWaiting | None) -> Q:
    """Take the next item from the queue."""
    since_s = time.monotonic()
    while True:
        try:
            return waiting.get(timeout=_POLL_S)
        except Empty:
            if while_waiting is not None:
                while_waiting(time.monotonic() - since_s)


def _drain(waiting: Queue[Q]) -> None:
    while True:
        try:
            waiting.get_nowait()
        except Empty:
            return
