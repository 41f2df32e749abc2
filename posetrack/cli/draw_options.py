"""Options of what is drawn, which several commands share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

import typer

from posetrack.cli.options import DenseViewOptions, check_finite

if TYPE_CHECKING:
    from posetrack.render import Background, RenderStyle
    from posetrack.run.view import DrawnView


@dataclass(frozen=True)
class LayerOptions:
    """Options of the layers of a drawing."""

    PANEL: ClassVar[str] = "Drawing"

    no_boxes: Annotated[bool, typer.Option("--no-boxes", help="Draw no boxes.")] = False
    no_ids: Annotated[bool, typer.Option("--no-ids", help="Draw no track ids.")] = False
    no_skeletons: Annotated[bool, typer.Option("--no-skeletons", help="Draw no skeletons.")] = False
    trails: Annotated[
        bool, typer.Option("--trails/--no-trails", help="Draw where the people who are there have walked.")
    ] = False
    scores: Annotated[bool, typer.Option("--scores", help="Draw scores beside the ids.")] = False
    blur_faces: Annotated[
        bool,
        typer.Option(
            "--blur-faces",
            help="Blur the heads of everyone who was found, in all images shown or written; no poses change.",
        ),
    ] = False

    def add_to(self, style: RenderStyle) -> RenderStyle:
        """The style with these layers."""
        return replace(
            style,
            boxes=not self.no_boxes,
            ids=not self.no_ids,
            skeletons=not self.no_skeletons,
            trails=self.trails,
            scores=self.scores,
            blur_faces=self.blur_faces,
        )


@dataclass(frozen=True)
class PeopleDrawOptions(LayerOptions, DenseViewOptions):
    """Options of how people are drawn: layers, and views of dense poses."""

    PANEL: ClassVar[str] = "Drawing"


@dataclass(frozen=True)
class DrawOptions(PeopleDrawOptions):
    """Options of a drawing: those of its people, background and size."""

    PANEL: ClassVar[str] = "Drawing"

    background: Annotated[
        str,
        typer.Option(
            metavar="KIND", help="What people are drawn on: video, black, white or, not in MP4, transparent."
        ),
    ] = "video"
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Show the video on the left of the drawing.")
    ] = False
    scale: Annotated[
        float,
        typer.Option(
            min=0.01, max=8, metavar="F", callback=check_finite, help="Size relative to the video: 0.5 is half."
        ),
    ] = 1.0

    def add_to(self, style: RenderStyle) -> RenderStyle:
        """The style with these layers and this background.

        Raises:
            PoseTrackError: There is no such background.
        """
        return replace(super().add_to(style), background=cast("Background", self.background))

    def make_view(self, style: RenderStyle) -> DrawnView:
        """What the images show.

        Args:
            style: What is drawn of dense poses.

        Raises:
            PoseTrackError: There is no such background.
        """
        from posetrack.run.view import DrawnView

        return DrawnView(self.add_to(style), self.side_by_side, self.scale)
