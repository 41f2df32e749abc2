"""Choosing people: by place, size, score, id and number, stable over time."""

from dataclasses import replace

import numpy as np
import pytest

from posetrack.errors import PoseTrackError
from posetrack.frame import Frame, Instances
from posetrack.selection.choose import choose_found, choose_saved, choose_tracked, trim_filled
from posetrack.selection.people import PeopleSelection
from posetrack.selection.region import ImageRegion

LEFT = ImageRegion.read("0,0,50%,100%")


def make_box(x, height=100.0, feet_y=200.0):
    return [x - 20, feet_y - height, x + 20, feet_y]


def make_frame(index, people, *, size_wh=(640, 272), motion=True, restored=False):
    """People: rows of (id, box, score)."""
    ids, boxes, scores = zip(*people, strict=True) if people else ((), (), ())
    width, height = size_wh
    return Frame(
        index,
        index * 0.04,
        np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3)),
        Instances(
            boxes_xyxy=np.reshape(boxes, (-1, 4)),
            box_scores=np.asarray(scores, np.float32),
            track_ids=np.asarray(ids, np.int64),
        ),
        is_restored=restored,
        background_motion=np.eye(2, 3, dtype=np.float32) if motion and index else None,
    )


def list_ids(process, frames):
    return [frame.instances.track_ids.tolist() for frame in process(iter(frames))]


def test_the_region_holds_those_who_stand_in_it():
    people = [(1, make_box(100), 0.9), (2, make_box(400), 0.9), (3, make_box(319, feet_y=300), 0.9)]
    selection = PeopleSelection(regions=(LEFT,))
    # The third one's feet are below the edge of the image.
    assert list_ids(choose_found(selection), [make_frame(0, people)]) == [[1, 3]]
    lower = PeopleSelection(regions=(ImageRegion.read("0,250,640,272"),))
    assert list_ids(choose_found(lower), [make_frame(0, people)]) == [[3]]
    both = PeopleSelection(regions=(LEFT, ImageRegion.read("390,0,410,272")))
    assert list_ids(choose_found(both), [make_frame(0, people)]) == [[1, 2, 3]]


def test_height_and_score():
    people = [(1, make_box(100, 50), 0.9), (2, make_box(200, 51), 0.3), (3, make_box(300, 60), 0.4)]
    assert list_ids(choose_found(PeopleSelection(min_height_px=51)), [make_frame(0, people)]) == [[2, 3]]
    assert list_ids(choose_found(PeopleSelection(min_score=0.4)), [make_frame(0, people)]) == [[1, 3]]


def test_regions_and_heights_follow_the_size_of_the_images():
    selection = PeopleSelection(regions=(ImageRegion.read("0,0,320,272"),), min_height_px=60)
    small = make_frame(
        1, [(1, make_box(150, 31, 100), 0.9), (2, make_box(170, 31, 100), 0.9)], size_wh=(320, 136)
    )
    large = make_frame(0, [(1, make_box(300, 61), 0.9)])
    assert list_ids(choose_found(selection), [large, small]) == [[1], [1]]


def test_ids():
    people = [(i, make_box(50 * i), 0.9) for i in (1, 2, 3)]
    assert list_ids(choose_saved(PeopleSelection(only={1, 3})), [make_frame(0, people)]) == [[1, 3]]
    assert list_ids(choose_saved(PeopleSelection(drop={1})), [make_frame(0, people)]) == [[2, 3]]
    assert list_ids(choose_saved(PeopleSelection(only=frozenset())), [make_frame(0, people)]) == [[]]


def test_the_largest_come_first_and_then_stay():
    first = [(1, make_box(100, 50), 0.9), (2, make_box(200, 90), 0.9), (3, make_box(300, 80), 0.9)]
    later = [(1, make_box(100, 99), 0.9), (2, make_box(200, 40), 0.4), (3, make_box(300, 80), 0.9)]
    frames = [make_frame(0, first), *(make_frame(i, later) for i in range(1, 9))]
    assert list_ids(choose_tracked(PeopleSelection(max_people=2)), frames) == [[2, 3]] * 9


def test_two_of_equal_rank_do_not_take_turns():
    rng = np.random.default_rng(3)
    frames = [
        make_frame(i, [(k, make_box(100 * k, 100 + rng.normal()), 0.8) for k in rng.permutation([1, 2])])
        for i in range(100)
    ]
    assert len({tuple(ids) for ids in list_ids(choose_tracked(PeopleSelection(max_people=1)), frames)}) == 1


def test_someone_hidden_keeps_the_place_for_a_while_and_then_it_is_free():
    both = [(1, make_box(100), 0.9), (2, make_box(200, 60), 0.9)]
    frames = [make_frame(i, both if i < 75 else both[1:]) for i in range(150)]
    shown = list_ids(choose_tracked(PeopleSelection(max_people=1)), frames)
    assert shown[:75] == [[1]] * 75
    assert shown[75:124] == [[]] * 49, "hidden for less than 2 s"
    assert shown[126:] == [[2]] * 24
    back = [make_frame(i, both if not 75 <= i < 110 else both[1:]) for i in range(150)]
    assert [2] not in list_ids(choose_tracked(PeopleSelection(max_people=1)), back)


def test_a_short_appearance_holds_no_place():
    frames = [make_frame(0, [(1, make_box(100), 0.9)])]
    frames += [make_frame(i, [(2, make_box(200, 60), 0.9)]) for i in range(1, 4)]
    assert list_ids(choose_tracked(PeopleSelection(max_people=1)), frames) == [[1], [2], [2], [2]]


def test_places_are_free_after_a_cut():
    frames = [make_frame(i, [(1, make_box(100), 0.9)]) for i in range(50)]
    frames += [make_frame(50, [(2, make_box(200, 60), 0.9)], motion=False)]
    assert list_ids(choose_tracked(PeopleSelection(max_people=1)), frames)[-2:] == [[1], [2]]


def test_a_clock_that_goes_back_holds_no_place_for_ever():
    frames = [make_frame(i, [(1, make_box(100), 0.9)]) for i in range(50)]
    frames += [
        replace(make_frame(i, [(2, make_box(200), 0.9)]), time_s=0.04 * (i - 50)) for i in range(50, 150)
    ]
    shown = list_ids(choose_tracked(PeopleSelection(max_people=1)), frames)
    assert shown[60] == []
    assert shown[-1] == [2]


def test_a_followed_person_outside_the_region_is_left_out():
    frames = [make_frame(i, [(1, make_box(290 + 10 * i), 0.9)]) for i in range(8)]
    assert list_ids(choose_tracked(PeopleSelection(regions=(LEFT,))), frames) == [[1]] * 4 + [[]] * 4


def test_restored_frames_stay_and_keep_their_places():
    selection = PeopleSelection(max_people=1, regions=(LEFT,))
    saved = [make_frame(i, [(2, make_box(400, 50), 0.2)], restored=True) for i in range(30)]
    new = make_frame(30, [(2, make_box(100, 50), 0.9), (5, make_box(200, 99), 0.9)])
    assert list_ids(choose_found(selection), saved) == [[2]] * 30
    assert list_ids(choose_tracked(selection), [*saved, new]) == [[2]] * 31


def test_untracked_people_take_what_is_free():
    people = [(-1, make_box(100, 50), 0.9), (-1, make_box(200, 90), 0.9), (4, make_box(300, 70), 0.9)]
    frames = [make_frame(0, people), make_frame(1, people[:1])]
    chosen = [
        f.instances.boxes_xyxy[:, 0].tolist() for f in choose_saved(PeopleSelection(max_people=2))(iter(frames))
    ]
    assert chosen == [[180, 280], [80]]


def test_filled_gaps_do_not_bring_people_back():
    people = [
        (1, make_box(100), 0.9),
        (2, make_box(200), 0.9),
        (3, make_box(400), 0.9),
        (4, make_box(150, 200), 0.9),
    ]
    frame = make_frame(0, people)
    filled = replace(
        frame, instances=frame.instances.with_columns(is_interpolated=np.array([False, False, True, True]))
    )
    assert list_ids(trim_filled(PeopleSelection(regions=(LEFT,))), [filled]) == [[1, 2, 4]]
    assert list_ids(trim_filled(PeopleSelection(max_people=2)), [filled]) == [[1, 2]]
    assert list_ids(trim_filled(PeopleSelection(max_people=2)), [frame]) == [[1, 2, 3, 4]]


def test_nobody_and_no_columns():
    selection = PeopleSelection(2, (LEFT,), 10, 0.1)
    for process in (choose_found(selection), choose_tracked(selection), choose_saved(selection)):
        (frame,) = process(iter([replace(make_frame(0, []), instances=Instances())]))
        assert len(frame.instances) == 0


def test_a_region_outside_the_first_image_is_refused():
    selection = PeopleSelection(regions=(ImageRegion.read("700,0,800,9"),))
    with pytest.raises(PoseTrackError, match="the first image: region 700,0,800,9: lies outside"):
        list(choose_found(selection)(iter([make_frame(0, [])])))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_people": 0}, "max_people: 0; expected a number from 1"),
        ({"min_height_px": -1}, "min_height_px: -1; expected pixels, from 0"),
        ({"min_height_px": float("nan")}, "min_height_px: nan"),
        ({"min_score": 1.5}, "min_score: 1.5; expected a score from 0 to 1"),
        ({"min_score": float("nan")}, "min_score: nan"),
    ],
)
def test_values_out_of_range(values, message):
    with pytest.raises(PoseTrackError, match=message):
        PeopleSelection(**values)


def test_what_a_selection_says_of_itself():
    assert str(PeopleSelection()) == ""
    assert PeopleSelection().is_everyone
    selection = PeopleSelection(2, (LEFT,), 51.5, 0.4, {3, 1}, {7})
    assert str(selection) == (
        "--max-people 2 --roi 0,0 50%,0 50%,100% 0,100% --min-height 51.5 --score 0.4 --only 1,3 --drop 7"
    )
    with pytest.raises(PoseTrackError, match=r"a\.jsonl: --drop: no id 7; ids there: 1, 3"):
        selection.check_ids([1, 3], "a.jsonl")
    with pytest.raises(PoseTrackError, match="ids are known when a run has ended"):
        selection.refuse_ids()
