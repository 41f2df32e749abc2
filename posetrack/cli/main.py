"""The `posetrack` command with its sub-commands, and the printing of errors."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated

import typer

import posetrack
from models.extras import MissingPackageError
from posetrack.cli.bench import bench_command
from posetrack.cli.check import check_command
from posetrack.cli.convert import convert_command
from posetrack.cli.doctor import doctor_command
from posetrack.cli.eval.app import eval_app
from posetrack.cli.export import export_command
from posetrack.cli.live import live_command
from posetrack.cli.messages import print_error
from posetrack.cli.options import make_command
from posetrack.cli.recipes import recipes_command
from posetrack.cli.retrack import retrack_command
from posetrack.cli.run import run_command
from posetrack.cli.train import train_command
from posetrack.cli.weights import weights_app
from posetrack.errors import PoseTrackError

app = typer.Typer(
    name="posetrack",
    help="Finds, follows and measures people in video.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(make_command(run_command))
app.command("live")(make_command(live_command))
app.command("retrack")(make_command(retrack_command))
app.command("train")(train_command)
app.command("export")(export_command)
app.command("convert")(make_command(convert_command))
app.command("check")(check_command)
app.command("bench")(make_command(bench_command))
app.command("recipes")(recipes_command)
app.command("doctor")(doctor_command)
app.add_typer(eval_app, name="eval")
app.add_typer(weights_app, name="weights")


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"posetrack {posetrack.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
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
