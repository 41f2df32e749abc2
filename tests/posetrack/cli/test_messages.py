"""Messages are one line each, whatever is in them."""

import logging
import os
import subprocess
import sys
import warnings

import pytest

from posetrack.cli import main
from posetrack.cli.messages import to_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("clip.mp4: no video stream", "clip.mp4: no video stream"),
        ("a\nb\r\n  c\u2028d", "a b c d"),
        ("name\x1b[31m\x00\ud800.mp4", r"name\x1b[31m\x00\ud800.mp4"),
        ("größe  日本.mp4", "größe  日本.mp4"),
    ],
)
def test_messages_are_one_printable_line(text, line):
    assert to_line(text) == line


def test_very_long_messages_lose_their_middle():
    line = to_line(f"start {'9' * 5000} end")
    assert len(line) < 1100
    assert line.startswith("start 999")
    assert line.endswith("999 end")


RAISES = """
import sys
from posetrack.cli import entry, main
def fail(): {}
main.main = fail
entry.main()
"""


def run_failing(statement: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RAISES.format(statement)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


def test_an_unexpected_error_is_one_line_and_a_traceback_on_request():
    done = run_failing("[][0]")
    assert done.returncode == 70
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        "posetrack: an error of PoseTrack itself: IndexError: list index out of range"
    )
    assert "POSETRACK_TRACEBACK=1" in done.stderr
    assert "Traceback" in run_failing("[][0]", POSETRACK_TRACEBACK="1").stderr


def test_too_little_memory_is_no_error_of_ours():
    done = run_failing("raise MemoryError")
    assert done.returncode == 1
    assert done.stderr.startswith("posetrack: the memory of this machine is too small")


def test_logs_are_one_line_too(capsys):
    from posetrack.cli.messages import start_logging

    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        start_logging(logging.WARNING)
        logging.getLogger("x").warning("a\nb")
    finally:
        root.handlers = handlers
    assert capsys.readouterr().err == "posetrack: a b\n"


def test_warnings_of_pillow_are_not_shown(monkeypatch):
    def warn():
        warnings.warn_explicit("Corrupt EXIF data", UserWarning, "x.py", 1, module="PIL.TiffImagePlugin")

    with pytest.raises(UserWarning):
        warn()
    monkeypatch.setattr(main, "app", warn)
    with warnings.catch_warnings():
        main.main()
