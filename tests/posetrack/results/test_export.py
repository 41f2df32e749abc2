import csv
import json
import resource
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.results.convert import convert
from posetrack.results.export import FORMATS, export, find_exporter, list_outputs
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.people import ExportOptions
from posetrack.results.record import Record
from posetrack.skeleton import COCO_17, MPII_16

_OUTPUTS = {
    "posetrack18": "posetrack18/000342_mpii_test.json",
    "posetrack17": "posetrack17/000342_mpii_test.json",
    "coco": "coco.json",
    "mot": "mot.txt",
    "csv": "poses.csv",
    "openpose": "openpose",
}


def export_json(records, header, name, out_dir, **options):
    return json.loads(export(records, header, name, out_dir, ExportOptions(**options)).read_text())


def test_coco_is_read_by_pycocotools(tmp_path, header, records):
    coco = pytest.importorskip("pycocotools.coco")
    path = export(records, header, "coco", tmp_path)
    dataset = coco.COCO(str(path))
    assert dataset.getImgIds() == [0, 1]
    assert [a["track_id"] for a in dataset.loadAnns(dataset.getAnnIds(imgIds=[0]))] == [7, -1]
    assert dataset.getAnnIds(imgIds=[1]) == []
    results = dataset.loadRes(json.loads(path.read_text())["annotations"])
    evaluation = pytest.importorskip("pycocotools.cocoeval").COCOeval(dataset, results, "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_coco(tmp_path, header, records):
    data = export_json(records, header, "coco", tmp_path, min_keypoint_score=0.4)
    assert data["images"] == [
        {"id": 0, "file_name": "000342_mpii_test/000000.jpg", "width": 640, "height": 360, "time": 0.0},
        {"id": 1, "file_name": "000342_mpii_test/000001.jpg", "width": 640, "height": 360, "time": 0.033367},
    ]
    (category,) = data["categories"]
    assert (category["id"], category["name"]) == (1, "person")
    assert category["keypoints"] == list(COCO_17.names)
    assert category["skeleton"][0] == [1, 2]
    present = [number for k in range(15) for number in (99.5 + k, 199.5 + 2 * k, 2)]
    assert data["annotations"][0] == {
        "id": 1,
        "image_id": 0,
        "category_id": 1,
        "bbox": [90.0, 190.0, 40.0, 50.0],
        "area": 2000.0,
        "iscrowd": 0,
        "keypoints": [*present, 0, 0, 0, 0, 0, 0],
        "num_keypoints": 15,
        "score": 0.72,
        "track_id": 7,
        "keypoint_scores": [0.9] * 15 + [0.0, 0.0],
    }


def test_mot(tmp_path, header, records):
    assert export(records, header, "mot", tmp_path).read_text() == (
        "1,7,90.00,190.00,40.00,50.00,0.8000,-1,-1,-1\n1,-1,290.00,190.00,40.50,50.00,0.5000,-1,-1,-1\n"
    )


def test_csv(tmp_path, header, records):
    path = export(records, header, "csv", tmp_path, ExportOptions(min_keypoint_score=0.4))
    text = path.read_text()
    assert text.startswith("frame,time,track_id,x1,y1,x2,y2,score,nose_x,nose_y,nose_score,left_eye_x,")
    assert text.splitlines()[1].startswith("0,0.0,7,90.0,190.0,130.0,240.0,0.8,100.0,200.0,0.9,101.0,202.0,")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert rows[1]["right_knee_x"] == "314.0"
    assert rows[1]["right_ankle_x"] == rows[1]["right_ankle_score"] == ""


def test_openpose(tmp_path, header, records):
    folder = export(records, header, "openpose", tmp_path, ExportOptions(min_keypoint_score=0.4))
    assert sorted(file.name for file in folder.iterdir()) == [
        "000342_mpii_test_000000000000_keypoints.json",
        "000342_mpii_test_000000000001_keypoints.json",
    ]
    first, second = (json.loads(file.read_text()) for file in sorted(folder.iterdir()))
    assert second == {"version": 1.3, "people": []}
    order = [0, None, 6, 8, 10, 5, 7, 9, 12, 14, None, 11, 13, None, 2, 1, 4, 3]
    expected = [n for k in order for n in ((0, 0, 0) if k is None else (99.5 + k, 199.5 + 2 * k, 0.9))]
    expected[3:6] = [105.0, 210.5, 0.9]
    assert first["people"][0] == {
        "person_id": [7],
        "pose_keypoints_2d": expected,
        "face_keypoints_2d": [],
        "hand_left_keypoints_2d": [],
        "hand_right_keypoints_2d": [],
        "pose_keypoints_3d": [],
        "face_keypoints_3d": [],
        "hand_left_keypoints_3d": [],
        "hand_right_keypoints_3d": [],
    }
    assert first["people"][1]["person_id"] == [-1]


def test_openpose_has_a_neck_only_between_two_shoulders(tmp_path, header, people):
    scores = people.keypoint_scores.copy()
    scores[0, 6] = 0.3
    record = Record(0, 0.0, replace(people, keypoint_scores=scores))
    folder = export([record], header, "openpose", tmp_path, ExportOptions(min_keypoint_score=0.4))
    (file,) = folder.iterdir()
    first, second = json.loads(file.read_text())["people"]
    assert first["pose_keypoints_2d"][3:6] == [0, 0, 0]
    assert second["pose_keypoints_2d"][3:6] == [305.0, 210.5, 0.9]


def test_openpose_replaces_its_own_folder_and_no_other(tmp_path, header, records):
    folder = export(records, header, "openpose", tmp_path)
    export(records[:1], header, "openpose", tmp_path)
    assert len(list(folder.iterdir())) == 1
    (folder / "thesis.doc").write_text("mine")
    with pytest.raises(ResultsError, match=r"holds 'thesis.doc'; move it away"):
        export(records, header, "openpose", tmp_path)
    assert (folder / "thesis.doc").read_text() == "mine"


@pytest.mark.parametrize("name", ["posetrack18", "coco", "csv", "openpose"])
def test_smoothed_keypoints_go_out_where_there_are_some(tmp_path, header, people, name):
    smoothed = replace(people, smoothed_xy=people.keypoints_xy + 0.25)
    path = export([Record(0, 0.0, smoothed)], header, name, tmp_path)
    file = next(path.iterdir()) if path.is_dir() else path
    # Formats but CSV count from the centre of the first pixel.
    estimated, shown = ("100.0,", "100.25") if name == "csv" else ("99.5,", "99.75")
    assert shown in file.read_text()
    assert estimated not in file.read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_people_below_the_person_score_stay_out(tmp_path, header, records, name):
    path = export(records, header, name, tmp_path, ExportOptions(min_person_score=0.5))
    file = min(path.iterdir()) if path.is_dir() else path
    text = file.read_text()
    assert any(number in text for number in ("100.0", "99.5", "90.00"))
    assert not any(number in text for number in ("300.0", "299.5", "290.0"))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("frames", ["none", "nobody", "unposed"])
def test_videos_without_frames_people_or_poses(tmp_path, header, people, frames, name):
    unposed = replace(people, keypoints_xy=None, keypoint_scores=None)
    records = {
        "none": [],
        "nobody": [Record(0, 0.0, Instances()), Record(1, 0.1, people[[]])],
        "unposed": [Record(0, 0.0, unposed)],
    }[frames]
    path = export(records, header, name, tmp_path)
    assert path == tmp_path / _OUTPUTS[name]
    rows = 2 if frames == "unposed" else 0
    if name == "posetrack18":
        data = json.loads(path.read_text())
        assert (len(data["images"]), data["annotations"]) == (len(records), [])
    elif name == "posetrack17":
        assert [f["annorect"] for f in json.loads(path.read_text())["annolist"]] == [[] for _ in records]
    elif name == "coco":
        data = json.loads(path.read_text())
        assert len(data["images"]) == len(records)
        assert [a["keypoints"] for a in data["annotations"]] == [[0] * 51] * rows
    elif name == "openpose":
        assert [json.loads(file.read_text())["people"] for file in path.iterdir()] == [[] for _ in records]
    else:
        assert len(path.read_text().splitlines()) == rows + (name == "csv")


@pytest.mark.parametrize("name", FORMATS)
def test_a_failure_leaves_nothing_and_keeps_the_old_file(tmp_path, header, records, name):
    def broken():
        yield records[0]
        raise ResultsError("line 3: not JSON")

    with pytest.raises(ResultsError, match="line 3"):
        export(broken(), header, name, tmp_path)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    old = export(records, header, name, tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(ResultsError, match="line 3"):
        export(broken(), header, name, tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    assert old.exists()


@pytest.mark.parametrize("name", FORMATS)
def test_unwritable_places(tmp_path, header, records, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match=r"cannot be written: .*; choose an output folder that is a folder"):
        export(records, header, name, tmp_path / "file")
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_that_fills_up(tmp_path, header, people, name):
    records = (Record(index, index / 30, people) for index in range(2000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500 if name == "openpose" else 20_000, hard))
    try:
        with pytest.raises(ResultsError, match="cannot be written: file too large"):
            export(records, header, name, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "openpose"])
def test_records_are_taken_one_at_a_time(tmp_path, header, people, name):
    """Each record is garbage before the one after the next is asked for."""
    alive = []

    def stream():
        for index in range(20):
            record = Record(index, index / 30, people)
            alive.append(weakref.ref(record))
            yield record
            del record
            assert sum(reference() is not None for reference in alive) <= 1

    export(stream(), header, name, tmp_path)
    assert len(alive) == 20


def test_unknown_format(header):
    with pytest.raises(ResultsError, match=r"unknown format 'coc0'; did you mean 'coco'\?"):
        find_exporter("coc0", header.skeleton)
    with pytest.raises(ResultsError, match="unknown format 'xml'; known: posetrack18, posetrack17, coco, mot,"):
        find_exporter("xml", header.skeleton)


@pytest.mark.parametrize("name", ["posetrack18", "posetrack17", "openpose"])
def test_skeletons_that_a_format_cannot_hold(tmp_path, header, records, name):
    with pytest.raises(ResultsError, match=rf"format {name}: cannot hold mpii16 .* can: coco, mot, csv"):
        export(records, replace(header, skeleton=MPII_16), name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FORMATS)
def test_convert_gives_what_export_gives(tmp_path, header, records, name):
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        for record in records:
            writer.write(record.frame, record.time_s, record.instances)
    converted = convert(tmp_path / "poses.jsonl", name, tmp_path / "a")
    exported = export(records, header, name, tmp_path / "b")

    def contents(path: Path):
        return [f.read_text() for f in sorted(path.iterdir())] if path.is_dir() else [path.read_text()]

    assert contents(converted) == contents(exported)
    assert exported == list_outputs(header, tmp_path / "b")[name]


def test_the_input_is_not_converted_into_itself(tmp_path, header, records):
    for name, given in (("csv", "poses.csv"), ("mot", "mot.txt"), ("openpose", "openpose/a_keypoints.json")):
        path = tmp_path / given
        with JsonlWriter(path, header) as writer:
            writer.write(0, 0.0, records[0].instances)
        before = path.read_bytes()
        with pytest.raises(ResultsError, match=r"the input .*; use another --out"):
            convert(path, name, tmp_path)
        assert path.read_bytes() == before
