import json

import numpy as np
import pytest

from posetrack.annotations.convert import choose_out_dir, convert_annotations, read_sequences
from posetrack.annotations.posetrack17 import encode_posetrack17
from posetrack.annotations.posetrack18 import encode_posetrack18
from posetrack.errors import ResultsError
from posetrack.frame import Instances, to_pixel_indices
from posetrack.results.export import export
from posetrack.results.record import Header, Record
from posetrack.skeleton import COCO_17, POSETRACK_15


@pytest.fixture
def folder(tmp_path, video):
    """The same sequence under two names, one file of each year."""
    folder = tmp_path / "gt"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(encode_posetrack17(video)))
    (folder / "b.json").write_text(json.dumps(encode_posetrack18(video)))
    (folder / "._a.json").write_bytes(b"\0\x05\x16\x07")
    return folder


def assert_same_people(left, right):
    for name in ("frame_index", "track_ids", "head_boxes_xyxy", "keypoints_xy", "keypoint_scores"):
        np.testing.assert_array_equal(getattr(left.people, name), getattr(right.people, name), err_msg=name)


@pytest.mark.parametrize("name", ["posetrack17", "posetrack18"])
def test_one_file_a_sequence(tmp_path, folder, video, name):
    paths = convert_annotations([folder], name, tmp_path / "out")
    assert paths == [tmp_path / "out" / "a.json", tmp_path / "out" / "b.json"]
    for path in paths:
        assert ("annolist" in json.loads(path.read_text())) == (name == "posetrack17")
        (read,) = read_sequences(path)
        assert read.name == path.stem
        assert_same_people(read, video)


def test_one_coco_file_and_back(tmp_path, folder, video):
    (path,) = convert_annotations([folder / "a.json", folder / "b.json"], "coco", tmp_path / "out")
    assert path == tmp_path / "out" / "coco.json"
    back = convert_annotations([path], "posetrack17", tmp_path / "back")
    assert [path.name for path in back] == ["a.json", "b.json"]
    for path in back:
        assert_same_people(read_sequences(path)[0], video)


def test_dense_annotations_that_are_lost_are_said(tmp_path, folder, caplog):
    people = json.loads((folder / "b.json").read_text())
    convert_annotations([folder / "b.json"], "posetrack17", tmp_path / "out")
    assert not caplog.text
    people["annotations"][0]["dp_x"] = [1.0]
    (folder / "b.json").write_text(json.dumps(people))
    convert_annotations([folder / "b.json"], "coco", tmp_path / "out")
    assert "b.json: the dense annotations (dp_*) of 1 people are left out" in caplog.text


@pytest.mark.parametrize("skeleton", [COCO_17, POSETRACK_15])
def test_our_own_coco_export(tmp_path, skeleton):
    k = np.arange(float(skeleton.num_keypoints))
    xy = np.stack([100 + k, 200 + 2 * k], axis=1)
    people = Instances(
        boxes_xyxy=np.array([[90.0, 190, 130, 240], [90, 190, 130, 240]]),
        box_scores=np.array([0.75, 0.5]),
        keypoints_xy=np.stack([xy, xy]),
        keypoint_scores=np.full((2, skeleton.num_keypoints), 0.5),
        track_ids=np.array([7, -1]),
    )
    header = Header("street.mp4", 640, 360, 25, skeleton, "default")
    path = export([Record(0, 0.0, people)], header, "coco", tmp_path)
    (video,) = read_sequences(path)
    assert video.name == "street"
    assert (video.people.has_track_id.tolist(), video.people.track_ids.tolist()) == ([True, False], [7, 0])
    assert video.people.present.all()
    assert (video.people.keypoint_scores == 0.5).all()
    nose = POSETRACK_15.names.index("nose")
    indices = to_pixel_indices(xy)
    np.testing.assert_array_equal(video.people.keypoints_xy[0, nose], indices[skeleton.names.index("nose")])


def test_an_input_is_never_overwritten(tmp_path, folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "link").symlink_to(folder)
    for out_dir in (folder, tmp_path / "link", tmp_path / "gt" / ".." / "gt"):
        with pytest.raises(ResultsError, match="is the input itself; choose another --out"):
            convert_annotations([folder], "posetrack18", out_dir)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_one_bad_file_and_nothing_is_written(tmp_path, folder):
    (folder / "c.json").write_text('{"annolist": [')
    with pytest.raises(ResultsError, match=r"c\.json: not JSON: .*was it cut short"):
        convert_annotations([folder], "posetrack18", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_sequences_of_one_name(tmp_path, folder):
    other = tmp_path / "a.json"
    other.write_bytes((folder / "a.json").read_bytes())
    with pytest.raises(ResultsError, match=r"a\.json: sequence 'a' is also in .*gt.a\.json"):
        convert_annotations([folder, other], "coco", tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "mot",
            "format mot: only for saved poses (.jsonl); convert data sets to posetrack17, posetrack18, coco",
        ),
        ("cocoo", "unknown format 'cocoo'; did you mean 'coco'?"),
    ],
)
def test_formats_that_do_not_fit(tmp_path, folder, name, message):
    with pytest.raises(ResultsError) as caught:
        convert_annotations([folder], name, tmp_path / "out")
    assert str(caught.value) == message


def test_folder_without_files(tmp_path):
    with pytest.raises(ResultsError, match=r"no \.json files in it"):
        convert_annotations([tmp_path], "coco", tmp_path / "out")


def test_the_folder_beside(tmp_path, folder, monkeypatch):
    assert choose_out_dir(folder, "coco") == tmp_path / "coco"
    assert choose_out_dir(folder / "a.json", "coco") == folder / "coco"
    monkeypatch.chdir(folder)
    assert choose_out_dir(type(folder)("."), "coco") == tmp_path / "coco"
    (tmp_path / "coco").mkdir()
    assert choose_out_dir(folder, "coco") == tmp_path / "coco"
    (tmp_path / "coco" / "mine.txt").touch()
    with pytest.raises(ResultsError, match="coco: exists already; choose another folder with --out"):
        choose_out_dir(folder, "coco")
    with pytest.raises(ResultsError, match="gt: exists already"):
        choose_out_dir(folder, "gt")
