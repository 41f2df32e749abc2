from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.densepose.parts import CHART_MIRROR, NUM_CHARTS
from models.densepose.pixel_box import find_pixels
from posetrack.errors import PoseTrackError
from posetrack.frame import NO_DENSE, Frame, Instances
from posetrack.render import Renderer, RenderStyle, color_of
from posetrack.render.dense import DENSE_VIEWS, PART_COLORS, draw_dense
from posetrack.skeleton import COCO_17
from posetrack.texture_atlas import TextureAtlas

PARULA = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_PARULA)[:, 0, ::-1]
BODY = np.dstack([np.full((4, 4), 5, np.uint8), np.full((4, 4), 100, np.uint8), np.full((4, 4), 200, np.uint8)])
BARE = RenderStyle(skeletons=False, masks=False, boxes=False, ids=False, trails=False)


def make_pose(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Blobs of charts, some background, and smooth coordinates."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, NUM_CHARTS + 1, (height // 6 + 1, width // 6 + 1), np.uint8)
    charts = np.kron(cells, np.ones((6, 6), np.uint8))[:height, :width]
    u, v = (cv2.resize(rng.random((4, 4)), (width, height)) * 255 for _ in range(2))
    return np.dstack([charts, u.astype(np.uint8), v.astype(np.uint8)])


def make_people(count: int = 3) -> Instances:
    """People who overlap and reach out of an image of 60 x 48 on all sides."""
    corners = np.array([[-7.5, -3.2], [20.9, 11.1], [38.4, 26.0], [10.0, 20.0]])[:count]
    poses = tuple(make_pose(31 + i, 26 - i, i) for i in range(count))
    sizes = np.array([[pose.shape[1] + 0.6, pose.shape[0] + 0.4] for pose in poses]).reshape(count, 2)
    boxes = np.concatenate([corners, corners + sizes], axis=1)
    return Instances(boxes_xyxy=boxes, box_scores=np.array([0.6, 0.9, 0.6, 0.2])[:count], dense=poses)


def make_image() -> np.ndarray:
    return np.random.default_rng(9).integers(0, 256, (48, 60, 3), np.uint8)


def make_atlas(side: int = 9) -> TextureAtlas:
    return TextureAtlas(np.random.default_rng(4).integers(0, 256, (6 * side, 4 * side, 4), np.uint8))


def count_levels(byte: int) -> int:
    """How many of the levels k/9 lie at or below a coordinate; the last ends the chart and is never crossed."""
    return sum(byte / 255 >= k / 9 for k in range(1, 9))


def draw_pixel(pose, row, column, below, view, atlas, line_px):
    """The colour of one pixel of a body, with its pose's neighbours."""
    chart, u, v = (int(value) for value in pose[row, column])
    if view == "parts":
        return 0.3 * below + 0.7 * PART_COLORS[chart]
    if view == "iuv":
        return 0.3 * below + 0.7 * np.array([v, u, 10 * chart])
    if view in ("u", "v"):
        return 0.3 * below + 0.7 * PARULA[u if view == "u" else v]
    if view == "texture":
        side = atlas.rgba.shape[0] // 6
        x = (chart - 1) // 6 * side + u * (side - 1) // 255
        y = (chart - 1) % 6 * side + (255 - v) * (side - 1) // 255
        opacity = atlas.rgba[y, x, 3] / 255
        return (1 - opacity) * below + opacity * atlas.rgba[y, x, :3]
    for channel, byte in ((2, v), (1, u)):
        for other_row, other_column in ((row + line_px, column), (row, column + line_px)):
            if other_row < pose.shape[0] and other_column < pose.shape[1]:
                other = pose[other_row, other_column]
                if other[0] == chart and count_levels(other[channel]) != count_levels(byte):
                    return PARULA[byte]
    return below


def draw_naively(image, people, view, atlas, line_px):
    """Pixel by pixel: the highest-scoring person there, of equal ones the first."""
    drawn = image.astype(float)
    for y, x in np.ndindex(image.shape[:2]):
        order = sorted(range(len(people)), key=lambda i: (-people.box_scores[i], i))
        for i in order:
            pixels, pose = find_pixels(people.boxes_xyxy[i]), people.dense[i]
            row, column = y - pixels.y, x - pixels.x
            is_inside = 0 <= row < pose.shape[0] and 0 <= column < pose.shape[1]
            if is_inside and pose[row, column, 0]:
                # The contours of what is seen: the part of the pose outside the image counts for nothing.
                seen = pose[: image.shape[0] - pixels.y, : image.shape[1] - pixels.x]
                drawn[y, x] = draw_pixel(seen, row, column, drawn[y, x], view, atlas, line_px)
                break
    return drawn


@pytest.mark.parametrize("line_px", [1, 2])
@pytest.mark.parametrize("view", [view for view in DENSE_VIEWS if view != "off"])
def test_each_view_is_that_of_a_loop_over_pixels(view, line_px):
    image, people, atlas = make_image(), make_people(4), make_atlas()
    drawn = image.copy()
    draw_dense(drawn, people, view, texture=atlas, line_px=line_px)
    expected = draw_naively(image, people, view, atlas, line_px)
    assert np.abs(expected - image).max() > 50
    np.testing.assert_allclose(drawn, expected, atol=0.51)


def test_of_all_bytes_those_of_the_texture_are_exact():
    # A tile of 256: every step is 1, which 3 / 255 * 255 = 2.9999999999999996 is not.
    rgba = np.zeros((6 * 256, 4 * 256, 4), np.uint8)
    rgba[..., 0], rgba[..., 1] = np.arange(1024) % 256, (np.arange(1536) % 256)[:, None]
    u, v = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    colors = TextureAtlas(rgba).look_up(np.dstack([np.full_like(u, 7), u, v]))
    np.testing.assert_array_equal(colors[..., 0], u)
    np.testing.assert_array_equal(colors[..., 1], 255 - v)


def test_of_two_people_the_higher_scoring_is_on_top_and_does_not_let_the_other_through():
    other = BODY.copy()
    other[..., 0] = 20
    image = np.full((4, 4, 3), 50, np.uint8)
    for scores, chart in (([0.9, 0.4], 5), ([0.4, 0.9], 20), ([0.5, 0.5], 5)):
        people = Instances(boxes_xyxy=[[0, 0, 4, 4]] * 2, box_scores=scores, dense=(BODY, other))
        drawn = image.copy()
        draw_dense(drawn, people, "parts")
        np.testing.assert_allclose(drawn, np.tile(0.3 * 50 + 0.7 * PART_COLORS[chart], (4, 4, 1)), atol=0.51)


def test_keypoints_count_in_the_order_as_they_do_in_the_shown_scores():
    other = BODY.copy()
    other[..., 0] = 20
    people = Instances(
        boxes_xyxy=[[0, 0, 4, 4]] * 2,
        box_scores=[0.9, 0.8],
        keypoints_xy=np.zeros((2, 17, 2)),
        keypoint_scores=np.array([[0.3] * 17, [0.9] * 17]),
        dense=(BODY, other),
    )
    drawn = np.zeros((4, 4, 3), np.uint8)
    draw_dense(drawn, people, "parts")
    np.testing.assert_allclose(drawn[0, 0], 0.7 * PART_COLORS[20], atol=0.51)


@pytest.mark.parametrize("view", DENSE_VIEWS)
def test_nobody_no_poses_empty_ones_and_background_leave_the_image_alone(view):
    image = make_image()
    background = np.zeros((40, 40, 3), np.uint8)
    people = make_people(3)
    for nobody in (
        Instances(),
        people[[]],
        replace(people, dense=None),
        replace(people, boxes_xyxy=None),
        replace(people, dense=(NO_DENSE,) * 3),
        replace(people, dense=(background, NO_DENSE, background)),
        replace(people, dense=(make_pose(9, 9) | 128,) * 3),
    ):
        drawn = image.copy()
        draw_dense(drawn, nobody, view, texture=make_atlas())
        np.testing.assert_array_equal(drawn, image)


@pytest.mark.parametrize("view", DENSE_VIEWS)
@pytest.mark.parametrize("size_wh", [(1, 1), (2, 3), (60, 48), (3, 400)])
def test_any_size_of_image_and_of_person(view, size_wh):
    boxes, poses = [], []
    for x, y in [(-50, -50), (-0.5, -0.5), (0, 0), (1, 2), (59.9, 47.9), (1e6, -1e6), (2e9, 2e9)]:
        for width, height in [(1, 1), (1, 90), (90, 1), (70, 70)]:
            boxes.append([x, y, x + width, y + height])
            poses.append(make_pose(height, width) | np.array([1, 0, 0], np.uint8))
    people = Instances(boxes_xyxy=boxes, dense=tuple(poses))
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    draw_dense(image, people, view, texture=make_atlas(2), line_px=3)
    assert image.shape == (size_wh[1], size_wh[0], 3)
    if view == "parts":
        assert image[0, 0].any()


def test_colours_of_parts_differ_and_counterparts_have_one_hue():
    lab = cv2.cvtColor(PART_COLORS[None, 1:].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 999 * np.eye(NUM_CHARTS)
    assert distances.min() > 15
    hues = cv2.cvtColor(PART_COLORS[None].astype(np.float32) / 255, cv2.COLOR_RGB2HSV)[0, :, 0]
    turns = np.abs(hues - hues[list(CHART_MIRROR)])
    assert np.minimum(turns, 360 - turns).max() < 12


def test_the_switch_the_view_and_what_lies_above_and_below():
    masks = np.ones((2, 48, 60), bool)
    people = Instances(
        boxes_xyxy=[[2, 3, 6, 7], [20, 20, 24, 24]], track_ids=[3, 4], masks=masks, dense=(BODY, NO_DENSE)
    )
    frame = Frame(0, 0.0, np.full((48, 60, 3), 100, np.uint8), people)

    def draw(**changes) -> np.ndarray:
        return Renderer(COCO_17, replace(BARE, **changes))(frame)

    tint = 0.6 * 100 + 0.4 * np.array(color_of(4))
    inside, outside = (4, 4), (40, 40)
    part = 0.7 * PART_COLORS[5]
    for style in ({"iuv": False}, {"dense_view": "off"}):
        assert (draw(**style) == 100).all()
        both = 0.6 * (0.6 * 100 + 0.4 * np.array(color_of(3))) + 0.4 * np.array(color_of(4))
        np.testing.assert_allclose(draw(**style, masks=True)[inside], both, atol=2)
    np.testing.assert_allclose(draw()[inside], 0.3 * 100 + part, atol=0.51)
    assert (draw()[outside] == 100).all()
    # The mask of a person who is coloured already is left out, that of another one is not, and lies below.
    np.testing.assert_allclose(draw(masks=True)[outside], tint, atol=1)
    np.testing.assert_allclose(draw(masks=True)[inside], 0.3 * tint + part, atol=1)
    contours = draw(masks=True, dense_view="contour")
    np.testing.assert_allclose(contours[inside], both, atol=2)
    assert (draw(boxes=True)[3, 2] == color_of(3)).all()


def test_styles_that_contradict_themselves_are_refused():
    atlas = make_atlas()
    assert RenderStyle(dense_view="texture", texture=atlas).texture is atlas
    with pytest.raises(PoseTrackError, match="dense_view 'part': no such view; did you mean 'parts'") as caught:
        RenderStyle(dense_view="part")
    assert "\n" not in str(caught.value)
    with pytest.raises(PoseTrackError, match="'texture': there is no texture; read one with read_texture"):
        RenderStyle(dense_view="texture")
    with pytest.raises(PoseTrackError, match="'parts': shows no texture"):
        RenderStyle(texture=atlas)
