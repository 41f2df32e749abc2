"""Labels: the number beside each person, placed where it covers nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from posetrack.frame import UNTRACKED, FloatArray, ImageArray, IntArray
from posetrack.render.colors import OUTLINE_COLOR, Color, contrast_with

# Heights of a label: of the shorter side of the image, at least so many pixels, never more of its height.
_PER_SIDE = 1 / 30
_LEAST_PX = 14
_MOST_PER_HEIGHT = 1 / 10
# Below it figures cannot be read, and there is no label.
_READABLE_PX = 7
# Of the label's height.
_TEXT_PER_LABEL = 0.62
_PADDING_PER_LABEL = 0.25
_FONT, _FONT_PX = cv2.FONT_HERSHEY_SIMPLEX, 21
# Text is drawn so many times larger, and shrunk.
_OVERSAMPLING = 4
# Cost of what a label covers: of a place's area, for boxes and for other labels; for limbs, whatever the area.
_BOX_COST, _LABEL_COST, _LIMB_COST = 1.0, 4.0, 1.0
# Cost of another place than in the frame before, so that labels do not jump, and of one further down the list.
_MOVE_COST, _RANK_COST = 0.02, 0.001
_LIMB_STEPS = 6


@dataclass(frozen=True)
class Label:
    """A label in an image.

    Attributes:
        corner_xy: Its left and upper corner, whole pixels.
        text: Its text.
        height_px: Its height.
        color: RGB of its box.
    """

    corner_xy: tuple[int, int]
    text: str
    height_px: int
    color: Color


class LabelPlacer:
    """Places the labels of consecutive frames.

    A label is beside its person, inside the image, where it covers nobody's box, limbs or label. Where there is
    no such place, it is where it covers least. It stays at the same side of the person while that is as good.
    """

    def __init__(self) -> None:
        self._places: dict[int, int] = {}

    def place(
        self,
        sizes_wh: Sequence[tuple[int, int]],
        extents_xyxy: FloatArray,
        limbs_xyxy: FloatArray,
        track_ids: IntArray,
        rows: Sequence[int],
        image_wh: tuple[int, int],
    ) -> list[tuple[int, int]]:
        """Place the labels of one frame.

        Args:
            sizes_wh: Widths and heights of M labels.
            extents_xyxy: (N, 4), everyone in the image.
            limbs_xyxy: (L, 4), the ends of everyone's limbs.
            track_ids: (N,), everyone's.
            rows: M rows of the labelled people.
            image_wh: Width and height of the image.

        Returns:
            M corners (left, top).
        """
        placed = np.zeros((0, 4), np.float32)
        corners = [(0, 0)] * len(rows)
        before, self._places = self._places, {}
        # By ids, so that the first to choose are the same in all frames.
        for m in np.argsort(track_ids[list(rows)], kind="stable").tolist():
            places = _list_places(extents_xyxy[rows[m]], sizes_wh[m], image_wh)
            area = sizes_wh[m][0] * sizes_wh[m][1]
            ranks = np.arange(len(places))
            costs = _RANK_COST * ranks
            track_id = int(track_ids[rows[m]])
            if track_id in before:
                costs += _MOVE_COST * (ranks != before[track_id])
            costs += _BOX_COST / area * _find_common(places, extents_xyxy).sum(axis=1)
            costs += _LABEL_COST / area * _find_common(places, placed).sum(axis=1)
            if costs.min() > _MOVE_COST + _RANK_COST * len(places):
                costs += _LIMB_COST * _count_hits(places, limbs_xyxy)
            best = int(np.argmin(costs))
            placed = np.concatenate([placed, places[best : best + 1]])
            corners[m] = (int(places[best, 0]), int(places[best, 1]))
            if track_id != UNTRACKED:
                self._places[track_id] = best
        return corners


def find_label_height(image_wh: tuple[int, int]) -> int:
    """The height of labels in an image of this width and height, pixels; 0 where none could be read."""
    wanted = max(_LEAST_PX, round(min(image_wh) * _PER_SIDE))
    height = min(wanted, int(image_wh[1] * _MOST_PER_HEIGHT))
    return height if height >= _READABLE_PX else 0


def find_label_size(text: str, height_px: int) -> tuple[int, int]:
    """Width and height of a label in pixels."""
    return make_text(text, height_px).shape[1], height_px


def draw_label(image: ImageArray, label: Label) -> None:
    """Draw a label: a filled box with a thin dark border, and black or white text.

    Args:
        image: (H, W, 3) uint8 RGB, which is changed.
        label: The label; what reaches out of the image is cut off.
    """
    opacity = make_text(label.text, label.height_px)
    left, top = label.corner_xy
    part = image[top : top + label.height_px, left : left + opacity.shape[1]]
    weight = opacity[: part.shape[0], : part.shape[1], None]
    ink, paper = np.array(contrast_with(label.color), np.float32), np.array(label.color, np.float32)
    part[:] = np.rint(paper + (ink - paper) * weight)
    corner = (part.shape[1] - 1, part.shape[0] - 1)
    cv2.rectangle(part, (0, 0), corner, OUTLINE_COLOR, max(1, label.height_px // 24))


@lru_cache(maxsize=512)
def make_text(text: str, height_px: int) -> FloatArray:
    """Draw text as the opacity of its ink, with the margins of a label.

    Returns:
        (height_px, w) float32, 0..1; not to be changed.
    """
    text_px = height_px * _TEXT_PER_LABEL * _OVERSAMPLING
    scale = text_px / _FONT_PX
    thickness = max(1, round(text_px / 7))
    (width, _), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    padding = round(height_px * _PADDING_PER_LABEL * _OVERSAMPLING)
    columns = -(-(width + 2 * padding) // _OVERSAMPLING)
    large = np.zeros((height_px * _OVERSAMPLING, columns * _OVERSAMPLING), np.uint8)
    baseline = round((large.shape[0] + text_px) / 2)
    cv2.putText(large, text, (padding, baseline), _FONT, scale, 255, thickness, cv2.LINE_AA)
    small = cv2.resize(large, (columns, height_px), interpolation=cv2.INTER_AREA)
    opacity: FloatArray = small.astype(np.float32) / np.float32(255)
    opacity.flags.writeable = False
    return opacity


def _list_places(extent_xyxy: FloatArray, size_wh: tuple[int, int], image_wh: tuple[int, int]) -> FloatArray:
    """Places around a person, moved into the image, the better ones first, (P, 4) whole pixels."""
    width, height = size_wh
    left, top = np.floor(extent_xyxy[:2])
    right, bottom = np.ceil(extent_xyxy[2:])
    gap = max(2, height // 8)
    corners = []
    for far in (0, height + gap, 3 * (height + gap)):
        above, below = top - gap - far - height, bottom + gap + far
        before, after = left - gap - far - width, right + gap + far
        middle_x, middle_y = (left + right - width) / 2, (top + bottom - height) / 2
        corners += [(x, above) for x in (left, right - width, middle_x)]
        corners += [(x, top) for x in (before, after)]
        corners += [(before, above), (after, above)]
        corners += [(x, middle_y) for x in (before, after)]
        corners += [(x, below) for x in (left, right - width, middle_x)]
        corners += [(x, bottom - height) for x in (before, after)]
    # Where everything around is taken: inside, at the corners and the edges.
    corners += [(x, y) for y in (top, bottom - height, middle_y) for x in (left, right - width, middle_x)]
    # Inside the image, which comes last, so that clipped places are rated where they are.
    most = np.maximum(np.subtract(image_wh, size_wh), 0)
    starts = np.clip(np.floor(np.array(corners)), 0, most)
    return np.concatenate([starts, starts + size_wh], axis=1).astype(np.float32)


def _find_common(a_xyxy: FloatArray, b_xyxy: FloatArray) -> FloatArray:
    """Areas that boxes have in common, (A, B)."""
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[:, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[:, 2:])
    sides = np.maximum(high - low, 0)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float32)


def _count_hits(boxes_xyxy: FloatArray, limbs_xyxy: FloatArray) -> FloatArray:
    """The parts of limbs that lie in boxes, limbs per box, (B,)."""
    steps = np.linspace(0, 1, _LIMB_STEPS, dtype=np.float32)[:, None, None]
    points = (limbs_xyxy[:, :2] * (1 - steps) + limbs_xyxy[:, 2:] * steps).reshape(-1, 2)
    boxes = boxes_xyxy[:, None]
    is_hit = ((points >= boxes[..., :2]) & (points <= boxes[..., 2:])).all(axis=2)
    return np.asarray(is_hit.sum(axis=1) / _LIMB_STEPS, np.float32)
