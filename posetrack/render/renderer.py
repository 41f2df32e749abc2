"""Renderer: draws the people of consecutive frames."""

from __future__ import annotations

import numpy as np

from posetrack.frame import (
    UNTRACKED,
    Frame,
    ImageArray,
    Instances,
    IntArray,
)
from posetrack.render.alpha import find_alpha
from posetrack.render.bodies import find_extents
from posetrack.render.colors import Color, PersonColors
from posetrack.render.dense import draw_dense, find_dense
from posetrack.render.faces import FaceBlur, pixelate
from posetrack.render.heads import HeadRegion
from posetrack.render.labels import Label, LabelPlacer, draw_label, find_label_height, find_label_size
from posetrack.render.masks import draw_masks
from posetrack.render.skeletons import SkeletonDrawer
from posetrack.render.strokes import Pen, draw_boxes
from posetrack.render.style import RenderStyle
from posetrack.render.trails import Trails
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

    def __init__(
        self, skeleton: Skeleton, style: RenderStyle | None = None, colors: PersonColors | None = None
    ) -> None:
        """Make a renderer that has seen nothing.

        Args:
            skeleton: The limbs to draw.
            style: What to draw; None for the usual.
            colors: Colours of people that have been chosen before, where not all of them will be in the frames;
                they follow the frames from there.
        """
        self.skeleton = skeleton
        self.style = style or RenderStyle()
        self._skeletons = SkeletonDrawer(skeleton)
        self._colors = PersonColors() if colors is None else colors
        self._labels = LabelPlacer()
        self._trails = Trails(skeleton)
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
        rows = self._choose(frame.instances)
        labels = self._place_labels(frame, rows)
        people, background = frame.instances[rows], self.style.background
        if background == "video":
            image = frame.image.copy()
            for region in heads:
                pixelate(image, region)
            return self._draw(people, labels, image)
        white = np.full(frame.image.shape, 255, np.uint8)
        if background == "white":
            return self._draw(people, labels, white)
        on_black = self._draw(people, labels, np.zeros(frame.image.shape, np.uint8))
        return on_black if background == "black" else find_alpha(on_black, self._draw(people, labels, white))

    def find_color(self, track_id: int) -> Color:
        """The RGB colour of an id in the frames so far, grey for `UNTRACKED`."""
        return self._colors.find(track_id)

    def follow(self, frame: Frame) -> None:
        """See a frame that is not drawn, so that the next ones look as if it had been."""
        self._follow(frame)

    def _follow(self, frame: Frame) -> list[HeadRegion]:
        """Follow everything that is remembered; returns what is to be blurred."""
        track_ids = frame.instances.track_ids
        self._colors.follow(() if track_ids is None else track_ids.tolist(), frame.index)
        if self.style.trails:
            self._trails.follow(frame, self.style.trail_s, self.style.min_keypoint_score)
        else:
            self._trails.clear()
        return self._faces.follow(frame) if self.style.blur_faces else []

    def _choose(self, people: Instances) -> IntArray:
        """Rows of the people who are drawn."""
        only, drop, ids = self.style.only, self.style.drop, _get_ids(people)
        is_shown = np.ones(len(people), np.bool_) if only is None else np.isin(ids, list(only))
        return np.flatnonzero(is_shown & ~np.isin(ids, list(drop)))

    def _place_labels(self, frame: Frame, rows: IntArray) -> list[Label]:
        """Place the labels of these people beside everyone who is seen."""
        height = find_label_height(frame.size_wh)
        if not height or not (self.style.ids or self.style.scores):
            return []
        people = frame.instances if self.style.background == "video" else frame.instances[rows]
        rows = rows if self.style.background == "video" else np.arange(len(rows))
        ids, scores, min_score = _get_ids(people), people.person_scores, self.style.min_keypoint_score
        extents = find_extents(people, min_score)
        texts = [self._make_text(int(ids[row]), float(scores[row])) for row in rows]
        is_inside = np.all((extents[:, 2:] > 0) & (extents[:, :2] < frame.size_wh), axis=1).tolist()
        labelled = [(int(row), text) for row, text in zip(rows, texts, strict=True) if text and is_inside[row]]
        corners = self._labels.place(
            [find_label_size(text, height) for _, text in labelled],
            extents,
            self._skeletons.list_limbs(people, min_score),
            ids,
            [row for row, _ in labelled],
            frame.size_wh,
        )
        return [
            Label(corner, text, height, self._colors.find(int(ids[row])))
            for corner, (row, text) in zip(corners, labelled, strict=True)
        ]

    def _make_text(self, track_id: int, score: float) -> str:
        """A person's label, empty for none."""
        number = [str(track_id)] if self.style.ids and track_id != UNTRACKED else []
        return " ".join([*number, *([f"{score:.2f}"] if self.style.scores else [])])

    def _draw(self, people: Instances, labels: list[Label], image: ImageArray) -> ImageArray:
        """Draw people over an image, which is changed and returned."""
        style, pen = self.style, Pen.for_size((image.shape[1], image.shape[0]))
        ids = _get_ids(people)
        colors = [self._colors.find(track_id) for track_id in ids.tolist()]
        has_dense = find_dense(people, style.dense_view if style.iuv else "off")
        if style.masks and people.masks is not None:
            # Only lines leave room for another colour on the same body.
            draw_masks(image, people.masks, colors, ~has_dense | (style.dense_view == "contour"))
        if has_dense.any():
            line_px = max(1, pen.line_px // 2)
            draw_dense(image, people, style.dense_view, texture=style.texture, line_px=line_px)
        if style.trails:
            self._trails.draw(image, ids.tolist(), self._colors.find, style.trail_s, pen)
        if style.boxes and people.boxes_xyxy is not None:
            draw_boxes(image, people.boxes_xyxy, colors, pen)
        if style.skeletons:
            self._skeletons.draw(image, people, style.min_keypoint_score, pen)
        for label in labels:
            draw_label(image, label)
        return image


def _get_ids(people: Instances) -> IntArray:
    """Everyone's track id, (N,)."""
    return np.full(len(people), UNTRACKED) if people.track_ids is None else people.track_ids
