import json
import logging
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter, read_jsonl
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17, SKELETONS

_COLUMNS = ("boxes_xyxy", "box_scores", "keypoints_xy", "keypoint_scores", "smoothed_xy", "track_ids")


def write(path, header, records):
    with JsonlWriter(path, header) as writer:
        for record in records:
            writer.write(record.frame, record.time_s, record.instances)
    return path


def read_all(path):
    header, records = read_jsonl(path)
    return header, list(records)


def test_lines_are_exactly_the_schema(tmp_path, header, records):
    path = write(tmp_path / "out" / "poses.jsonl", header, records)
    lines = path.read_text().splitlines()
    names = json.dumps(list(COCO_17.names))
    assert lines[0] == (
        '{"schema": "posetrack/1", "source": "clips/000342_mpii_test.mp4", "width": 640, "height": 360, '
        '"fps": "30000/1001", "skeleton": "coco17", "keypoints": ' + names + ', "recipe": "default"}'
    )
    assert lines[1].startswith(
        '{"frame": 0, "time": 0.0, "people": [{"track_id": 7, "box": [90.0, 190.0, 130.0, 240.0], '
        '"score": 0.8, "keypoints": [[100.0, 200.0, 0.9], [101.0, 202.0, 0.9], '
    )
    assert lines[1].endswith("[315.0, 230.0, 0.1], [316.0, 232.0, 0.1]]}]}")
    assert '{"track_id": -1, "box": [290.0, 190.0, 330.5, 240.0], "score": 0.5, ' in lines[1]
    assert lines[2] == '{"frame": 1, "time": 0.033367, "people": []}'
    assert len(lines) == 3


def test_smoothed_keypoints_stand_beside_the_raw_ones(tmp_path, header, people):
    smoothed = replace(people, smoothed_xy=people.keypoints_xy + 0.126)
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        writer.write(0, 0.0, smoothed)
    person = json.loads((tmp_path / "poses.jsonl").read_text().splitlines()[1])["people"][0]
    assert list(person) == ["track_id", "box", "score", "keypoints", "smoothed"]
    assert person["keypoints"][1] == [101.0, 202.0, 0.9]
    assert person["smoothed"][1] == [101.13, 202.13]


def test_interpolated_people_are_marked_and_read_back(tmp_path, header, people):
    marked = replace(people, is_interpolated=[False, True])
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        for i, each in enumerate([people, marked, replace(people, is_interpolated=[False, False])]):
            writer.write(i, i / 25, each)
    lines = (tmp_path / "poses.jsonl").read_text().splitlines()[1:]
    assert ['"interpolated": true' in line for line in lines] == [False, True, False]
    first, second = json.loads(lines[1])["people"]
    assert list(first) == ["track_id", "box", "score", "keypoints"]
    assert second["interpolated"] is True
    plain, read, unmarked = (
        record.instances.is_interpolated for record in read_all(tmp_path / "poses.jsonl")[1]
    )
    assert plain is unmarked is None
    assert read.tolist() == [False, True]


def test_dense_poses_are_referred_to(tmp_path, header, people):
    path = tmp_path / "poses.jsonl"
    dense = tmp_path / "dense" / "clip.npz"
    with JsonlWriter(path, replace(header, dense=dense)) as writer:
        writer.write(0, 0.0, replace(people, dense_rows=[-1, 0]))
        writer.write(1, 0.04, replace(people, dense_rows=[-1, -1]))
    first, *lines = map(json.loads, path.read_text().splitlines())
    assert first["dense"] == "dense/clip.npz"
    assert [[person.get("dense") for person in line["people"]] for line in lines] == [[None, 0], [None, None]]
    read, (record, without) = read_all(path)
    assert read.dense == dense
    assert record.instances.dense_rows.tolist() == [-1, 0]
    assert without.instances.dense_rows is None


def test_a_mark_that_is_no_truth_value_is_an_error(tmp_path, header, people):
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        writer.write(0, 0.0, replace(people, is_interpolated=[False, True]))
    path = tmp_path / "poses.jsonl"
    path.write_text(path.read_text().replace('"interpolated": true', '"interpolated": 1'))
    with pytest.raises(ResultsError, match=r"people\[1\].interpolated: expected true or false"):
        read_all(path)


def test_a_whole_number_of_frames_a_second_is_a_fraction_too(tmp_path, header):
    path = write(tmp_path / "poses.jsonl", replace(header, fps=Fraction(25)), [])
    assert json.loads(path.read_text())["fps"] == "25/1"
    assert read_all(path)[0].fps == 25


def test_numbers_are_rounded_and_never_minus_zero(tmp_path, header):
    one = Instances(boxes_xyxy=[[-0.001, 1.005, 2.349, 3.14159]], box_scores=[0.123456])
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, header) as writer:
        writer.write(3, 0.12345678, one)
    assert path.read_text().splitlines()[1] == (
        '{"frame": 3, "time": 0.123457, "people": [{"track_id": -1, "box": [0.0, 1.0, 2.35, 3.14], '
        '"score": 0.1235, "keypoints": []}]}'
    )


def numbers(shape, low=-2000.0, high=10000.0):
    return hnp.arrays(np.float32, shape, elements=st.floats(low, high, width=32))


@st.composite
def any_instances(draw, K=17):
    N = draw(st.integers(0, 3))
    posed = draw(st.booleans()) or N == 0
    smoothed = draw(st.booleans()) and posed and N > 0
    return Instances(
        boxes_xyxy=draw(numbers((N, 4))),
        box_scores=draw(numbers((N,), 0, 1)),
        keypoints_xy=draw(numbers((N, K, 2))) if posed else None,
        keypoint_scores=draw(numbers((N, K), 0, 1)) if posed else None,
        smoothed_xy=draw(numbers((N, K, 2))) if smoothed else None,
        track_ids=draw(hnp.arrays(np.int64, (N,), elements=st.integers(-1, 2**40))),
    )


@settings(max_examples=40, deadline=None)
@given(frames=st.lists(any_instances(), max_size=3), fps=st.fractions(0, 1000, max_denominator=1001))
def test_reading_gives_back_what_was_written(tmp_path_factory, frames, fps):
    path = tmp_path_factory.mktemp("round") / "poses.jsonl"
    header = Header("a/é\n.mp4", 1920, 1080, fps, COCO_17, "fast")
    with JsonlWriter(path, header) as writer:
        for index, instances in enumerate(frames):
            writer.write(2 * index, index / 30, instances)
    read_header, records = read_all(path)
    assert read_header == header
    assert [record.frame for record in records] == [2 * index for index in range(len(frames))]
    for index, (record, instances) in enumerate(zip(records, frames, strict=True)):
        assert record.time_s == pytest.approx(index / 30, abs=5e-7)
        for name in _COLUMNS:
            wanted, found = getattr(instances, name), getattr(record.instances, name)
            if wanted is None:
                assert found is None
            else:
                assert found.shape == wanted.shape
                tolerance = 0.00005 if "scores" in name else 0.005
                # float32 itself is off by up to 0.0005 at 10,000.
                np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance + 0.0006)


def test_a_second_round_changes_nothing(tmp_path, header, records):
    first = write(tmp_path / "a.jsonl", header, records)
    again, read = read_jsonl(first)
    assert write(tmp_path / "b.jsonl", again, read).read_bytes() == first.read_bytes()


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_every_skeleton_goes_through(tmp_path, header, skeleton):
    K = skeleton.num_keypoints
    one = Instances(
        boxes_xyxy=np.ones((1, 4)),
        box_scores=np.ones(1),
        keypoints_xy=np.ones((1, K, 2)),
        keypoint_scores=np.ones((1, K)),
    )
    with JsonlWriter(tmp_path / "poses.jsonl", replace(header, skeleton=skeleton)) as writer:
        writer.write(0, 0.0, one)
    read_header, (record,) = read_all(tmp_path / "poses.jsonl")
    assert read_header.skeleton is skeleton
    assert record.instances.keypoints_xy.shape == (1, K, 2)


def test_people_without_a_box_get_one_around_their_keypoints(tmp_path, header, people):
    bare = Instances(keypoints_xy=people.keypoints_xy, keypoint_scores=people.keypoint_scores)
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        writer.write(0, 0.0, bare)
    _, (record,) = read_all(tmp_path / "poses.jsonl")
    assert record.instances.boxes_xyxy.tolist() == [[100, 200, 116, 232], [300, 200, 316, 232]]
    assert record.instances.box_scores.tolist() == pytest.approx([0.9, 0.9])
    assert record.instances.track_ids.tolist() == [-1, -1]


def test_nobody_at_all_is_read_as_empty_columns(tmp_path, header):
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        writer.write(0, 0.0, Instances())
    _, (record,) = read_all(tmp_path / "poses.jsonl")
    assert record.instances.boxes_xyxy.shape == (0, 4)
    assert record.instances.keypoints_xy.shape == (0, 17, 2)
    assert record.instances.track_ids.shape == (0,)


def test_every_line_is_in_the_file_when_write_returns(tmp_path, header, people):
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, header) as writer:
        assert len(path.read_text().splitlines()) == 1
        for index in range(3):
            writer.write(index, 0.0, people)
            assert len(read_all(path)[1]) == index + 1


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_a_line_cut_short_is_left_out_with_a_warning(tmp_path, header, records, caplog, cut):
    path = write(tmp_path / "poses.jsonl", header, records[:1])
    whole = path.read_bytes()
    line = whole.splitlines(keepends=True)[1].replace(b'"frame": 0', b'"frame": 1')
    path.write_bytes(whole + line[:cut])
    with caplog.at_level(logging.WARNING):
        _, read = read_all(path)
    assert [record.frame for record in read] == [0]
    assert f"{path}: line 3: cut short" in caplog.text


def test_a_last_line_that_lacks_only_its_newline_counts(tmp_path, header, records):
    path = write(tmp_path / "poses.jsonl", header, records)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert [record.frame for record in read_all(path)[1]] == [0, 1]


def test_unknown_keys_and_blank_lines_are_ignored(tmp_path, header, records):
    path = write(tmp_path / "poses.jsonl", header, records)
    path.write_text(path.read_text().replace('"track_id": 7', '"name": "Ada", "track_id": 7') + "\n\n")
    assert read_all(path)[1][0].instances.track_ids.tolist() == [7, -1]


def test_reading_holds_one_record_at_a_time(tmp_path, header, records):
    path = write(tmp_path / "poses.jsonl", header, records)
    path.write_text(path.read_text() + "not JSON\n")
    _, read = read_jsonl(path)
    assert next(read).frame == 0
    assert next(read).frame == 1
    with pytest.raises(ResultsError, match="line 4: not JSON"):
        next(read)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("clips/juggle.mp4", "juggle"),
        ("C:\\videos\\a b.MKV", "a_b"),
        ("/data/000342_mpii_test/", "000342_mpii_test"),
        ("frames/*.jpg", "frames"),
        ("rtsp://camera/stream?x=1", "stream"),
        ("0", "0"),
        ("walk.v1.2", "walk.v1.2"),
        ("*.jpg", "video"),
        ("", "video"),
        ("../..", "video"),
    ],
)
def test_video_name_is_fit_for_a_file(header, source, name):
    assert replace(header, source=source).video_name == name


def test_a_name_that_is_no_text_is_json_for_everyone(tmp_path, header):
    path = tmp_path / "poses.jsonl"
    odd = replace(header, source="caf\udce9/a\ud800.mp4")
    JsonlWriter(path, odd).close()
    assert json.loads(path.read_text())["source"] == "caf\ufffd/a\ufffd.mp4"
    assert read_jsonl(path)[0].video_name == "a"
