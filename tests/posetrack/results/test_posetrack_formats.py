import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.results.export import export
from posetrack.results.people import ExportOptions
from posetrack.results.posetrack_people import TrackNumbers
from posetrack.results.record import Record
from posetrack.skeleton import COCO_17, POSETRACK_15

# The example's person 0 in PoseTrack's joints, as indices of pixels: 0.5 less than in frames. There the
# shoulders are at (105, 210) and (106, 212), so the neck is at (105.5, 211), and the head top at
# 2 * nose (100, 200) - neck.
_POSETRACK_POINTS = [
    (115.5, 231.5, 0.1),  # right ankle
    (113.5, 227.5, 0.9),
    (111.5, 223.5, 0.9),
    (110.5, 221.5, 0.9),  # left hip
    (112.5, 225.5, 0.9),
    (114.5, 229.5, 0.1),
    (109.5, 219.5, 0.9),  # right wrist
    (107.5, 215.5, 0.9),
    (105.5, 211.5, 0.9),
    (104.5, 209.5, 0.9),  # left shoulder
    (106.5, 213.5, 0.9),
    (108.5, 217.5, 0.9),
    (105.0, 210.5, 0.9),  # neck
    (99.5, 199.5, 0.9),
    (94.0, 188.5, 0.9),  # head top
]


def export_json(records, header, name, out_dir, **options):
    return json.loads(export(records, header, name, out_dir, ExportOptions(**options)).read_text())


def test_posetrack18(tmp_path, header, records):
    data = export_json(records, header, "posetrack18", tmp_path)
    assert data["images"] == [
        {
            "id": 10003420000 + frame,
            "file_name": f"images/000342_mpii_test/00000{frame}.jpg",
            "frame_id": 10003420000 + frame,
            "vid_id": "000342",
            "nframes": 2,
            "is_labeled": True,
        }
        for frame in (0, 1)
    ]
    assert data["categories"] == [
        {
            "id": 1,
            "name": "person",
            "supercategory": "person",
            "keypoints": ["nose", "head_bottom", "head_top", "left_ear", "right_ear", *COCO_17.names[5:]],
            "skeleton": [],
        }
    ]
    head = [99.5, 199.5, 1, 105.0, 210.5, 1, 94.0, 188.5, 1]
    ears = [0, 0, 0, 0, 0, 0]
    body = [number for k in range(5, 17) for number in (99.5 + k, 199.5 + 2 * k, 1)]
    assert data["annotations"][0] == {
        "id": 1,
        "image_id": 10003420000,
        "track_id": 7,
        "category_id": 1,
        "bbox": [90.0, 190.0, 40.0, 50.0],
        "keypoints": [*head, *ears, *body],
        "scores": [0.9, 0.9, 0.9, 0.0, 0.0] + 10 * [0.9] + [0.1, 0.1],
        "score": 0.72,
    }
    second = data["annotations"][1]
    assert (second["id"], second["track_id"], second["score"]) == (2, 9999, 0.45)
    assert len(data["annotations"]) == 2


@pytest.mark.parametrize(
    ("source", "first_id", "vid_id"),
    [
        ("a/000012_bonn_train", 20000120000, "000012"),
        ("000003_mpiinew_test.mp4", 30000030000, "000003"),
        ("juggle.mp4", 10000000000, "juggle"),
        ("12_mpiish.mp4", 10000000000, "12_mpiish"),
    ],
)
def test_posetrack18_numbers_images_like_its_sequences(tmp_path, header, records, source, first_id, vid_id):
    data = export_json(records, replace(header, source=source), "posetrack18", tmp_path)
    assert [image["id"] for image in data["images"]] == [first_id, first_id + 1]
    assert {annotation["image_id"] for annotation in data["annotations"]} == {first_id}
    assert data["images"][0]["vid_id"] == vid_id


def test_posetrack17(tmp_path, header, records):
    data = export_json(records, header, "posetrack17", tmp_path)
    points = [
        {"id": [joint], "x": [x], "y": [y], "score": [score]}
        for joint, (x, y, score) in enumerate(_POSETRACK_POINTS)
    ]
    zeros = {"x1": [0.0], "y1": [0.0], "x2": [0.0], "y2": [0.0]}
    first, second = data["annolist"]
    assert list(data) == ["annolist"]
    assert first["image"] == [{"name": "images/000342_mpii_test/00000000.jpg"}]
    assert (first["imgnum"], first["is_labeled"]) == ([1], [1])
    assert first["annorect"][0] == {
        **zeros,
        "score": [0.72],
        "track_id": [7],
        "annopoints": [{"point": points}],
    }
    assert first["annorect"][1]["track_id"] == [9999]
    assert second == {
        "image": [{"name": "images/000342_mpii_test/00000001.jpg"}],
        "imgnum": [2],
        "is_labeled": [0],
        "annorect": [],
    }


def test_posetrack15_keypoints_go_out_as_they_are(tmp_path, header, records):
    xy = np.arange(30.0).reshape(1, 15, 2)
    person = Instances(
        boxes_xyxy=np.ones((1, 4)),
        box_scores=np.ones(1),
        keypoints_xy=xy,
        keypoint_scores=np.full((1, 15), 0.5),
        track_ids=np.array([1]),
    )
    header = replace(header, skeleton=POSETRACK_15)
    data = export_json([Record(0, 0.0, person)], header, "posetrack17", tmp_path)
    points = data["annolist"][0]["annorect"][0]["annopoints"][0]["point"]
    assert [(p["x"][0], p["y"][0]) for p in points] == [(2.0 * k - 0.5, 2.0 * k + 0.5) for k in range(15)]


def test_posetrack_threshold_takes_keypoints_out(tmp_path, header, records):
    old = export_json(records, header, "posetrack17", tmp_path, min_keypoint_score=0.4)
    points = old["annolist"][0]["annorect"][0]["annopoints"][0]["point"]
    assert [point["id"][0] for point in points] == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    new = export_json(records, header, "posetrack18", tmp_path, min_keypoint_score=0.4)
    person = new["annotations"][0]
    assert person["keypoints"][-6:] == [0, 0, 0, 0, 0, 0]
    assert person["keypoints"][-9:-6] == [113.5, 227.5, 1]
    assert person["scores"][-3:] == [0.9, 0.0, 0.0]


@pytest.mark.parametrize("name", ["posetrack18", "posetrack17"])
def test_posetrack_never_writes_what_the_reference_tool_drops(tmp_path, header, people, name):
    """Neither a person score of 0 nor a person without a joint."""
    scores = np.array([[0.1] * 17, [0.0] * 17])
    unsure = replace(people, keypoint_scores=scores)
    data = export_json([Record(0, 0.0, unsure)], header, name, tmp_path, min_keypoint_score=0.05)
    written = data["annotations"] if name == "posetrack18" else data["annolist"][0]["annorect"]
    assert [person["score"] for person in written] == ([0.0001] if name == "posetrack18" else [[0.0001]])


def test_track_numbers_keep_an_id_where_they_can(caplog):
    numbers = TrackNumbers()
    assert numbers.number(np.array([3, 0, 9999])) == [3, 0, 9999]
    with caplog.at_level(logging.INFO):
        assert numbers.number(np.array([10000, 3, 123456])) == [1, 3, 2]
    assert "track 10000 is written as 1" in caplog.text
    assert numbers.number(np.array([1, 123456])) == [4, 2]


def test_people_without_a_track_never_have_the_same_number(caplog):
    numbers = TrackNumbers()
    first = numbers.number(np.array([-1, 9998, -1]))
    assert first == [9999, 9998, 9997]
    assert numbers.number(np.array([-1, 9998])) == [9996, 9998]
    assert caplog.text.count("people without a track id") == 1
    for _ in range(2000):
        assert len(set(numbers.number(np.full(10, -1)))) == 10
    assert numbers.number(np.array([20000, 9998])) == [0, 9998]


def test_more_tracks_than_the_evaluation_takes():
    numbers = TrackNumbers()
    assert sorted(numbers.number(np.arange(5000, 15000))) == list(range(10000))
    with pytest.raises(ResultsError, match="more than 10000 tracks"):
        numbers.number(np.array([20000]))
