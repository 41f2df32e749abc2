"""Data sets as they come: ids, categories, order of keypoints and areas of COCO-style files."""

import json
import math
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as mask_api

from models.data.coco import decode_coco_samples, read_coco_samples
from models.data.coco_people import measure_area, read_coco_people, read_id, unify_people
from models.data.instances import read_coco_instances
from models.data.people_crops import read_image_samples
from models.training.errors import DataError

NAMES = ("nose", "left_eye", "right_eye")


def make_file():
    return {
        "images": [{"id": 5, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(NAMES)}],
        "annotations": [
            {
                "id": 1,
                "image_id": image_id,
                "category_id": 1,
                "bbox": [10, 20, 30, 40],
                "area": 700,
                "num_keypoints": 2,
                "keypoints": [11, 21, 2, 12, 22, 1, 0, 0, 0],
                "keypoint_scores": [0.5, 0.25, 1],
            }
            for image_id in (7, 5)
        ],
    }


def unify(data, **options):
    before = deepcopy(data)
    people = unify_people(data, NAMES, "x.json", **options)
    assert data == before
    return people


def test_a_usual_file_stays_as_it_is():
    people = unify(make_file())
    assert people.content == make_file()
    assert people.category_id == 1
    assert unify(people.content).content == people.content


@pytest.mark.parametrize("write", [float, str, lambda number: f"00{number}"])
def test_ids_are_whole_numbers_however_they_are_written(write):
    data = make_file()
    for image in data["images"]:
        image["id"] = write(image["id"])
    data["categories"][0]["id"] = write(1)
    # Half of the annotations write them as usual.
    data["annotations"][0] |= {"image_id": write(7), "category_id": write(1)}
    people = unify(data)
    assert people.content == make_file()
    ids = [image["id"] for image in people.content["images"]]
    assert [type(each) for each in (*ids, people.category_id)] == [int] * 3


@pytest.mark.parametrize(
    "value", [None, "im1", "", "1.0", 1.5, True, math.nan, math.inf, 2**60, "9" * 5000, [1]]
)
def test_other_ids_are_refused(value):
    with pytest.raises(DataError, match=r"^f: images\[0\]\.id: expected a whole number, found .+; give whole"):
        read_id(value, "f: images[0].id")


def test_the_category_may_have_any_number():
    data = make_file()
    data["categories"][0]["id"] = 7
    for entry in data["annotations"]:
        entry["category_id"] = 7
    people = unify(data)
    assert people.content == make_file()
    assert people.category_id == 7


def test_the_only_category_with_keypoints_counts():
    data = make_file()
    data["categories"][0] |= {"id": 4, "name": "worker"}
    data["categories"].insert(0, {"id": 1, "name": "helmet"})
    data["annotations"][0]["category_id"] = 4
    people = unify(data)
    assert people.category_id == 4
    assert [entry["image_id"] for entry in people.content["annotations"]] == [7]


def test_of_several_with_keypoints_the_person_counts():
    data = make_file()
    data["categories"].insert(0, {"id": 2, "name": "dog", "keypoints": ["tail"]})
    data["annotations"][1] |= {"category_id": 2, "keypoints": [1, 1, 2]}
    assert [entry["image_id"] for entry in unify(data).content["annotations"]] == [7]
    data["categories"][1]["name"] = "human"
    with pytest.raises(
        DataError, match=r"^x\.json: categories: 2 have keypoints, 0 of them with the name person; "
    ):
        unify(data)


def test_detectors_take_people_without_keypoints():
    data = make_file()
    data["categories"] = [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}]
    data["annotations"][1]["category_id"] = 3
    for entry in data["annotations"]:
        del entry["keypoints"]
    people = unify(data, needs_keypoints=False)
    assert people.content["categories"] == [{"id": 1, "name": "person"}]
    assert len(people.content["annotations"]) == 1
    # Neither of two is a person: both are.
    data["categories"][1]["name"] = "bus"
    assert len(unify(data, needs_keypoints=False).content["annotations"]) == 2
    with pytest.raises(DataError, match=r"^x\.json: categories: none has keypoints; list the names"):
        unify(data)


def test_keypoints_are_put_in_order_by_their_names():
    data = make_file()
    data["categories"][0]["keypoints"] = ["right_eye", "nose", "left_eye"]
    (first, *_) = unify(data).content["annotations"]
    assert first["keypoints"] == [12, 22, 1, 0, 0, 0, 11, 21, 2]
    assert first["keypoint_scores"] == [0.25, 1, 0.5]
    assert unify(data).content["categories"][0]["keypoints"] == list(NAMES)


def test_more_keypoints_than_wanted_are_left_out():
    data = make_file()
    data["categories"][0]["keypoints"] = ["Nose", "chin", "left eye", "right-eye"]
    for entry in data["annotations"]:
        entry |= {"keypoints": [1, 1, 2, 9, 9, 2, 2, 2, 2, 3, 3, 2], "num_keypoints": 4}
        del entry["keypoint_scores"]
    content = unify(data).content
    assert content["annotations"][0]["keypoints"] == [1, 1, 2, 2, 2, 2, 3, 3, 2]
    samples = decode_coco_samples(content, Path(), 3, "x.json")
    assert samples.keypoints_xy[0].tolist() == [[1, 1], [2, 2], [3, 3]]
    data["annotations"][1]["keypoints"] = [1, 1, 2]
    with pytest.raises(DataError, match=r"^x\.json: annotations\[1\]\.keypoints: fewer than the category has"):
        unify(data)


def test_other_names_of_head_and_neck_are_known():
    data = make_file()
    data["categories"][0]["keypoints"] = ["head", "head_bottom", "nose"]
    people = unify_people(data, ("nose", "neck", "head_top"), "x.json")
    assert people.content["annotations"][0]["keypoints"] == [0, 0, 0, 12, 22, 1, 11, 21, 2]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["nose", "left_eye", "chin"], r"'right_eye' is missing among the 3 names; name the keypoints"),
        (["nose", "nose", "left_eye"], r"'nose' stands twice; name the keypoints"),
        (["nose", 3], r"expected a list of keypoint names, found \['nose', 3\]"),
        ("nose", r"expected a list of keypoint names, found 'nose'"),
    ],
)
def test_other_keypoints_are_refused(names, message):
    data = make_file()
    data["categories"][0]["keypoints"] = names
    with pytest.raises(DataError, match=rf"^x\.json: categories\[0\]\.keypoints: {message}"):
        unify(data)
    del data["categories"][0]["keypoints"]
    with pytest.raises(
        DataError, match=r"^x\.json: annotations\[0\]\.keypoints: their names are unknown; list"
    ):
        unify(data, needs_keypoints=False)


def test_an_area_that_is_missing_is_measured():
    data = make_file()
    del data["annotations"][0]["area"]
    data["annotations"][1] |= {
        "area": None,
        "segmentation": [[0, 0, 10, 0, 10, 8], [20, 20, 20, 22, 22, 22, 22, 20]],
    }
    assert [entry["area"] for entry in unify(data).content["annotations"]] == [30 * 40, 40 + 4]


def test_areas_of_run_lengths():
    mask = np.zeros((20, 30), np.uint8)
    mask[4:10, 5:15] = 1
    packed = mask_api.encode(np.asfortranarray(mask))
    assert measure_area({"segmentation": packed}) == 60
    assert measure_area({"segmentation": {"size": [2, 5], "counts": [1, 4, 2, 3]}}) == 7
    assert measure_area({"segmentation": [], "bbox": [1, 2, 3, 4]}) == 12
    assert measure_area({"segmentation": [[1, 2, 3]], "bbox": [1, 2, 3, 4]}) is None
    assert measure_area({"bbox": [1, 2]}) is measure_area({}) is None


@pytest.mark.parametrize("area", [-1, math.nan, "12", True])
def test_wrong_areas_are_refused(area):
    data = make_file()
    data["annotations"][1]["area"] = area
    with pytest.raises(DataError, match=r"^x\.json: annotations\[1\]\.area: expected 0 or more square pixels"):
        unify(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"images": [{"id": 7, "file_name": "a"}, {"id": "7", "file_name": "b"}]},
            r"images\[1\]\.id: image 7 stands twice",
        ),
        ({"images": [{"id": 7}]}, r"images\[0\]: expected id and file_name"),
        ({"annotations": [3]}, r"annotations\[0\]: expected an object, found 3"),
        (
            {"annotations": [{"image_id": 7, "category_id": 9}]},
            r"annotations\[0\]\.category_id: no category 9 in",
        ),
        (
            {"annotations": [{"category_id": 1}]},
            r"annotations\[0\]\.image_id: expected a whole number, found nothing",
        ),
        ({"categories": {}}, r"no list `categories`"),
        ({"categories": [3]}, r"categories\[0\]: expected an object"),
        ({"categories": [{"id": 1}, {"id": 1.0}]}, r"categories\[1\]\.id: category 1 stands twice"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(change, message):
    with pytest.raises(DataError, match=rf"^x\.json: {message}") as caught:
        unify(make_file() | change)
    assert "\n" not in str(caught.value)


def test_all_readers_put_the_keypoints_in_order(tmp_path):
    data = make_file()
    data["categories"][0] |= {"id": "7", "keypoints": ["right_eye", "nose", "left_eye"]}
    for entry in data["annotations"]:
        entry["category_id"] = 7.0
        del entry["keypoint_scores"]
    path = tmp_path / "people.json"
    path.write_text(json.dumps(data))
    assert read_coco_people(path, NAMES).category_id == 7
    samples = read_coco_samples(path, tmp_path, NAMES)
    crowds = read_image_samples(path, tmp_path, NAMES).people
    instances = read_coco_instances(path, tmp_path, NAMES)
    for weights in (samples.weights, crowds.weights, instances.keypoints_xyw[..., 2]):
        assert weights.tolist() == [[1, 0, 1]] * 2
    for xy in (samples.keypoints_xy, crowds.keypoints_xy, instances.keypoints_xyw[..., :2]):
        assert xy[0].tolist() == [[12, 22], [0, 0], [11, 21]]
