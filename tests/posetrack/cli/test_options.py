"""Commands whose options stand in dataclasses."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from posetrack.cli.main import app
from posetrack.cli.options import PartOptions, make_command
from posetrack.errors import PoseTrackError, VideoError


@dataclass(frozen=True)
class SizeOptions:
    """Two numbers."""

    width: Annotated[int, typer.Option(min=1, help="In pixels.")]
    is_tall: Annotated[bool, typer.Option("--tall")] = False


def make_app(calls: list[tuple]) -> typer.Typer:
    def paint(
        name: Annotated[str, typer.Argument()],
        size: SizeOptions,
        part: PartOptions,
        colour: Annotated[str, typer.Option(help="A name.")] = "red",
    ) -> None:
        """Paint something."""
        calls.append((name, size, part, colour))

    app = typer.Typer()
    app.command("paint")(make_command(paint))
    return app


def test_fields_are_options_and_come_back_as_their_dataclass():
    calls: list[tuple] = []
    result = CliRunner().invoke(make_app(calls), ["door", "--width", "3", "--tall", "--every", "2"])
    assert result.exit_code == 0, result.output
    assert calls == [("door", SizeOptions(3, is_tall=True), PartOptions(every=2), "red")]


def test_help_is_that_of_a_command_with_all_the_options():
    result = CliRunner().invoke(make_app([]), ["--help"], env={"COLUMNS": "120"})
    assert "Paint something." in result.output
    for text in ("--width", "In pixels.", "--tall", "--image-fps", "--colour", "A name.", "[default: red]"):
        assert text in result.output


def test_what_a_field_does_not_take_is_refused():
    runner = CliRunner()
    assert runner.invoke(make_app([]), ["door"]).exit_code == 2
    assert "Missing option '--width'" in runner.invoke(make_app([]), ["door"]).output
    assert runner.invoke(make_app([]), ["door", "--width", "0"]).exit_code == 2


@pytest.mark.parametrize(
    "fps", ["0", "-1", "many", "1/0", "1e1000000000", "1e-1000000000", "nan", "inf", "", "9" * 5000, "٣"]
)
def test_a_rate_is_a_number_above_0(fps):
    with pytest.raises(VideoError, match="expected frames a second"):
        PartOptions(image_fps=fps).read()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "x.mp4", "--batch", "100000"],
        ["run", "x.mp4", "--every", "1" + "0" * 30],
        ["live", "x.mp4", "--duration", "nan"],
        ["live", "x.mp4", "--duration", "1e300"],
        ["live", "x.mp4", "--speed", "inf"],
        ["bench", "x.mp4", "--frames", "1" + "0" * 30],
        ["train", "x.toml", "--workers", "100000"],
        ["eval", "posetrack", "--gt", "a", "--pred", "b", "--workers", "100000"],
        ["eval", "mot", "--gt", "a", "--pred", "b", "--iou", "nan"],
    ],
)
def test_numbers_without_sense_are_refused_as_options(arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert arguments[-2] in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["live", "0", "--serve", "9" * 5000], "expected PORT or HOST:PORT"),
        (["run", "x.mp4", "--device", "cuda:" + "9" * 5000], "torch sees"),
        (["live", "9" * 5000, "--engine", "torch", "--recipe", "fast"], "no such camera"),
    ],
)
def test_numbers_of_thousands_of_digits_are_errors_of_one_line(arguments, message):
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, PoseTrackError), result.exception
    assert message in str(result.exception)
