from threading import Thread

import pytest

from posetrack import stage_clock
from posetrack.frame import Frame
from posetrack.pipeline import Stage
from posetrack.stage_clock import StageClock


class HandClock:
    """Time that only moves when told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s

    def thread_time(self) -> float:
        """Half of the time is waiting."""
        return self.now_s / 2


@pytest.fixture
def hand(monkeypatch) -> HandClock:
    clock = HandClock()
    monkeypatch.setattr(stage_clock, "time", clock)
    return clock


def test_inner_stages_are_not_counted_twice(hand):
    clock = StageClock()
    with clock.stage("outer"):
        hand.now_s += 1
        with clock.stage("inner"):
            hand.now_s += 10
            with clock.stage("innermost"):
                hand.now_s += 100
            hand.now_s += 20
        hand.now_s += 2
    assert clock.busy_s == {"outer": 3, "inner": 30, "innermost": 100}
    assert clock.cpu_s == {"outer": 1.5, "inner": 15, "innermost": 50}
    (stages,) = clock.stages_of_threads.values()
    assert stages == {"outer", "inner", "innermost"}
    clock.clear()
    assert not clock.busy_s
    assert not clock.cpu_s
    assert not clock.stages_of_threads


def test_threads_are_told_apart(hand):
    clock = StageClock()

    def work(name):
        with clock.stage(name):
            hand.now_s += 1

    work("here")
    thread = Thread(target=work, args=("there",))
    thread.start()
    thread.join()
    assert sorted(map(sorted, clock.stages_of_threads.values())) == [["here"], ["there"]]
    assert clock.busy_s == {"here": 1, "there": 1}


def test_a_processor_is_not_charged_for_its_input(hand):
    clock = StageClock()
    frame = Frame(0, 0.0, None)

    def source():
        for _ in range(3):
            hand.now_s += 5
            yield frame

    def process(frames):
        for item in frames:
            hand.now_s += 1
            yield item

    for _ in clock.wrap(Stage("detect", process))(clock.iterate(source(), "decode")):
        hand.now_s += 1000
    assert clock.busy_s == {"decode": 15, "detect": 3}
