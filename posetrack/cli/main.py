"""The `posetrack` command with its sub-commands, and the printing of errors."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

import posetrack
from models.extras import MissingPackageError
from posetrack.cli.bench import BenchCommand, bench_command
from posetrack.cli.check import check_command
from posetrack.cli.convert import convert_command
from posetrack.cli.crops import crops_command
from posetrack.cli.doctor import doctor_command
from posetrack.cli.draw import draw_command
from posetrack.cli.edit import edit_command
from posetrack.cli.eval.app import eval_app
from posetrack.cli.export import export_command
from posetrack.cli.help import SETTINGS, HelpCommand, HelpGroup
from posetrack.cli.live import live_command
from posetrack.cli.measure import measure_command
from posetrack.cli.messages import print_error
from posetrack.cli.options import make_command
from posetrack.cli.recipes import recipes_command
from posetrack.cli.retrack import retrack_command
from posetrack.cli.review import review_command
from posetrack.cli.run import run_command
from posetrack.cli.train import train_command
from posetrack.cli.weights import weights_app
from posetrack.errors import PoseTrackError

app = typer.Typer(
    name="posetrack",
    help="Finds, follows and measures people in video.",
    no_args_is_help=True,
    cls=HelpGroup,
    context_settings=SETTINGS,
    pretty_exceptions_enable=False,
)
_COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Track people": {"run": run_command, "live": live_command},
    "Work with results": {
        "review": review_command,
        "edit": edit_command,
        "draw": draw_command,
        "crops": crops_command,
        "retrack": retrack_command,
        "convert": convert_command,
        "measure": measure_command,
    },
    "Networks and data sets": {
        "recipes": recipes_command,
        "train": train_command,
        "check": check_command,
        "export": export_command,
        "bench": bench_command,
    },
    "This machine": {"doctor": doctor_command},
}
"""The commands by the groups of the help."""

for _panel, _commands in _COMMANDS.items():
    for _name, _function in _commands.items():
        _class = BenchCommand if _name == "bench" else HelpCommand
        app.command(_name, cls=_class, rich_help_panel=_panel)(make_command(_function))
app.add_typer(eval_app, name="eval", cls=HelpGroup, rich_help_panel="Networks and data sets")
app.add_typer(weights_app, name="weights", cls=HelpGroup, rich_help_panel="Networks and data sets")


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"posetrack {posetrack.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; expected errors are printed as one line, with exit code 1.

    After Ctrl-C all files are closed, and Typer sets the exit code to 130.
    """
    # Pillow warns of damaged headers, in two lines with a place in its code; we say what matters about a file.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        app()
    except (PoseTrackError, MissingPackageError) as error:
        print_error(error)
        sys.exit(1)
    except BrokenPipeError:
        # The reader of the output has closed it: `posetrack recipes | head -1`.
        sys.stderr.close()
        sys.exit(1)
