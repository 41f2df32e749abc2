import json
from pathlib import Path

import pytest

from models.data.coco import decode_coco_samples, read_coco_samples
from models.data.coco_people import unify_people
from models.data.mpii import read_mpii_samples
from models.data.samples import enclose_keypoints, join_samples, keep_trainable
from models.training.errors import DataError

K = 3
NAMES = ("nose", "left_eye", "right_eye")


def person(number, **fields):
    return {
        "id": number,
        "image_id": 7,
        "bbox": [10, 20, 30, 40],
        "keypoints": [11, 21, 2, 12, 22, 1, 0, 0, 0],
        "iscrowd": 0,
    } | fields


def make_file(*people):
    return {
        "images": [{"id": 5, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}],
        "annotations": list(people),
        "categories": [{"id": 1, "name": "person", "keypoints": list(NAMES)}],
    }


def decode(*people):
    content = unify_people(make_file(*people), NAMES, "x.json").content
    return decode_coco_samples(content, Path("images"), K, "x.json")


def test_people_become_columns():
    samples = decode(person(1), person(2, image_id=5, iscrowd=1), person(3, image_id=5, score=0.5))
    assert [image.path for image in samples.images] == [Path("images/a.jpg"), Path("images/b.jpg")]
    assert samples.image_index.tolist() == [1, 0]
    assert samples.boxes_xyxy.tolist() == [[10, 20, 40, 60]] * 2
    assert samples.scores.tolist() == [1.0, 0.5]
    assert samples.weights.tolist() == [[1, 1, 0]] * 2
    assert samples.keypoints_xy[0, :2].tolist() == [[11, 21], [12, 22]]


def test_scores_of_keypoints_are_weights_where_these_are_known():
    samples = decode(person(1, keypoint_scores=[0.5, 1.0, 0.9]))
    assert samples.weights.tolist() == [[0.5, 1.0, 0.0]]


def test_people_without_anything_known_are_not_trained_on():
    nothing = person(2, keypoints=[0, 0, 0] * 3)
    flat = person(3, bbox=[1, 1, 0, 5])
    assert len(keep_trainable(decode(person(1), nothing, flat))) == 1


def test_no_people_are_no_rows():
    samples = decode()
    assert (len(samples), samples.num_keypoints) == (0, K)
    assert len(keep_trainable(samples)) == len(enclose_keypoints(samples)) == 0


def test_boxes_around_keypoints():
    samples = enclose_keypoints(decode(person(1), person(2, keypoints=[0, 0, 0] * 3)))
    assert samples.boxes_xyxy.tolist() == [[11, 21, 12, 22], [10, 20, 40, 60]]


def test_joined_files_keep_their_images():
    samples = join_samples([decode(person(1)), decode(person(1, image_id=5))])
    assert samples.image_index.tolist() == [1, 2]
    assert len(samples.images) == 4


@pytest.mark.parametrize(
    ("people", "message"),
    [
        (
            [person(1, keypoints=[1, 2, 2])],
            r"x.json: annotations \(.*\): keypoints: 3 numbers, 1 keypoints, but the recipe's skeleton has 3",
        ),
        ([person(1, image_id=99)], r"x.json: annotations \(.*\): image_id: no image 99 in the file"),
        ([person(1, bbox=[1, 2])], r"bbox: expected 4 finite numbers, found \[1, 2\]"),
        (
            [person(1), person(2, bbox=None)],
            "bbox: expected 4 finite numbers, found nothing; correct it or take",
        ),
        ([person(1), person(2, keypoints=None)], "keypoints: expected 9 finite numbers, found nothing"),
        ([person(1), person(2, keypoints=[10**400] * 9)], "keypoints: expected 9 finite numbers, found"),
        ([person(1), person(2, keypoints=[[1, 2, 2]] * 3)], "keypoints: expected 9 finite numbers, found"),
        ([person(1, keypoint_scores=[1.0])], "keypoint_scores: expected 3 finite numbers"),
        ([person(1, score="x")], "score: expected a finite number, found 'x'"),
        ([person(1, bbox=[1, 2, float("nan"), 4])], r"bbox: expected 4 finite numbers, found \[1, 2, nan, 4\]"),
    ],
)
def test_wrong_annotations_are_named(people, message):
    with pytest.raises(DataError, match=message) as caught:
        decode(*people)
    assert str(caught.value).startswith("x.json: annotations (id ")


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"no.json: no such file; give the data folder with --data"):
        read_coco_samples(tmp_path / "no.json", tmp_path, NAMES)
    (tmp_path / "bad.json").write_text("[")
    with pytest.raises(DataError, match=r"bad.json: not valid JSON"):
        read_coco_samples(tmp_path / "bad.json", tmp_path, NAMES)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DataError, match=r"list.json: no list `images`"):
        read_coco_samples(tmp_path / "list.json", tmp_path, NAMES)


def test_mpii_boxes_are_squares_about_the_shifted_centre(tmp_path):
    people = [
        {
            "image": "a.jpg",
            "center": [101.0, 201.0],
            "scale": 2.0,
            "joints": [[11.0, 21.0]] * 16,
            "joints_vis": [1] * 15 + [0],
        },
        {"image": "b.jpg", "center": [1.0, 1.0], "scale": 1.0},
        {"image": "a.jpg", "center": [51.0, 51.0], "scale": 1.0},
    ]
    (tmp_path / "train.json").write_text(json.dumps(people))
    samples = read_mpii_samples(tmp_path / "train.json", tmp_path)
    # Centre (100, 200) from 0, 30 px down; 400 px wide.
    assert samples.boxes_xyxy[0].tolist() == [-100, 30, 300, 430]
    assert samples.keypoints_xy[0, 0].tolist() == [10, 20]
    assert samples.weights[0].tolist() == [1] * 15 + [0]
    assert not samples.weights[1:].any()
    assert samples.image_index.tolist() == [0, 1, 0]
    (tmp_path / "bad.json").write_text('[{"image": "a.jpg"}]')
    with pytest.raises(DataError, match=r"bad.json: expected image, center"):
        read_mpii_samples(tmp_path / "bad.json", tmp_path)
