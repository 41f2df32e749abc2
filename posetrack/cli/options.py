"""Options that several commands share, each defined once."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from models.image_size import MAX_PIXELS
from models.settings import suggest
from posetrack.errors import PoseTrackError, VideoError

if TYPE_CHECKING:
    from posetrack.compute import Compute
    from posetrack.recipe import Recipe
    from posetrack.render import RenderStyle
    from posetrack.results.poses import SavedPoses
    from posetrack.run.sources import Part


def complete_recipe(incomplete: str) -> list[str]:
    """Complete the name of a recipe in a shell."""
    from posetrack.recipe_files import list_recipes

    return [name for name in list_recipes() if name.startswith(incomplete)]


def complete_format(incomplete: str) -> list[str]:
    """Complete the name of a format in a shell."""
    from posetrack.results.export import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


TimeoutOption = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        metavar="SECONDS",
        help="Give up on a source that sends no data for so long.",
        show_default="20 for URLs, else none",
    ),
]


@dataclass(frozen=True)
class RecipeOptions:
    """Options of the recipe and its weights."""

    PANEL: ClassVar[str] = "Networks"

    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="Name (see `posetrack recipes`) or TOML file.",
            autocompletion=complete_recipe,
        ),
    ] = "default"
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights of the pose network, .safetensors or .pth.",
            show_default="the recipe's",
        ),
    ] = None

    def read(self) -> Recipe:
        """Read the recipe, with the given weights.

        Raises:
            RecipeError: There is no such recipe, it is not valid, or it takes no weights.
        """
        from posetrack.recipe import read_recipe, use_weights

        settings = read_recipe(self.recipe)
        return settings if self.weights is None else use_weights(settings, self.weights)


@dataclass(frozen=True)
class ComputeOptions:
    """The device, engine and precision of the networks."""

    PANEL: ClassVar[str] = "Networks"

    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")] = "auto"
    engine: Annotated[str, typer.Option(metavar="ENGINE", help="auto, torch, openvino or onnxruntime.")] = (
        "auto"
    )
    precision: Annotated[str, typer.Option(metavar="TYPE", help="auto, f32, bf16, fp16 or mixed.")] = "auto"

    def choose(self) -> Compute:
        """Choose device, engine and precision.

        Raises:
            PoseTrackError: They are not available.
        """
        # Torch takes seconds to import: only commands that run networks wait for it.
        from posetrack.compute import Compute, choose_device

        return Compute(choose_device(self.device), self.engine, self.precision)


@dataclass(frozen=True)
class DenseViewOptions:
    """Options of the drawing of dense poses."""

    PANEL: ClassVar[str] = "Dense poses"

    dense_view: Annotated[
        str | None,
        typer.Option(
            "--dense-view",
            metavar="VIEW",
            help="How dense poses are drawn: parts, iuv, u, v, contour, texture or off.",
            show_default="parts; texture with --texture",
        ),
    ] = None
    texture: Annotated[
        Path | None,
        typer.Option(
            "--texture",
            metavar="ATLAS",
            help="Texture to draw on people, a PNG or JPEG of 6 x 4 tiles.",
            show_default=False,
        ),
    ] = None

    def make_style(self, recipe: Recipe) -> RenderStyle:
        """What is drawn of a run.

        Args:
            recipe: The recipe, which must give dense poses where a view of them is asked for.

        Raises:
            PoseTrackError: There is no such view, or texture; or the recipe gives no dense poses.
        """
        from posetrack.recipe import gives_dense

        lack = (
            f"recipe {recipe.name} gives no dense poses; choose one with a table [dense], or with a DensePose "
            "network as its [detector]"
        )
        return self._make_style(None if gives_dense(recipe) else lack)

    def make_saved_style(self, poses: SavedPoses) -> RenderStyle:
        """What is drawn of saved poses, which must refer to dense poses where a view of them is asked for.

        Raises:
            PoseTrackError: There is no such view, or texture; or the poses have no dense poses.
        """
        return self._make_style(None if poses.header.dense is not None else f"{poses.path} has no dense poses")

    def _make_style(self, lack: str | None) -> RenderStyle:
        """What is drawn; `lack` says why there are no dense poses."""
        from posetrack.render import RenderStyle
        from posetrack.render.dense import DENSE_VIEWS
        from posetrack.texture_atlas import read_texture

        view = self.dense_view
        if view is None:
            view = "parts" if self.texture is None else "texture"
        if view not in DENSE_VIEWS:
            raise PoseTrackError(f"--dense-view {view}: no such view; {suggest(view, DENSE_VIEWS)}")
        if view == "texture" and self.texture is None:
            raise PoseTrackError("--dense-view texture: needs a texture; give one with --texture")
        if view != "texture" and self.texture is not None:
            raise PoseTrackError(f"--texture: not shown by --dense-view {view}; leave one of them out")
        if view == "off":
            # Switched off, so that a live view can switch it on.
            return RenderStyle(iuv=False)
        if (self.dense_view, self.texture) != (None, None) and lack is not None:
            option = "--texture" if self.dense_view is None else f"--dense-view {view}"
            raise PoseTrackError(f"{option}: {lack}")
        texture = None if self.texture is None else read_texture(self.texture)
        return RenderStyle(dense_view=view, texture=texture)


def make_min_score_option(what: str, default: str) -> Any:
    """Make `--min-keypoint-score`, for a value of `float | None`.

    Args:
        what: In which output keypoints below it are absent.
        default: What holds without it.
    """
    return typer.Option(
        "--min-keypoint-score",
        min=0,
        max=1,
        metavar="SCORE",
        callback=check_finite,
        help=f"Keypoints below this score are absent {what}.",
        show_default=default,
    )


FpsOption = Annotated[str, typer.Option(metavar="FPS", help="Frame rate of images, e.g. 25 or 30000/1001.")]

MaxPixelsOption = Annotated[
    int,
    typer.Option(
        min=1, max=2**30, metavar="N", help="Largest number of pixels of an image; larger ones are not decoded."
    ),
]


@dataclass(frozen=True)
class PartOptions:
    """Options of the part of a source."""

    PANEL: ClassVar[str] = "Source"

    start: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Start.")] = 0.0
    end: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="End.", show_default="of the source")
    ] = None
    every: Annotated[
        int, typer.Option(min=1, max=1_000_000_000, metavar="N", help="Process every n-th frame.")
    ] = 1
    image_fps: FpsOption = "25"
    max_pixels: MaxPixelsOption = MAX_PIXELS
    timeout: TimeoutOption = None

    def read(self) -> Part:
        """The part.

        Raises:
            VideoError: The rate is not a number above 0.
        """
        return {
            "start_s": self.start,
            "end_s": self.end,
            "every": self.every,
            "image_fps": read_fps(self.image_fps),
            "max_pixels": self.max_pixels,
            "timeout_s": self.timeout,
        }


def read_fps(text: str) -> Fraction:
    """Read the value of `--image-fps`.

    Raises:
        VideoError: It is not a number above 0.
    """
    # Not what `Fraction` reads besides: that of 1e1000000000 has a billion digits.
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{0,9})?)(?:/([1-9][0-9]{0,8}))?", text)
    fps = Fraction(match[1]) / int(match[2] or 1) if match else Fraction(0)
    if fps <= 0:
        raise VideoError(f"--image-fps {text}: expected frames a second, such as 25 or 30000/1001")
    return fps


def check_finite(value: float | None) -> float | None:
    """Refuse `nan` and `inf`, which are numbers to Python, as the value of an option."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value
