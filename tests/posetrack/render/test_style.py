from dataclasses import replace

import numpy as np
import pytest

from posetrack.errors import PoseTrackError
from posetrack.frame import Frame, Instances
from posetrack.render import BACKGROUNDS, Renderer, RenderStyle, color_of
from posetrack.skeleton import COCO_17


def make_frame() -> Frame:
    """Two people, of ids 1 and 2, over a gray image, with masks."""
    points = np.stack([np.linspace(40, 80, 17), np.linspace(60, 180, 17)], axis=1)
    masks = np.zeros((2, 240, 320), bool)
    masks[0, 60:180, 40:80] = masks[1, 60:180, 200:240] = True
    people = Instances(
        boxes_xyxy=[[30, 50, 90, 190], [190, 50, 250, 190]],
        box_scores=[0.9, 0.8],
        keypoints_xy=np.stack([points, points + np.array([160, 0])]),
        keypoint_scores=np.full((2, 17), 0.8),
        track_ids=[1, 2],
        masks=masks,
    )
    return Frame(0, 0.0, np.full((240, 320, 3), 128, np.uint8), people)


def test_an_unknown_background_is_refused_in_one_line():
    with pytest.raises(PoseTrackError, match="background 'blak': no such background; did you mean 'black'"):
        RenderStyle(background="blak")


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_backgrounds(background):
    frame = make_frame()
    drawn = Renderer(COCO_17, RenderStyle(background=background))(frame)
    far = drawn[230, 160].tolist()
    expected = {"video": [128] * 3, "black": [0] * 3, "white": [255] * 3, "transparent": [0] * 4}
    assert far == expected[background]
    assert drawn.shape == (240, 320, 4 if background == "transparent" else 3)
    assert drawn.dtype == np.uint8
    assert (frame.image == 128).all()


@pytest.mark.parametrize("behind", [0, 60, 128, 255])
def test_a_transparent_drawing_over_any_gray_is_what_is_drawn_on_it(behind):
    frame = make_frame()
    frame = replace(frame, image=np.full_like(frame.image, behind))
    rgba = Renderer(COCO_17, RenderStyle(background="transparent"))(frame).astype(float)
    alpha = rgba[..., 3:] / 255
    direct = Renderer(COCO_17)(frame)
    np.testing.assert_allclose(rgba[..., :3] * alpha + behind * (1 - alpha), direct, atol=6)
    assert ((rgba[..., 3] > 0) & (rgba[..., 3] < 255)).any(), "tints and edges let the background through"


def test_edges_of_a_transparent_drawing_have_its_colour_not_that_of_the_background():
    frame = make_frame()
    tint = Renderer(COCO_17, RenderStyle(False, True, False, False, background="transparent"))(frame)
    np.testing.assert_allclose(tint[100, 60], [*color_of(1), 102], atol=3)


def test_only_and_drop_choose_who_is_drawn():
    frame = make_frame()

    def find_drawn(**style) -> list[bool]:
        drawn = Renderer(COCO_17, RenderStyle(background="black", **style))(frame)
        return [bool(half.any()) for half in (drawn[:, :150], drawn[:, 170:])]

    assert find_drawn() == [True, True]
    assert find_drawn(only=frozenset({1})) == [True, False]
    assert find_drawn(drop=frozenset({1})) == [False, True]
    assert find_drawn(only=frozenset({1, 2}), drop=frozenset({2, 7})) == [True, False]
    assert find_drawn(only=frozenset()) == [False, False]


def test_people_without_ids_are_drawn_unless_ids_are_chosen():
    frame = make_frame()
    nobody = replace(frame, instances=replace(frame.instances, track_ids=None))
    assert Renderer(COCO_17, RenderStyle(background="black", drop=frozenset({1})))(nobody).any()
    assert not Renderer(COCO_17, RenderStyle(background="black", only=frozenset({1})))(nobody).any()
