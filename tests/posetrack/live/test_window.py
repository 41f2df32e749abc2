"""The window: on a virtual display where Xvfb is found, and what needs no display."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from posetrack.errors import PoseTrackError
from posetrack.live.controls import LiveControls, LiveSettings

tk = pytest.importorskip("tkinter")
from posetrack.live.window import KEYS, Window, encode_ppm  # noqa: E402, needs Tk


def test_ppm_is_read_back_as_it_was():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    read = cv2.imdecode(np.frombuffer(encode_ppm(image), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(read[..., ::-1], image)


def make_controls() -> LiveControls:
    return LiveControls(LiveSettings("one"), ("one", "two"))


@pytest.mark.parametrize("key", [*KEYS, *(key.upper() for key in KEYS)])
def test_keys_do_what_the_controls_do(key):
    window, expected = SimpleNamespace(_controls=make_controls()), make_controls()
    Window.press(window, key)
    assert window._controls.settings == expected.toggle(KEYS[key.lower()])


def test_keys_for_recipes_and_the_end():
    ends: list[str] = []
    window = SimpleNamespace(_controls=make_controls(), _end=lambda: ends.append("end"))
    Window.press(window, "n")
    assert window._controls.settings.recipe == "two"
    for key in ("q", "Escape"):
        Window.press(window, key)
    for key in ("F5", "Control_L", "x"):
        Window.press(window, key)
    assert ends == ["end", "end"]


def test_without_a_display_it_is_one_error(monkeypatch):
    monkeypatch.setenv("DISPLAY", "")
    if sys.platform != "linux":
        pytest.skip("displays have names on Linux only")
    with pytest.raises(PoseTrackError, match=r"--window: no display to open it on .*; use --serve") as caught:
        Window(make_controls(), "cam", lambda: None)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A virtual display."""
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        pytest.skip("no Xvfb here")
    reading, writing = os.pipe()
    command = [xvfb, "-displayfd", str(writing), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as file:
        number = file.readline().strip()
    yield f":{number}"
    process.terminate()
    process.wait(20)


@pytest.fixture
def window(display, monkeypatch) -> SimpleNamespace:
    monkeypatch.setenv("DISPLAY", display)
    ends: list[bool] = []
    made = Window(make_controls(), "cam", lambda: ends.append(True))
    return SimpleNamespace(window=made, ends=ends)


def play(window: Window, *steps) -> None:
    """Run the loop, and each step on another thread once the one before had time to be seen."""

    def work() -> None:
        for step in steps:
            step()
            time.sleep(0.1)

    thread = threading.Thread(target=work)
    window._root.after(1, thread.start)
    try:
        window.loop()
    finally:
        thread.join(20)


def test_images_are_shown_and_scaled_to_the_screen(window, make_image):
    shown: list[tuple[int, int]] = []
    titles: list[str] = []
    made = window.window
    label, original = made._label, made._label.configure

    def configure(image) -> None:
        shown.append((image.width(), image.height()))
        original(image=image)

    label.configure = configure
    made._root.title = titles.append
    play(
        made,
        lambda: made.show(make_image(0, size_wh=(320, 240))),
        lambda: made.show(make_image(1, size_wh=(1920, 1080))),
        made.close,
    )
    assert shown == [(320, 240), (576, 324)]
    assert titles[0].startswith("cam - 20.0 fps, latency 50 ms (p95 80), 1 people, 3 of 9 dropped")
    assert window.ends == []


def test_a_session_that_ended_before_the_loop_closes_the_window(window):
    window.window.close()
    window.window.loop()
    assert window.ends == []
    with pytest.raises(tk.TclError):
        window.window._root.winfo_exists()


def test_closing_the_window_ends_the_session(window):
    made = window.window
    made._root.after(20, made._end)
    made.loop()
    assert window.ends == [True]


def test_ctrl_c_and_bugs_leave_the_loop(window):
    def fail(shown) -> None:
        raise KeyboardInterrupt

    made = window.window
    made._root.after(20, fail, None)
    with pytest.raises(KeyboardInterrupt):
        made.loop()
