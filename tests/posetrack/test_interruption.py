import threading

import pytest

from posetrack import interruption
from posetrack.interruption import finishing, interrupt, is_finishing, raise_if_interrupted


@pytest.fixture(autouse=True)
def not_interrupted(monkeypatch):
    monkeypatch.setattr(interruption, "_interrupted", threading.Event())


def test_an_interruption_is_raised_once_and_remembered():
    raise_if_interrupted()
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        raise_if_interrupted()


def test_files_are_finished_first():
    done = []

    def finish():
        with finishing():
            with finishing():
                interrupt()
                done.append("inner")
            assert is_finishing()
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        finish()
    assert done == ["inner", "outer"]
    assert not is_finishing()


def test_files_are_finished_after_an_interruption_without_another():
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    with finishing():
        assert is_finishing()


def test_what_another_thread_finishes_keeps_nobody_else_from_ending():
    inside, leave = threading.Event(), threading.Event()

    def finish():
        with finishing():
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=finish)
    thread.start()
    assert inside.wait(20)
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    leave.set()
    thread.join(20)
