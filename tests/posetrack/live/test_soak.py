"""A short run of `scripts/soak_live.py`: what is kept of people, counted."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "soak_live.py"


def load_soak():
    spec = importlib.util.spec_from_file_location("soak_live", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["soak_live"] = module
    spec.loader.exec_module(module)
    return module


def test_a_long_session_keeps_nobody_who_has_gone(monkeypatch):
    soak_live = load_soak()
    monkeypatch.setattr("posetrack.video.live._FIRST_RETRY_S", 0.02)
    report = soak_live.soak(soak_live.BUNDLED, 400, fps=150)
    assert report.num_images == 400
    assert report.num_reconnects == soak_live.NUM_LOSSES
    assert report.num_recordings >= soak_live.NUM_SWITCHES - 1
    # About 105; fewer where a busy machine skips the frames of somebody who is there for a moment.
    assert report.num_ids > 60
    assert report.threads_left == []
    assert [look.frames for look in report.looks] == [40, 200, 400]
    for look in report.looks:
        # Nobody is remembered for longer than 10 frames.
        assert look.kept["tracker"] <= 11 * soak_live.PEOPLE
        assert look.kept["meter"] <= 400
    for name in report.looks[0].kept:
        assert max(look.kept[name] for look in report.looks) > 0, f"{name}: not found, so not counted"
    # Nor for longer than 1.5 seconds, and the whole took at least 2.6.
    last = report.looks[-1].kept
    assert max(last["smoother"], last["trails"]) < report.num_ids
