"""Draw dense poses: the parts of the body's surface, the coordinates on it, or a texture on it.

Views as those of detectron2's DensePose project, in colours of our own.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.densepose.parts import NUM_CHARTS
from models.densepose.pixel_box import find_pixels
from posetrack.frame import BoolArray, ImageArray, Instances
from posetrack.texture_atlas import TextureAtlas

DENSE_VIEWS = ("parts", "iuv", "u", "v", "contour", "texture", "off")
"""How dense poses are drawn.

`parts`: a colour for each of the 24 charts; `iuv`: their bytes as colours, V red, U green and the chart's
number blue; `u` and `v`: one coordinate from blue (0) to yellow (1); `contour`: lines of equal u and v;
`texture`: a `TextureAtlas` on the body; `off`: nothing."""

PART_COLORS: ImageArray = np.array(
    [
        *([0, 0, 0], [184, 153, 0], [255, 220, 60]),  # background, torso
        *([178, 77, 18], [255, 158, 102]),  # hands
        *([255, 102, 122], [178, 18, 39]),  # feet
        *([18, 104, 178], [102, 184, 255], [42, 51, 178], [125, 134, 255]),  # upper legs
        *([47, 18, 178], [130, 102, 255], [131, 42, 178], [209, 125, 255]),  # lower legs
        *([149, 255, 125], [67, 178, 42], [201, 255, 102], [122, 178, 18]),  # upper arms
        *([125, 255, 253], [42, 178, 176], [102, 255, 181], [18, 178, 101]),  # lower arms
        *([178, 18, 138], [255, 102, 217]),  # head
    ],
    np.uint8,
)
"""RGB of each chart by number: a hue for each part of the body, light on the left and dark on the right."""

_OPACITY = 0.7
# Of the chart's number in the view `iuv`, so that 24 is nearly 255.
_CHART_SCALE = 10
# Lines at 0, 1/9, ..., 1; the first and the last are where a chart ends.
_NUM_LEVELS = 10
_BANDS = np.minimum(np.arange(256) * (_NUM_LEVELS - 1) // 255, _NUM_LEVELS - 2).astype(np.uint8)


def _make_map(colors: ImageArray) -> ImageArray:
    """OpenCV's form of a table of colours: of 256, those that are missing black."""
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(colors), 0] = colors
    return table


_PART_MAP = _make_map(PART_COLORS)
_VALUE_MAP = _make_map(
    cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_PARULA)[:, 0, ::-1]  # type: ignore[arg-type]
)


def find_dense(people: Instances, view: str) -> BoolArray:
    """Find the people who have a dense pose that a view draws.

    Returns:
        (N,) bool.
    """
    if view == "off" or people.dense is None or people.boxes_xyxy is None:
        return np.zeros(len(people), np.bool_)
    return np.array([pose.size > 0 for pose in people.dense], np.bool_)


def draw_dense(
    image: ImageArray, people: Instances, view: str, *, texture: TextureAtlas | None = None, line_px: int = 1
) -> None:
    """Draw dense poses over an image.

    Each pixel shows the person of the highest score (`person_scores`; of equal ones the first) among those
    whose body covers it; others do not shine through.

    Args:
        image: (H, W, 3) uint8 RGB, which is changed.
        people: Any; those without a dense pose are left out, and what reaches out of the image is cut off.
        view: One of `DENSE_VIEWS`.
        texture: The texture of the view `texture`.
        line_px: Width of the lines of the view `contour`.
    """
    shown = find_dense(people, view)
    if not shown.any() or people.dense is None or people.boxes_xyxy is None:
        return
    taken = np.zeros(image.shape[:2], np.bool_)
    for i in np.argsort(-people.person_scores, kind="stable"):
        pose = people.dense[i]
        if not shown[i]:
            continue
        x, y, _, _ = find_pixels(people.boxes_xyxy[i])
        left, right = max(x, 0), min(x + pose.shape[1], image.shape[1])
        top, bottom = max(y, 0), min(y + pose.shape[0], image.shape[0])
        if left >= right or top >= bottom:
            continue
        place = np.s_[top:bottom, left:right]
        pose = pose[top - y : bottom - y, left - x : right - x]
        # Wraps around: 0, the background, becomes 255.
        is_body = pose[..., 0] - np.uint8(1) < NUM_CHARTS
        is_shown = is_body & ~taken[place]
        taken[place] |= is_body
        painted, covers = _paint(pose, image[place], view, texture, line_px)
        cv2.copyTo(painted, (is_shown & covers).view(np.uint8), image[place])


def _paint(
    pose: ImageArray, below: ImageArray, view: str, texture: TextureAtlas | None, line_px: int
) -> tuple[ImageArray, BoolArray | np.bool_]:
    """Paint a dense pose over the part of the image below it.

    Returns:
        The painted part, (h, w, 3), and where it is valid, of the body: (h, w), or everywhere.
    """
    if view == "texture" and texture is not None:
        rgba = texture.look_up(pose)
        opacity = rgba[..., 3].astype(np.float32) / np.float32(255)
        colors = np.ascontiguousarray(rgba[..., :3])
        return cv2.blendLinear(colors, below.copy(), opacity, 1 - opacity), np.True_  # type: ignore[return-value]
    charts, u, v = np.ascontiguousarray(pose.transpose(2, 0, 1))
    if view == "contour":
        u_lines, v_lines = (_find_crossings(charts, values, line_px) for values in (u, v))
        # Those of v where both are.
        return cv2.applyColorMap(np.where(v_lines, v, u), _VALUE_MAP), u_lines | v_lines  # type: ignore[return-value]
    if view == "parts":
        colors = cv2.applyColorMap(charts, _PART_MAP)  # type: ignore[assignment]
    elif view == "iuv":
        colors = np.dstack([v, u, charts * np.uint8(_CHART_SCALE)])
    else:
        colors = cv2.applyColorMap(u if view == "u" else v, _VALUE_MAP)  # type: ignore[assignment]
    return cv2.addWeighted(colors, _OPACITY, below, 1 - _OPACITY, 0), np.True_  # type: ignore[return-value]


def _find_crossings(charts: ImageArray, values: ImageArray, line_px: int) -> BoolArray:
    """Pixels that a level lies between and the pixel `line_px` to the right or below, of the same chart."""
    bands, lines = _BANDS[values], np.zeros(charts.shape, np.bool_)
    for here, there in (
        (np.s_[:, :-line_px], np.s_[:, line_px:]),
        (np.s_[:-line_px], np.s_[line_px:]),
    ):
        lines[here] |= (charts[here] == charts[there]) & (bands[here] != bands[there])
    return lines
