import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posetrack.errors import ResultsError
from posetrack.results.jsonl import JsonlWriter, read_jsonl
from posetrack.skeleton import CROWDPOSE_14


def write(path, header, records):
    with JsonlWriter(path, header) as writer:
        for record in records:
            writer.write(record.frame, record.time_s, record.instances)
    return path


def read_all(path):
    header, records = read_jsonl(path)
    return header, list(records)


HEADER_CASES = {
    "wrong version": (
        '"posetrack/1"',
        '"posetrack/9"',
        "schema: expected 'posetrack/1', found 'posetrack/9'",
    ),
    "no schema": ('"schema"', '"scheme"', "schema: expected 'posetrack/1', found nothing"),
    "no source": ('"source"', '"sauce"', "source: expected text, found nothing"),
    "width is text": ("640", '"640"', "width: expected a whole number from 1, found '640'"),
    "height is zero": ("360", "0", "height: expected a whole number from 1, found 0"),
    "height is true": ("360", "true", "height: expected a whole number from 1, found True"),
    "fps is a float": ('"30000/1001"', "29.97", "fps: expected text, found 29.97"),
    "fps over zero": ("30000/1001", "30/0", "fps: expected a fraction such as '30000/1001', found '30/0'"),
    "fps is huge": ("30000/1001", "1e99999999", "fps: expected a fraction"),
    "unknown skeleton": ('"coco17"', '"coco18"', "skeleton: unknown 'coco18'; known: coco17, posetrack15"),
    "another order": ('"nose", "left_eye"', '"left_eye", "nose"', "keypoints: not the 17 names of coco17"),
}


@pytest.mark.parametrize(("old", "new", "message"), HEADER_CASES.values(), ids=HEADER_CASES)
def test_a_wrong_header_names_its_field(tmp_path, header, records, old, new, message):
    path = write(tmp_path / "poses.jsonl", header, records)
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ResultsError) as caught:
        read_jsonl(path)
    assert str(caught.value).startswith(f"{path}: line 1: {message}")
    assert "\n" not in str(caught.value)


RECORD_CASES = {
    "no frame": ('"frame": 0', '"fram": 0', "frame: expected a whole number from 0, found nothing"),
    "frame is a float": ('"frame": 0', '"frame": 0.5', "frame: expected a whole number from 0, found 0.5"),
    "frame is huge": (
        '"frame": 0',
        f'"frame": {10**40}',
        "frame: expected a whole number from 0, found 1",
    ),
    "time is NaN": ('"time": 0.0', '"time": NaN', "time: expected seconds, found nan"),
    "time is infinite": ('"time": 0.0', '"time": 1e999', "time: expected seconds, found inf"),
    "no time": ('"time": 0.0', '"t": 0.0', "time: expected seconds, found nothing"),
    "no people": ('"people"', '"persons"', "people: expected a list, found nothing"),
    "people is an object": ('"people": [{', '"people": {}, "x": [{', "people: expected a list, found {}"),
    "person is a number": ('"people": [{', '"people": [5, {', "people[0]: expected an object {...}, found 5"),
    "no id": ('"track_id": -1', '"id": 3', "people[1].track_id: expected a whole number from -1, found noth"),
    "id is a float": ('"track_id": 7', '"track_id": 7.0', "people[0].track_id: expected a whole number from"),
    "box of three": (
        "[90.0, 190.0, 130.0, 240.0]",
        "[1, 2, 3]",
        "people[0].box: expected 4 numbers, found 3",
    ),
    "box has text": ("[90.0,", '["90.0",', "people[0].box: expected 4 numbers, found other values"),
    "box has null": ("[90.0,", "[null,", "people[0].box: expected 4 numbers, found other values"),
    "score is null": ('"score": 0.5', '"score": null', "people[1].score: expected a number, found nothing"),
    "16 keypoints": ("[300.0, 200.0, 0.9], ", "", "people[1].keypoints: expected 17 triples, found 16"),
    "no keypoints": ('"keypoints"', '"keypoint"', "people[0].keypoints: expected 17 triples, found nothing"),
    "keypoint NaN": ("[300.0,", "[NaN,", "people[1].keypoints: expected 17 triples, found other values (NaN"),
    "keypoint too large": ("[300.0,", "[1e39,", "people[1].keypoints: expected 17 triples, found other"),
    "uneven keypoint": ("[300.0, ", "[", "people[1].keypoints: expected 17 triples, found other values"),
    "one without": ("[[300.0", '[], "x": [[300.0', "people[1].keypoints: expected 17 triples, found 0"),
    "one smoothed": (
        '"score": 0.5',
        '"score": 0.5, "smoothed": []',
        "people[0].smoothed: expected 17 pairs,",
    ),
    "dense pose": (
        '"score": 0.5',
        '"score": 0.5, "dense": "a"',
        "people[1].dense: expected a whole number from -1",
    ),
    "not an object": ('{"frame"', '[{"frame"', "not JSON: "),
    "not JSON": ('{"frame": 0', '{"frame": 0]', "not JSON: Expecting ',' delimiter"),
    "nested": ('{"frame"', "[" * 100_000 + '{"frame"', "not JSON: "),
    "text": ('{"frame"', '"hello"\n{"frame"', "expected an object {...}, found 'hello'"),
}


@pytest.mark.parametrize(("old", "new", "message"), RECORD_CASES.values(), ids=RECORD_CASES)
def test_a_wrong_record_names_its_field(tmp_path, header, records, old, new, message):
    path = write(tmp_path / "poses.jsonl", header, records)
    first, rest = path.read_text().split("\n", maxsplit=1)
    assert rest.count(old) >= 1
    path.write_text(first + "\n" + rest.replace(old, new, 1))
    with pytest.raises(ResultsError) as caught:
        read_all(path)
    assert str(caught.value).startswith(f"{path}: line 2: {message}")
    assert "\n" not in str(caught.value)


def test_frames_that_do_not_go_on_are_refused(tmp_path, header, records):
    path = write(tmp_path / "poses.jsonl", header, [records[1], records[0]])
    with pytest.raises(ResultsError, match="line 3: frame: 0 comes after 1"):
        read_all(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty; expected a header line"),
        (b"\n", "empty; expected a header line"),
        (b"\x00\x01\x89PNG\r\n\xff\xfe", "line 1: not JSON; expected a header"),
        (b'{"schema": "posetra', "line 1: not JSON; expected a header"),
        (b"[1, 2]\n", "line 1: expected an object"),
        (b"null\n", "line 1: expected an object"),
        (b"{}\n", "line 1: schema: expected 'posetrack/1', found nothing"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "poses.jsonl"
    path.write_bytes(content)
    with pytest.raises(ResultsError) as caught:
        read_jsonl(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("posetrack.results.jsonl_lines._LONGEST_LINE", 1000)
    path = tmp_path / "poses.jsonl"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(ResultsError, match="line 1: too long"):
        read_jsonl(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ResultsError, match=r"no\.jsonl: cannot be read: no such file"):
        read_jsonl(tmp_path / "no.jsonl")
    with pytest.raises(ResultsError, match="cannot be read: is a directory"):
        read_jsonl(tmp_path)


def test_unwritable_places(tmp_path, header):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match=r"file/poses.jsonl: cannot be written: "):
        JsonlWriter(tmp_path / "file" / "poses.jsonl", header)
    with pytest.raises(ResultsError, match="cannot be written: is a directory"):
        JsonlWriter(tmp_path, header)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error_with_a_remedy(header):
    with pytest.raises(ResultsError, match="/dev/full: cannot be written: no space left on device; free"):
        JsonlWriter("/dev/full", header)


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path, header, people):
    path = tmp_path / "poses.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JsonlWriter(path, header) as writer:
        writer.write(0, 0.0, people)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
        try:
            with pytest.raises(ResultsError, match="cannot be written: file too large"):
                writer.write(1, 0.1, people)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        writer.write(2, 0.2, people)
    assert path.read_bytes().endswith(b"\n")
    assert [record.frame for record in read_all(path)[1]] == [0, 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_json_lacks_are_refused_by_name(tmp_path, header, people, bad):
    xy = people.keypoints_xy.copy()
    xy[1, 4, 0] = bad
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, header) as writer:
        writer.write(0, 0.0, people)
        with pytest.raises(ResultsError, match=r"people\[1\].keypoints\[4\]\[0\]: not a finite number"):
            writer.write(1, 0.0, replace(people, keypoints_xy=xy))
        with pytest.raises(ResultsError, match=r"poses\.jsonl: time: not a finite number"):
            writer.write(1, bad, people)
    assert len(read_all(path)[1]) == 1


def test_keypoints_of_another_skeleton_are_refused_on_reading(tmp_path, header, people):
    path = write(tmp_path / "poses.jsonl", replace(header, skeleton=CROWDPOSE_14), [])
    with JsonlWriter(tmp_path / "other.jsonl", header) as writer:
        writer.write(0, 0.0, people)
    body = (tmp_path / "other.jsonl").read_text().splitlines()[1]
    path.write_text(path.read_text() + body + "\n")
    with pytest.raises(ResultsError, match=r"line 2: people\[0\].keypoints: expected 14 triples, found 17"):
        read_all(path)


@pytest.mark.parametrize("tail", [b"\0" * 4000, b'{"frame": 2, "ti\0\0\n', b'{"frame": 2, "time": 0.\xc3'])
def test_what_a_power_cut_leaves_is_left_out(tmp_path, header, people, tail, caplog):
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, header) as writer:
        writer.write(0, 0.0, people)
        writer.write(1, 0.1, people)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert [record.frame for record in read_all(path)[1]] == [0, 1]
    assert "line 4: cut short, left out; the 3 lines before it are whole" in caplog.text
    body = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(body[:2]) + b"\0" * 40 + b"\n" + body[2])
    with pytest.raises(ResultsError, match="line 3: not JSON"):
        read_all(path)
