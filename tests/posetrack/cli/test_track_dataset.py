"""`posetrack track-dataset`: two sequences of a made PoseTrack data set, from the images to the metrics."""

import json
import sys
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from posetrack.annotations.posetrack17 import encode_posetrack17
from posetrack.annotations.read import read_annotations
from posetrack.cli.main import main
from posetrack.data_sets.given_boxes import read_given_boxes
from posetrack.data_sets.sequences import read_labelled_sequences
from posetrack.evaluation.posetrack.evaluate import evaluate_posetrack
from posetrack.recipe import read_recipe
from posetrack.results.jsonl import read_jsonl
from posetrack.run.job import Output
from posetrack.run.tracker import Tracker

CLIP = "docs/media/street.mp4"
NAMES = ("000001_bonn", "000002_mpii_test")
NUM_FRAMES = 4


def run_cli(*arguments: object, command: str = "track-dataset") -> int:
    """Run `posetrack COMMAND ARGUMENTS` in this process; returns the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["posetrack", command, *map(str, arguments)])
        try:
            main()
        except SystemExit as done:
            return done.code if isinstance(done.code, int) else int(done.code is not None)
    return 0


@pytest.fixture(scope="module")
def data_set(tmp_path_factory, request):
    """Images of two sequences, and files as of a PoseTrack18 test set in `test`, as of a 17 one in `test17`."""
    root = tmp_path_factory.mktemp("posetrack")
    with av.open(str(request.config.rootpath / CLIP)) as video:
        images = [frame.to_ndarray(format="bgr24") for frame in video.decode(video=0)][80:86]
    for number, name in enumerate(NAMES):
        folder = root / "images" / "test" / name
        folder.mkdir(parents=True)
        names = [f"images/test/{name}/{7 + 2 * i:06d}.png" for i in range(NUM_FRAMES)]
        for i, file_name in enumerate(names):
            cv2.imwrite(str(root / file_name), images[2 * number + i])
        first = (number + 1) * 1000
        entries = [
            {"id": first + 2 * i, "file_name": file_name, "frame_id": first + 2 * i, "is_labeled": i > 0}
            for i, file_name in enumerate(names)
        ]
        write_json(root / "test" / f"{name}.json", {"images": entries})
        annolist = [
            {"image": [{"name": file_name}], "imgnum": [7 + 2 * i]} for i, file_name in enumerate(names)
        ]
        write_json(root / "test17" / f"{name}.json", {"annolist": annolist})
    return root


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def read_json(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def tracked(data_set):
    """The output over the test set."""
    out = data_set / "out"
    arguments = (data_set / "test", "--images", data_set, "-o", out, "--quiet")
    assert run_cli(*arguments) == 0
    return out


def make_truth(folder, out, *, year):
    """Ground truth from results: everybody with a head box, but in the frame that is not labelled nobody."""
    for name in NAMES:
        content = read_json(out / "results" / f"{name}.json")
        unlabelled = {image["id"] for image in content["images"] if not image["is_labeled"]}
        content["annotations"] = [
            {**{key: value for key, value in each.items() if key != "scores"}, "bbox_head": [400, 20, 30, 40]}
            for each in content["annotations"]
            if each["image_id"] not in unlabelled
        ]
        write_json(folder / f"{name}.json", content)
        if year == 17:
            video = read_annotations(folder / f"{name}.json")
            write_json(folder / f"{name}.json", encode_posetrack17(video))
    return folder


def test_results_of_a_test_set_have_the_names_and_numbers_of_its_images(data_set, tracked, capsys):
    assert {path.name for path in tracked.iterdir()} == {"results", *NAMES}
    for name in NAMES:
        truth, results = read_json(data_set / "test" / f"{name}.json"), tracked / "results" / f"{name}.json"
        found = read_json(results)
        for key in ("id", "file_name", "frame_id", "is_labeled"):
            assert [each[key] for each in found["images"]] == [each[key] for each in truth["images"]]
        assert {each["nframes"] for each in found["images"]} == {NUM_FRAMES}
        ids = [each["image_id"] for each in found["annotations"]]
        assert ids == [image["id"] for image in truth["images"]]
        assert len({each["track_id"] for each in found["annotations"]}) == 1
        assert all(len(each["scores"]) == 17 and each["score"] > 0.5 for each in found["annotations"])


def test_the_same_from_posetrack17_files(data_set, tracked, capsys):
    out = data_set / "out17"
    assert run_cli(data_set / "test17", "--images", data_set / "images", "-o", out) == 0
    assert "nobody is annotated in it" in capsys.readouterr().out
    for name in NAMES:
        frames = read_json(out / "results" / f"{name}.json")["annolist"]
        truth = read_json(data_set / "test17" / f"{name}.json")["annolist"]
        assert [frame["image"] for frame in frames] == [frame["image"] for frame in truth]
        assert all(rect["x1"] == [0] and rect["score"][0] > 0 for frame in frames for rect in frame["annorect"])
        one, other = (read_annotations(folder / "results" / f"{name}.json") for folder in (out, tracked))
        np.testing.assert_array_equal(one.people.keypoints_xy, other.people.keypoints_xy)
        np.testing.assert_array_equal(one.people.track_ids, other.people.track_ids)


@pytest.mark.parametrize("year", [17, 18])
def test_a_labelled_set_is_evaluated_in_the_same_breath(data_set, tracked, tmp_path, capsys, year):
    gt = make_truth(tmp_path / "gt", tracked, year=year)
    out = tmp_path / "out"
    assert run_cli(gt, "--images", data_set, "-o", out) == 0
    printed = capsys.readouterr()
    metrics = read_json(out / "metrics.json")
    assert metrics["ap"] == metrics["mota"] == [100] * 16
    assert "Multiple object tracking (MOTA)" in printed.out
    assert str(out / "results" / f"{NAMES[0]}.json") in printed.err.replace("\n", "")
    # The folder of the output is what `eval posetrack` takes, and so is that of the results.
    for predictions in (out, out / "results"):
        assert evaluate_posetrack(gt, predictions).total.to_dict()["mota"] == metrics["mota"]
    capsys.readouterr()
    again = (gt, "--images", data_set, "-o", out)
    assert run_cli(*again) == 1
    assert "is there already; use --overwrite, --resume, or another --out" in capsys.readouterr().err
    assert run_cli(*again, "--resume", "--min-keypoint-score", 0.8) == 0
    assert "all frames were saved before" in capsys.readouterr().err
    higher = read_json(out / "metrics.json")
    assert higher["mot_precision"][-1] == 100
    assert higher["mot_recall"][-1] < 100


def make_detections(out):
    """COCO detections that are the boxes of the results, and one of low score far from them."""
    boxes = [
        {"image_id": each["image_id"], "category_id": 1, "bbox": each["bbox"], "score": 0.9}
        for name in NAMES
        for each in read_json(out / "results" / f"{name}.json")["annotations"]
    ]
    return [*boxes, *({**box, "bbox": [5, 200, 40, 60], "score": 0.3} for box in boxes)]


def test_boxes_of_another_detector(data_set, tracked, tmp_path, capsys):
    gt = make_truth(tmp_path / "gt", tracked, year=18)
    boxes = tmp_path / "boxes.json"
    detections = make_detections(tracked)
    # None in the first labelled frame of the first sequence: nobody is found there.
    empty = read_json(gt / f"{NAMES[0]}.json")["images"][1]["id"]
    write_json(boxes, [box for box in detections if box["image_id"] != empty])
    out = tmp_path / "out"
    assert run_cli(gt, "--images", data_set, "-o", out, "--boxes", boxes, "--no-stitch", "--quiet") == 0
    found = {name: read_json(out / "results" / f"{name}.json") for name in NAMES}
    frames = [each["image_id"] for each in found[NAMES[0]]["annotations"]]
    assert len(found[NAMES[1]]["annotations"]) == NUM_FRAMES
    # Missed by the given boxes, they are still looked for where flow has moved them.
    assert frames.count(empty) <= 1
    metrics = read_json(out / "metrics.json")
    assert metrics["mot_precision"][-1] == 100
    # The same boxes as a COCO-style file and as a folder of PoseTrack18 files.
    content = {
        "images": [image for name in NAMES for image in read_json(gt / f"{name}.json")["images"]],
        "annotations": detections,
    }
    write_json(tmp_path / "coco.json", content)
    for name in NAMES:
        ids = {image["id"] for image in read_json(gt / f"{name}.json")["images"]}
        kept = [box for box in detections if box["image_id"] in ids]
        write_json(tmp_path / "folder" / f"{name}.json", {**content, "annotations": kept})
    options = ("--images", data_set, "--no-eval", "--quiet")
    for given in ("coco.json", "folder"):
        assert run_cli(gt, *options, "-o", tmp_path / f"by_{given}", "--boxes", tmp_path / given) == 0
    for name in NAMES:
        one, other = (
            read_json(tmp_path / folder / "results" / f"{name}.json")
            for folder in ("by_coco.json", "by_folder")
        )
        assert one == other
        assert len(one["annotations"]) == NUM_FRAMES
    # Other boxes are another run.
    assert run_cli(gt, *options, "-o", out, "--boxes", tmp_path / "coco.json", "--no-stitch", "--resume") == 1
    assert "weights of the detector: changed" in capsys.readouterr().err


def test_the_protocol_of_simple_baseline_with_boxes_that_miss_somebody(data_set, tracked, tmp_path):
    """The flow box of the frame before stands in, whatever the detector found."""
    shipped = read_recipe("posetrack-simple-baseline")
    recipe = replace(
        read_recipe("default"),
        tracker=replace(shipped.tracker, propagation_min_score=0.45),
        stitcher=None,
    )
    sequences = read_labelled_sequences(data_set / "test", data_set)
    missed = 2
    detections = [box for box in make_detections(tracked) if box["image_id"] not in (1000 + missed * 2,)]
    write_json(tmp_path / "boxes.json", detections)
    boxes = read_given_boxes(tmp_path / "boxes.json", sequences, min_score=0.5)
    tracker = Tracker(recipe)
    output = Output(tmp_path / "out", has_overlay=False)
    tracker.run_into([str(image) for image in sequences[0].images], output, boxes=boxes[NAMES[0]])
    _, records = read_jsonl(output.poses)
    people = [record.instances for record in records]
    assert [each.track_ids.tolist() for each in people] == [[1]] * NUM_FRAMES
    # What a detector scored, and what the pose in the frame before did.
    assert [round(float(each.box_scores[0]), 2) == 0.9 for each in people] == [True, True, False, True]
    assert people[missed].box_scores[0] == pytest.approx(people[missed - 1].person_scores[0], abs=0.02)


def test_boxes_around_the_keypoints_of_posetrack17(data_set, tracked, tmp_path):
    gt = make_truth(tmp_path / "gt", tracked, year=17)
    out = tmp_path / "out"
    assert run_cli(gt, "--images", data_set, "-o", out, "--boxes", gt, "--quiet") == 0
    assert read_json(out / "metrics.json")["mota"][-1] > 90


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "--images", "{root}"), "nowhere: no such file or folder; check the path"),
        (("{root}/test", "--images", "{root}/out"), "4 of 4 images are missing, the first is"),
        (
            ("{root}/images", "--images", "{root}"),
            "no .json files in it; expected one PoseTrack file a sequence",
        ),
        (("{root}/test", "--images", "{root}", "--min-box-score", "0.5"), "give some with --boxes"),
        (("{root}/test17", "--images", "{root}", "--boxes", "{list}"), "has no numbers; give a folder"),
        (("{root}/test", "--images", "{root}", "--boxes", "{list}"), "none of its 1 images is one of these"),
        (("{root}/test", "--images", "{root}", "--boxes", "{root}/images"), "no boxes of 000001_bonn"),
        (("{root}/test", "--images", "{root}", "--image-fps", "x"), "expected frames a second"),
        (
            ("{root}/test", "--images", "{root}", "--boxes", "{known}", "-r", "fast", "-o", "{new}"),
            "boxes are given, but it has no [estimator]",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(data_set, tracked, tmp_path, capsys, arguments, message):
    write_json(tmp_path / "list.json", [{"image_id": 5, "bbox": [1, 1, 9, 9], "score": 1}])
    write_json(tmp_path / "known.json", [{"image_id": 1000, "bbox": [1, 1, 9, 9], "score": 1}])
    places = {"root": data_set, "list": tmp_path / "list.json", "known": tmp_path / "known.json"}
    texts = [text.format(**places, new=tmp_path / "new") for text in arguments]
    assert run_cli(*texts, *([] if "-o" in texts else ["-o", tmp_path / "other"])) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed


def test_a_sequence_that_fails_leaves_the_others(data_set, tracked, tmp_path, capsys):
    """Its images are there, and are none."""
    for name in NAMES:
        content = read_json(data_set / "test" / f"{name}.json")
        for image in content["images"]:
            path = tmp_path / image["file_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                (data_set / image["file_name"]).read_bytes() if name == NAMES[1] else b"no image at all"
            )
    out = tmp_path / "out"
    assert run_cli(data_set / "test", "--images", tmp_path, "-o", out, "-r", "fast") == 1
    printed = capsys.readouterr().err.replace("\n", " ")
    assert "no image could be read" in printed
    assert "1 of 2 sequences failed, the first is 000001_bonn; not evaluated" in printed
    assert [path.name for path in (out / "results").iterdir()] == [f"{NAMES[1]}.json"]
