"""`posetrack eval coco`, `crowdpose` and `mpii` from files to tables and JSON."""

import json
import math
import sys

import numpy as np
import pytest
from scipy.io import savemat

from posetrack.cli.main import main
from posetrack.skeleton import COCO_17, CROWDPOSE_14, MPII_16

COMMANDS = ("coco", "crowdpose", "mpii")


def run_cli(*arguments: object) -> int:
    """Run `posetrack ARGUMENTS` in this process; returns the exit code."""
    before = sys.argv
    sys.argv = ["posetrack", *map(str, arguments)]
    try:
        main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    finally:
        sys.argv = before
    return 0


def make_coco(skeleton):
    """Two images with a large person each, and perfect results for the first alone."""
    keypoints = [[10.0 * k, 5.0 * k, 2] for k in range(skeleton.num_keypoints)]
    flat = [value for point in keypoints for value in point]
    people = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": [0, 0, 200, 100], "area": 1e4, "keypoints": flat}
        for i in (1, 2)
    ]
    annotations = {
        "images": [{"id": 1, "crowdIndex": 0.1}, {"id": 2, "crowdIndex": 0.9}],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.names)}],
    }
    return annotations, [{"image_id": 1, "category_id": 1, "score": 0.9, "keypoints": flat}]


def make_mpii():
    """Four people with a head size of 30 pixels, and predictions that lie 2.4 pixels off."""
    true_xy = np.random.default_rng(0).uniform(50, 300, (4, 16, 2))
    box = [[10, 10], [40, 50]]
    people = [
        {"joints": joints.tolist(), "joints_vis": [1] * 16, "headbox": np.ravel(box).tolist()}
        for joints in true_xy
    ]
    return people, (true_xy + np.array([2.4, 0])).tolist()


@pytest.fixture
def files(tmp_path):
    """The annotations and the results of each command."""
    made = {"coco": make_coco(COCO_17), "crowdpose": make_coco(CROWDPOSE_14), "mpii": make_mpii()}
    paths = {}
    for name, contents in made.items():
        paths[name] = tmp_path / f"{name}-gt.json", tmp_path / f"{name}-pred.json"
        for path, content in zip(paths[name], contents, strict=True):
            path.write_text(json.dumps(content))
    return paths


def evaluate(name, files, *options):
    gt, pred = files[name]
    return run_cli("eval", name, "--gt", gt, "--pred", pred, *options)


def test_coco_prints_percent_and_writes_fractions(files, tmp_path, capsys):
    out = tmp_path / "new" / "metrics.json"
    assert evaluate("coco", files, "--out", out) == 0
    metrics = json.loads(out.read_text())
    assert list(metrics)[:5] == ["AP", "AP50", "AP75", "AP_medium", "AP_large"]
    assert metrics["AP_medium"] is None
    assert metrics["AR"] == 0.5
    assert metrics["AP"] == pytest.approx(51 / 101)
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = [line.split() for line in printed.out.splitlines()]
    assert ["50.5", "50.5", "50.5", "-", "50.5"] in lines
    assert ["AP", "AP50", "AP75", "AP", "medium", "AP", "large"] in lines
    assert "Evaluate annotation type" not in printed.out


def test_coco_takes_sigmas_by_name_and_by_number(files, tmp_path, capsys):
    gt, pred = files["crowdpose"]
    assert run_cli("eval", "coco", "--gt", gt, "--pred", pred) == 0  # The names are CROWDPOSE_14's.
    annotations = json.loads(gt.read_text())
    annotations["categories"][0]["keypoints"][-2:] = ["crown", "neck"]
    gt.write_text(json.dumps(annotations))
    capsys.readouterr()
    assert run_cli("eval", "coco", "--gt", gt, "--pred", pred) == 1
    assert "no sigmas are known for these 14 keypoints; give --sigmas crowdpose14" in capsys.readouterr().err
    for sigmas in ("crowdpose14", ",".join(["0.1"] * 14)):
        assert run_cli("eval", "coco", "--gt", gt, "--pred", pred, "--sigmas", sigmas) == 0
    capsys.readouterr()
    for sigmas, message in {
        "coco17": "sigmas: 17, but",
        "crowdpose": "did you mean 'crowdpose14'?",
        "0.1,x": "write them as 0.026,0.025,...",
        "nan," + ",".join(["0.1"] * 13): "expected 14 finite numbers above 0",
    }.items():
        assert run_cli("eval", "coco", "--gt", gt, "--pred", pred, "--sigmas", sigmas) == 1
        assert message in capsys.readouterr().err


def test_boxes_are_measured_too(files, tmp_path, capsys):
    _, pred = files["coco"]
    results = [{**result, "bbox": [0, 0, 200, 100]} for result in json.loads(pred.read_text())]
    pred.write_text(json.dumps({"annotations": results}))
    assert evaluate("coco", files, "--type", "bbox", "--out", tmp_path / "m.json") == 0
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert len(metrics) == 12
    assert (metrics["AR_100"], metrics["AP_small"]) == (0.5, None)
    assert evaluate("coco", files, "--type", "segm") == 1
    assert "images[0].height: expected a whole number, found nothing" in capsys.readouterr().err
    assert evaluate("coco", files, "--type", "boxes") == 1
    assert "type 'boxes': unknown; " in capsys.readouterr().err


def test_crowdpose_has_its_nine_numbers(files, tmp_path, capsys):
    assert evaluate("crowdpose", files, "--out", tmp_path / "m.json") == 0
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert " ".join(metrics) == "AP AP50 AP75 AR AR50 AR75 AP_easy AP_medium AP_hard"
    assert [metrics[f"AP_{level}"] for level in ("easy", "medium", "hard")] == [pytest.approx(1), None, 0]
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["50.5", "50.5", "50.5", "50.0", "50.0", "50.0", "100.0", "-", "0.0"] in rows


def test_mpii_prints_the_columns_of_papers_and_every_joint(files, tmp_path, capsys):
    assert evaluate("mpii", files, "--out", tmp_path / "m.json") == 0
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert (metrics["Mean"], metrics["Mean@0.1"]) == (1.0, 1.0)
    assert tuple(metrics["PCKh@0.5"]) == tuple(metrics["PCKh@0.1"]) == MPII_16.names
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    columns = ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean", "Mean@0.1"]
    assert columns in rows
    assert ["100.0"] * 9 in rows
    assert ["thorax", "100.0", "100.0"] in rows


def test_mpii_takes_matlab_files_and_pixels_from_zero(files, tmp_path):
    """One pixel more, 3.4 of an allowed 3, and nothing is within a tenth any longer."""
    gt, pred = files["mpii"]
    poses = np.array(json.loads(pred.read_text()))
    savemat(tmp_path / "pred.mat", {"preds": poses})
    files["mpii"] = gt, tmp_path / "pred.mat"
    fractions = []
    for options in ([], ["--zero-based"]):
        assert evaluate("mpii", files, "--out", tmp_path / "m.json", *options) == 0
        fractions.append(json.loads((tmp_path / "m.json").read_text())["Mean@0.1"])
    assert fractions == [1.0, 0.0]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("damage", ["absent", "cut", "nan", "empty", "folder"])
def test_a_damaged_file_leaves_as_one_line_that_names_it(files, tmp_path, capsys, name, which, damage):
    path = files[name][which]
    text = path.read_text()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "absent":
        spoilt = text.replace("10.0, 5.0", "NaN, 5.0")
        path.write_text({"cut": text[: len(text) // 2], "nan": spoilt, "empty": ""}[damage])
        if damage == "nan" and name == "mpii":
            content = json.loads(text)
            person = content[0]["joints"] if which == 0 else content[0]
            person[3][1] = math.nan
            path.write_text(json.dumps(content))
    assert evaluate(name, files, "--out", tmp_path / "m.json") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith(f"posetrack: {path}: ")
    assert not (tmp_path / "m.json").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_an_out_that_cannot_be_written_is_one_line(files, tmp_path, capsys, name):
    (tmp_path / "file").write_text("")
    assert evaluate(name, files, "--out", tmp_path / "file" / "m.json") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_help_states_the_convention_of_pixels(capsys):
    assert run_cli("eval", "mpii", "--help") == 0
    assert "pixels from 1" in " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize(("command", "skeleton"), [("coco", COCO_17), ("crowdpose", CROWDPOSE_14)])
def test_results_whose_file_names_another_order_are_reordered(tmp_path, command, skeleton):
    annotations, results = make_coco(skeleton)
    (tmp_path / "gt.json").write_text(json.dumps(annotations))
    numbers = []
    for order in (1, -1):
        names = list(skeleton.names)[::order]
        flat = np.reshape(results[0]["keypoints"], (-1, 3))[::order].ravel().tolist()
        content = {
            "annotations": [{**results[0], "keypoints": flat}],
            "categories": [{"id": 1, "name": "person", "keypoints": names}],
        }
        (tmp_path / "pred.json").write_text(json.dumps(content))
        out = tmp_path / "out.json"
        assert (
            run_cli(
                "eval", command, "--gt", tmp_path / "gt.json", "--pred", tmp_path / "pred.json", "--out", out
            )
            == 0
        )
        numbers.append(json.loads(out.read_text()))
    assert numbers[0] == numbers[1]
    assert numbers[0]["AP"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("command", [*COMMANDS, "posetrack"])
def test_metrics_never_replace_what_is_evaluated(command, tmp_path, capsys):
    for name in ("gt", "pred"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "000001.json").write_text("{}")
    out = tmp_path / "gt" / "000001.json"
    gt, pred = (tmp_path / name for name in ("gt", "pred"))
    if command != "posetrack":
        gt, pred = (folder / "000001.json" for folder in (gt, pred))
    assert run_cli("eval", command, "--gt", gt, "--pred", pred, "--out", out) == 1
    assert capsys.readouterr().err == f"posetrack: {out}: is the input itself; use another --out\n"
    assert out.read_text() == "{}"
