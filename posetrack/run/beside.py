"""BesidePainter: the same images with other poses on the left, to compare two files of poses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posetrack.errors import ResultsError
from posetrack.frame import Frame, ImageArray, Instances
from posetrack.render import FaceBlur
from posetrack.results.dense_poses import DenseOfPoses
from posetrack.results.poses import SavedPoses
from posetrack.run.resize import put_image
from posetrack.run.view import Painter

_MOST_DISTORTED = 0.02


class BesidePainter:
    """Draws frames as a painter does, and on their left the same images with the people of other saved poses.

    Frames are paired by their number; where the others have none, nobody is drawn.

    Args:
        paint: Draws the frames that are given.
        others: The other poses, of the same video.
        blur_faces: Whether the faces of all people of both are blurred in both halves.
    """

    def __init__(self, paint: Painter, others: SavedPoses, *, blur_faces: bool) -> None:
        skeletons = paint.skeleton, others.header.skeleton
        self._blurs = [FaceBlur(skeleton) for skeleton in skeletons] if blur_faces else []
        style = replace(paint.view.style, only=None, drop=frozenset(), blur_faces=False)
        self._paint = paint
        self._paint_others = Painter(others.header.skeleton, replace(paint.view, style=style))
        dense = others.header.dense
        has_dense = dense is not None and dense.exists()
        self._others = iter(DenseOfPoses(others.path, others.edits) if has_dense else others)
        self._next = next(self._others, None)

    def __call__(self, frame: Frame) -> ImageArray:
        """Draw one frame.

        Returns:
            (H, W, C) uint8, a new image, twice as wide.
        """
        pair, image = (frame, self._pair(frame)), frame.image
        for blur, each in zip(self._blurs, pair, strict=False):
            image = blur(replace(each, image=image))
        right, left = (replace(each, image=image) for each in pair)
        return np.concatenate([self._paint_others(left), self._paint(right)], axis=1)

    def follow(self, frame: Frame) -> None:
        """See a frame that is left out."""
        pair = frame, self._pair(frame)
        for blur, each in zip(self._blurs, pair, strict=False):
            blur.follow(each)
        self._paint.follow(pair[0])
        self._paint_others.follow(pair[1])

    def _pair(self, frame: Frame) -> Frame:
        """The others of a frame, with its image."""
        while self._next is not None and self._next.index < frame.index:
            self._paint_others.follow(self._next)
            self._next = next(self._others, None)
        if self._next is None or self._next.index != frame.index:
            return replace(frame, instances=Instances(), faces_xyxy=None)
        found, self._next = self._next, next(self._others, None)
        return put_image(replace(found, background_motion=frame.background_motion), frame.image)


def check_beside(others: SavedPoses, poses: SavedPoses) -> None:
    """Check that two files of poses may be of the same video.

    Raises:
        ResultsError: Their images have other shapes.
    """
    (width, height), (other_width, other_height) = poses.header.size_wh, others.header.size_wh
    if abs(other_width * height / (other_height * width) - 1) > _MOST_DISTORTED:
        raise ResultsError(
            f"{others.path}: of {other_width} x {other_height} px, but {poses.path} of {width} x {height}; "
            "give --beside poses of the same video"
        )
