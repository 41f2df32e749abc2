"""Commands whose options stand in dataclasses."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from posetrack.cli.options import PartOptions, make_command
from posetrack.errors import VideoError


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


@pytest.mark.parametrize("fps", ["0", "-1", "many", "1/0"])
def test_a_rate_is_a_number_above_0(fps):
    with pytest.raises(VideoError, match=f"--image-fps {fps}: expected frames a second"):
        PartOptions(image_fps=fps).read()
