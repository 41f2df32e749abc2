import json
from dataclasses import replace

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from posetrack.annotations.coco import decode_coco, encode_coco
from posetrack.errors import ResultsError
from posetrack.skeleton import COCO_17, POSETRACK_15

NECK, NOSE, HEAD_TOP = (POSETRACK_15.names.index(name) for name in ("neck", "nose", "head_top"))


def plain_file(*people, images=("000000123456.jpg",)):
    """What COCO itself publishes: no tracks, no heads."""
    return {
        "images": [{"id": i, "file_name": name, "width": 9, "height": 9} for i, name in enumerate(images)],
        "annotations": [
            {"id": i, "image_id": 0, "category_id": 1, "iscrowd": 0, "area": 4, "bbox": [1, 2, 3, 4]} | person
            for i, person in enumerate(people)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}],
    }


def keypoints(**placed):
    return [number for name in COCO_17.names for number in placed.get(name, (0, 0, 0))]


def test_fields(video):
    data = encode_coco([video])
    assert data["images"][0] == {
        "id": 40,
        "file_name": "images/street/000000.jpg",
        "frame_id": 40,
        "vid_id": "street",
        "nframes": 2,
        "is_labeled": True,
        "width": 640,
        "height": 360,
        "ignore_regions_x": [[0.0, 9.0, 9.0]],
        "ignore_regions_y": [[0.0, 0.0, 9.0]],
        "sequence": "street",
    }
    first, second, third = data["annotations"]
    assert [person["id"] for person in data["annotations"]] == [1, 2, 3]
    assert (first["image_id"], first["track_id"], first["score"], first["iscrowd"]) == (40, 7, 0.5, 0)
    assert first["bbox"] == [90.0, 180.0, 60.0, 80.0]
    assert first["area"] == 4800.0
    assert first["bbox_head"] == [100.0, 190.0, 20.0, 25.0]
    assert "bbox_from_keypoints" not in first
    joint = POSETRACK_15.names.index
    assert first["keypoints"] == keypoints(
        **{
            name: (100.0 + joint(name), 200.0 + 2 * joint(name), 1 if name.endswith("ankle") else 2)
            for name in COCO_17.names
            if name in POSETRACK_15.names
        }
    )
    assert first["num_keypoints"] == 13
    assert (first["head_bottom"], first["head_top"]) == ([112.0, 224.0, 2], [114.0, 228.0, 2])
    assert first["scores"][:6] == [0.38, 0.0, 0.0, 0.0, 0.0, 0.25 + 9 / 100]
    assert first["head_scores"] == [0.37, 0.39]
    # Without a box, the one around all 15.
    assert (second["bbox"], second["bbox_from_keypoints"]) == ([100.0, 210.0, 14.0, 28.0], True)
    assert (third["bbox"], third["area"], third["num_keypoints"]) == ([0.0, 0.0, 0.0, 0.0], 0.0, 0)


def test_pycocotools_finds_a_file_in_itself(tmp_path, video, capsys):
    path = tmp_path / "coco.json"
    other = replace(video, name="other")
    path.write_text(json.dumps(encode_coco([video, other]), allow_nan=False))
    truth = COCO(str(path))
    assert (len(truth.getImgIds()), len(truth.getAnnIds())) == (4, 6)
    names = ("image_id", "category_id", "keypoints")
    results = truth.loadRes(
        [{name: person[name] for name in names} | {"score": 0.5} for person in truth.dataset["annotations"]]
    )
    evaluation = COCOeval(truth, results, "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == 1.0


def test_neck_and_head_top_are_made_where_the_file_has_none():
    whole = keypoints(nose=(50, 40, 2), left_shoulder=(60, 60, 2), right_shoulder=(44, 64, 1))
    one_shoulder = keypoints(nose=(50, 40, 2), left_shoulder=(60, 60, 2))
    no_nose = keypoints(left_shoulder=(60, 60, 2), right_shoulder=(44, 64, 2))
    data = plain_file(*({"keypoints": k} for k in (whole, one_shoulder, no_nose)))
    data["annotations"][0]["keypoint_scores"] = [0.5] * 5 + [0.2, 0.4] + [0.0] * 10
    (video,) = decode_coco(data, "made", "made.json")
    people = video.people
    np.testing.assert_array_equal(people.keypoints_xy[0, [NECK, HEAD_TOP]], [[52, 62], [48, 18]])
    np.testing.assert_array_equal(people.visibility[0, [NECK, NOSE, HEAD_TOP]], [0, 1, 0])
    np.testing.assert_allclose(people.keypoint_scores[0, [NECK, NOSE, HEAD_TOP]], [0.3, 0.5, 0.3])
    assert people.present[:, [NECK, HEAD_TOP]].tolist() == [[True, True], [False, False], [True, False]]
    assert people.present.sum(axis=1).tolist() == [5, 2, 3]
    assert np.isnan(people.keypoint_scores[1:]).all()


def test_a_head_that_the_file_gives_is_taken_even_if_absent():
    person = {"keypoints": keypoints(nose=(50, 40, 2), left_shoulder=(60, 60, 2), right_shoulder=(44, 64, 2))}
    data = plain_file(person | {"head_bottom": [1, 2, 1], "head_top": [0, 0, 0]})
    (video,) = decode_coco(data, "made", "made.json")
    np.testing.assert_array_equal(video.people.keypoints_xy[0, [NECK, HEAD_TOP]], [[1, 2], [np.nan, np.nan]])
    assert video.people.visibility[0, NECK] == 0


def test_a_plain_file_is_one_sequence_without_tracks_or_heads(caplog):
    person = {"keypoints": keypoints(nose=(5, 4, 2))}
    data = plain_file(person, person | {"iscrowd": 1}, person | {"category_id": 2}, images=("1.jpg", "2.jpg"))
    data["categories"].append({"id": 2, "name": "cat"})
    (video,) = decode_coco(data, "person_keypoints_val2017", "made.json")
    assert video.name == "person_keypoints_val2017"
    assert [frame.file_name for frame in video.frames] == ["1.jpg", "2.jpg"]
    assert video.people.has_track_id.tolist() == [False]
    assert np.isnan(video.people.head_boxes_xyxy).all()
    np.testing.assert_array_equal(video.people.boxes_xyxy, [[1, 2, 4, 6]])
    assert "1 crowds left out" in caplog.text


def test_keypoint_names_in_any_order():
    data = plain_file({"keypoints": list(reversed(keypoints(nose=(2, 40, 50))))})
    data["categories"][0]["keypoints"].reverse()
    (video,) = decode_coco(data, "made", "made.json")
    np.testing.assert_array_equal(video.people.keypoints_xy[0, NOSE], [50, 40])


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (("a/1.jpg", "b/1.jpg", "a/2.jpg"), {"a": ["a/1.jpg", "a/2.jpg"], "b": ["b/1.jpg"]}),
        (("x/a/1.jpg",), {"a": ["x/a/1.jpg"]}),
        (("train/a/1.jpg", "val/a/1.jpg"), {"train_a": ["train/a/1.jpg"], "val_a": ["val/a/1.jpg"]}),
        ((), {"made": []}),
    ],
)
def test_folders_are_sequences(images, names):
    videos = decode_coco(plain_file(images=images), "made", "made.json")
    assert {video.name: [frame.file_name for frame in video.frames] for video in videos} == names


def test_people_go_with_their_sequence():
    data = plain_file(*({"keypoints": keypoints(nose=(n, n, 2)), "image_id": n} for n in (2, 1)), images="123")
    for image, vid_id in zip(data["images"], ["x", 17, "x"], strict=True):
        image["vid_id"] = vid_id
    first, second = decode_coco(data, "made", "made.json")
    assert (first.name, second.name) == ("x", "17")
    assert (first.people.frame_index.tolist(), second.people.frame_index.tolist()) == ([1], [0])
    assert (first.people.keypoints_xy[0, NOSE, 0], second.people.keypoints_xy[0, NOSE, 0]) == (2, 1)


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "", "a\nb", "a\\b", ".hidden", "x" * 201, "\ud800"])
def test_a_sequence_name_never_leaves_the_folder(name):
    data = plain_file()
    data["images"][0]["sequence"] = name
    with pytest.raises(
        ResultsError, match=r"^made.json: images\[0\].sequence: .* cannot be the name"
    ) as caught:
        decode_coco(data, "made", "made.json")
    assert "\n" not in str(caught.value)


def test_posetrack_names_with_several_sequences():
    names = ["head_bottom" if name == "neck" else name for name in POSETRACK_15.names]
    person = {"keypoints": [0] * 36 + [5, 6, 1] + [0] * 6, "image_id": 1}
    data = plain_file(person, images=("v/a/1.jpg", "v/b/1.jpg"))
    data["categories"][0]["keypoints"] = names
    first, second = decode_coco(data, "made", "made.json")
    assert (first.name, len(first.people), second.name, len(second.people)) == ("a", 0, "b", 1)
    assert second.people.present[0].tolist() == [k == NECK for k in range(15)]
    # A file of one sequence, as PoseTrack18 has them, is called like the file.
    data["images"], data["annotations"] = data["images"][:1], []
    assert [video.name for video in decode_coco(data, "made", "made.json")] == ["made"]


def test_two_sequences_of_one_name_do_not_fit_into_one_file(video):
    with pytest.raises(ResultsError, match=r"^street: two sequences of this name"):
        encode_coco([video, video])


@pytest.mark.parametrize("is_posetrack", [False, True])
def test_data_sets_as_they_come(is_posetrack):
    names = [{"neck": "head_bottom"}.get(name, name) for name in POSETRACK_15.names]
    names = names if is_posetrack else list(COCO_17.names)
    flat = [float(n) for k in range(len(names)) for n in (10 + k, 20 + 2 * k, 2)]
    usual = plain_file({"keypoints": flat, "track_id": 4}, images=("a/1.jpg", "a/2.jpg"))
    usual["categories"][0]["keypoints"] = names
    usual["annotations"][0]["image_id"] = 1
    backwards = [n for k in reversed(range(len(names))) for n in flat[3 * k : 3 * k + 3]]
    odd = {
        "images": [
            {"id": "0", "file_name": "a/1.jpg", "width": 9.0, "height": "9"},
            {"id": 1.0, "file_name": "a/2.jpg", "width": 9, "height": 9},
        ],
        "annotations": [
            {
                "image_id": "1",
                "category_id": "7",
                "track_id": "4",
                "bbox": [1, 2, 3, 4],
                "keypoints": backwards,
            },
            {"image_id": 1, "category_id": 1, "bbox": [5, 5, 5, 5]},
        ],
        "categories": [
            {"id": 1, "name": "horse"},
            {"id": 7.0, "name": "human", "keypoints": [name.replace("_", " ") for name in reversed(names)]},
        ],
    }
    (first,), (second,) = (decode_coco(data, "made", "made.json") for data in (usual, odd))
    assert encode_coco([first]) == encode_coco([second])
    assert len(first.people) == 1
    assert first.people.present.any()


def test_of_several_categories_with_keypoints_the_one_of_people():
    data = plain_file({"keypoints": keypoints(nose=(5, 4, 2))})
    data["categories"].insert(0, {"id": 3, "name": "horse", "keypoints": ["muzzle", "tail"]})
    (video,) = decode_coco(data, "made", "made.json")
    assert len(video.people) == 1
    data["categories"][1]["name"] = "human"
    with pytest.raises(ResultsError, match="found 2 with keypoints, 0 of that name"):
        decode_coco(data, "made", "made.json")
