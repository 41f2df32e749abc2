"""DrawnView: what the images of a video show, and their painter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from posetrack.errors import PoseTrackError
from posetrack.frame import Frame, ImageArray
from posetrack.render import FaceBlur, PersonColors, Renderer, RenderStyle
from posetrack.run.resize import resize_frame, scale_size
from posetrack.skeleton import Skeleton

_LARGEST_SCALE = 8.0


@dataclass(frozen=True)
class DrawnView:
    """What drawn images show.

    Attributes:
        style: What is drawn of the people, and on what.
        is_side_by_side: Whether the image is shown on the left, and the drawing on the right.
        scale: Size of the images relative to the video; sides become even. Lines are as thin as in a video of
            that size.

    Raises:
        PoseTrackError: The scale is not above 0, or too large.
    """

    style: RenderStyle = field(default_factory=RenderStyle)
    is_side_by_side: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and 0 < self.scale <= _LARGEST_SCALE):
            raise PoseTrackError(f"scale {self.scale:g}: give a number above 0, up to {_LARGEST_SCALE:g}")

    @property
    def needs_images(self) -> bool:
        """Whether images of the video are shown."""
        return self.style.background == "video" or self.is_side_by_side


class Painter:
    """Draws the images of one video, frame by frame.

    Args:
        skeleton: The limbs to draw.
        view: What to show.
        colors: As for `Renderer`.
    """

    def __init__(self, skeleton: Skeleton, view: DrawnView, colors: PersonColors | None = None) -> None:
        self.view, self.skeleton = view, skeleton
        self._blur = FaceBlur(skeleton) if view.style.blur_faces else None
        # In both halves: faces are blurred before.
        self._render = Renderer(skeleton, replace(view.style, blur_faces=False), colors)

    def __call__(self, frame: Frame) -> ImageArray:
        """Draw one frame.

        Returns:
            (H, W, 3) uint8 RGB, a new image; with a transparent background (H, W, 4).
        """
        frame = self._resize(frame)
        if self._blur is not None:
            frame = replace(frame, image=self._blur(frame))
        drawn, original = self._render(frame), frame.image
        if not self.view.is_side_by_side:
            return drawn
        if drawn.shape[2] == 4:
            original = np.dstack([original, np.full(original.shape[:2], 255, np.uint8)])
        return np.concatenate([original, drawn], axis=1)

    def follow(self, frame: Frame) -> None:
        """See a frame that is left out, so that trails and blurred faces go on."""
        frame = self._resize(frame)
        if self._blur is not None:
            self._blur.follow(frame)
        self._render.follow(frame)

    def _resize(self, frame: Frame) -> Frame:
        scale = self.view.scale
        return frame if scale == 1 else resize_frame(frame, scale_size(frame.size_wh, scale))
