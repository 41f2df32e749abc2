"""`posetrack retrack`: new track ids for saved poses, without running networks."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from models.image_size import MAX_PIXELS
from posetrack.addresses import has_hidden_part
from posetrack.cli.draw import choose_drawing
from posetrack.cli.draw_options import DrawOptions
from posetrack.cli.foreign_options import OtherPosesOptions
from posetrack.cli.messages import print_error, start_logging
from posetrack.cli.options import MaxPixelsOption, complete_recipe
from posetrack.cli.selection_options import RawOption
from posetrack.errors import PoseTrackError, ResultsError, VideoError
from posetrack.foreign.kinds import KINDS, PROGRAMS, is_foreign
from posetrack.recipe import Recipe, read_recipe
from posetrack.recipe_files import list_recipes
from posetrack.results.poses import SavedPoses
from posetrack.run.draw import draw_poses
from posetrack.video.base import VideoSource
from trackers.config import FlowTrackerConfig
from trackers.flow import GIVEN_FLOWS

if TYPE_CHECKING:
    from trackers.flow import FlowEstimator

# Times are saved with six decimals.
_ROUNDED_S = 1e-5


@dataclass(frozen=True)
class ImageOptions:
    """Options of the images of the poses."""

    PANEL: ClassVar[str] = "Video"

    video: Annotated[
        str | None,
        typer.Option(
            metavar="VIDEO", help="Video of the poses, for optical flow.", show_default="the source in FILE"
        ),
    ] = None
    no_flow: Annotated[bool, typer.Option("--no-flow", help="Do not use the video.")] = False
    max_pixels: MaxPixelsOption = MAX_PIXELS

    def open(self, stack: ExitStack, poses: SavedPoses, *, are_foreign: bool = False) -> VideoSource | None:
        """Open the video of saved poses; if it is missing and was not given, tracking runs without flow.

        Args:
            stack: Closes it.
            poses: The poses.
            are_foreign: Whether another program made them, so that they name no video.

        Raises:
            VideoError: It was given, and cannot be read or is another one.
        """
        from posetrack.run.retrack import check_size
        from posetrack.video.source import open_video

        if self.no_flow:
            return None
        if are_foreign and self.video is None:
            print_error(
                "tracking without optical flow: the poses do not name their video; give it with --video"
            )
            return None
        header = poses.header
        if self.video is None and has_hidden_part(header.source):
            print_error(
                f"tracking without optical flow: {header.source}: its secrets were not saved; "
                "give it with --video"
            )
            return None
        given = header.source if self.video is None else self.video
        # From the first frame of the poses on, whose size the header tells.
        first = next(iter(poses), None)
        start_s = 0.0 if first is None else max(first.time_s - _ROUNDED_S, 0.0)
        try:
            source = stack.enter_context(
                open_video(given, start_s=start_s, image_fps=header.fps, max_pixels=self.max_pixels)
            )
            check_size(poses, source)
        except VideoError as error:
            if self.video is not None:
                raise
            print_error(f"tracking without optical flow: {error}")
            return None
        return source


@dataclass(frozen=True)
class RedrawOptions(DrawOptions):
    """Options of a drawing of the new poses."""

    PANEL: ClassVar[str] = "Drawing"

    draw: Annotated[
        bool,
        typer.Option("--draw", help="Draw the new poses, too: a video of the same name, with .mp4."),
    ] = False
    side_by_side: Annotated[
        bool,
        typer.Option("--side-by-side", help="Show the old ids on the left, and the new ones on the right."),
    ] = False

    def check(self, poses: SavedPoses, out: Path, *, may_replace: bool) -> None:
        """Find mistakes before any work.

        Raises:
            PoseTrackError: Nothing is to be drawn, or it cannot be; or the drawing is there already.
        """
        if not self.draw:
            if self != RedrawOptions():
                raise PoseTrackError("options of a drawing without --draw; give it, or leave them out")
            return
        self.add_to(self.make_saved_style(poses))
        drawn = self._place(out)
        if drawn.exists() and not may_replace:
            raise ResultsError(f"{drawn}: is there already; use --overwrite, or another --out")

    def write(self, before: SavedPoses, out: Path, images: ImageOptions) -> None:
        """Draw the new poses; faces of people who were dropped are blurred as well."""
        report = draw_poses(
            out,
            self._place(out),
            video=images.video,
            style=self.add_to(self.make_saved_style(before)),
            overwrite=True,
            scale=self.scale,
            max_pixels=images.max_pixels,
            faces_of=before,
            beside=before if self.side_by_side else None,
        )
        print(f"{report.files[0]}: {report.num_frames} images")

    def _place(self, out: Path) -> Path:
        return choose_drawing(out, is_transparent=self.background == "transparent")


@dataclass(frozen=True)
class RetrackOptions:
    """Options of the tracking."""

    PANEL: ClassVar[str] = "Tracking"

    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Recipe with the tracker settings: a name or a TOML file.",
            autocompletion=complete_recipe,
            show_default="that of FILE's header",
        ),
    ] = None
    smooth: Annotated[
        bool,
        typer.Option(
            "--smooth",
            help="Smooth keypoints over time, without lag; FILE's own smoothing, by its ids, is left out.",
        ),
    ] = False
    no_stitch: Annotated[
        bool, typer.Option("--no-stitch", help="Join no broken tracks afterwards, drop none, fill no gaps.")
    ] = False


def retrack_command(
    tracking: RetrackOptions,
    images: ImageOptions,
    drawing: RedrawOptions,
    others: OtherPosesOptions,
    file: Annotated[
        Path,
        typer.Argument(
            help=f"A poses.jsonl, or the folder of a run; or poses of another program: {KINDS}.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File to write.",
            show_default="FILE with .retracked.jsonl at its end",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
    raw: RawOption = False,
) -> None:
    """Give saved poses new track ids. Optical flow is used if the video is available.

    Of the edits beside FILE, moved keypoints and deleted people hold; ids are new. Poses of other programs are
    tracked alike, with --video or --size; their own ids are left out.
    """
    from posetrack.run.retrack import retrack

    start_logging(logging.WARNING)
    are_foreign = is_foreign(file)
    with ExitStack() as stack:
        if are_foreign:
            from posetrack.foreign.save import open_as_poses

            said = others.read(images.video, images.max_pixels)
            poses = SavedPoses(stack.enter_context(open_as_poses(file, said)))
            path = Path(f"{file.resolve()}.jsonl") if file.is_dir() else file
        else:
            others.refuse(file)
            poses = SavedPoses(file, raw=raw)
            path = poses.path
        out = path.with_suffix(".retracked.jsonl") if out is None else out
        if out.exists() and not overwrite:
            raise ResultsError(f"{out}: is there already; use --overwrite, or another --out")
        drawing.check(poses, out, may_replace=overwrite)
        settings = _choose_recipe(poses, tracking.recipe)
        with ExitStack() as video:
            source = images.open(video, poses, are_foreign=are_foreign)
            report = retrack(
                poses,
                out,
                settings,
                video=source,
                smoothed=tracking.smooth,
                flow=None if source is None else _make_flow(settings),
                stitched=not tracking.no_stitch,
            )
        print(
            f"{out}: recipe {settings.name}, {report.num_ids} ids, {report.num_joined} joined with earlier "
            f"ones, {report.num_exchanged} exchanged where people met, {report.num_dropped} people dropped "
            "whose tracks were too short"
        )
        if drawing.draw:
            drawing.write(poses, out, images)


def _make_flow(recipe: Recipe) -> FlowEstimator | None:
    """The network of a recipe's optical flow; None where that is none, without importing torch."""
    if recipe.tracker.flow not in GIVEN_FLOWS:
        return None
    from posetrack.build import make_flow
    from posetrack.compute import Compute, choose_device

    return make_flow(recipe, Compute(choose_device("auto")))


def _choose_recipe(poses: SavedPoses, given: str | None) -> Recipe:
    """The given recipe, or that of the poses; the default one, which a line says, where it is not here.

    Of poses of other programs, which have other scores, the default one without its own least scores.
    """
    if given is not None:
        return read_recipe(given)
    name = poses.header.recipe
    if name in PROGRAMS:
        recipe, usual = read_recipe("default"), FlowTrackerConfig()
        names = ("new_track_min_score", "new_track_min_visible_score")
        return replace(recipe, tracker=replace(recipe.tracker, **{key: getattr(usual, key) for key in names}))
    if name in list_recipes():
        return read_recipe(name)
    print_error(
        f"{poses.path}: recipe {name or 'unnamed'} is not one that ships; using default, or give --recipe"
    )
    return read_recipe("default")
