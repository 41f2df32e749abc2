import numpy as np
import pytest

from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.render import Renderer, RenderStyle, color_of
from posetrack.render.colors import SIDE_COLORS, UNTRACKED_COLOR, PersonColors, compute_lab, contrast_with
from posetrack.skeleton import COCO_17


def find_nearest(colors) -> float:
    """The least distance in CIELAB between two of several colours."""
    lab = compute_lab(colors)
    return (np.linalg.norm(lab[:, None] - lab, axis=-1) + 1e3 * np.eye(len(lab))).min()


def test_cielab_of_known_colours():
    expected = [[100, 0, 0], [53.24, 80.09, 67.2], [32.3, 79.19, -107.86]]
    np.testing.assert_allclose(compute_lab([(255, 255, 255), (255, 0, 0), (0, 0, 255)]), expected, atol=0.1)


@pytest.mark.parametrize(("ids", "least"), [(range(1, 7), 55), (range(1, 11), 45), (range(1, 31), 25)])
@pytest.mark.parametrize("spread", [1, 64, 7, 1_000_003])
def test_people_who_are_there_together_have_clearly_different_colours(ids, least, spread):
    colors = PersonColors()
    ids = [i * spread for i in ids]
    colors.follow(ids, 0)
    assert find_nearest([colors.find(i) for i in ids]) > least


@pytest.mark.parametrize("track_id", range(1, 65))
def test_colours_of_people_are_not_those_of_sides(track_id):
    fixed = [*SIDE_COLORS.values(), UNTRACKED_COLOR]
    assert find_nearest([color_of(track_id), fixed[0]]) > 35
    assert min(find_nearest([color_of(track_id), color]) for color in fixed) > 35


def test_people_who_come_one_after_the_other_differ_from_those_they_meet():
    """Everybody stays for 100 frames and somebody new comes every 20."""
    colors, seen, worst = PersonColors(), {}, 1e3
    for index in range(3000):
        present = [7 * i for i in range(max(1, index // 20 - 4), index // 20 + 2)]
        colors.follow(present, index)
        for track_id in present:
            assert seen.setdefault(track_id, colors.find(track_id)) == colors.find(track_id)
        worst = min(worst, find_nearest([colors.find(i) for i in present]))
    assert worst > 40


def test_the_colour_of_somebody_who_left_a_moment_ago_is_not_given_away():
    colors = PersonColors()
    colors.follow([1], 0)
    colors.follow([65], 30)
    assert color_of(1) == color_of(65)
    assert find_nearest([colors.find(1), colors.find(65)]) > 45


def test_order_of_rows_and_frames_in_which_nobody_is_new_change_nothing():
    one, other = PersonColors(), PersonColors()
    for index in range(0, 200, 10):
        one.follow([index, index + 5, 64 + index], index)
        other.follow([64 + index, UNTRACKED, index, index + 5], index)
        other.follow([], index)
    assert [one.find(i) for i in range(300)] == [other.find(i) for i in range(300)]


def test_more_people_than_colours_share_them_evenly():
    colors = PersonColors()
    colors.follow(range(128), 0)
    found = [colors.find(i) for i in range(128)]
    assert {found.count(color) for color in found} == {2}


def test_memory_is_bounded():
    colors = PersonColors()
    for index in range(1050):
        colors.follow(range(index * 100, index * 100 + 100), index)
    assert len(colors._slots) == 100_000


def test_steady_and_distinct_without_a_video():
    assert len({color_of(i) for i in range(1, 65)}) == 64
    assert color_of(UNTRACKED) == UNTRACKED_COLOR


def test_the_renderer_draws_them_whoever_else_is_left_out():
    boxes = [[10 + 60 * i, 20, 50 + 60 * i, 90] for i in range(3)]
    frame = Frame(
        0, 0.0, np.zeros((100, 200, 3), np.uint8), Instances(boxes_xyxy=boxes, track_ids=[1, 65, 129])
    )
    everyone = Renderer(COCO_17, RenderStyle(ids=False))
    chosen = Renderer(COCO_17, RenderStyle(ids=False, only=frozenset({129})))
    for image, rows in ((everyone(frame), range(3)), (chosen(frame), [2])):
        for i in rows:
            assert tuple(image[50, 10 + 60 * i]) == everyone.find_color([1, 65, 129][i])
    assert chosen.find_color(129) == everyone.find_color(129) != color_of(129)


@pytest.mark.parametrize(
    "color", [(0, 0, 0), (255, 255, 255), (170, 0, 255), (0, 255, 0), *map(color_of, range(64))]
)
def test_text_is_readable(color):
    def luminance(rgb) -> float:
        c = np.array(rgb) / 255
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([luminance(color), luminance(contrast_with(color))])
    assert (high + 0.05) / (low + 0.05) > 4.5
