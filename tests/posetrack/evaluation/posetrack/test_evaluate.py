"""The whole evaluation: against the plain one on made sequences, and what must not change it."""

import json
import logging
import math
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from reference.evaluation_cases import (
    make_frame,
    make_person,
    make_random_case,
    read_case,
    to_posetrack17,
    write_case,
)
from reference.evaluation_posetrack import naive_evaluate

from posetrack.errors import ResultsError
from posetrack.evaluation.posetrack.evaluate import evaluate_posetrack, find_sequences
from posetrack.evaluation.posetrack.metrics import NAMES, summarize
from posetrack.frame import Instances, from_pixel_indices
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import POSETRACK_15

AP_NAMES = ("ap", "ap_precision", "ap_recall")
TRACKING_NAMES = (
    "mota", "motp", "motp_clean", "mot_precision", "mot_recall", "hota", "deta", "assa", "fraga", "fa_hota"
)  # fmt: skip
BOTH_MODES = pytest.mark.parametrize("corrected", [False, True])


def assert_same(metrics, expected, names=AP_NAMES + TRACKING_NAMES):
    for name in names:
        assert metrics[name] == pytest.approx(expected[name], abs=1e-9), name


def make_perfect(num_frames=4):
    points = {k: (10 * k, 20 * k) for k in range(1, 16)}
    people = [
        make_person(n, {k - 1: (x + 300 * n, y, 0.5 + k / 100) for k, (x, y) in points.items()})
        for n in range(3)
    ]
    return [
        make_frame(*({**person, "points": dict(person["points"])} for person in people))
        for _ in range(num_frames)
    ]


@pytest.mark.parametrize("seed", range(28))
def test_fast_is_naive(tmp_path, seed):
    years = (17 + seed % 2, 17 + seed // 2 % 2)
    case = make_random_case(seed, has_tracks=seed % 12 != 11)
    gt, pred = write_case(tmp_path, case, *years)
    names = [truth.stem for truth, _ in find_sequences(gt, pred)]
    assert sorted(names) == sorted(case)
    for corrected in (False, True):
        metrics = evaluate_posetrack(gt, pred, corrected=corrected)
        assert_same(metrics.total.to_dict(), naive_evaluate(read_case(gt, pred, names), corrected))
        alone = read_case(gt, pred, names[:1])
        assert_same(metrics.per_sequence[names[0]].to_dict(), naive_evaluate(alone, corrected))


@BOTH_MODES
@pytest.mark.parametrize("years", [(17, 17), (18, 18)])
def test_perfect_predictions(evaluate, years, corrected):
    metrics = evaluate(make_perfect(), make_perfect(), years=years, corrected=corrected)
    for name, values in metrics.items():
        assert values == pytest.approx([100] * 16), name


def test_both_formats_give_the_same(tmp_path):
    case = {"000001": (make_perfect(), [make_frame(*frame["people"][:2]) for frame in make_perfect()])}
    results = [
        evaluate_posetrack(*write_case(tmp_path / f"{years}", case, *years)).total.to_dict()
        for years in ((17, 17), (17, 18), (18, 17), (18, 18))
    ]
    assert results[0] == results[1] == results[2] == results[3]
    assert results[0]["mota"][-1] == pytest.approx(100 * 2 / 3)


@BOTH_MODES
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_order_of_people_and_names_of_tracks_play_no_part(tmp_path, seed, corrected):
    """While scores differ and no two fits are equally good."""
    case = make_random_case(seed, has_ties=False)
    rng = Random(seed)
    changed = {}
    for name, (truth, predictions) in case.items():
        numbers = rng.sample(range(9000), 400)
        poses = [
            [
                {**pose, "track": numbers[pose["track"]]}
                for pose in rng.sample(frame["people"], len(frame["people"]))
            ]
            for frame in predictions
        ]
        people = [rng.sample(frame["people"], len(frame["people"])) for frame in truth]
        changed[name] = (
            [{**frame, "people": column} for frame, column in zip(truth, people, strict=True)],
            [make_frame(*column) for column in poses],
        )
    before, after = (
        evaluate_posetrack(*write_case(tmp_path / folder, sequences), corrected=corrected).total.to_dict()
        for folder, sequences in (("before", case), ("after", changed))
    )
    assert_same(after, before, TRACKING_NAMES)
    renamed = {
        name: (
            truth,
            [
                make_frame(*({**pose, "track": 9999 - pose["track"]} for pose in frame["people"]))
                for frame in predictions
            ],
        )
        for name, (truth, predictions) in case.items()
    }
    metrics = evaluate_posetrack(*write_case(tmp_path / "renamed", renamed), corrected=corrected)
    assert_same(metrics.total.to_dict(), before)


@BOTH_MODES
def test_order_of_people_plays_no_part_in_ap(evaluate, corrected):
    """Every person has a pose of its own that fits best, and no two scores are the same."""
    rng = Random(5)
    truth, predictions = make_perfect(), []
    for frame in make_perfect():
        poses = [
            {**person, "points": {
                k: (x + rng.gauss(0, 9), y + rng.gauss(0, 9), rng.random(), 1)
                for k, (x, y, *_) in person["points"].items()
            }}
            for person in frame["people"]
        ]  # fmt: skip
        predictions.append(make_frame(*poses))
    before = evaluate(truth, predictions, corrected=corrected)
    assert 0 < before["ap"][-1] < 100
    reversed_frames = [make_frame(*frame["people"][::-1]) for frame in predictions]
    assert_same(evaluate(truth, reversed_frames, corrected=corrected), before)
    reversed_truth = [make_frame(*frame["people"][::-1]) for frame in truth]
    assert_same(evaluate(reversed_truth, reversed_frames, corrected=corrected), before)


@BOTH_MODES
def test_an_empty_frame_of_predictions_lowers_recall(evaluate, corrected):
    truth = make_perfect(5)
    metrics = evaluate(truth, [*make_perfect(2), make_frame(), *make_perfect(2)], corrected=corrected)
    assert metrics["ap_recall"] == pytest.approx([80] * 16)
    assert metrics["ap"] == pytest.approx([80] * 16)
    assert metrics["ap_precision"] == pytest.approx([100] * 16)
    assert metrics["deta"] == pytest.approx([80] * 16)
    assert max(metrics["mot_recall"]) < 100
    assert max(metrics["mota"]) < 100


@BOTH_MODES
def test_a_joint_that_nobody_has(evaluate, corrected):
    frames = make_perfect()
    for frame in frames:
        for person in frame["people"]:
            del person["points"][4]
    metrics = evaluate(frames, frames, corrected=corrected)
    for name, values in metrics.items():
        # The reference tool gives 0 where there is nothing to divide by, but for the others of MOT.
        is_zero = name in (*AP_NAMES, "motp", "motp_clean") and not corrected
        assert values[4] == (0 if is_zero else None), name
        assert values[-1] == pytest.approx(1400 / 15 if is_zero else 100), name


@BOTH_MODES
def test_nobody_predicted_anywhere(evaluate, corrected):
    metrics = evaluate(make_perfect(), [make_frame()] * 4, corrected=corrected)
    for name in ("ap", "ap_recall", "mot_recall", "hota", "deta", "assa", "fa_hota"):
        assert metrics[name] == [0] * 16, name
    # Three frames of one object and one hypothesis each, if it goes by the reference.
    assert metrics["mota"] == [0 if corrected else -100] * 16


@BOTH_MODES
def test_nothing_annotated(evaluate, corrected):
    metrics = evaluate([make_frame()] * 3, make_perfect(3), corrected=corrected)
    for name, values in metrics.items():
        is_zero = name in (*AP_NAMES, "motp", "motp_clean") and not corrected
        assert values == [0 if is_zero else None] * 16, name


@BOTH_MODES
def test_without_track_ids_only_ap_is_measured(evaluate, corrected):
    tracked = make_perfect()
    untracked = [make_frame(*({**p, "track": None} for p in frame["people"])) for frame in tracked]
    for truth, predictions in ((tracked, untracked), (untracked, tracked), (untracked, untracked)):
        metrics = evaluate(truth, predictions, corrected=corrected)
        assert all(metrics[name] == [None] * 16 for name in TRACKING_NAMES)
        assert metrics["ap"] == pytest.approx([100] * 16)


def test_a_sequence_without_track_ids_leaves_the_total_without_tracking(tmp_path):
    tracked = make_perfect()
    untracked = [make_frame(*({**p, "track": None} for p in frame["people"])) for frame in tracked]
    folders = write_case(tmp_path, {"000001": (tracked, tracked), "000002": (tracked, untracked)})
    evaluation = evaluate_posetrack(*folders)
    assert evaluation.per_sequence["000001"].to_dict()["mota"] == [100] * 16
    assert evaluation.per_sequence["000002"].to_dict()["mota"] == [None] * 16
    assert evaluation.total.to_dict()["mota"] == evaluation.total.to_dict()["hota"] == [None] * 16
    assert evaluation.total.to_dict()["ap"] == pytest.approx([100] * 16)


@pytest.mark.parametrize("years", [(17, 17), (18, 18)])
@pytest.mark.parametrize("side", [0, 1])
def test_some_with_and_some_without_track_ids_is_an_error(evaluate, years, side):
    sides = [make_perfect(), make_perfect()]
    sides[side][2]["people"][1] = {**sides[side][2]["people"][1], "track": None}
    with pytest.raises(ResultsError, match=r"(gt|pred).000001_mpii_test.json: frame 2 .*track_id: missing"):
        evaluate(*sides, years=years)


def test_ids_twice_in_a_frame_are_refused_in_predictions_only(evaluate):
    frames, twins = make_perfect(), make_perfect()
    twins[1]["people"][0] = {**twins[1]["people"][0], "track": 2}
    with pytest.raises(ResultsError, match=r"pred.000001_mpii_test.json: frame 1 .*track_id: 2 occurs twice"):
        evaluate(frames, twins)
    assert evaluate(twins, frames)["ap"] == pytest.approx([100] * 16)


def test_processes_play_no_part(tmp_path):
    case = {f"{seed:06d}": sequence for seed in (1, 2) for sequence in [*make_random_case(seed).values()][:1]}
    folders = write_case(tmp_path, case)
    one, two = (evaluate_posetrack(*folders, num_workers=workers) for workers in (1, 2))
    assert one.total.to_dict() == two.total.to_dict()
    assert [sequence.name for sequence in one.sequences] == [sequence.name for sequence in two.sequences]
    assert list(one.per_sequence) == ["000001", "000002"]
    for name, metrics in one.per_sequence.items():
        assert metrics.to_dict() == two.per_sequence[name].to_dict()


def test_who_was_followed_by_whom(tmp_path):
    """By the assignment of AP: nobody in frame 1, another track from frame 2 on."""
    truth = make_perfect(4)
    predictions = make_perfect(4)
    predictions[1]["people"] = predictions[1]["people"][1:]
    for frame in predictions[2:]:
        frame["people"][0] = {**frame["people"][0], "track": 5}
    (sequence,) = evaluate_posetrack(*write_case(tmp_path, {"000001": (truth, predictions)})).sequences
    followed = sequence.assignment
    is_first = followed.true_tracks == 0
    assert followed.frame_index[is_first].tolist() == [0, 1, 2, 3]
    assert followed.predicted_tracks[is_first].tolist() == [0, -1, 3, 3]
    assert followed.predicted_tracks[followed.true_tracks == 2].tolist() == [2, 2, 2, 2]


def test_columns_of_the_papers():
    values = np.arange(16.0)
    assert NAMES[12:] == ("neck", "nose", "head_top", "total")
    assert summarize(values) == {
        "Head": 13, "Shou": 8.5, "Elb": 8.5, "Wri": 8.5, "Hip": 2.5, "Knee": 2.5, "Ankl": 2.5, "Total": 15
    }  # fmt: skip
    values[13] = np.nan
    assert math.isnan(summarize(values)["Head"])


def write_poses(path, frames):
    """Our own results file, with PoseTrack's skeleton."""
    header = Header(
        source="x.mp4", width=640, height=360, fps=Fraction(25), skeleton=POSETRACK_15, recipe="default"
    )
    with JsonlWriter(path, header) as writer:
        for index, frame in enumerate(frames):
            people = frame["people"]
            N = len(people)
            xy, scores = np.zeros((N, 15, 2)), np.zeros((N, 15))
            for n, person in enumerate(people):
                for k, (x, y, score, _) in person["points"].items():
                    xy[n, k], scores[n, k] = (x, y), score
            boxes = np.tile([0.0, 0.0, 640.0, 360.0], (N, 1))
            tracks = np.array([person["track"] for person in people], int)
            instances = Instances(
                boxes_xyxy=boxes,
                box_scores=np.full(N, 0.5),
                keypoints_xy=from_pixel_indices(xy),
                keypoint_scores=scores,
                track_ids=tracks,
            )
            writer.write(index, index / 25, instances)


@pytest.mark.parametrize("place", ["000001_mpii_test.jsonl", "000001_mpii_test/poses.jsonl"])
def test_our_own_results(tmp_path, place):
    predictions = make_perfect()
    predictions[1] = make_frame()
    predictions[2]["people"].pop()
    gt, pred = write_case(tmp_path, {"000001_mpii_test": (make_perfect(), predictions)})
    expected = evaluate_posetrack(gt, pred).total.to_dict()
    write_poses(tmp_path / "ours" / place, predictions)
    metrics = evaluate_posetrack(gt, tmp_path / "ours").total.to_dict()
    assert_same(metrics, expected)
    assert metrics["ap_recall"][-1] == pytest.approx(100 * 8 / 12)


def test_predictions_without_ground_truth_are_left_out_with_a_warning(tmp_path, caplog):
    gt, pred = write_case(tmp_path, {"000001": (make_perfect(), make_perfect())})
    (pred / "000002.json").write_text("not even JSON")
    with caplog.at_level(logging.WARNING):
        assert evaluate_posetrack(gt, pred).total.to_dict()["mota"] == [100] * 16
    assert len(caplog.records) == 1
    assert f"{pred}: 1 without ground truth left out: 000002.json" in caplog.text


def test_files_that_are_missing(tmp_path):
    gt, pred = write_case(
        tmp_path, {name: (make_perfect(), make_perfect()) for name in ("000001", "000002", "000003")}
    )
    for folders, message in (
        ((tmp_path / "no", pred), "no such folder; --gt takes a folder"),
        ((gt, tmp_path / "no"), "no such folder; --pred takes a folder"),
        ((gt / "000001.json", pred), "no such folder"),
    ):
        with pytest.raises(ResultsError, match=message):
            evaluate_posetrack(*folders)
    (pred / "000002.json").unlink()
    with pytest.raises(ResultsError, match=r"pred: no predictions for 000002.json; expected"):
        evaluate_posetrack(gt, pred)
    for path in pred.iterdir():
        path.unlink()
    with pytest.raises(ResultsError, match=r"no predictions for 00000\d.json \(and 2 more\)"):
        evaluate_posetrack(gt, pred)
    for path in gt.iterdir():
        path.unlink()
    with pytest.raises(ResultsError, match=r"gt: no .json files in it"):
        evaluate_posetrack(gt, pred)


WEIRD = (
    None,
    "x",
    [],
    {},
    [None],
    [[]],
    ["a"],
    [{}],
    float("nan"),
    1e308,
    [1e308],
    True,
    -5,
    3.5,
    [10**17],
    [[1, 2]],
)


def _list_places(value, place=()):
    yield place
    keys = value if isinstance(value, dict) else range(min(len(value), 1)) if isinstance(value, list) else ()
    for key in keys:
        yield from _list_places(value[key], (*place, key))


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("year", [17, 18])
def test_whatever_stands_in_a_field_there_is_a_number_or_one_line(tmp_path, year, side):
    """Some value that does not belong there in every field of the first frame, person and point."""
    rng = Random(year)
    frames = [make_frame(make_person(1, {0: (10, 10), 1: (20, 20)}), regions=[[(0, 0), (5, 0), (5, 5)]])] * 2
    folders = write_case(tmp_path, {"000001": (frames, frames)}, year, year)
    path = folders[side] / "000001.json"
    text = path.read_text()
    messages = []
    for place in _list_places(json.loads(text)):
        for weird in rng.sample(WEIRD, 2):
            content = {"root": json.loads(text)}
            spot = content
            for key in ("root", *place)[:-1]:
                spot = spot[key]
            spot[("root", *place)[-1]] = weird
            path.write_text(json.dumps(content["root"]))
            try:
                json.dumps(evaluate_posetrack(*folders).total.to_dict(), allow_nan=False)
            except ResultsError as error:
                messages.append(str(error))
    assert len(messages) > 25
    assert all("000001" in message and "\n" not in message for message in messages)


def test_files_with_text_before_or_after(tmp_path):
    """A byte order mark is taken; a file that ends early is named so."""
    gt, pred = write_case(tmp_path, {"000001": (make_perfect(), make_perfect())})
    text = json.dumps(to_posetrack17(make_perfect()))
    (pred / "000001.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert evaluate_posetrack(gt, pred).total.to_dict()["mota"] == [100] * 16
    (pred / "000001.json").write_text(text[: len(text) // 2])
    with pytest.raises(ResultsError, match=r"pred.000001.json: not JSON: line 1"):
        evaluate_posetrack(gt, pred)
