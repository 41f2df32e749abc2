"""`posetrack eval posetrack`: what it prints and writes, and how it refuses."""

import json
import logging
import sys
from fractions import Fraction

import numpy as np
import pytest
from reference.evaluation_cases import make_frame, make_person, make_random_case, read_case, write_case
from reference.evaluation_posetrack import naive_evaluate

from posetrack.cli.main import main
from posetrack.evaluation.posetrack.evaluate import find_sequences
from posetrack.frame import Instances, from_pixel_indices
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17, POSETRACK_15

MEASURES = (
    "ap", "ap_precision", "ap_recall", "mota", "motp", "motp_clean", "mot_precision", "mot_recall",
    "hota", "deta", "assa", "fraga", "fa_hota",
)  # fmt: skip
NAME = "000001_mpii_test"
REGION = [(0, 0), (50, 0), (50, 50)]
BOTH_YEARS = pytest.mark.parametrize("year", [17, 18])


def run_cli(*arguments: object, command: tuple[str, ...] = ("eval", "posetrack")) -> int:
    """Run `posetrack COMMAND ARGUMENTS` in this process; returns the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["posetrack", *command, *map(str, arguments)])
        try:
            main()
        except SystemExit as done:
            return done.code if isinstance(done.code, int) else int(done.code is not None)
    return 0


def make_frames(num_frames=3):
    person = make_person(1, {k: (100 + k, 100) for k in range(15)})
    other = make_person(2, {k: (300 + k, 100) for k in range(15)})
    return [make_frame(person, other, regions=[REGION]) for _ in range(num_frames)]


def write_perfect(folder, year=17, name=NAME):
    return write_case(folder, {name: (make_frames(), make_frames())}, year, year)


def refuse_constant(name):
    raise AssertionError(f"{name} is not JSON")


def read_metrics(path):
    return json.loads(path.read_text(), parse_constant=refuse_constant)


def check_fields(fields, case_names):
    assert set(fields) == {"names", *MEASURES, "sequences"}
    assert fields["names"] == [*POSETRACK_15.names, "total"]
    assert len(fields["names"]) == 16
    assert sorted(fields["sequences"]) == sorted(case_names)
    for part in (fields, *fields["sequences"].values()):
        for name in MEASURES:
            assert len(part[name]) == 16
            assert all(value is None or isinstance(value, float) for value in part[name])
    for part in fields["sequences"].values():
        assert set(part) == set(MEASURES)


@pytest.mark.parametrize("seed", [3, 8])
def test_metrics_json(tmp_path, capsys, seed):
    case = make_random_case(seed)
    gt, pred = write_case(tmp_path, case, 17, 18)
    out = tmp_path / "new" / "metrics.json"
    assert run_cli("--gt", gt, "--pred", pred, "--out", out, "--corrected", "--workers", 1) == 0
    fields = read_metrics(out)
    corrected = fields.pop("corrected")
    names = [truth.stem for truth, _ in find_sequences(gt, pred)]
    data = read_case(gt, pred, names)
    for part, is_corrected in ((fields, False), (corrected, True)):
        check_fields(part, case)
        expected = naive_evaluate(data, is_corrected)
        for name in MEASURES:
            assert part[name] == pytest.approx(expected[name], abs=1e-9), name
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "corrected" in printed.out
    # What is shown is the corrected number.
    assert f"{corrected['ap'][-1]:.1f}" in printed.out


def test_prints_tables_and_writes_nothing_unasked(tmp_path, capsys):
    gt, pred = write_perfect(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run_cli("--gt", gt, "--pred", pred) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    for heading in ("Head", "Shou", "Elb", "Wri", "Hip", "Knee", "Ankl", "Total", "MOTA", "MOTP", "HOTA"):
        assert heading in printed.out
    assert "corrected" not in printed.out
    assert NAME not in printed.out
    assert sorted(tmp_path.rglob("*")) == before


def test_without_corrected_there_is_no_such_key(tmp_path):
    gt, pred = write_perfect(tmp_path)
    assert run_cli("--gt", gt, "--pred", pred, "--out", tmp_path / "metrics.json") == 0
    fields = read_metrics(tmp_path / "metrics.json")
    check_fields(fields, [NAME])
    assert fields["mota"] == [100] * 16


def test_per_sequence_latex_and_plots(tmp_path, capsys):
    gt, pred = write_perfect(tmp_path)
    plots = tmp_path / "plots"
    assert run_cli("--gt", gt, "--pred", pred, "--per-sequence", "--latex", "--plots", plots) == 0
    printed = capsys.readouterr().out
    assert NAME in printed
    assert "&" in printed
    assert sorted(plots.iterdir())
    for path in plots.iterdir():
        assert str(path) in printed.replace("\n", "")


def test_plots_without_matplotlib_are_refused_at_once(tmp_path, capsys, monkeypatch):
    gt, pred = write_perfect(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run_cli("--gt", gt, "--pred", pred) == 0
    capsys.readouterr()
    assert run_cli("--gt", gt, "--pred", pred, "--plots", tmp_path / "plots") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        "posetrack: --plots: needs matplotlib, which is not installed; pip install 'posetrack[plots]'\n"
    )


def test_undefined_is_null(tmp_path):
    """No track ids: no MOT and no HOTA, and no NaN in the file."""
    frames = [make_frame(make_person(None, {0: (100, 100)}))] * 2
    gt, pred = write_case(tmp_path, {NAME: (make_frames(2), frames)})
    assert run_cli("--gt", gt, "--pred", pred, "--out", tmp_path / "metrics.json") == 0
    fields = read_metrics(tmp_path / "metrics.json")
    assert fields["mota"] == fields["hota"] == fields["motp"] == [None] * 16
    assert fields["ap"][0] == pytest.approx(50)


def test_our_own_results(tmp_path):
    """COCO keypoints of ours against the 15 joints: the neck lies between the shoulders."""
    poses = np.stack([np.stack([100 + 10.0 * np.arange(17), np.full(17, 200.0)], axis=1)] * 2)
    poses[1, :, 0] += 300
    people = Instances(
        boxes_xyxy=np.array([[90, 190, 290, 210], [390, 190, 590, 210]]),
        box_scores=np.array([0.9, 0.8]),
        keypoints_xy=from_pixel_indices(poses),
        keypoint_scores=np.full((2, 17), 0.7),
        track_ids=np.array([4, 5]),
    )
    header = Header(source="x.mp4", width=640, height=360, fps=Fraction(25), skeleton=COCO_17, recipe="default")
    with JsonlWriter(tmp_path / "pred" / NAME / "poses.jsonl", header) as writer:
        for index in range(3):
            writer.write(index, index / 25, people)
    nose, shoulders, ankle = 100, (150, 160), 100 + 160
    joints = {13: (nose, 200), 12: (sum(shoulders) / 2, 200), 0: (ankle, 200), 9: (150, 200)}
    true = [make_person(n, {k: (x + 300 * n, y) for k, (x, y) in joints.items()}) for n in (0, 1)]
    gt, _ = write_case(tmp_path / "truth", {NAME: ([make_frame(*true)] * 3, [])})
    assert run_cli("--gt", gt, "--pred", tmp_path / "pred", "--out", tmp_path / "metrics.json") == 0
    fields = read_metrics(tmp_path / "metrics.json")
    for k in joints:
        assert fields["mota"][k] == fields["ap"][k] == fields["hota"][k] == 100
        assert fields["motp_clean"][k] == pytest.approx(100)


def test_extra_predictions_are_left_out_with_a_warning(tmp_path, caplog):
    gt, pred = write_perfect(tmp_path)
    (pred / "strange.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert run_cli("--gt", gt, "--pred", pred, "--out", tmp_path / "metrics.json") == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "strange.json" in caplog.text
    assert read_metrics(tmp_path / "metrics.json")["mota"] == [100] * 16


def check_refusal(capsys, tmp_path, gt, pred, *fragments):
    out = tmp_path / "metrics.json"
    assert run_cli("--gt", gt, "--pred", pred, "--out", out) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.endswith("\n")
    assert printed.err.startswith("posetrack: ")
    for fragment in fragments:
        assert fragment in printed.err
    assert not out.exists()


def test_refuses_missing_folders_and_files(tmp_path, capsys):
    gt, pred = write_perfect(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    check_refusal(capsys, tmp_path, tmp_path / "nowhere", pred, str(tmp_path / "nowhere"), "--gt")
    check_refusal(capsys, tmp_path, gt, tmp_path / "nowhere", str(tmp_path / "nowhere"), "--pred")
    check_refusal(capsys, tmp_path, empty, pred, str(empty), "no .json files")
    check_refusal(capsys, tmp_path, gt, empty, str(empty), f"no predictions for {NAME}.json")
    write_case(tmp_path, {"000002_mpii_test": (make_frames(), make_frames())})
    (pred / "000002_mpii_test.json").unlink()
    check_refusal(capsys, tmp_path, gt, pred, str(pred), "no predictions for 000002_mpii_test.json")


def people_of(content, frame):
    if "annolist" in content:
        return content["annolist"][frame]["annorect"]
    image_id = content["images"][frame]["id"]
    return [annotation for annotation in content["annotations"] if annotation["image_id"] == image_id]


def drop_last_frame(content):
    content["annolist" if "annolist" in content else "images"].pop()
    if "images" in content:
        ids = [image["id"] for image in content["images"]]
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]


def set_track(content, frame, person, track_id):
    people_of(content, frame)[person]["track_id"] = [track_id] if "annolist" in content else track_id


def spoil_x(content):
    person = people_of(content, 1)[0]
    if "annolist" in content:
        person["annopoints"][0]["point"][2]["x"] = [float("nan")]
    else:
        person["keypoints"][6] = float("nan")


def drop_heads(content):
    for name in ("x1", "y1", "x2", "y2", "bbox_head"):
        people_of(content, 1)[0].pop(name, None)


def cut_region(content):
    if "annolist" in content:
        content["annolist"][1]["ignore_regions"][0]["point"].pop()
    else:
        content["images"][1]["ignore_regions_x"][0].pop()
        content["images"][1]["ignore_regions_y"][0].pop()


HOSTILE = {
    "another frame count": ("pred", drop_last_frame, ["2 frames, but the ground truth has 3"]),
    "an id twice": ("pred", lambda c: set_track(c, 1, 0, 2), ["frame 1", "track_id: 2 occurs twice"]),
    "a large id": ("pred", lambda c: set_track(c, 1, 0, 10_000), ["frame 1", "track_id: 10000"]),
    "a large true id": ("gt", lambda c: set_track(c, 1, 0, 10_001), ["frame 1", "track_id: 10001"]),
    "no id for one": ("pred", lambda c: people_of(c, 1)[0].pop("track_id"), ["frame 1", "track_id: missing"]),
    "NaN": ("pred", spoil_x, ["frame 1", "nan"]),
    "no head box": ("gt", drop_heads, ["frame 1", "no head box", "bbox_head"]),
    "two corners": ("gt", cut_region, ["frame 1", "ignore_regions[0]", "2 corners"]),
}


@BOTH_YEARS
@pytest.mark.parametrize("what", HOSTILE)
def test_refuses_hostile_files(tmp_path, capsys, year, what):
    folder, change, fragments = HOSTILE[what]
    write_perfect(tmp_path, year)
    path = tmp_path / folder / f"{NAME}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    check_refusal(capsys, tmp_path, tmp_path / "gt", tmp_path / "pred", NAME, *fragments)


@pytest.mark.parametrize("folder", ["gt", "pred"])
@BOTH_YEARS
def test_refuses_a_truncated_file(tmp_path, capsys, year, folder):
    gt, pred = write_perfect(tmp_path, year)
    path = tmp_path / folder / f"{NAME}.json"
    path.write_text(path.read_text()[:-40])
    check_refusal(capsys, tmp_path, gt, pred, str(path), "not JSON", "line 1")
    path.write_text("")
    check_refusal(capsys, tmp_path, gt, pred, str(path), "not JSON")
    path.write_text('{"people": []}')
    check_refusal(capsys, tmp_path, gt, pred, str(path), "annolist", "images")


@pytest.mark.parametrize("folder", ["gt", "pred"])
def test_refuses_unnamed_joints(tmp_path, capsys, folder):
    gt, pred = write_perfect(tmp_path, 18)
    path = tmp_path / folder / f"{NAME}.json"
    for change in (
        lambda content: content["categories"][0].pop("keypoints"),
        lambda content: content["categories"][0]["keypoints"].pop(),
        lambda content: content["categories"][0]["keypoints"].__setitem__(0, "left_eye"),
        lambda content: content.pop("categories"),
    ):
        text = path.read_text()
        content = json.loads(text)
        change(content)
        path.write_text(json.dumps(content))
        check_refusal(capsys, tmp_path, gt, pred, str(path), "categories")
        path.write_text(text)


def test_refuses_to_write_where_it_cannot(tmp_path, capsys):
    gt, pred = write_perfect(tmp_path)
    (tmp_path / "file").write_text("")
    assert run_cli("--gt", gt, "--pred", pred, "--out", tmp_path / "file" / "metrics.json") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_refuses_wrong_options(tmp_path, capsys):
    gt, pred = write_perfect(tmp_path)
    assert run_cli("--gt", gt) == 2
    assert run_cli("--gt", gt, "--pred", pred, "--workers", 0) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_in_a_worker_leaves_as_one_line(tmp_path, capfd):
    case = {name: (make_frames(), make_frames()) for name in ("000001", "000002")}
    gt, pred = write_case(tmp_path, case)
    (pred / "000002.json").write_text('{"annolist": [')
    assert run_cli("--gt", gt, "--pred", pred, "--workers", 2) == 1
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "000002.json: not JSON" in printed.err


def reorder_frames(path, order, rename=str):
    """Write the frames of a PoseTrack18 file in another order."""
    content = json.loads(path.read_text())
    content["images"] = [content["images"][i] for i in order]
    for image in content["images"]:
        image["file_name"] = rename(image["file_name"])
    path.write_text(json.dumps(content))


def evaluate_names(tmp_path, order, rename=str, options=()):
    """Metrics of a random case in order, and of the same predictions with their frames reordered or renamed."""
    gt, pred = write_case(tmp_path, make_random_case(5), 17, 18)
    out = tmp_path / "numbers.json"
    assert run_cli("--gt", gt, "--pred", pred, "--out", out, "--workers", 1, *options) == 0
    expected = read_metrics(out)
    for path in pred.iterdir():
        count = len(json.loads(path.read_text())["images"])
        reorder_frames(path, range(count)[::order], rename)
    assert run_cli("--gt", gt, "--pred", pred, "--out", out, "--workers", 1, *options) == 0
    return expected, read_metrics(out)


@pytest.mark.parametrize("rename", [str, lambda name: f"elsewhere\\{name[-10:-4]}.png"])
def test_frames_in_another_order_are_paired_by_name_if_corrected(tmp_path, caplog, rename):
    expected, found = evaluate_names(tmp_path, -1, rename, ["--corrected"])
    assert found["corrected"] == expected["corrected"]
    assert found["ap"] != expected["ap"]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert "frame names differ, the first at frame 0: " in caplog.text
    assert "paired by position as by the reference tool; --corrected pairs by name" in caplog.text
    # One line a file.
    assert len(caplog.records) == len(found["sequences"])


def test_frames_in_another_order_are_warned_of(tmp_path, caplog):
    expected, found = evaluate_names(tmp_path, -1)
    assert found["ap"] != expected["ap"]
    assert "frame names differ, the first at frame 0: " in caplog.text


@pytest.mark.parametrize("rename", [lambda name: f"other/{name[-7:-4]}.png", lambda name: ""])
def test_other_folders_endings_and_zeros_are_no_other_names(tmp_path, caplog, rename):
    expected, found = evaluate_names(tmp_path, 1, rename, ["--corrected"])
    assert found == expected
    assert not caplog.records


def test_names_that_are_not_the_ground_truths_are_warned_of_and_not_used(tmp_path, caplog):
    expected, found = evaluate_names(
        tmp_path, 1, lambda name: f"{int(name[-10:-4]) + 1:06d}.jpg", ["--corrected"]
    )
    assert found == expected
    assert "paired by position" in caplog.text
    assert "--corrected" not in caplog.text


def test_a_missing_frame_is_named(tmp_path, capsys):
    gt, pred = write_perfect(tmp_path, 18)
    (path,) = pred.iterdir()
    reorder_frames(path, [0, 2])
    assert run_cli("--gt", gt, "--pred", pred) == 1
    assert "2 frames, but the ground truth has 3, also " in capsys.readouterr().err


def write_jsonl(path, scores):
    """One person in three frames, the scores of whose keypoints are given."""
    xy = from_pixel_indices(np.stack([100.0 + np.arange(17), np.full(17, 100.0)], axis=1))[None]
    with JsonlWriter(path, Header("clip.mp4", 640, 480, Fraction(25), COCO_17, "default")) as writer:
        for frame in range(3):
            people = Instances(
                boxes_xyxy=[[90, 90, 130, 120]],
                box_scores=[0.9],
                keypoints_xy=xy,
                keypoint_scores=np.array([scores]),
                track_ids=[1],
            )
            writer.write(frame, frame / 25, people)


def test_keypoints_below_a_score_are_absent_from_the_predictions_as_in_convert(tmp_path):
    gt, _ = write_perfect(tmp_path)
    # The mean of these two, the score of the top of the head, is under 0.4 before it is rounded.
    scores = np.linspace(0.1, 0.9, 17)
    scores[5:7] = 0.3999, 0.4
    (tmp_path / "own").mkdir()
    write_jsonl(tmp_path / "own" / f"{NAME}.jsonl", scores)
    converted = tmp_path / "converted" / "posetrack18"
    options = ("--to", "posetrack18", "--min-keypoint-score", 0.4, "--out", converted.parent)
    assert run_cli(tmp_path / "own" / f"{NAME}.jsonl", *options, command=("convert",)) == 0
    (converted / "clip.json").rename(converted / f"{NAME}.json")
    found = []
    for pred, options in (
        (tmp_path / "own", ("--min-keypoint-score", 0.4)),
        (converted, ()),
    ):
        assert run_cli("--gt", gt, "--pred", pred, "--out", tmp_path / "metrics.json", *options) == 0
        found.append(read_metrics(tmp_path / "metrics.json"))
    assert found[0].pop("min_keypoint_score") == 0.4
    assert found[0] == found[1]
    recall = dict(zip(found[0]["names"], found[0]["mot_recall"], strict=True))
    assert recall["left_ankle"] == 50
    assert recall["nose"] == 0


def test_a_sweep_prints_both_curves_and_what_it_was_chosen_on(tmp_path, capsys):
    gt, pred = write_case(tmp_path, make_random_case(3), 17, 17)
    out = tmp_path / "metrics.json"
    assert run_cli("--gt", gt, "--pred", pred, "--sweep", "--out", out) == 0
    printed = capsys.readouterr().out
    sweep = read_metrics(out)["sweep"]
    assert sweep["min_keypoint_score"] == [round(0.05 * i, 2) for i in range(20)]
    assert sweep["chosen_on"] == sorted(path.stem for path in gt.glob("*.json"))
    for name in ("ap", "mota"):
        assert len(sweep[name]) == 20
        for row in sweep[name]:
            assert f"{row[-1]:.1f}" in printed
    for text in ("best AP", "best MOTA", f"{sweep['best']:g} has the best MOTA", sweep["chosen_on"][0]):
        assert text in printed
    assert run_cli("--gt", gt, "--pred", pred, "--sweep", "--min-keypoint-score", 0.3) == 1
    assert "--sweep: tries every least score" in capsys.readouterr().err


def test_losses_are_printed_and_written(tmp_path, capsys):
    gt, pred = write_case(tmp_path, make_random_case(3), 17, 17)
    out = tmp_path / "metrics.json"
    assert run_cli("--gt", gt, "--pred", pred, "--losses", "--min-keypoint-score", 0.4, "--out", out) == 0
    printed = capsys.readouterr().out
    metrics = read_metrics(out)
    for title in ("Lost MOTA by keypoint", "Lost MOTA by size of the person", "score of 0.4 changes"):
        assert title in printed
    lost = sum(values[-1] for values in metrics["losses"]["by_keypoint"].values())
    assert 100 - lost == pytest.approx(metrics["mota"][-1])
    assert f"{lost:.1f}" in printed
    assert run_cli("--gt", gt, "--pred", pred, "--losses", "--corrected") == 0
    assert "changes" not in capsys.readouterr().out
