from dataclasses import replace

import numpy as np
import pytest

from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.render import Renderer, RenderStyle, color_of
from posetrack.skeleton import COCO_17

NOTHING = RenderStyle(skeletons=False, boxes=False, ids=False, trails=False)


def make_frame(width: int = 320, height: int = 240, *, time_s: float = 0.0, x: float = 100.0) -> Frame:
    points = np.stack([np.linspace(x, x + 40, 17), np.linspace(60, 180, 17)], axis=1)[None]
    people = Instances(
        boxes_xyxy=[[x, 50, x + 40, 190]],
        box_scores=[0.9],
        keypoints_xy=points,
        keypoint_scores=np.full((1, 17), 0.8),
        track_ids=[1],
    )
    return Frame(0, time_s, np.zeros((height, width, 3), np.uint8), people)


def is_color_at(image: np.ndarray, x: float, y: float, color: tuple[int, int, int]) -> bool:
    around = image[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].reshape(-1, 3).astype(int)
    return bool((np.abs(around - color).max(axis=1) < 12).any())


def test_the_frame_itself_is_left_alone():
    frame = make_frame()
    image = Renderer(COCO_17)(frame)
    assert frame.image.max() == 0
    assert image.max() > 0
    assert image.shape == frame.image.shape
    assert Renderer(COCO_17, NOTHING)(frame).max() == 0


def test_left_and_right_have_their_colours_and_the_box_has_the_persons():
    frame = make_frame()
    image = Renderer(COCO_17, replace(NOTHING, skeletons=True))(frame)
    points = frame.instances.keypoints_xy[0]
    assert is_color_at(image, *points[COCO_17.names.index("left_wrist")], (255, 138, 20))
    assert is_color_at(image, *points[COCO_17.names.index("right_ankle")], (40, 170, 255))
    image = Renderer(COCO_17, replace(NOTHING, boxes=True))(frame)
    assert is_color_at(image, 100, 120, color_of(1))
    assert is_color_at(image, 120, 190, color_of(1))


def test_unsure_keypoints_are_not_drawn():
    frame = make_frame()
    people = replace(frame.instances, keypoint_scores=np.full((1, 17), 0.1))
    assert Renderer(COCO_17, replace(NOTHING, skeletons=True))(replace(frame, instances=people)).max() == 0


def test_smoothed_keypoints_are_drawn_where_there_are_some():
    frame = make_frame()
    moved = frame.instances.keypoints_xy + np.float32([120, 0])
    people = replace(frame.instances, smoothed_xy=moved)
    image = Renderer(COCO_17, replace(NOTHING, skeletons=True))(replace(frame, instances=people))
    assert image[:, :150].max() == 0
    assert image[:, 215:265].max() > 0


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (31, 17), (1920, 1080)])
def test_any_size_of_image_and_nobody(size):
    for instances in (Instances(), make_frame().instances, make_frame().instances[[]]):
        frame = Frame(0, 0.0, np.zeros((size[1], size[0], 3), np.uint8), instances)
        assert Renderer(COCO_17)(frame).shape == frame.image.shape


def test_points_far_away_do_not_crash():
    frame = make_frame()
    for far in (1e9, -1e9):
        people = replace(
            frame.instances,
            keypoints_xy=np.full((1, 17, 2), far),
            boxes_xyxy=np.full((1, 4), far),
        )
        Renderer(COCO_17)(replace(frame, instances=people))


def test_lines_grow_with_the_image():
    style = replace(NOTHING, boxes=True)
    small = Renderer(COCO_17, style)(make_frame(320, 240))
    large = Renderer(COCO_17, style)(make_frame(3840, 2160))
    assert (large.max(axis=2) > 0).sum() > 2.5 * (small.max(axis=2) > 0).sum()


def test_colours_are_steady_and_differ():
    assert color_of(7) == color_of(7)
    assert len({color_of(i) for i in range(1, 40)}) == 39
    assert color_of(UNTRACKED) == (160, 160, 160)


def test_masks_tint_what_they_cover():
    masks = np.zeros((2, 60, 80), bool)
    masks[0, 10:30, 20:40] = True
    instances = Instances(masks=masks, track_ids=np.array([3, 4]))
    frame = Frame(0, 0.0, np.full((60, 80, 3), 100, np.uint8), instances)
    drawn = Renderer(COCO_17, RenderStyle(ids=False))(frame)
    wanted = 0.6 * 100 + 0.4 * np.array(color_of(3))
    np.testing.assert_allclose(drawn[masks[0]], np.tile(wanted, (400, 1)), atol=1)
    assert (drawn[~masks[0]] == 100).all()
    assert (Renderer(COCO_17, RenderStyle(ids=False, masks=False))(frame) == 100).all()
