"""Commands whose options stand in dataclasses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from posetrack import recipe as recipe_module
from posetrack.cli.main import app
from posetrack.cli.make_command import make_command
from posetrack.cli.options import DenseViewOptions, PartOptions
from posetrack.errors import PoseTrackError, VideoError
from posetrack.recipe import read_recipe
from posetrack.render import RenderStyle


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
    ("options", "view"),
    [
        ({}, "parts"),
        ({"texture": True}, "texture"),
        ({"texture": True, "dense_view": "texture"}, "texture"),
        *(({"dense_view": view}, view) for view in ("parts", "iuv", "u", "v", "contour")),
    ],
)
def test_views_of_dense_poses_become_a_style(options, view, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe_module, "gives_dense", lambda recipe: True)
    if "texture" in options:
        options = {**options, "texture": tmp_path / "atlas.png"}
        cv2.imwrite(str(options["texture"]), np.full((12, 8, 3), 9, np.uint8))
    style = DenseViewOptions(**options).make_style(read_recipe("fast"))
    assert (style.iuv, style.dense_view) == (True, view)
    assert (style.texture is not None) == ("texture" in options)


def test_without_dense_poses_nothing_is_asked_for_and_off_is_off():
    recipe = read_recipe("fast")
    assert DenseViewOptions().make_style(recipe) == RenderStyle()
    assert DenseViewOptions("off").make_style(recipe) == RenderStyle(iuv=False)


@pytest.mark.parametrize("command", ["run", "live"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dense-view", "part"], "--dense-view part: no such view; did you mean 'parts'?"),
        (["--dense-view", ""], "--dense-view : no such view; known: parts, iuv, u, v, contour, texture, off"),
        (["--dense-view", "texture"], "--dense-view texture: needs a texture; give one with --texture"),
        (["--texture", "a.png", "--dense-view", "u"], "--texture: not shown by --dense-view u; leave one"),
        (["--texture", "a.png", "--dense-view", "off"], "--texture: not shown by --dense-view off; leave one"),
        (["--dense-view", "parts"], "--dense-view parts: recipe fast gives no dense poses; choose one with"),
        (
            ["--texture", "a.png"],
            "--texture: recipe fast gives no dense poses; choose one with a table [dense]",
        ),
    ],
)
def test_views_that_cannot_be_drawn_are_errors_of_one_line(command, arguments, message):
    result = CliRunner().invoke(app, [command, "x.mp4", "--recipe", "fast", *arguments])
    assert isinstance(result.exception, PoseTrackError), result.exception
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_texture_that_is_none_is_told_by_its_name(monkeypatch):
    monkeypatch.setattr(recipe_module, "gives_dense", lambda recipe: True)
    with pytest.raises(PoseTrackError, match=r"no/atlas\.png: the texture cannot be read"):
        DenseViewOptions(texture=Path("no/atlas.png")).make_style(read_recipe("fast"))


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
