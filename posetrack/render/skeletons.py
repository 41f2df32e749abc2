"""Draw the limbs and keypoints of people."""

from __future__ import annotations

from itertools import chain

import numpy as np

from posetrack.frame import BoolArray, FloatArray, ImageArray, Instances
from posetrack.render.colors import OUTLINE_COLOR, SIDE_COLORS
from posetrack.render.strokes import FixedPoints, Pen, draw_lines, fix
from posetrack.skeleton import Skeleton


class SkeletonDrawer:
    """Draws poses of one skeleton: its left side orange, its right side blue, the middle white.

    Args:
        skeleton: The keypoints and limbs.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        sides = [skeleton.side_of(name) for name in skeleton.names]
        self._num_keypoints = skeleton.num_keypoints
        self._edges = skeleton.edge_index
        self._dots = {side: [k for k, own in enumerate(sides) if own == side] for side in SIDE_COLORS}
        limb_sides = [sides[a] if sides[a] == sides[b] else "middle" for a, b in self._edges]
        self._limbs = {
            side: [edge for edge, own in zip(self._edges, limb_sides, strict=True) if own == side]
            for side in SIDE_COLORS
        }

    def draw(self, image: ImageArray, people: Instances, min_score: float, pen: Pen) -> None:
        """Draw everyone's pose, each with an outline of its own.

        Args:
            image: (H, W, 3) uint8 RGB, which is changed.
            people: The people; their `drawn_xy` is drawn.
            min_score: Keypoints below it, and their limbs, are left out.
            pen: Widths.
        """
        points, scores = people.drawn_xy, people.keypoint_scores
        if points is None or scores is None or points.shape[1] != self._num_keypoints:
            return
        for point, is_shown in zip(fix(points), scores >= min_score, strict=True):
            self._draw_one(image, point, is_shown, pen)

    def list_limbs(self, people: Instances, min_score: float) -> FloatArray:
        """The ends of all limbs that are drawn, (L, 4) pixels."""
        points, scores = people.drawn_xy, people.keypoint_scores
        if points is None or scores is None or points.shape[1] != self._num_keypoints:
            return np.zeros((0, 4), np.float32)
        starts, ends = np.array(self._edges).T
        is_shown = scores >= min_score
        both = is_shown[:, starts] & is_shown[:, ends]
        return np.concatenate([points[:, starts][both], points[:, ends][both]], axis=1)

    def _draw_one(self, image: ImageArray, points: FixedPoints, is_shown: BoolArray, pen: Pen) -> None:
        limbs = {
            side: [points[[a, b]] for a, b in edges if is_shown[a] and is_shown[b]]
            for side, edges in self._limbs.items()
        }
        dots = {side: [points[[k, k]] for k in own if is_shown[k]] for side, own in self._dots.items()}
        draw_lines(image, list(chain(*limbs.values())), OUTLINE_COLOR, pen.outlined_px)
        draw_lines(image, list(chain(*dots.values())), OUTLINE_COLOR, pen.dot_px + 2 * pen.outline_px)
        for side, lines in limbs.items():
            draw_lines(image, lines, SIDE_COLORS[side], pen.line_px)
        for side, lines in dots.items():
            draw_lines(image, lines, SIDE_COLORS[side], pen.dot_px)
