"""DrawingOptions and DrawReport: what `draw_poses` is told, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from posetrack.results.poses import SavedPoses
    from posetrack.selection.people import PeopleSelection


class DrawingOptions(TypedDict, total=False):
    """How saved poses are drawn; by default all of them, at the size of their video.

    Attributes:
        side_by_side: Whether the video is shown on the left of the drawing.
        scale: Size relative to the video.
        every: Draw the first frame and every n-th after it.
        start_s: Start of the part to draw, in seconds from the video's first frame.
        end_s: Its end, exclusive.
        selection: The people who are drawn, unless `SavedPoses.select` has chosen them. Ids have the colours
            of a drawing of everybody, and faces of the others are blurred as well.
        faces_of: Poses of the same frames, whose faces are blurred, too, if any are: those that people were
            left out of.
        beside: Other poses of the same video, all of which are drawn on the left, to compare; not together with
            `side_by_side`. Their faces are blurred, too, if any are.
        max_pixels: The most pixels that an image of the video may have.
    """

    side_by_side: bool
    scale: float
    every: int
    start_s: float
    end_s: float | None
    selection: PeopleSelection
    faces_of: SavedPoses
    beside: SavedPoses | None
    max_pixels: int


@dataclass(frozen=True)
class DrawReport:
    """What was drawn.

    Attributes:
        files: The files and folders that were written.
        num_frames: Number of images.
        num_ids: Number of different people in the part that was drawn.
    """

    files: tuple[Path, ...]
    num_frames: int
    num_ids: int
