import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.rcnn_ignore import is_ignored, label_box

from models.backbones.variants import MobileConfig
from models.rcnn.detector import DetectorConfig, make_person_detector
from models.rcnn.ignore import find_ignored

SMALL = DetectorConfig(MobileConfig("tf_mobilenetv3_small_minimal_100"), channels=8, head_width=16)
PEOPLE = [(4.0, 4.0, 30.0, 60.0), (40.0, 10.0, 62.0, 50.0)]
REGIONS = [(0.0, 0.0, 20.0, 64.0), (30.0, 30.0, 64.0, 64.0)]

numbers = st.integers(0, 20).map(float)


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


boxes = st.tuples(numbers, numbers, st.integers(1, 10), st.integers(1, 10)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def make_boxes(rows) -> torch.Tensor:
    return torch.tensor(rows).reshape(-1, 4)


def draw_boxes(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    corners = torch.rand((count, 2), generator=generator) * 50
    return torch.cat([corners, corners + 4 + torch.rand((count, 2), generator=generator) * 40], dim=1)


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
    rpn = make_person_detector(SMALL).rpn
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
    rpn = make_person_detector(SMALL).rpn
    person = make_boxes([(8.0, 8.0, 40.0, 60.0)])
    target = {"boxes": person, "ignored_boxes": make_boxes([(0.0, 0.0, 64.0, 64.0)])}
    labels, _ = rpn.assign_targets_to_anchors([torch.cat([person, person / 8])], [target])
    assert labels[0].tolist() == [1, -1]


def test_nobody_there_but_ignored_regions():
    rpn = make_person_detector(SMALL).rpn
    anchors = make_boxes([(0.0, 0.0, 10.0, 10.0), (40.0, 40.0, 60.0, 60.0)])
    target = {"boxes": torch.zeros((0, 4)), "ignored_boxes": make_boxes([(0.0, 0.0, 20.0, 20.0)])}
    labels, _ = rpn.assign_targets_to_anchors([anchors], [target])
    assert labels[0].tolist() == [-1, 0]


def test_proposals_in_ignored_regions_are_not_drawn():
    heads = make_person_detector(SMALL).roi_heads
    proposals = draw_boxes(200)
    people, regions = make_boxes(PEOPLE), make_boxes(REGIONS)
    target = {
        "boxes": people,
        "labels": torch.ones(2, dtype=torch.int64),
        "ignored_boxes": regions,
    }
    drawn, _, labels, _ = heads.select_training_samples([proposals], [target])
    expected = [label_box(tuple(box), PEOPLE, REGIONS, low=0.5, high=0.5) for box in proposals.tolist()]
    found = dict(zip(map(tuple, drawn[0].tolist()), labels[0].tolist(), strict=True))
    for box, label in zip(map(tuple, proposals.tolist()), expected, strict=True):
        # All background there is fits into the sample of 256, a quarter of which may be people.
        assert found.get(box) == (None if label == -1 else label)
    assert -1 in expected
    assert 0 in expected
    assert set(map(tuple, people.tolist())) <= set(found)
