"""Commands are imported when they are called, and bring along only what they need: real processes."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from posetrack.cli.late import LateCommand
from posetrack.cli.main import app

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
PROGRAM = """
import atexit, sys
from posetrack.cli import entry

def write():
    with open(LISTED, "w") as file:
        file.write(" ".join(sys.modules))

def leave(code, leave_at_once=entry.leave_at_once):
    write()
    leave_at_once(code)

entry.leave_at_once = leave
atexit.register(write)
entry.main()
"""


def list_imported(tmp_path: Path, *arguments: str) -> tuple[set[str], set[str]]:
    """The modules, and the packages, that are imported at the end of a command, which must succeed."""
    listed = tmp_path / "modules.txt"
    command = [sys.executable, "-c", PROGRAM.replace("LISTED", repr(str(listed))), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    modules = set(listed.read_text().split())
    return modules, {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("words", [["--help"], ["eval", "--help"], ["--version"]])
def test_lists_of_commands_import_none_of_them(words, tmp_path):
    modules, packages = list_imported(tmp_path, *words)
    assert not packages & {"numpy", "torch", "cv2", "av", "scipy", "openvino", "pycocotools", "trackers"}
    own = {name for name in modules if name.startswith(("posetrack.", "models."))}
    assert own <= {
        "models.extras",
        "posetrack.addresses",
        "posetrack.cli",
        "posetrack.cli.entry",
        "posetrack.cli.eval",
        "posetrack.cli.eval.app",
        "posetrack.cli.examples",
        "posetrack.cli.help",
        "posetrack.cli.late",
        "posetrack.cli.main",
        "posetrack.cli.make_command",
        "posetrack.cli.messages",
        "posetrack.cli.signals",
        "posetrack.errors",
        "posetrack.interruption",
    }


def test_the_help_of_a_run_needs_no_networks(tmp_path):
    _, packages = list_imported(tmp_path, "run", "--help")
    assert not packages & {"torch", "torchvision", "openvino", "scipy", "pycocotools", "aiohttp"}


def test_a_run_imports_nothing_that_its_recipe_does_not_use(tmp_path):
    options = ["--recipe", "fast", "--end", "0.03", "--format", "csv", "--out", str(tmp_path / "out")]
    modules, packages = list_imported(tmp_path, "run", str(CLIP), *options)
    assert {"torch", "models.movenet.network", "posetrack.results.csv"} <= modules
    # Masks, two-stage networks, matching by cost, pages, plots.
    unused = {"pycocotools", "torchvision", "scipy", "aiohttp", "matplotlib", "pandas", "timm", "triton"}
    assert not packages & unused
    families = {name for name in modules if name.startswith("models.") and name.endswith(".network")}
    assert families == {"models.movenet.network"}
    assert not any(name.startswith(("posetrack.evaluation", "posetrack.training")) for name in modules)


def list_late(group):
    for command in group.commands.values():
        if isinstance(command, LateCommand):
            yield command
            yield from list_late(command.imported) if hasattr(command.imported, "commands") else ()


@pytest.mark.parametrize("command", [*list_late(typer.main.get_command(app))], ids=lambda late: late.name)
def test_lists_of_commands_say_what_the_help_of_each_says(command):
    assert command.help == command.imported.help.partition("\n\n")[0]
