import pytest

from trackers.clock import FRAME_S, Clock


def tick(clock, *times_s):
    return [clock.tick(time_s) for time_s in times_s]


def test_steps_are_those_of_the_frames_and_the_time_is_theirs_to_the_last_digit():
    clock = Clock()
    times_s = [5 + k / 29.97 for k in range(40)]
    for before, time_s in zip([None, *times_s], times_s, strict=False):
        step = clock.tick(time_s)
        assert clock.time_s == time_s
        assert step.step_s == step.watched_s == (0 if before is None else time_s - before)
        assert not step.is_late


def test_frames_without_times_are_those_of_25_a_second():
    assert [step.step_s for step in tick(Clock(), None, None, None)] == pytest.approx([0, FRAME_S, FRAME_S])


def test_times_that_repeat_or_go_back_are_no_steps():
    clock = Clock()
    steps = [step.step_s for step in tick(clock, 0, 0.04, 0.04, 0.12, 0.08, 0.16)]
    assert steps == pytest.approx([0, 0.04, 0, 0.08, 0, 0.04])
    assert clock.time_s == pytest.approx(0.16)


def test_a_clock_that_is_set_goes_on():
    clock = Clock()
    steps = [step.step_s for step in tick(clock, 0, 0.04, -3600, -3599.96, 0.08)]
    assert steps == pytest.approx([0, 0.04, 0, 0.04, 0.04])


def test_a_clock_that_stands_still_goes_at_the_usual_rate_after_a_while():
    clock = Clock()
    tick(clock, 0, 0.1, 0.2)
    steps = [step.step_s for step in tick(clock, *[0.2] * 30)]
    assert steps == [0] * 10 + [pytest.approx(0.1)] * 20
    assert clock.time_s == pytest.approx(2.2)


def test_a_frame_is_late_for_what_is_usual():
    clock = Clock()
    tick(clock, *[k / 25 for k in range(20)])
    late = clock.tick(0.76 + 2)
    assert late.is_late
    assert late.watched_s == pytest.approx(0.3)
    assert late.is_pause(1.5)
    assert not late.is_pause(2)
    # A stream that is slow is not late.
    slow = [clock.tick(2.76 + k * 0.7) for k in range(1, 20)]
    assert slow[0].is_late
    assert not slow[-1].is_late
