"""Rate and latency over the last seconds."""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.live.stats import LiveMeter, LiveStats


def test_one_image_has_a_latency_and_no_rate():
    assert LiveMeter().add(0.04, now_s=5.0) == LiveStats(0.0, pytest.approx(40), pytest.approx(40))


def test_rate_and_percentiles_are_those_of_the_last_five_seconds():
    meter = LiveMeter()
    for i in range(100):
        meter.add(9.0, now_s=i / 10)
    latencies = [0.010 + 0.001 * (i % 10) for i in range(200)]
    for i, latency in enumerate(latencies):
        stats = meter.add(latency, now_s=10 + i / 20)
    assert stats.fps == pytest.approx(20)
    p50, p95 = np.percentile(latencies[-101:], (50, 95))
    assert stats.latency_p50_ms == pytest.approx(1000 * p50)
    assert stats.latency_p95_ms == pytest.approx(1000 * p95)


def test_what_is_remembered_does_not_grow():
    meter = LiveMeter()
    for i in range(20_000):
        meter.add(0.01, now_s=i / 50)
    assert len(meter._images) == 251


def test_after_a_long_pause_it_starts_afresh():
    meter = LiveMeter()
    for i in range(50):
        meter.add(3.0, now_s=i / 10)
    assert meter.add(0.02, now_s=1000.0) == LiveStats(0.0, pytest.approx(20), pytest.approx(20))
