"""The low-pass without lag, against scipy, its own definition, and known signals."""

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt, sosfreqz

from posetrack.low_pass import LowPass, is_regular, measure_rate_hz, split_runs


@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize(("cutoff_hz", "rate_hz"), [(6, 25), (6, 100), (1, 30), (12, 25)])
def test_half_of_the_power_passes_at_the_cutoff(order, cutoff_hz, rate_hz):
    _, response = sosfreqz(LowPass(cutoff_hz, order).make_sections(rate_hz), [cutoff_hz], fs=rate_hz)
    # Both passes: the response of one, twice.
    assert abs(response[0]) ** 4 == pytest.approx(0.5, abs=1e-6)


def test_is_what_scipy_gives_for_winters_correction():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(80, 2)).cumsum(axis=0)
    # By hand: 6 Hz at 50 a second; C = (sqrt(2) - 1)^(1/4) of the tangent.
    design_hz = np.arctan(np.tan(np.pi * 6 / 50) / (np.sqrt(2) - 1) ** 0.25) * 50 / np.pi
    expected = sosfiltfilt(butter(2, design_hz, fs=50, output="sos"), signal, axis=0)
    np.testing.assert_allclose(LowPass(6, 4).filter(np.arange(80) / 50, signal), expected, atol=1e-9)


def test_nothing_is_delayed_and_noise_shrinks():
    times_s = np.arange(300) / 50
    slow = np.sin(2 * np.pi * times_s)[:, None]
    smoothed = LowPass(6).filter(times_s, slow)
    np.testing.assert_allclose(smoothed[20:-20], slow[20:-20], atol=2e-3)
    noise = np.random.default_rng(1).normal(size=(300, 1))
    assert LowPass(6).filter(times_s, noise).std() < 0.55 * noise.std()


def test_irregular_times_give_what_regular_ones_do():
    rng = np.random.default_rng(2)
    times_s = np.cumsum(rng.choice([1 / 30, 1 / 20, 1 / 60], 400))
    assert not is_regular(times_s)

    def make(times_s):
        return (np.sin(2 * np.pi * times_s) + 0.3 * np.sin(2 * np.pi * 9 * times_s))[:, None]

    grid_s = np.arange(times_s[0], times_s[-1], 1 / 200)
    expected = np.interp(times_s, grid_s, LowPass(3).filter(grid_s, make(grid_s))[:, 0])
    filtered = LowPass(3).filter(times_s, make(times_s))[:, 0]
    np.testing.assert_allclose(filtered[30:-30], expected[30:-30], atol=0.05)


def test_times_rounded_to_milliseconds_are_regular():
    assert is_regular(np.round(np.arange(500) / 30, 3))
    assert not is_regular(np.array([0, 1, 2, 3.5, 4.5]))
    assert is_regular(np.zeros(0))


@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_too_few_samples_or_too_low_a_rate_are_not_filtered(order):
    low_pass = LowPass(6, order)
    times_s = np.arange(low_pass.least_samples) / 25
    assert low_pass.filter(times_s, np.ones((len(times_s), 1))) is not None
    assert low_pass.filter(times_s[:-1], np.ones((len(times_s) - 1, 1))) is None
    with pytest.raises(ValueError, match="padlen"):  # No fewer are possible.
        sosfiltfilt(low_pass.make_sections(25), np.ones(len(times_s) - 1))
    assert low_pass.filter(np.arange(50) / 12, np.ones((50, 1))) is None
    assert low_pass.filter(np.zeros(0), np.ones((0, 1))) is None


def test_runs_end_where_time_jumps_or_stands_still():
    runs = split_runs(np.array([0, 1, 2, 2, 3, 9, 10, 5]), 2)
    assert [(run.start, run.stop) for run in runs] == [(0, 3), (3, 5), (5, 7), (7, 8)]
    assert split_runs(np.zeros(0), 1) == []
    assert measure_rate_hz(np.array([0, 0.5, 1])) == 2


def test_settings_out_of_range_are_refused():
    for cutoff_hz in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="cutoff_hz: expected a number above 0"):
            LowPass(cutoff_hz)
    with pytest.raises(ValueError, match="order: expected 2, 4, 6, 8"):
        LowPass(6, 3)


def test_a_cutoff_of_half_the_rate_is_refused_however_times_are_rounded():
    for rate_hz in (25 * (1 - 1e-9), 25.0, 25 * (1 + 1e-9)):
        assert not LowPass(12.5).can_filter(rate_hz)
    assert LowPass(12.4).can_filter(25.0)
