"""Renderer: draws the people of consecutive frames."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import cv2
import numpy as np

from posetrack.frame import (
    UNTRACKED,
    FloatArray,
    Frame,
    ImageArray,
    Instances,
    IntArray,
)
from posetrack.render.alpha import find_alpha
from posetrack.render.colors import Color, PersonColors
from posetrack.render.dense import draw_dense, find_dense
from posetrack.render.faces import FaceBlur, pixelate
from posetrack.render.heads import HeadRegion
from posetrack.render.masks import draw_masks
from posetrack.render.skeletons import SkeletonDrawer
from posetrack.render.strokes import Pen, draw_box, draw_lines, fix
from posetrack.render.style import RenderStyle
from posetrack.skeleton import Skeleton


class Renderer:
    """Draws the people of consecutive frames, and keeps their past positions for the trails.

    Line widths are proportional to the size of the frame, and lines have a thin dark outline. Keypoints and
    limbs of the left side are orange, those of the right side blue; a person's box, id, mask and trail share
    one colour, see `PersonColors`. What is drawn on a frame depends on it and those before it alone.

    Attributes:
        skeleton: The limbs to draw.
        style: What to draw; may change from frame to frame.
    """

    def __init__(self, skeleton: Skeleton, style: RenderStyle | None = None) -> None:
        self.skeleton = skeleton
        self.style = style or RenderStyle()
        self._skeletons = SkeletonDrawer(skeleton)
        self._colors = PersonColors()
        self._trails: dict[int, deque[tuple[float, FloatArray]]] = {}
        self._size_wh: tuple[int, int] | None = None
        self._faces = FaceBlur(skeleton)

    def __call__(self, frame: Frame) -> ImageArray:
        """Draw one frame.

        Args:
            frame: The frame; its `smoothed_xy` is drawn if present, otherwise `keypoints_xy`.

        Returns:
            (H, W, 3) uint8 RGB, a new image; with the background `transparent` (H, W, 4) RGBA, not
            premultiplied.
        """
        heads = self._follow(frame)
        shown = replace(frame, instances=self._choose(frame.instances))
        background = self.style.background
        if background == "video":
            image = frame.image.copy()
            for region in heads:
                pixelate(image, region)
            return self._draw(shown, image)
        white = np.full(frame.image.shape, 255, np.uint8)
        if background == "white":
            return self._draw(shown, white)
        on_black = self._draw(shown, np.zeros(frame.image.shape, np.uint8))
        return on_black if background == "black" else find_alpha(on_black, self._draw(shown, white))

    def find_color(self, track_id: int) -> Color:
        """The RGB colour of an id in the frames so far, grey for `UNTRACKED`."""
        return self._colors.find(track_id)

    def follow(self, frame: Frame) -> None:
        """See a frame that is not drawn, so that the next ones look as if it had been."""
        self._follow(frame)

    def _follow(self, frame: Frame) -> list[HeadRegion]:
        """Follow everything that is remembered; returns what is to be blurred."""
        self._follow_size(frame.size_wh)
        track_ids = frame.instances.track_ids
        self._colors.follow(() if track_ids is None else track_ids.tolist(), frame.index)
        if self.style.trails:
            self._follow_trails(frame)
        return self._faces.follow(frame) if self.style.blur_faces else []

    def _choose(self, people: Instances) -> Instances:
        """The people who are drawn."""
        only, drop = self.style.only, self.style.drop
        if only is None and not drop:
            return people
        ids = np.full(len(people), UNTRACKED) if people.track_ids is None else people.track_ids
        is_shown = np.ones(len(people), np.bool_) if only is None else np.isin(ids, list(only))
        return people[is_shown & ~np.isin(ids, list(drop))]

    def _draw(self, frame: Frame, image: ImageArray) -> ImageArray:
        """Draw the people over an image, which is changed and returned."""
        people = frame.instances
        pen = Pen.for_size(frame.size_wh)
        ids = np.full(len(people), UNTRACKED) if people.track_ids is None else people.track_ids
        colors = [self._colors.find(track_id) for track_id in ids.tolist()]
        has_dense = find_dense(people, self.style.dense_view if self.style.iuv else "off")
        if self.style.masks and people.masks is not None:
            # Only lines leave room for another colour on the same body.
            is_tinted = ~has_dense | (self.style.dense_view == "contour")
            draw_masks(image, people.masks, colors, is_tinted)
        if has_dense.any():
            draw_dense(
                image,
                people,
                self.style.dense_view,
                texture=self.style.texture,
                line_px=max(1, pen.line_px // 2),
            )
        if self.style.trails:
            self._draw_trails(image, ids, pen.line_px)
        if self.style.boxes and people.boxes_xyxy is not None:
            for box, color in zip(people.boxes_xyxy, colors, strict=True):
                draw_box(image, box, color, pen)
        if self.style.skeletons:
            self._skeletons.draw(image, people, self.style.min_keypoint_score, pen)
        if self.style.ids or self.style.scores:
            _draw_labels(image, people, self._make_texts(people, ids), colors, pen.line_px)
        return image

    def _make_texts(self, people: Instances, ids: IntArray) -> list[str]:
        """The label of each person, empty for none."""
        return [
            "  ".join(
                ([str(track_id)] if self.style.ids and track_id != UNTRACKED else [])
                + ([f"{score:.2f}"] if self.style.scores else [])
            )
            for track_id, score in zip(ids.tolist(), people.person_scores.tolist(), strict=True)
        ]

    def _follow_size(self, size_wh: tuple[int, int]) -> None:
        """Scale the trails where the size of the images changes."""
        if self._size_wh is not None and size_wh != self._size_wh:
            ratio_xy = np.divide(size_wh, self._size_wh, dtype=np.float32)
            for track_id, trail in self._trails.items():
                self._trails[track_id] = deque((time_s, point * ratio_xy) for time_s, point in trail)
        self._size_wh = size_wh

    def _follow_trails(self, frame: Frame) -> None:
        people = frame.instances
        if people.track_ids is not None and people.boxes_xyxy is not None:
            centers = (people.boxes_xyxy[:, :2] + people.boxes_xyxy[:, 2:]) / 2
            for track_id, center in zip(people.track_ids.tolist(), centers, strict=True):
                if track_id != UNTRACKED:
                    self._trails.setdefault(track_id, deque()).append((frame.time_s, center))
        for track_id, trail in list(self._trails.items()):
            while trail and frame.time_s - trail[0][0] > self.style.trail_s:
                trail.popleft()
            if not trail:
                del self._trails[track_id]

    def _draw_trails(self, image: ImageArray, ids: IntArray, width: int) -> None:
        for track_id in ids.tolist():
            trail = self._trails.get(track_id, ())
            if len(trail) > 1:
                points = fix(np.stack([point for _, point in trail]))
                draw_lines(image, [points], self._colors.find(track_id), width)


def _draw_labels(
    image: ImageArray, people: Instances, texts: list[str], colors: list[Color], width: int
) -> None:
    if people.boxes_xyxy is None:
        return
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.35 + 0.15 * width
    for box, text, color in zip(people.boxes_xyxy, texts, colors, strict=True):
        if not text:
            continue
        (text_width, text_height), below = cv2.getTextSize(text, font, scale, width)
        left = int(min(max(box[0], 0), max(image.shape[1] - text_width, 0)))
        bottom = int(min(max(box[1], text_height + below), image.shape[0]))
        top_left = (left, bottom - text_height - below)
        cv2.rectangle(image, top_left, (left + text_width, bottom), color, -1)
        place = (left, bottom - below // 2)
        cv2.putText(image, text, place, font, scale, (0, 0, 0), width, cv2.LINE_AA)
