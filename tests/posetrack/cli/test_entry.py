"""How a command ends, whatever ends it: real processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The command itself is replaced; what is left of it is torn down when Python ends the process.
PROGRAM = """
import sys, threading, time, types

class Torn:
    def __del__(self):
        print("torn down", flush=True)

def run():
    global torn
    torn = Torn()
    if HAS_THREAD:
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    END

sys.modules["posetrack.cli.main"] = types.SimpleNamespace(main=run)
from posetrack.cli.entry import main
main()
"""


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("pass", 0),
        ("sys.exit(0)", 0),
        ("sys.exit(1)", 1),
        ("sys.exit(2)", 2),
        ("raise OSError(5, 'broken')", 1),
        ("raise LookupError", 70),
        ("raise KeyboardInterrupt", 130),
    ],
)
@pytest.mark.parametrize("has_thread", [False, True])
def test_the_exit_code_is_that_of_the_command_and_python_is_not_torn_down_under_a_thread(end, code, has_thread):
    program = PROGRAM.replace("END", end).replace("HAS_THREAD", str(has_thread))
    ended = run_python("-c", program)
    assert ended.returncode == code, ended.stderr
    assert ("torn down" in ended.stdout) is (not has_thread and code != 130)


@pytest.mark.parametrize(("end", "code"), [("pass", 0), ("sys.exit(3)", 3)])
def test_engines_are_not_unloaded(end, code):
    """Their own threads abort the process now and then when it ends; what Python has to finish comes before."""
    end = "import atexit; atexit.register(print, 'finished'); sys.modules['openvino'] = types; " + end
    ended = run_python("-c", PROGRAM.replace("END", end).replace("HAS_THREAD", "False"))
    assert (ended.returncode, ended.stdout) == (code, "finished\n"), ended.stderr


def test_a_name_that_is_too_long_is_said():
    ended = run_python("-m", "posetrack", "convert", "a" * 500 + ".jsonl", "--to", "csv")
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "long" in ended.stderr
