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
