from dataclasses import replace

import cv2
import numpy as np
import pytest

from posetrack.frame import Frame, Instances
from posetrack.render import Renderer, RenderStyle, color_of
from posetrack.render.trails import Trails
from posetrack.skeleton import COCO_17

STYLE = RenderStyle(skeletons=False, boxes=False, ids=False, trails=True, trail_s=1.0)
SCENE = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (300, 900, 3), np.uint8), (0, 0), 3)
SCENE = cv2.normalize(SCENE, None, 0, 255, cv2.NORM_MINMAX)


def make_frame(index: int, x: float, image: np.ndarray, *, ankles=0.9, y: float = 0.0) -> Frame:
    """Somebody whose box ends at y = 200 and whose ankles are at 190, at x."""
    points = np.full((1, 17, 2), [x, 120 + y])
    points[:, -2:] = [[x - 8, 190 + y], [x + 8, 190 + y]]
    scores = np.full((1, 17), 0.9)
    scores[:, -2:] = ankles
    people = Instances(
        boxes_xyxy=[[x - 20, 60 + y, x + 20, 200 + y]],
        box_scores=[0.9],
        keypoints_xy=points,
        keypoint_scores=scores,
        track_ids=[1],
    )
    return Frame(index, index / 25, image, people)


def black(width: int = 400, height: int = 240) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_trails_are_off_unless_asked_for():
    assert not RenderStyle().trails


@pytest.mark.parametrize(("ankles", "y"), [(0.9, 190), (0.1, 200)])
def test_trails_are_at_the_feet_and_fade(ankles, y):
    render = Renderer(COCO_17, STYLE)
    for i in range(25):
        drawn = render(make_frame(i, 40 + 12 * i, black(), ankles=ankles))
    rows = np.flatnonzero(drawn.max(axis=(1, 2)) > 30)
    assert abs(rows.mean() + 0.5 - y) < 2
    assert rows[-1] - rows[0] < 8
    brightness = drawn.max(axis=(0, 2)).astype(int)
    assert brightness[320] > 200
    assert 20 < brightness[60] < 80
    assert (np.diff(brightness[60:320:20]) >= 0).all()
    newest = drawn[:, 320][drawn[:, 320].sum(axis=1).argmax()] / 255
    np.testing.assert_allclose(newest, np.array(color_of(1)) / 255 * 0.9, atol=0.05)


def test_trails_end_with_time_and_are_drawn_for_people_who_are_there():
    render = Renderer(COCO_17, STYLE)
    render(make_frame(0, 40, black()))
    assert render(make_frame(5, 90, black())).any()
    assert not render(replace(make_frame(6, 90, black()), instances=Instances())).any()
    assert render(make_frame(7, 100, black())).any()
    assert not render(make_frame(100, 300, black())).any()
    assert not render(make_frame(3, 20, black())).any(), "time went back"


def test_ankles_that_come_and_go_do_not_make_feet_jump():
    """One ankle is 16 pixels beside the other, and 10 above the box's lower edge."""
    rng = np.random.default_rng(8)
    scores = rng.choice([0.1, 0.9], (60, 2))
    standing = [make_frame(i, 200, black(), ankles=scores[i]) for i in range(60)]
    assert measure_trail(standing) < 8
    # Whoever walks is followed at once.
    walking = [make_frame(i, 40 + 5 * i, black(), ankles=scores[i]) for i in range(60)]
    assert measure_trail(walking) == pytest.approx(125, abs=8)


def measure_trail(frames) -> float:
    """The extent of the trail on the last of some frames, in pixels."""
    trails = Trails(COCO_17)
    for frame in frames:
        trails.follow(frame, 1.0, 0.3)
    return float(np.ptp(trails._points[1][:, 1:], axis=0).max())


def test_somebody_who_stands_has_a_short_trail_under_a_panning_camera():
    """The camera pans by 6 pixels a frame to the right: somebody on the ground goes left in the image."""
    views = [SCENE[30:270, 6 * i : 6 * i + 400] for i in range(25)]
    standing = [make_frame(i, 350 - 6 * i, view) for i, view in enumerate(views)]
    assert measure_trail(standing) < 12
    # Somebody who keeps up with the camera has walked over the ground.
    walking = [make_frame(i, 200, view) for i, view in enumerate(views)]
    assert measure_trail(walking) == pytest.approx(6 * 24, rel=0.1)
    # Without images nothing is known of the camera.
    assert measure_trail([replace(frame, image=black()) for frame in standing]) == pytest.approx(6 * 24, abs=1)


def test_the_motion_that_a_tracker_gives_is_used_and_its_cuts():
    motion = np.float32([[1, 0, -6], [0, 1, 0]])
    frames = [replace(make_frame(i, 350 - 6 * i, black()), background_motion=motion) for i in range(25)]
    frames[0] = replace(frames[0], background_motion=None)
    assert measure_trail(frames) < 0.01
    cut = [replace(frame, background_motion=None) if i == 20 else frame for i, frame in enumerate(frames)]
    trails = Trails(COCO_17)
    for frame in cut[:21]:
        trails.follow(frame, 1.0, 0.3)
    assert len(trails._points[1]) == 1


def test_a_cut_of_the_scene_clears_trails():
    other = np.ascontiguousarray(SCENE[::-1, ::-1])
    trails = Trails(COCO_17)
    for i in range(10):
        trails.follow(make_frame(i, 100 + 3 * i, (SCENE if i < 8 else other)[:240, :400]), 1.0, 0.3)
    assert len(trails._points[1]) == 2


def test_trails_are_scaled_where_the_size_of_the_images_changes():
    trails = Trails(COCO_17)
    trails.follow(make_frame(0, 100, black()), 1.0, 0.3)
    trails.follow(make_frame(1, 200, black(800, 480)), 1.0, 0.3)
    np.testing.assert_allclose(trails._points[1][:, 1:], [[200, 380], [200, 190]])


def test_nobody_is_remembered_for_ever():
    trails = Trails(COCO_17)
    for i in range(500):
        frame = make_frame(i, 100, black(64, 64))
        trails.follow(replace(frame, instances=replace(frame.instances, track_ids=[i + 1])), 1.0, 0.3)
    assert len(trails) <= 27


def test_trails_lie_on_a_transparent_ground():
    render = Renderer(COCO_17, replace(STYLE, background="transparent"))
    for i in range(20):
        drawn = render(make_frame(i, 40 + 12 * i, black()))
    alpha = drawn[190, :, 3].astype(int)
    assert 200 < alpha[250] < 240
    assert alpha[60] < 150
    np.testing.assert_allclose(drawn[190, 100, :3], color_of(1), atol=12)


@pytest.mark.parametrize("size", [(1, 1), (31, 17)])
def test_small_images_and_places_far_outside(size):
    render = Renderer(COCO_17, STYLE)
    for i, x in enumerate([5, 1e9, -1e9, 7, 8]):
        assert render(make_frame(i, x, black(*size))).shape == (size[1], size[0], 3)
