"""Reading by columns gives what reading value by value gives: the same people, or the same error."""

import copy
import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.annotations import posetrack17, posetrack18
from posetrack.annotations.columns import read_quickly
from posetrack.annotations.posetrack17 import decode_posetrack17
from posetrack.annotations.posetrack18 import decode_posetrack18
from posetrack.annotations.video import AnnotatedPeople
from posetrack.errors import ResultsError
from posetrack.results.posetrack18 import POSETRACK18_CATEGORY


def make_posetrack17():
    def point(keypoint, **more):
        return {"id": [keypoint], "x": [keypoint + 0.5], "y": [7]} | more

    return {
        "annolist": [
            {
                "image": [{"name": "a/0.jpg"}],
                "annorect": [
                    {
                        **{name: [i] for i, name in enumerate(("x1", "y1", "x2", "y2"))},
                        "track_id": [0],
                        "annopoints": [{"point": [point(0), point(3, is_visible=["1"]), point(3, x=[9.0])]}],
                    },
                    {"score": [0.5], "annopoints": []},
                    {"track_id": [], "annopoints": [{}]},
                ],
            },
            {"image": [{"name": "a/1.jpg"}]},
            {
                "image": [{"name": "a/2.jpg"}],
                "annorect": [
                    {
                        "track_id": [4],
                        "annopoints": [{"point": [point(14, score=[0.25]), point(15), point(-1)]}],
                    },
                    {"track_id": [5], "annopoints": [{"point": [point(1, is_visible=[True], score=[])]}]},
                ],
            },
        ]
    }


def make_posetrack18():
    keypoints = [float(i) for i in range(51)]
    return {
        "images": [{"id": 7 + i, "file_name": f"a/{i}.jpg"} for i in range(3)],
        "annotations": [
            {"image_id": 9, "track_id": 0, "keypoints": [0, 0, 0, *keypoints[3:]], "scores": keypoints[:17]},
            {"image_id": 7, "track_id": 3, "keypoints": [0, 0, 1, *keypoints[3:]], "bbox": [1, 2.5, 3, 4]},
            {"image_id": 7, "score": 1, "keypoints": [0] * 51, "scores": [], "bbox_head": [1, 2, 3, 4]},
        ],
        "categories": [copy.deepcopy(POSETRACK18_CATEGORY)],
    }


FORMATS = {
    "17": (make_posetrack17, decode_posetrack17, posetrack17),
    "18": (make_posetrack18, decode_posetrack18, posetrack18),
}
ODD = (
    *(None, True, False, 0, 1, -3, 2.5, 3.0, 2**53, -(2**53), 10**400, float("nan"), float("inf")),
    *(
        "",
        "1",
        "12",
        "x",
        [],
        {},
        [None],
        ["1"],
        [True],
        [2, 3],
        [2.5],
        [[1]],
        {"point": []},
        [{}],
        [{"id": [0]}],
    ),
)


def find_places(value, place=()):
    """Every place in parsed JSON, as the keys that lead there."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from find_places(item, (*place, key))


def change(data, place, value):
    for key in place[:-1]:
        data = data[key]
    if value is ...:
        del data[place[-1]]
    else:
        data[place[-1]] = value


def read(decode, data):
    try:
        video = decode(data, "a", "a.json")
    except ResultsError as error:
        return str(error)
    return {entry.name: getattr(video.people, entry.name) for entry in fields(AnnotatedPeople)}


def check_alike(name, data):
    _, decode, module = FORMATS[name]
    quick = read(decode, copy.deepcopy(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_quickly", lambda *_: None)
        slow = read(decode, data)
    if isinstance(slow, str):
        assert quick == slow
        return
    assert isinstance(quick, dict), quick
    for field, column in slow.items():
        np.testing.assert_array_equal(quick[field], column, field)
        assert quick[field].dtype == column.dtype, field


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("odd", [..., *ODD], ids=repr)
def test_a_file_with_one_odd_value(name, odd):
    whole = FORMATS[name][0]()
    lists = ("annolist", "annotations")
    for place in [place for place in find_places(whole) if len(place) > 1 and place[0] in lists]:
        data = copy.deepcopy(whole)
        change(data, place, odd)
        check_alike(name, data)


@given(st.data())
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_with_several(name, data):
    changed = FORMATS[name][0]()
    for _ in range(data.draw(st.integers(2, 4))):
        place = data.draw(st.sampled_from([place for place in find_places(changed) if place]))
        change(changed, place, copy.deepcopy(data.draw(st.sampled_from([..., *ODD]))))
        if not isinstance(changed.get("annolist", changed.get("images")), list):
            return
    check_alike(name, changed)


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_the_usual_kind_are_read_by_columns(name, monkeypatch):
    make, decode, module = FORMATS[name]
    data = json.loads(json.dumps(make()))
    read_by_columns = []

    def watch(*arguments):
        read_by_columns.append(read_quickly(*arguments))
        return read_by_columns[-1]

    monkeypatch.setattr(module, "read_quickly", watch)
    assert decode(data, "a", "a.json").people is read_by_columns[0]
    check_alike(name, make())
    empty = {"annolist": []} if name == "17" else make() | {"annotations": []}
    check_alike(name, empty)
