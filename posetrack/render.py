"""Draw people over their image: skeletons, masks, dense poses, boxes, ids and trails."""

from __future__ import annotations

import colorsys
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.settings import suggest
from posetrack.errors import PoseTrackError
from posetrack.frame import (
    UNTRACKED,
    BoolArray,
    FloatArray,
    Frame,
    ImageArray,
    Instances,
    IntArray,
    to_pixel_indices,
)
from posetrack.render_dense import DENSE_VIEWS, draw_dense, find_dense
from posetrack.skeleton import Skeleton
from posetrack.texture_atlas import TextureAtlas

Color = tuple[int, int, int]

_SIDE_COLORS: dict[str, Color] = {"left": (255, 138, 20), "right": (40, 170, 255), "middle": (235, 235, 235)}
_UNTRACKED_COLOR: Color = (160, 160, 160)
# Golden ratio, so that hues of consecutive ids differ strongly.
_HUE_STEP = 0.618034
# Opacity of a mask.
_TINT = 0.4
# OpenCV draws at 1/8 pixel.
_SUBPIXEL_BITS = 3
# Coordinates are clipped this far outside the image, because OpenCV's are 32-bit integers.
_FARTHEST_PX = 1e5


@dataclass(frozen=True)
class RenderStyle:
    """What is drawn.

    Attributes:
        skeletons: Whether limbs and keypoints are drawn.
        masks: Whether masks are drawn, as a tint in the person's colour.
        boxes: Whether boxes are drawn.
        ids: Whether track ids and scores are drawn above the boxes.
        trails: Whether the past positions of visible people are drawn.
        min_keypoint_score: Keypoints below it, and their limbs, are not drawn.
        trail_s: Length of the trails in seconds.
        iuv: Whether dense poses are drawn.
        dense_view: How they are drawn, one of `posetrack.render_dense.DENSE_VIEWS`.
        texture: The texture of the view `texture`; `posetrack.texture_atlas.read_texture` reads one.

    Raises:
        PoseTrackError: There is no such view, the view `texture` has no texture, or another view has one.
    """

    skeletons: bool = True
    masks: bool = True
    boxes: bool = True
    ids: bool = True
    trails: bool = True
    min_keypoint_score: float = 0.3
    trail_s: float = 1.5
    iuv: bool = True
    dense_view: str = "parts"
    texture: TextureAtlas | None = None

    def __post_init__(self) -> None:
        if self.dense_view not in DENSE_VIEWS:
            raise PoseTrackError(
                f"dense_view '{self.dense_view}': no such view; {suggest(self.dense_view, DENSE_VIEWS)}"
            )
        if self.dense_view == "texture" and self.texture is None:
            raise PoseTrackError("dense_view 'texture': there is no texture; read one with read_texture")
        if self.dense_view != "texture" and self.texture is not None:
            raise PoseTrackError(
                f"dense_view '{self.dense_view}': shows no texture; use 'texture', or give none"
            )


class Renderer:
    """Draws the people of consecutive frames, and keeps their past positions for the trails.

    Line widths are proportional to the size of the frame. Keypoints and limbs of
    the left side are orange, those of the right side blue; a person's box, id and trail share one colour.

    Attributes:
        skeleton: The limbs to draw.
        style: What to draw; may change from frame to frame.
    """

    def __init__(self, skeleton: Skeleton, style: RenderStyle | None = None) -> None:
        self.skeleton = skeleton
        self.style = style or RenderStyle()
        sides = [skeleton.side_of(name) for name in skeleton.names]
        self._keypoint_colors = [_SIDE_COLORS[side] for side in sides]
        self._limb_colors = [
            _SIDE_COLORS[sides[a] if sides[a] == sides[b] else "middle"] for a, b in skeleton.edge_index
        ]
        self._trails: dict[int, deque[tuple[float, FloatArray]]] = {}
        self._size_wh: tuple[int, int] | None = None

    def __call__(self, frame: Frame) -> ImageArray:
        """Draw one frame.

        Args:
            frame: The frame; its `smoothed_xy` is drawn if present, otherwise `keypoints_xy`.

        Returns:
            (H, W, 3) uint8 RGB, a new image.
        """
        image = frame.image.copy()
        self._follow_size(frame.size_wh)
        people = frame.instances
        width = 1 + round(min(frame.size_wh) / 360)
        ids = np.full(len(people), UNTRACKED) if people.track_ids is None else people.track_ids
        colors = [color_of(int(track_id)) for track_id in ids]
        has_dense = find_dense(people, self.style.dense_view if self.style.iuv else "off")
        if self.style.masks and people.masks is not None:
            # Only lines leave room for another colour on the same body.
            is_tinted = ~has_dense | (self.style.dense_view == "contour")
            _draw_masks(image, people.masks, colors, is_tinted)
        if has_dense.any():
            draw_dense(
                image, people, self.style.dense_view, texture=self.style.texture, line_px=max(1, width // 2)
            )
        if self.style.trails:
            self._draw_trails(image, frame, width)
        if self.style.boxes:
            _draw_boxes(image, people, colors, width)
        if self.style.skeletons:
            self._draw_skeletons(image, people, width)
        if self.style.ids:
            _draw_labels(image, people, ids, colors, width)
        return image

    def _follow_size(self, size_wh: tuple[int, int]) -> None:
        """Scale the trails where the size of the images changes."""
        if self._size_wh is not None and size_wh != self._size_wh:
            ratio_xy = np.divide(size_wh, self._size_wh, dtype=np.float32)
            for track_id, trail in self._trails.items():
                self._trails[track_id] = deque((time_s, point * ratio_xy) for time_s, point in trail)
        self._size_wh = size_wh

    def _draw_trails(self, image: ImageArray, frame: Frame, width: int) -> None:
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
            elif len(trail) > 1 and trail[-1][0] == frame.time_s:
                points = _fix(np.stack([point for _, point in trail]))
                _draw_path(image, points, color_of(track_id), width)

    def _draw_skeletons(self, image: ImageArray, people: Instances, width: int) -> None:
        if people.drawn_xy is None or people.keypoint_scores is None:
            return
        shown = people.keypoint_scores >= self.style.min_keypoint_score
        radius = round((width + 0.5) * 2**_SUBPIXEL_BITS)
        for points, is_shown in zip(_fix(people.drawn_xy), shown, strict=True):
            for (a, b), color in zip(self.skeleton.edge_index, self._limb_colors, strict=True):
                if is_shown[a] and is_shown[b]:
                    cv2.line(image, points[a], points[b], color, width, cv2.LINE_AA, _SUBPIXEL_BITS)
            for k in np.flatnonzero(is_shown):
                color = self._keypoint_colors[k]
                cv2.circle(image, points[k], radius, color, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def color_of(track_id: int) -> Color:
    """Compute the RGB colour of a track id, the same in every frame and every run."""
    if track_id == UNTRACKED:
        return _UNTRACKED_COLOR
    r, g, b = colorsys.hsv_to_rgb((track_id * _HUE_STEP) % 1.0, 0.75, 1.0)
    return round(255 * r), round(255 * g), round(255 * b)


def _draw_masks(image: ImageArray, masks: BoolArray, colors: list[Color], is_tinted: BoolArray) -> None:
    for i in np.flatnonzero(is_tinted):
        mask, color = masks[i], colors[i]
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            continue
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        inside = mask[part]
        tinted = image[part][inside] * (1 - _TINT) + np.array(color) * _TINT
        image[part][inside] = tinted.astype(np.uint8)


def _draw_boxes(image: ImageArray, people: Instances, colors: list[Color], width: int) -> None:
    if people.boxes_xyxy is None:
        return
    # On whole pixels, for sharp vertical lines.
    corners = np.clip(np.floor(people.boxes_xyxy), -_FARTHEST_PX, _FARTHEST_PX).astype(np.int32)
    for (left, top, right, bottom), color in zip(corners.tolist(), colors, strict=True):
        cv2.rectangle(image, (left, top), (right, bottom), color, width)


def _draw_labels(image: ImageArray, people: Instances, ids: IntArray, colors: list[Color], width: int) -> None:
    if people.boxes_xyxy is None:
        return
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.35 + 0.15 * width
    for box, track_id, score, color in zip(
        people.boxes_xyxy, ids.tolist(), people.person_scores.tolist(), colors, strict=True
    ):
        text = f"{score:.2f}" if track_id == UNTRACKED else f"{track_id}  {score:.2f}"
        (text_width, text_height), below = cv2.getTextSize(text, font, scale, width)
        left = int(min(max(box[0], 0), max(image.shape[1] - text_width, 0)))
        bottom = int(min(max(box[1], text_height + below), image.shape[0]))
        top_left = (left, bottom - text_height - below)
        cv2.rectangle(image, top_left, (left + text_width, bottom), color, -1)
        place = (left, bottom - below // 2)
        cv2.putText(image, text, place, font, scale, (0, 0, 0), width, cv2.LINE_AA)


def _draw_path(image: ImageArray, points: npt.NDArray[np.int32], color: Color, width: int) -> None:
    cv2.polylines(image, [points], False, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fix(points_xy: FloatArray) -> npt.NDArray[np.int32]:
    """Convert continuous pixels to indices of pixels in OpenCV's fixed point."""
    inside = np.clip(points_xy, -_FARTHEST_PX, _FARTHEST_PX)
    fixed: npt.NDArray[np.int32] = np.rint(to_pixel_indices(inside) * 2**_SUBPIXEL_BITS).astype(np.int32)
    return fixed
