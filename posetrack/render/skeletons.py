"""Draw the limbs and keypoints of people."""

from __future__ import annotations

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
        self._edges = np.array(skeleton.edge_index).reshape(-1, 2)
        # A dot is a line from a keypoint to itself.
        self._dots = np.arange(skeleton.num_keypoints).repeat(2).reshape(-1, 2)
        self._dot_sides = sides
        self._limb_sides = [sides[a] if sides[a] == sides[b] else "middle" for a, b in self._edges.tolist()]

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
        starts, ends = self._edges.T
        is_shown = scores >= min_score
        both = is_shown[:, starts] & is_shown[:, ends]
        return np.concatenate([points[:, starts][both], points[:, ends][both]], axis=1)

    def _draw_one(self, image: ImageArray, points: FixedPoints, is_shown: BoolArray, pen: Pen) -> None:
        parts = (
            (self._edges, self._limb_sides, pen.line_px),
            (self._dots, self._dot_sides, pen.dot_px),
        )
        shown = [
            (list(points[ends[rows]]), [sides[row] for row in rows], width)
            for ends, sides, width in parts
            for rows in [np.flatnonzero(is_shown[ends].all(axis=1))]
        ]
        for lines, _, width in shown:
            draw_lines(image, lines, OUTLINE_COLOR, width + 2 * pen.outline_px)
        for lines, sides, width in shown:
            for side, color in SIDE_COLORS.items():
                own = [line for line, of in zip(lines, sides, strict=True) if of == side]
                draw_lines(image, own, color, width)
