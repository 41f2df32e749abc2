import os
import signal
import threading
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from posetrack.frame import Frame
from posetrack.pipeline import QUEUE_FRAMES, RUN_AHEAD, prefetch, run, stream


def make_frames(count: int) -> Iterator[Frame]:
    for i in range(count):
        yield Frame(i, i / 25, np.zeros((2, 2, 3), np.uint8))


def count_stages() -> int:
    return sum(thread.name == "posetrack-stage" for thread in threading.enumerate())


@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_frames_come_out_in_order(count):
    seen: list[int] = []
    run(
        make_frames(count),
        [lambda frames: (f for f in frames), lambda frames: frames],
        [lambda f: seen.append(f.index)],
    )
    assert seen == list(range(count))
    assert count_stages() == 0


def test_a_processor_may_hold_frames_back():
    def in_fours(frames):
        while batch := list(islice(frames, 4)):
            yield from batch

    assert [f.index for f in stream(make_frames(10), [in_fours])] == list(range(10))


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("where", ["source", "processor", "sink"])
def test_an_error_anywhere_reaches_the_caller_after_what_came_before_it(where):
    closed: list[str] = []

    def source():
        try:
            for frame in make_frames(20):
                if where == "source" and frame.index == 5:
                    raise BrokenError(where)
                yield frame
        finally:
            closed.append("source")

    def processor(frames):
        for frame in frames:
            if where == "processor" and frame.index == 5:
                raise BrokenError(where)
            yield frame

    def sink(frame):
        if where == "sink" and frame.index == 5:
            raise BrokenError(where)
        seen.append(frame.index)

    seen: list[int] = []
    with pytest.raises(BrokenError, match=where):
        run(source(), [processor], [sink])
    assert seen == [0, 1, 2, 3, 4]
    assert closed == ["source"]
    assert count_stages() == 0


def test_decoding_runs_ahead_but_not_far():
    made = []

    def source():
        for frame in make_frames(1000):
            made.append(frame.index)
            yield frame

    frames = prefetch(source())
    next(frames)
    deadline = time.monotonic() + 5
    while len(made) < QUEUE_FRAMES + 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert QUEUE_FRAMES < len(made) <= QUEUE_FRAMES + 2
    frames.close()
    assert count_stages() == 0


def test_stages_run_on_threads_of_their_own():
    homes: dict[str, threading.Thread] = {}

    def source():
        homes["decode"] = threading.current_thread()
        yield from make_frames(3)

    def processor(frames):
        homes["network"] = threading.current_thread()
        yield from frames

    run(source(), [processor], [lambda frame: homes.setdefault("encode", threading.current_thread())])
    assert len(set(homes.values())) == 3
    assert threading.current_thread() not in homes.values(), "it only waits, so that Ctrl-C gets there"


def test_leaving_early_stops_everything():
    endless = (Frame(i, 0.0, np.zeros((1, 1, 3), np.uint8)) for i in iter(int, 1))
    frames = stream(endless, [])
    next(frames)
    frames.close()
    assert count_stages() == 0


@pytest.fixture
def press_ctrl_c():
    """Presses Ctrl-C in this process when the event that it returns is set."""
    # A shell that starts the tests in the background has them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ready = threading.Event()

    def press():
        if ready.wait(20):
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    yield ready
    ready.set()
    thread.join(20)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("where", ["source", "processor", "sink"])
def test_ctrl_c_leaves_what_hangs_and_keeps_what_is_finished(where, press_ctrl_c):
    release = threading.Event()
    seen: list[int] = []
    finished = [0, 1] if where == "processor" else [0, 1, 2]

    def hang():
        limit_s = time.monotonic() + 20
        while len(seen) < len(finished) and time.monotonic() < limit_s:
            time.sleep(0.01)
        press_ctrl_c.set()
        release.wait(60)

    def source():
        yield from make_frames(3)
        if where == "source":
            hang()

    def processor(frames):
        for frame in frames:
            if where == "processor" and frame.index == 2:
                hang()
            yield frame

    def sink(frame):
        seen.append(frame.index)
        if where == "sink" and frame.index == 2:
            hang()

    with pytest.raises(KeyboardInterrupt):
        run(source(), [processor], [sink])
    assert not release.is_set()
    release.set()
    assert seen == finished
    limit_s = time.monotonic() + 20
    while count_stages() and time.monotonic() < limit_s:
        time.sleep(0.01)
    assert count_stages() == 0, "the threads left behind end as soon as they can"


def test_waiting_for_an_item_can_be_broken_off():
    release = threading.Event()

    def items():
        yield 1
        release.wait(60)

    def give_up(waited_s):
        raise BrokenError(f"after {waited_s:.1f} s")

    ahead = prefetch(items(), while_waiting=give_up)
    assert next(ahead) == 1
    with pytest.raises(BrokenError, match=r"after 0\.[1-9] s"):
        next(ahead)
    release.set()


def test_frames_before_a_failing_source_come_out_of_every_batch():
    def fail():
        yield from make_frames(5)
        raise OSError("unplugged")

    def hold_three(frames):
        held = []
        for frame in frames:
            held.append(frame)
            if len(held) == 3:
                yield from held
                held = []
        yield from held

    for processors in ([hold_three], [hold_three, RUN_AHEAD, hold_three]):
        seen = []
        with pytest.raises(OSError, match="unplugged"):
            run(fail(), processors, [lambda frame, seen=seen: seen.append(frame.index)])
        assert seen == [0, 1, 2, 3, 4]
