"""Files of tracked boxes, and their pairing by name."""

import logging
from fractions import Fraction

import numpy as np
import pytest
from reference.evaluation_mot import write_lines

from posetrack.errors import ResultsError
from posetrack.evaluation.mot.files import read_tracked_boxes, read_true_boxes
from posetrack.evaluation.mot.pairs import pair_sequences
from posetrack.frame import UNTRACKED, Instances
from posetrack.results.convert import convert
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

GOOD = "1,7,10,20,30,60"


def test_columns_of_mot17(tmp_path):
    path = write_lines(
        tmp_path / "gt.txt",
        [
            "2,1,10,20,30,60,1,1,0.5",
            "1,1,10.5,20,30,60,1,1,1",
            "",
            "1,2,10,20,30,60,0,1,1",
            "1,3,10,20,30,60,0,8,1",
            "1,4,10,20,30,60,1,3,1",
            "1,-1,10,20,30,60,0,13,1",
        ],
    )
    truth = read_true_boxes(path)
    assert truth.boxes.frames.tolist() == [1, 1, 1, 1, 1, 2]
    assert truth.boxes.track_ids.tolist() == [1, 2, 3, 4, -1, 1]
    assert truth.boxes.boxes_xyxy[0].tolist() == [10.5, 20, 40.5, 80]
    assert truth.is_counted.tolist() == [True, False, False, False, False, True]
    assert truth.is_unclear.tolist() == [False, False, True, False, False, False]
    assert truth.is_ignored.tolist() == [False, True, False, False, False, False]


@pytest.mark.parametrize(
    ("line", "is_counted"),
    [
        (GOOD, True),
        (f"{GOOD},1", True),
        (f"{GOOD},0", False),
        (f"{GOOD},1,2", False),
        (f"{GOOD},1,-3.2,4.5,0", True),
        ("1 7 10 20 30 60 1", True),
        ("1.0, 7.0, 10, 20, 30, 60", True),
    ],
)
def test_other_numbers_of_columns(tmp_path, line, is_counted):
    truth = read_true_boxes(write_lines(tmp_path / "gt.txt", [line, "2,8,0,0,5,5"]))
    assert truth.is_counted.tolist() == [is_counted, True]
    assert truth.boxes.boxes_xyxy[0].tolist() == [10, 20, 40, 80]


def test_our_poses_and_our_mot_txt_are_the_same_boxes(tmp_path):
    header = Header(source="x.mp4", width=640, height=360, fps=Fraction(25), skeleton=COCO_17, recipe="default")
    boxes = np.array([[10, 20, 40, 80], [100, 20.25, 140, 80]])
    people = Instances(boxes_xyxy=boxes, box_scores=np.full(2, 0.9), track_ids=np.array([4, 5]))
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        for index in (0, 1, 3):
            writer.write(index, index / 25, people if index != 1 else Instances.empty(17))
    ours = read_tracked_boxes(tmp_path / "poses.jsonl")
    assert ours.frames.tolist() == [1, 1, 4, 4]
    assert ours.track_ids.tolist() == [4, 5, 4, 5]
    np.testing.assert_allclose(ours.boxes_xyxy[:2], boxes)
    exported = read_tracked_boxes(convert(tmp_path / "poses.jsonl", "mot", tmp_path))
    for column in ("frames", "track_ids", "boxes_xyxy"):
        np.testing.assert_array_equal(getattr(exported, column), getattr(ours, column))


def test_an_empty_file_has_no_results(tmp_path):
    assert len(read_tracked_boxes(write_lines(tmp_path / "a.txt", []))) == 0


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ("1,7,10,20,30", "line 2: 5 columns; expected 6 to 10"),
        ("1,7,10,20,30,60,1,1,1,1,1", "line 2: 11 columns"),
        (
            "1,7," + "9" * 3000 + ",20,30,60",
            "line 2: column 3: expected a number, at most 1e+09, found '999999999999...9999999999999'",
        ),
        ("1,7,ten,20,30,60", "line 2: column 3: expected a number, at most 1e+09, found 'ten'"),
        ("1,7,nan,20,30,60", "line 2: column 3"),
        ("1,7,,20,30,60", "line 2: column 3"),
        ("1,7,1e300,20,30,60", "line 2: column 3"),
        ("0,7,10,20,30,60", "line 2: frame: expected a whole number from 1 up, found '0'"),
        ("1.5,7,10,20,30,60", "line 2: frame"),
        ("1,7.5,10,20,30,60", "line 2: id: expected a whole number"),
        ("1,8,10,20,-30,60", "line 2: width"),
        ("1,8,10,20,30,-60", "line 2: height"),
        ("1,-1,10,20,30,60", "line 2: id -1 is no track; track the people first"),
        (GOOD, "line 2: id 7 is in frame 1 already (line 1); keep one of the two"),
        ("frame,id,left,top,width,height", "line 2: column 1"),
    ],
)
@pytest.mark.parametrize("read", [read_true_boxes, read_tracked_boxes])
def test_refuses_malformed_lines(tmp_path, read, line, fragment):
    path = write_lines(tmp_path / "a.txt", [GOOD, line])
    check_refused(lambda: read(path), f"{path}: {fragment}")


def test_refuses_other_files(tmp_path):
    check_refused(lambda: read_true_boxes(tmp_path / "no.txt"), "no.txt: cannot be read", "check the path")
    path = write_lines(tmp_path / "gt.txt", ["1,1,10,20,30,60,0,1,1"])
    check_refused(lambda: read_true_boxes(path), "gt.txt: no people to find")
    path.write_bytes(b"\xff\xfe\x00")
    check_refused(lambda: read_tracked_boxes(path), "not a text file at byte 0")
    path = write_lines(tmp_path / "a.jsonl", ["{}"])
    check_refused(lambda: read_tracked_boxes(path), "a.jsonl")


def test_refuses_poses_that_are_not_tracked(tmp_path):
    header = Header(source="x.mp4", width=640, height=360, fps=Fraction(25), skeleton=COCO_17, recipe="default")
    people = Instances(boxes_xyxy=np.array([[10, 20, 40, 80]]), track_ids=np.array([UNTRACKED]))
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        writer.write(0, 0.0, people)
    check_refused(lambda: read_tracked_boxes(tmp_path / "poses.jsonl"), "frame 0: id -1 is no track", "retrack")


def check_refused(work, *fragments):
    with pytest.raises(ResultsError) as caught:
        work()
    assert "\n" not in str(caught.value)
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize("truth", ["NAME/gt/gt.txt", "NAME/gt.txt", "NAME.gt.txt", "NAME.txt"])
@pytest.mark.parametrize(
    "results", ["NAME.txt", "NAME.mot.txt", "NAME.jsonl", "NAME/poses.jsonl", "NAME/mot.txt"]
)
def test_folders_are_paired_by_name(tmp_path, truth, results):
    gt, pred = tmp_path / "truth", tmp_path / "pred"
    paths = {}
    for name in ("b-02", "a.v2"):
        paths[name] = tuple(
            write_lines(folder / form.replace("NAME", name), [GOOD])
            for folder, form in ((gt, truth), (pred, results))
        )
    assert pair_sequences(gt, pred) == paths
    assert list(pair_sequences(gt, pred)) == ["a.v2", "b-02"]


def test_one_sequence(tmp_path):
    truth = write_lines(tmp_path / "MOT17-02" / "gt" / "gt.txt", [GOOD])
    mine = write_lines(tmp_path / "run" / "mot.txt", [GOOD])
    for gt in (truth, tmp_path / "MOT17-02"):
        for pred in (mine, tmp_path / "run"):
            assert pair_sequences(gt, pred) == {"MOT17-02": (truth, mine)}
    poses = write_lines(tmp_path / "run" / "poses.jsonl", [])
    assert pair_sequences(truth, tmp_path / "run") == {"MOT17-02": (truth, poses)}
    other = write_lines(tmp_path / "clip.gt.txt", [GOOD])
    assert pair_sequences(other, mine) == {"clip": (other, mine)}


def test_refuses_what_cannot_be_paired(tmp_path):
    gt, pred = tmp_path / "gt", tmp_path / "pred"
    for name in ("a", "b"):
        write_lines(gt / f"{name}.gt.txt", [GOOD])
    mine = write_lines(pred / "a.txt", [GOOD])
    check_refused(lambda: pair_sequences(tmp_path / "no", pred), "no: no such file or folder; --gt takes")
    check_refused(lambda: pair_sequences(gt, tmp_path / "no"), "no: no such file or folder; --pred takes")
    check_refused(lambda: pair_sequences(gt, mine), "a.txt: one file, but", "2 sequences")
    check_refused(
        lambda: pair_sequences(gt, pred), "no results for b; expected b.txt, b.jsonl or b/poses.jsonl"
    )
    (tmp_path / "empty").mkdir()
    check_refused(
        lambda: pair_sequences(tmp_path / "empty", pred), "no ground truth in it; expected NAME/gt/gt.txt"
    )


def test_results_without_ground_truth_are_left_out_with_a_warning(tmp_path, caplog):
    gt, pred = tmp_path / "gt", tmp_path / "pred"
    write_lines(gt / "a" / "gt" / "gt.txt", [GOOD])
    write_lines(pred / "a" / "mot.txt", [GOOD])
    with caplog.at_level(logging.WARNING):
        pair_sequences(gt, pred)
        assert caplog.text == ""
        write_lines(pred / "c" / "poses.jsonl", [])
        write_lines(pred / "b.txt", [GOOD])
        pair_sequences(gt, pred)
    assert "2 without ground truth left out: b.txt, c" in caplog.text
