"""Controls of a live session, from several threads."""

from __future__ import annotations

import time
from threading import Thread, Timer

import pytest

from posetrack.errors import PoseTrackError
from posetrack.live.controls import TOGGLES, LiveControls, LiveSettings

DRAWN = ("skeletons", "masks", "boxes", "ids", "trails", "iuv")


def make_controls() -> LiveControls:
    return LiveControls(LiveSettings("fast"), ("fast", "default", "mine.toml"))


@pytest.mark.parametrize("name", TOGGLES)
def test_every_switch_changes_one_thing_and_back(name):
    controls = make_controls()
    before = controls.settings
    switched = controls.toggle(name)
    assert switched == controls.settings != before
    flags = {
        "pause": switched.is_paused,
        "record": switched.is_recording,
        **{key: getattr(switched.style, key) != getattr(before.style, key) for key in DRAWN},
    }
    assert [key for key, is_changed in flags.items() if is_changed] == [name]
    assert controls.toggle(name) == before


def test_recording_is_stopped_whether_it_is_on_or_not():
    controls = make_controls()
    controls.toggle("record")
    for _ in range(2):
        controls.stop_recording()
        assert not controls.settings.is_recording


def test_recipes_go_round():
    controls = make_controls()
    assert [controls.next_recipe().recipe for _ in range(4)] == ["default", "mine.toml", "fast", "default"]
    assert controls.choose_recipe("mine.toml").recipe == "mine.toml"
    assert LiveControls(LiveSettings("fast")).next_recipe().recipe == "fast"


def test_what_is_not_offered_is_an_error_that_changes_nothing():
    controls = make_controls()
    with pytest.raises(PoseTrackError, match="no recipe 'defautl' here; did you mean 'default'"):
        controls.choose_recipe("defautl")
    with pytest.raises(PoseTrackError, match="no switch 'boxs'; did you mean 'boxes'"):
        controls.toggle("boxs")
    with pytest.raises(PoseTrackError, match="no switch 'is_paused'"):
        controls.toggle("is_paused")
    assert controls.settings == LiveSettings("fast")


def test_waiting_while_paused():
    controls = make_controls()
    assert controls.wait_while_paused(10) is False
    controls.toggle("pause")
    assert controls.wait_while_paused(0.01) is True
    timer = Timer(0.05, controls.toggle, ("pause",))
    start = time.monotonic()
    timer.start()
    assert controls.wait_while_paused(30) is False
    assert time.monotonic() - start < 15
    timer.join()


def test_switches_from_many_threads_are_all_heard():
    controls = make_controls()
    before = controls.settings.style
    threads = [Thread(target=lambda name=name: [controls.toggle(name) for _ in range(501)]) for name in TOGGLES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settings = controls.settings
    assert settings.is_paused
    assert settings.is_recording
    assert all(getattr(settings.style, name) != getattr(before, name) for name in DRAWN)
