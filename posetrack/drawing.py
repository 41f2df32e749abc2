"""Draw the people of a single frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posetrack.errors import PoseTrackError
from posetrack.frame import Frame, ImageArray

if TYPE_CHECKING:
    from posetrack.render import RenderStyle


def draw(frame: Frame, style: RenderStyle | None = None) -> ImageArray:
    """Draw the people of one frame over its image; `posetrack.render.Renderer` adds trails to a video.

    >>> from posetrack import draw, track
    >>> frame = next(track("docs/media/street.mp4", recipe="fast", start_s=3.2))
    >>> draw(frame).shape
    (272, 640, 3)

    Args:
        frame: From a tracker, or from `read_poses`, whose images are black.
        style: What is drawn; skeletons, masks, dense poses, boxes and ids unless given.

    Returns:
        (H, W, 3) uint8 RGB, a new image.

    Raises:
        PoseTrackError: The frame has no skeleton, so its limbs are unknown.
    """
    from posetrack.render import Renderer

    if frame.skeleton is None:
        raise PoseTrackError(
            f"frame {frame.index}: has no skeleton; draw frames that a tracker gave, or set frame.skeleton"
        )
    return Renderer(frame.skeleton, style)(frame)
