import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.rcnn_ignore import PEOPLE, REGIONS, draw_boxes, is_ignored, label_box, make_boxes
from reference.rcnn_scene import DETECTOR

from models.detection.proposals import Anchors, find_ignored
from models.rcnn.network import make_rcnn

numbers = st.integers(0, 20).map(float)
boxes = st.tuples(numbers, numbers, st.integers(1, 10), st.integers(1, 10)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def test_anchors_keep_their_strides():
    anchors = Anchors(((32,),), (1.0,), (64,))
    grid = anchors.grid_anchors([[2, 7]], [[torch.tensor(50), torch.tensor(59)]])[0]
    assert grid[6].tolist() == [6 * 64 - 16, -16, 6 * 64 + 16, 16]
    assert grid[7].tolist() == [-16, 64 - 16, 16, 64 + 16]


def test_boxes_are_as_precise_in_bfloat16():
    torch.manual_seed(0)
    detector = make_rcnn(DETECTOR).eval()
    # From 256 px on, bfloat16 has steps of 2 px.
    images = torch.randint(0, 255, (1, 3, 64, 416), generator=torch.Generator().manual_seed(0)).float() / 255
    anchors = []
    detector.rpn.anchor_generator.register_forward_hook(lambda part, inputs, output: anchors.append(output[0]))
    with torch.no_grad():
        detector(images)
        with torch.autocast("cpu", torch.bfloat16):
            found = detector(images)[0]
            proposals, _ = detector.rpn(detector.backbone(images), (64, 416), [(64, 416)])
    assert torch.equal(anchors[0], anchors[1])
    for boxes in (found["boxes"], proposals[0]):
        right = boxes[(boxes[:, 0] > 256) & (boxes[:, 2] < 416), 0]
        assert len(right) > 0
        assert (right % 1 != 0).any()
    assert found["scores"].dtype == torch.float32


@settings(deadline=None)
@given(st.lists(boxes, max_size=5), st.lists(boxes, max_size=3))
def test_find_ignored_is_the_loop(some, regions):
    expected = [is_ignored(box, regions) for box in some]
    assert find_ignored(make_boxes(some), make_boxes(regions)).tolist() == expected


def test_a_box_without_area_is_not_ignored():
    assert find_ignored(make_boxes([(5.0, 5.0, 5.0, 9.0)]), make_boxes([(0.0, 0.0, 20.0, 20.0)])).tolist() == [
        False
    ]


def test_anchors_in_ignored_regions_are_neither_people_nor_background():
    rpn = make_rcnn(DETECTOR).rpn
    # Without the rule that each person keeps its best anchor, however bad, the loop is short.
    rpn.proposal_matcher.allow_low_quality_matches = False
    anchors = draw_boxes(400)
    people, regions = make_boxes(PEOPLE), make_boxes(REGIONS)
    expected = [label_box(tuple(box), PEOPLE, REGIONS, low=0.3, high=0.7) for box in anchors.tolist()]
    labels, _ = rpn.assign_targets_to_anchors([anchors], [{"boxes": people, "ignored_boxes": regions}])
    assert labels[0].tolist() == expected
    assert set(expected) == {-1, 0, 1}
    without, _ = rpn.assign_targets_to_anchors([anchors], [{"boxes": people}])
    assert (without[0] == 0).sum() > (labels[0] == 0).sum() > 0


def test_an_anchor_of_a_person_stays_one_in_an_ignored_region():
    rpn = make_rcnn(DETECTOR).rpn
    person = make_boxes([(8.0, 8.0, 40.0, 60.0)])
    target = {"boxes": person, "ignored_boxes": make_boxes([(0.0, 0.0, 64.0, 64.0)])}
    labels, _ = rpn.assign_targets_to_anchors([torch.cat([person, person / 8])], [target])
    assert labels[0].tolist() == [1, -1]


def test_nobody_there_but_ignored_regions():
    rpn = make_rcnn(DETECTOR).rpn
    anchors = make_boxes([(0.0, 0.0, 10.0, 10.0), (40.0, 40.0, 60.0, 60.0)])
    target = {"boxes": torch.zeros((0, 4)), "ignored_boxes": make_boxes([(0.0, 0.0, 20.0, 20.0)])}
    labels, _ = rpn.assign_targets_to_anchors([anchors], [target])
    assert labels[0].tolist() == [-1, 0]
