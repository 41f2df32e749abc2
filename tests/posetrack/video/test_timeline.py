from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.video.timeline import FrameClock, choose_fps, measure_fps


def read_all(stamps: list[int | None], time_base: Fraction = Fraction(1, 100)) -> tuple[list[float], int]:
    clock = FrameClock(time_base=time_base, fps=Fraction(25), first_pts=stamps[0])
    return [clock.read(stamp) for stamp in stamps], clock.num_repaired


@pytest.mark.parametrize("first", [-7, 0, 12345])
def test_the_first_frame_is_at_zero_and_uneven_gaps_are_kept(first: int) -> None:
    times, repaired = read_all([first, first + 4, first + 5, first + 30])
    assert times == [0.0, 0.04, 0.05, 0.3]
    assert repaired == 0


def test_a_missing_stamp_is_one_frame_later() -> None:
    assert read_all([0, 4, None, 12]) == ([0.0, 0.04, 0.08, 0.12], 1)


def test_no_stamps_at_all() -> None:
    assert read_all([None, None, None])[0] == [0.0, 0.04, 0.08]


def test_a_repeated_stamp_does_not_move_those_behind_it() -> None:
    times, repaired = read_all([0, 4, 4, 8, 12])
    assert times == [0.0, 0.04, 0.045, 0.08, 0.12]
    assert repaired == 1


def test_a_recording_that_starts_again_goes_on() -> None:
    times, repaired = read_all([0, 4, 500, 0, 4, 10])
    assert times == [0.0, 0.04, 5.0, 5.04, 5.08, 5.14]
    assert repaired == 1


@given(st.lists(st.one_of(st.none(), st.integers(-(10**9), 10**9)), min_size=1, max_size=50))
def test_times_always_increase(stamps: list[int | None]) -> None:
    times, _ = read_all(stamps)
    assert times[0] == 0.0
    assert all(a < b for a, b in pairwise(times))


@pytest.mark.parametrize(
    ("average", "guessed", "measured", "expected"),
    [
        (Fraction(2160, 77), Fraction(30), None, Fraction(2160, 77)),
        (Fraction(48), Fraction(24), None, Fraction(24)),
        (Fraction(90000), Fraction(30), None, Fraction(30)),
        (Fraction(1000), Fraction(1000), Fraction(29), Fraction(29)),
        (None, None, None, Fraction(25)),
        (Fraction(0), Fraction(90000), Fraction(0), Fraction(25)),
    ],
)
def test_an_absurd_rate_is_not_believed(
    average: Fraction | None, guessed: Fraction | None, measured: Fraction | None, expected: Fraction
) -> None:
    assert choose_fps(average, guessed, measured) == expected


def test_measure_fps() -> None:
    assert measure_fps([66, 0, 33, 100], Fraction(1, 1000)) == 30
    assert measure_fps([5], Fraction(1, 1000)) is None
    assert measure_fps([], Fraction(1, 1000)) is None


def test_a_clock_that_is_set_back_is_shifted() -> None:
    times, repaired = read_all([*range(0, 120, 4), *range(60, 180, 4)])
    assert times == pytest.approx([0.04 * i for i in range(60)])
    assert repaired == 1


@pytest.mark.parametrize("wrong", [0, 3, 7, -500])
def test_a_single_wrong_stamp_does_not_shift_the_clock(wrong: int) -> None:
    times, repaired = read_all([0, 4, 8, 12, 16, wrong, 24, 28, 32])
    assert times[:5] + times[6:] == [0.0, 0.04, 0.08, 0.12, 0.16, 0.24, 0.28, 0.32]
    assert times[4] < times[5] < times[6]
    assert repaired == 1
