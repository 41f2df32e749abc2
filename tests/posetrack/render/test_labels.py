from dataclasses import replace

import numpy as np
import pytest

from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.render import Renderer, RenderStyle
from posetrack.render.bodies import find_extents
from posetrack.render.labels import (
    Label,
    LabelPlacer,
    draw_label,
    find_label_height,
    find_label_size,
    make_text,
)
from posetrack.skeleton import COCO_17

SIZES = [(426, 240), (640, 272), (1280, 720), (1080, 1920), (3840, 2160)]


def make_people(boxes, **columns) -> Instances:
    """People whose limbs reach a little out of their boxes."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    rng = np.random.default_rng(3)
    sizes = boxes[:, None, 2:] - boxes[:, None, :2]
    points = boxes[:, None, :2] + rng.uniform(-0.1, 1.1, (len(boxes), 17, 2)) * sizes
    return Instances(
        boxes_xyxy=boxes,
        box_scores=np.full(len(boxes), 0.9),
        keypoints_xy=points,
        keypoint_scores=np.full((len(boxes), 17), 0.8),
        **{"track_ids": np.arange(1, len(boxes) + 1), **columns},
    )


def find_labels(
    people: Instances, size_wh=(1280, 720), renderer: Renderer | None = None, **style
) -> list[Label]:
    """The labels that a renderer draws."""
    renderer = renderer or Renderer(COCO_17, RenderStyle(**style))
    frame = Frame(0, 0.0, np.zeros((size_wh[1], size_wh[0], 3), np.uint8), people)
    return renderer._place_labels(frame, renderer._choose(people))


def find_box(label: Label) -> tuple[int, int, int, int]:
    width, height = find_label_size(label.text, label.height_px)
    left, top = label.corner_xy
    return left, top, left + width, top + height


def overlap(a, b) -> float:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def test_one_number_a_person_the_id_and_the_score_on_request():
    people = make_people([[100, 100, 200, 300], [400, 100, 500, 300]], track_ids=[12, UNTRACKED])
    assert [label.text for label in find_labels(people)] == ["12"]
    assert [label.text for label in find_labels(people, scores=True)] == ["12 0.72", "0.72"]
    assert [label.text for label in find_labels(people, scores=True, ids=False)] == ["0.72", "0.72"]
    assert find_labels(people, ids=False) == []
    assert find_labels(replace(people, track_ids=None)) == []
    assert [label.text for label in find_labels(people, drop=frozenset({12}), scores=True)] == ["0.72"]


@pytest.mark.parametrize("size_wh", SIZES)
def test_labels_cover_nobody_where_there_is_room(size_wh):
    width, height = size_wh
    # Two rows of people side by side, who touch, and two at the edges.
    boxes = [
        [
            width * (0.2 + 0.12 * i),
            height * (0.2 + 0.4 * j),
            width * (0.32 + 0.12 * i),
            height * (0.5 + 0.4 * j),
        ]
        for i in range(4)
        for j in range(2)
    ]
    boxes += [[-20, -20, width * 0.1, height * 0.5], [width * 0.9, height * 0.3, width + 50, height + 30]]
    people = make_people(boxes)
    labels = [find_box(label) for label in find_labels(people, size_wh)]
    assert len(labels) == len(boxes)
    bodies = find_extents(people, 0.3)
    for i, label in enumerate(labels):
        assert sum(overlap(label, body) for body in bodies) == 0
        assert sum(overlap(label, other) for other in labels[:i]) == 0
        assert label[0] >= 0
        assert label[1] >= 0
        assert label[2] <= width
        assert label[3] <= height
        near = np.maximum(
            0, [bodies[i][0] - label[2], bodies[i][1] - label[3], *np.subtract(label[:2], bodies[i][2:])]
        )
        assert near.max() <= 5 * (label[3] - label[1])


def test_in_a_crowd_labels_do_not_cover_each_other_and_few_limbs():
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 1, (30, 2)) * [1180, 400]
    people = make_people(np.concatenate([corners, corners + np.array([100, 300])], axis=1))
    labels = [find_box(label) for label in find_labels(people)]
    assert len(labels) == 30
    assert sum(overlap(a, b) for i, a in enumerate(labels) for b in labels[:i]) == 0
    at_corners = np.concatenate(
        [people.boxes_xyxy[:, :2], people.boxes_xyxy[:, :2] + np.array([40, 24])], axis=1
    )
    covered, before = (
        sum(overlap(box, body) for box in boxes for body in people.boxes_xyxy) for boxes in (labels, at_corners)
    )
    assert covered < before / 10


def test_a_person_who_fills_the_image_has_a_label_inside_it():
    (label,) = find_labels(make_people([[-5, -5, 1300, 800]]))
    left, top, right, bottom = find_box(label)
    assert left >= 0
    assert top >= 0
    assert right <= 1280
    assert bottom <= 720


def test_people_outside_the_image_have_none():
    assert find_labels(make_people([[-300, 50, -100, 400], [1300, 50, 1400, 400], [0, 0, 0, 0]])) == []


def test_labels_stay_where_they_are_while_that_is_as_good():
    renderer = Renderer(COCO_17)
    alone = Instances(boxes_xyxy=[[600, 300, 700, 600]], track_ids=[1])
    other = Instances(boxes_xyxy=[[560, 0, 740, 290]], track_ids=[2])
    (label,) = find_labels(alone, renderer=renderer)
    above = label.corner_xy
    _, label = find_labels(Instances.concatenate([other, alone]), renderer=renderer)
    beside = label.corner_xy
    assert beside != above
    # Nobody is above any more, and the label does not jump back.
    (label,) = find_labels(alone, renderer=renderer)
    assert label.corner_xy == beside


@pytest.mark.parametrize("size_wh", [*SIZES, (320, 180), (100, 100), (96, 2000)])
def test_heights_are_readable_and_at_most_a_tenth(size_wh):
    height = find_label_height(size_wh)
    assert height <= size_wh[1] / 10
    assert height >= 10
    if min(size_wh) >= 240:
        assert height >= 14
        assert height >= min(size_wh) / 31
    ink = make_text("8", height) > 0.5
    rows = np.flatnonzero(ink.any(axis=1))
    assert rows[-1] - rows[0] + 1 >= 0.5 * height


def test_tiny_images_have_none():
    assert find_label_height((60, 40)) == 0
    assert find_labels(make_people([[10, 10, 30, 30]]), (60, 40)) == []


def test_drawing_a_label_stays_in_its_place_and_the_image():
    image = np.full((50, 80, 3), 128, np.uint8)
    draw_label(image, Label((10, 20), "17", 16, (0, 255, 0)))
    left, top, right, bottom = find_box(Label((10, 20), "17", 16, (0, 255, 0)))
    inside = image[top:bottom, left:right].copy()
    assert (inside != 128).any(axis=2).all()
    image[top:bottom, left:right] = 128
    assert (image == 128).all()
    assert (inside == [0, 255, 0]).all(axis=2).sum() > 50, "its ground"
    assert (inside.max(axis=2) < 60)[2:-2, 2:-2].sum() > 10, "its text"
    draw_label(image, Label((75, 45), "17", 16, (0, 255, 0)))
    draw_label(image, Label((90, 60), "17", 16, (0, 255, 0)))


def test_nobody():
    empty = np.zeros((0, 4), np.float32)
    assert LabelPlacer().place([], empty, empty, np.zeros(0, np.int64), [], (640, 480)) == []
