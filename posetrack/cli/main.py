"""The `posetrack` command with its sub-commands, and the printing of errors."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated

import typer

from models.extras import MissingPackageError
from posetrack.cli.help import SETTINGS
from posetrack.cli.late import Panels, make_late_group
from posetrack.cli.messages import print_error
from posetrack.errors import PoseTrackError

_COMMANDS: Panels = {
    "Track people": {
        "run": (
            "posetrack.cli.run:run_command",
            "Track people: writes poses.jsonl, overlay.mp4 and other formats for each source.",
        ),
        "track-dataset": (
            "posetrack.cli.track_dataset:track_dataset_command",
            "Track people in all sequences of PoseTrack, write results as its benchmark takes them, and "
            "evaluate.",
        ),
        "live": (
            "posetrack.cli.live:live_command",
            "Track people in real time: always the newest frame, so that the image does not lag.",
        ),
    },
    "Work with results": {
        "review": (
            "posetrack.cli.review:review_command",
            "Look at saved poses in the browser, and correct them: ids, keypoints, gaps.",
        ),
        "edit": (
            "posetrack.cli.edit:edit_command",
            "Correct saved poses: ids, people and keypoints. The file of poses stays as it is.",
        ),
        "draw": (
            "posetrack.cli.draw:draw_command",
            "Draw saved poses: over their video with its sound, on one colour, or on nothing; no networks run.",
        ),
        "crops": (
            "posetrack.cli.crops:crops_command",
            "Cut people out of their video: person-<id>.mp4, which follows the person, or person-<id>.png.",
        ),
        "retrack": (
            "posetrack.cli.retrack:retrack_command",
            "Give saved poses new track ids. Optical flow is used if the video is available.",
        ),
        "convert": (
            "posetrack.cli.convert:convert_command",
            "Convert saved poses, dense poses or a data set to another format, without running networks.",
        ),
        "measure": (
            "posetrack.cli.measure:measure_command",
            "Measure people: joint angles, angular velocities, lengths, speeds, symmetry, paths, time on "
            "screen.",
        ),
    },
    "Networks and data sets": {
        "recipes": (
            "posetrack.cli.recipes:recipes_command",
            "List the recipes that ship with PoseTrack, best first; `posetrack doctor` says which can "
            "run here.",
        ),
        "train": ("posetrack.cli.train:train_command", "Train a network."),
        "check": (
            "posetrack.cli.check:check_command",
            "Check the images and annotations of a data set; exit code 1 when something is wrong.",
        ),
        "export": (
            "posetrack.cli.export:export_command",
            "Export a network as one file, which recipes take as weights and whose parts other software runs.",
        ),
        "bench": (
            "posetrack.cli.bench:bench_app",
            "Time a whole run (decoding, networks, tracking, drawing, encoding, writing) and the networks "
            "alone.",
        ),
        "eval": ("posetrack.cli.eval.app:eval_app", "Evaluate results as a benchmark does."),
        "weights": ("posetrack.cli.weights:weights_app", "Fetch, import, check and list weights."),
    },
    "This machine": {
        "doctor": (
            "posetrack.cli.doctor:doctor_command",
            "Say what PoseTrack finds on this machine; exit code 1 when something it needs is missing.",
        ),
    },
}

app = typer.Typer(
    name="posetrack",
    help="Finds, follows and measures people in video.",
    no_args_is_help=True,
    cls=make_late_group(_COMMANDS),
    context_settings=SETTINGS,
    pretty_exceptions_enable=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        import posetrack

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
