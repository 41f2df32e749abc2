"""Nobody, people behind one another, and people with other columns."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.frame import UNTRACKED, Instances

K, H, W = 3, 4, 5
COLUMNS = [field.name for field in fields(Instances)]
BLANKS = {"track_ids": UNTRACKED, "dense_rows": -1}


def make_column(name: str, count: int, seed: int):
    rng = np.random.default_rng(seed)
    if name == "dense":
        return tuple(np.full((i + 1, 2, 3), seed + i, np.uint8) for i in range(count))
    shapes = {
        "boxes_xyxy": (4,),
        "keypoints_xy": (K, 2),
        "smoothed_xy": (K, 2),
        "keypoint_scores": (K,),
        "masks": (H, W),
    }
    values = rng.integers(1, 90, (count, *shapes.get(name, ())))
    return values > 40 if name == "masks" else values


@st.composite
def parts_of_people(draw):
    """Up to four parts of up to three people, each with columns of its own."""
    parts = []
    for seed in range(draw(st.integers(0, 4))):
        count = draw(st.integers(0, 3))
        # People exist by their columns: somebody has at least one.
        names = draw(st.sets(st.sampled_from(COLUMNS), min_size=1 if count else 0))
        parts.append(Instances(**{name: make_column(name, count, seed) for name in names}))
    return parts


@given(parts=parts_of_people())
def test_each_part_is_found_again_in_its_rows_and_blank_elsewhere(parts):
    joined = Instances.concatenate(parts)
    assert len(joined) == sum(map(len, parts))
    start = 0
    for part in parts:
        rows = joined[start : start + len(part)]
        start += len(part)
        for name in COLUMNS:
            own, found = getattr(part, name), getattr(rows, name)
            if all(getattr(each, name) is None for each in parts):
                assert found is None
            elif name == "dense":
                wanted = [np.zeros((0, 0, 3))] * len(part) if own is None else own
                assert len(found) == len(wanted)
                assert all(map(np.array_equal, found, wanted))
            elif own is not None:
                np.testing.assert_array_equal(found, own)
            elif name == "smoothed_xy" and part.keypoints_xy is not None:
                np.testing.assert_array_equal(found, part.keypoints_xy)
            else:
                assert (found == BLANKS.get(name, 0)).all()


def test_concatenation_of_one_part_changes_nothing():
    people = Instances(**{name: make_column(name, 2, 7) for name in COLUMNS})
    joined = Instances.concatenate([people])
    for name in COLUMNS:
        assert all(map(np.array_equal, getattr(joined, name), getattr(people, name)))


def test_large_columns_are_not_copied_where_nobody_is_added():
    people = Instances(masks=np.ones((2, H, W), bool))
    assert Instances.concatenate([people, Instances.empty()]).masks is people.masks


def test_parts_of_different_skeletons_or_image_sizes_are_refused():
    parts = [Instances(keypoints_xy=np.zeros((1, count, 2))) for count in (3, 4)]
    with pytest.raises(
        ValueError, match=r"keypoints_xy: parts of different shapes .* \(N, 3, 2\) and \(N, 4, 2\)"
    ):
        Instances.concatenate(parts)
    with pytest.raises(ValueError, match="masks: parts of different shapes"):
        Instances.concatenate([Instances(masks=np.zeros((0, 2, size))) for size in (3, 4)])


def test_empty_has_boxes_and_keypoints_where_there_is_a_number_of_them():
    nobody = Instances.empty()
    assert (len(nobody), nobody.boxes_xyxy.shape, nobody.box_scores.shape) == (0, (0, 4), (0,))
    assert nobody.keypoints_xy is None
    posed = Instances.empty(17)
    assert (posed.keypoints_xy.shape, posed.keypoint_scores.shape) == ((0, 17, 2), (0, 17))
    assert posed.track_ids is None


def test_with_columns_replaces_those_alone():
    people = Instances(boxes_xyxy=np.ones((2, 4)), track_ids=[1, 2])
    changed = people.with_columns(track_ids=[5, 6], box_scores=[0.5, 0.25])
    assert (changed.track_ids.tolist(), changed.box_scores.tolist()) == ([5, 6], [0.5, 0.25])
    np.testing.assert_array_equal(changed.boxes_xyxy, people.boxes_xyxy)
    assert people.track_ids.tolist() == [1, 2]
    with pytest.raises(TypeError, match="colour"):
        people.with_columns(colour=[1, 2])
    with pytest.raises(ValueError, match="track_ids: expected shape"):
        people.with_columns(track_ids=[1])
