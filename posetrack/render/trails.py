"""Trails: where the feet of people have been, on the ground that the camera moves over."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.frame import UNTRACKED, FloatArray, Frame, ImageArray, Instances
from posetrack.render.bodies import FARTHEST_PX, find_boxes, limit
from posetrack.render.colors import OUTLINE_COLOR, Color
from posetrack.render.strokes import Pen, draw_lines, fix
from posetrack.skeleton import Skeleton
from trackers.config import FlowTrackerConfig
from trackers.flow import estimate_background_motion
from trackers.image_motion import ImageMotion

Places = npt.NDArray[np.float64]
"""Rows of time in seconds, x and y in pixels, (n, 3)."""
Fading = npt.NDArray[np.float64]
"""Opacity at each place, (n,)."""

_NOWHERE: Places = np.zeros((0, 3))
# Opacity falls in so many steps from the newest to the oldest part.
_STEPS = 8
_OPACITY = 0.9
# How much of a change of the ankles' place in the box is believed at once.
_TRUST = 0.15


class Trails:
    """Remembers where the feet of people have been, and moves these places with the background.

    The camera's motion is the tracker's, where frames have it, else it is estimated from their images. Across a
    cut everything is forgotten.

    Args:
        skeleton: What the keypoints are.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._ankles = [k for k, name in enumerate(skeleton.names) if name.endswith("ankle")]
        self._num_keypoints = skeleton.num_keypoints
        self._points: dict[int, Places] = {}
        # From the middle below a box to the feet, in heights of the box.
        self._offsets: dict[int, FloatArray] = {}
        self._boxes = np.zeros((0, 4), np.float32)
        self._images = ImageMotion(FlowTrackerConfig())
        self._is_motion_given = False
        self._time_s = -np.inf

    def __len__(self) -> int:
        return len(self._points)

    def clear(self) -> None:
        """Forget everybody."""
        self._points.clear()
        self._offsets.clear()

    def follow(self, frame: Frame, length_s: float, min_keypoint_score: float) -> None:
        """See the people of the next frame.

        Args:
            frame: The frame.
            length_s: Older places are forgotten.
            min_keypoint_score: From this score on an ankle is visible.
        """
        motion = self._find_motion(frame)
        if motion is None or frame.time_s < self._time_s:
            self.clear()
        self._time_s = frame.time_s
        people = frame.instances
        boxes = find_boxes(people)
        feet = self._find_feet(people, boxes, min_keypoint_score)
        kept: dict[int, Places] = {}
        for track_id in self._points.keys() | feet.keys():
            old = self._points.get(track_id, _NOWHERE)
            old = old[old[:, 0] >= frame.time_s - length_s]
            if motion is not None:
                moved = old[:, 1:] @ motion[:, :2].T + motion[:, 2]
                old = np.concatenate([old[:, :1], np.clip(moved, -FARTHEST_PX, FARTHEST_PX)], axis=1)
            new = [[frame.time_s, *feet[track_id]]] if track_id in feet else []
            points = np.concatenate([old, np.array(new).reshape(-1, 3)])
            if len(points):
                kept[track_id] = points
        self._points, self._boxes = kept, boxes
        self._offsets = {track_id: offset for track_id, offset in self._offsets.items() if track_id in kept}

    def draw(
        self,
        image: ImageArray,
        track_ids: list[int],
        find_color: Callable[[int], Color],
        length_s: float,
        pen: Pen,
    ) -> None:
        """Draw the trails of some people, which fade with age."""
        for track_id in track_ids:
            points = self._points.get(track_id, _NOWHERE)
            if len(points) > 1:
                fading = np.clip(1 - (points[-1, 0] - points[:, 0]) / max(length_s, 1e-3), 0, 1)
                _draw_faded(image, points[:, 1:].astype(np.float32), fading, find_color(track_id), pen)

    def _find_motion(self, frame: Frame) -> FloatArray | None:
        """How the background has moved since the frame before, (2, 3); None across a cut."""
        if frame.background_motion is not None or self._is_motion_given:
            self._is_motion_given = True
            return frame.background_motion
        change = self._images.follow(frame.image, frame.size_wh)
        if change.is_cut:
            return None
        if change.flow is not None:
            return estimate_background_motion(change.flow, change.scale_xy, self._boxes)
        motion = np.eye(2, 3, dtype=np.float32)
        if change.ratio_xy is not None:
            motion[:, :2] = np.diag(change.ratio_xy)
        return motion

    def _find_feet(self, people: Instances, boxes_xyxy: FloatArray, min_score: float) -> dict[int, FloatArray]:
        """Where people of each id stand: between their visible ankles, else in the middle below their box.

        Ankles come and go, and boxes less so: what changes slowly is the way from the one to the other.
        """
        below = np.stack([(boxes_xyxy[:, 0] + boxes_xyxy[:, 2]) / 2, boxes_xyxy[:, 3]], axis=1)
        heights = np.maximum(boxes_xyxy[:, 3] - boxes_xyxy[:, 1], 1)
        points, scores = people.drawn_xy, people.keypoint_scores
        if points is None or scores is None or points.shape[1] != self._num_keypoints:
            points = np.zeros((len(people), self._num_keypoints, 2), np.float32)
            scores = np.zeros(points.shape[:2], np.float32)
        seen = (scores[:, self._ankles] >= min_score)[..., None]
        ankles = (limit(points[:, self._ankles]) * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        feet: dict[int, FloatArray] = {}
        for i, track_id in enumerate([] if people.track_ids is None else people.track_ids.tolist()):
            offset = self._offsets.get(track_id)
            if seen[i].any():
                found = (ankles[i] - below[i]) / heights[i]
                offset = found if offset is None else offset + _TRUST * (found - offset)
                self._offsets[track_id] = offset
            feet[track_id] = below[i] if offset is None else below[i] + offset * heights[i]
        feet.pop(UNTRACKED, None)
        return feet


def _draw_faded(
    image: ImageArray, points_xy: FloatArray, fading: npt.NDArray[np.float64], color: Color, pen: Pen
) -> None:
    """Draw a line through points (n, 2) with an opacity at each, (n,)."""
    low = np.maximum(np.floor(points_xy.min(axis=0)).astype(int) - pen.outlined_px, 0)
    high = np.ceil(points_xy.max(axis=0)).astype(int) + pen.outlined_px
    part = image[low[1] : max(high[1], 0), low[0] : max(high[0], 0)]
    if not part.size:
        return
    line = fix(points_xy - low.astype(np.float32))
    drawn, opacity = part.copy(), np.zeros(part.shape[:2], np.uint8)
    # Wider than its outline, whose soft edge is that of the opacity.
    draw_lines(drawn, [line], OUTLINE_COLOR, pen.outlined_px + 2)
    draw_lines(drawn, [line], color, pen.line_px)
    steps = np.ceil(fading[:-1] * _STEPS).astype(int)
    for step in np.unique(steps):
        pieces = [line[i : i + 2] for i in np.flatnonzero(steps == step)]
        value = round(255 * _OPACITY * int(step) / _STEPS)
        draw_lines(opacity, pieces, (value, value, value), pen.outlined_px)
    weight = opacity.astype(np.float32) / np.float32(255)
    part[:] = cv2.blendLinear(drawn, part.copy(), weight, 1 - weight)
