import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.evaluation_mpii import naive_mpii_columns, naive_pckh
from scipy.io import savemat

from posetrack.errors import ResultsError
from posetrack.evaluation.mpii import evaluate_mpii
from posetrack.evaluation.mpii_files import MpiiTruth, read_mpii_predictions, read_mpii_truth
from posetrack.skeleton import MPII_16

NUM_PEOPLE = 30
MAT_JOINTS = [
    *("rank", "rkne", "rhip", "lhip", "lkne", "lank", "pelv", "thor"),
    *("neck", "head", "rwri", "relb", "rsho", "lsho", "lelb", "lwri"),
]


@pytest.fixture
def people():
    """Places (N, 16, 2), annotated (N, 16), head boxes (N, 4), and predictions, half of them near enough."""
    rng = np.random.default_rng(0)
    true_xy = rng.uniform(1, 500, (NUM_PEOPLE, 16, 2))
    annotated = rng.random((NUM_PEOPLE, 16)) > 0.2
    corners = rng.uniform(1, 100, (NUM_PEOPLE, 2))
    boxes = np.hstack([corners, corners + rng.uniform(20, 60, (NUM_PEOPLE, 2))])
    predicted_xy = true_xy + rng.normal(0, 12, true_xy.shape)
    return true_xy, annotated, boxes, predicted_xy


def make_truth(true_xy, annotated, boxes):
    diagonals = np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return MpiiTruth(np.asarray(true_xy), np.asarray(annotated), diagonals)


def make_mat_fields(true_xy, annotated, boxes):
    return {
        "jnt_missing": (~annotated).T.astype(np.uint8),
        "pos_gt_src": true_xy.transpose(1, 2, 0),
        "headboxes_src": boxes.reshape(-1, 2, 2).transpose(1, 2, 0),
    }


def make_cells(words):
    cells = np.empty((1, len(words)), object)
    cells[0, :] = words
    return cells


def make_json_people(true_xy, annotated, boxes):
    return [
        {"joints": joints.tolist(), "joints_vis": seen.astype(int).tolist(), "headbox": box.tolist()}
        for joints, seen, box in zip(true_xy, annotated, boxes, strict=True)
    ]


def test_the_fractions_are_those_of_the_definition(people):
    true_xy, annotated, boxes, predicted_xy = people
    metrics = evaluate_mpii(predicted_xy, make_truth(true_xy, annotated, boxes))
    assert metrics.columns == pytest.approx(naive_mpii_columns(predicted_xy, true_xy, annotated, boxes))
    for fractions, threshold in ((metrics.joints_at_half, 0.5), (metrics.joints_at_tenth, 0.1)):
        found, counts = naive_pckh(predicted_xy, true_xy, annotated, boxes, threshold)
        assert list(fractions.values()) == pytest.approx([a / b for a, b in zip(found, counts, strict=True)])
        assert tuple(fractions) == MPII_16.names
    assert 0.2 < metrics.columns["Mean"] < 0.9
    assert 0.0 < metrics.columns["Mean@0.1"] < 0.2


@pytest.mark.parametrize(
    ("distance_px", "mean", "mean_at_tenth"),
    # The head box is 30 x 40 pixels, the head size 0.6 * 50 = 30: the limits are 15 and 3.
    [(0, 1, 1), (3, 1, 1), (3.001, 1, 0), (3.3, 1, 0), (15, 1, 0), (15.001, 0, 0)],
)
def test_the_threshold_is_inclusive_and_the_fine_one_is_a_tenth(distance_px, mean, mean_at_tenth):
    truth = make_truth(np.zeros((1, 16, 2)), np.ones((1, 16), bool), np.array([[10.0, 10, 40, 50]]))
    predicted_xy = np.zeros((1, 16, 2))
    predicted_xy[..., 1] = distance_px
    columns = evaluate_mpii(predicted_xy, truth).columns
    assert (columns["Mean"], columns["Mean@0.1"]) == (mean, mean_at_tenth)


def test_pelvis_and_thorax_stay_out_of_the_mean_and_joints_weigh_by_their_number(people):
    true_xy, annotated, boxes, _ = people
    annotated[:, :] = True
    annotated[1:, 0] = False  # One right ankle in all.
    predicted_xy = true_xy.copy()
    predicted_xy[:, 6:8] += 1000
    assert evaluate_mpii(predicted_xy, make_truth(true_xy, annotated, boxes)).columns["Mean"] == 1.0
    predicted_xy[:, 0] += 1000
    metrics = evaluate_mpii(predicted_xy, make_truth(true_xy, annotated, boxes))
    assert metrics.columns["Ankle"] == 0.5
    assert metrics.columns["Mean"] == 13 * NUM_PEOPLE / (13 * NUM_PEOPLE + 1)


def test_a_joint_that_nobody_has_is_undefined_and_leaves_the_mean_alone(people):
    true_xy, annotated, boxes, predicted_xy = people
    annotated[:, 9] = False
    metrics = evaluate_mpii(predicted_xy, make_truth(true_xy, annotated, boxes))
    assert metrics.columns["Head"] is None
    assert metrics.joints_at_half["head_top"] is None
    others = [k for k in range(16) if k not in (6, 7, 9)]
    found, counts = naive_pckh(predicted_xy, true_xy, annotated, boxes, 0.5)
    assert metrics.columns["Mean"] == sum(found[k] for k in others) / sum(counts[k] for k in others)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), num_people=st.integers(1, 5))
def test_perfect_poses_give_one_and_the_order_of_people_does_not_matter(seed, num_people):
    rng = np.random.default_rng(seed)
    true_xy = rng.uniform(1, 500, (num_people, 16, 2))
    annotated = rng.random((num_people, 16)) > 0.3
    annotated[0] = True
    boxes = np.tile([0.0, 0, 30, 40], (num_people, 1))
    perfect = evaluate_mpii(true_xy, make_truth(true_xy, annotated, boxes))
    assert set(perfect.columns.values()) == {1.0}
    predicted_xy = true_xy + rng.normal(0, 10, true_xy.shape)
    order = rng.permutation(num_people)
    assert evaluate_mpii(predicted_xy, make_truth(true_xy, annotated, boxes)) == evaluate_mpii(
        predicted_xy[order], make_truth(true_xy[order], annotated[order], boxes[order])
    )


def test_poses_in_memory_are_checked_too(people):
    true_xy, annotated, boxes, predicted_xy = people
    truth = make_truth(true_xy, annotated, boxes)
    with pytest.raises(
        ResultsError, match=r"expected shape \(30, 16, 2\), one pose a person, found \(29, 16, 2\)"
    ):
        evaluate_mpii(predicted_xy[1:], truth)
    predicted_xy[3, 0, 0] = math.nan
    with pytest.raises(ResultsError, match=r"person 3 \(from 0\): NaN or infinity"):
        evaluate_mpii(predicted_xy, truth)
    predicted_xy[3] = 1e300
    assert evaluate_mpii(predicted_xy, truth).columns["Mean"] < 1


def test_mat_and_both_kinds_of_json_say_the_same(people, tmp_path):
    true_xy, annotated, boxes, _ = people
    fields = make_mat_fields(true_xy, annotated, boxes)
    savemat(tmp_path / "gt_valid.mat", {**fields, "dataset_joints": make_cells(MAT_JOINTS), "other": {"a": 1}})
    (tmp_path / "list.json").write_text(json.dumps(make_json_people(true_xy, annotated, boxes)))
    as_lists = {name: field.tolist() for name, field in fields.items()}
    (tmp_path / "fields.json").write_text(json.dumps({**as_lists, "dataset_joints": MAT_JOINTS}))
    expected = make_truth(np.where(annotated[..., None], true_xy, 0), annotated, boxes)
    for name in ("gt_valid.mat", "list.json", "fields.json"):
        truth = read_mpii_truth(tmp_path / name)
        np.testing.assert_array_equal(truth.keypoints_xy, expected.keypoints_xy)
        np.testing.assert_array_equal(truth.annotated, annotated)
        np.testing.assert_allclose(truth.head_diagonals_px, expected.head_diagonals_px)


def test_a_missing_joint_may_be_nan_and_a_person_without_joints_needs_no_head(people, tmp_path):
    true_xy, annotated, boxes, predicted_xy = people
    annotated[2] = False
    true_xy[~annotated] = math.nan
    boxes[2] = 0
    savemat(tmp_path / "gt.mat", make_mat_fields(true_xy, annotated, boxes))
    metrics = evaluate_mpii(predicted_xy, read_mpii_truth(tmp_path / "gt.mat"))
    assert metrics.columns == pytest.approx(naive_mpii_columns(predicted_xy, true_xy, annotated, boxes))


@pytest.mark.parametrize("values", [2, 3])
def test_predictions_are_matlab_pixels_unless_said_otherwise(tmp_path, values):
    poses = np.random.default_rng(0).uniform(0, 500, (4, 16, values))
    savemat(tmp_path / "pred.mat", {"preds": poses})
    (tmp_path / "list.json").write_text(json.dumps(poses.tolist()))
    (tmp_path / "object.json").write_text(json.dumps({"preds": poses.tolist()}))
    for name in ("pred.mat", "list.json", "object.json"):
        np.testing.assert_array_equal(read_mpii_predictions(tmp_path / name, 4), poses[..., :2])
        from_zero = read_mpii_predictions(tmp_path / name, 4, is_zero_based=True)
        np.testing.assert_array_equal(from_zero, poses[..., :2] + 1)


TRUTH_CASES = {
    "no missing": ({"jnt_missing": None}, "jnt_missing: expected 16 x N numbers, found nothing"),
    "17 joints": ({"jnt_missing": np.zeros((17, 30))}, "jnt_missing: expected 16 x N numbers, found 17 x 30"),
    "missing is 2": ({"jnt_missing": np.full((16, 30), 2)}, "jnt_missing: expected nothing but 0 and 1"),
    "transposed": (
        {"pos_gt_src": np.zeros((30, 16, 2))},
        "pos_gt_src: expected 16 x 2 x 30 numbers, found 30 x 16",
    ),
    "fewer heads": (
        {"headboxes_src": np.ones((2, 2, 29))},
        "headboxes_src: expected 2 x 2 x 30 numbers, found",
    ),
    "text": ({"pos_gt_src": "abc"}, "pos_gt_src: expected 16 x 2 x 30 numbers, found something else"),
    "a NaN": ({"pos_gt_src": np.full((16, 2, 30), math.nan)}, "annotated, but its place is NaN or infinite"),
    "no head": ({"headboxes_src": np.ones((2, 2, 30))}, "person 0 (from 0): the head box has no size"),
    "endless head": ({"headboxes_src": np.full((2, 2, 30), math.inf)}, "the head box has no size"),
    "nobody": ({"jnt_missing": np.ones((16, 30))}, "no joint is annotated"),
    "other order": (
        {"dataset_joints": make_cells(["head", *MAT_JOINTS[1:]])},
        "dataset_joints[0]: expected 'rank', found 'head'",
    ),
    "few names": (
        {"dataset_joints": make_cells(MAT_JOINTS[:4])},
        "dataset_joints[4]: expected 'lkne', found 'nothing'",
    ),
    "names are numbers": ({"dataset_joints": np.arange(16)}, "dataset_joints[0]: expected 'rank', found '0'"),
}


@pytest.mark.parametrize(("change", "message"), TRUTH_CASES.values(), ids=TRUTH_CASES)
def test_annotations_of_another_shape_are_refused(people, tmp_path, change, message):
    true_xy, annotated, boxes, _ = people
    fields = {**make_mat_fields(true_xy, annotated, boxes), **change}
    path = tmp_path / "gt.mat"
    savemat(path, {name: field for name, field in fields.items() if field is not None})
    check_refused(lambda: read_mpii_truth(path), path, message)


def check_refused(read, path, message):
    with pytest.raises(ResultsError) as caught:
        read()
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert message in text
    assert "\n" not in text


JSON_CASES = {
    "empty": ([], "expected a list of people, or an object with jnt_missing"),
    "a number": (5, "expected a list of people"),
    "empty object": ({}, "jnt_missing: expected 16 x N numbers, found nothing"),
    "a person is a list": ([[1]], "[0]: expected an object with joints, joints_vis and headbox"),
    "no head box": (
        [{"joints": [[1, 2]] * 16, "joints_vis": [1] * 16}],
        "[0]: headbox: expected 4 numbers, found",
    ),
    "joints differ": ([{"joints": [[1, 2], [1]]}], "[0]: joints: expected 16 x 2 numbers; their lists differ"),
    "joints are null": (
        [{"joints": [[1, None]] * 16}],
        "[0]: joints: expected 16 x 2 numbers, found something",
    ),
    "15 joints": ([{"joints": [[1, 2]] * 15}], "[0]: joints: expected 16 x 2 numbers, found 15 x 2"),
    "seen is 2": (
        [{"joints": [[1, 2]] * 16, "joints_vis": [2] * 16}],
        "[0]: joints_vis: expected nothing but 0",
    ),
}


@pytest.mark.parametrize(("content", "message"), JSON_CASES.values(), ids=JSON_CASES)
def test_json_annotations_that_are_none_are_refused(tmp_path, content, message):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(content))
    check_refused(lambda: read_mpii_truth(path), path, message)


PREDICTION_CASES = {
    "a number": (5, "expected a list of poses, or an object with preds"),
    "no preds": ({"poses": []}, "preds: expected N x 16 x N numbers, found nothing"),
    "no poses": ([], "preds: expected N x 16 x N numbers, found 0"),
    "14 keypoints": ([[[1, 2]] * 14] * 2, "preds: expected N x 16 x N numbers, found 2 x 14 x 2"),
    "x alone": ([[[1]] * 16] * 2, "preds: expected x, y and perhaps a score, found 1 numbers"),
    "too many": ([[[1, 2]] * 16] * 3, "preds: 3 poses for 2 annotated people"),
    "NaN": ([[[1, 2]] * 16, [[1, math.nan]] * 16], "preds[1][0] (right_ankle): NaN or infinity"),
    "infinite": ([[[1, math.inf]] * 16] * 2, "preds[0][0] (right_ankle): NaN or infinity"),
}


@pytest.mark.parametrize(("content", "message"), PREDICTION_CASES.values(), ids=PREDICTION_CASES)
def test_predictions_of_another_shape_are_refused(tmp_path, content, message):
    path = tmp_path / "pred.json"
    path.write_text(json.dumps(content))
    check_refused(lambda: read_mpii_predictions(path, 2), path, message)


def test_what_is_no_matlab_file_is_refused(people, tmp_path):
    path = tmp_path / "pred.mat"
    check_refused(lambda: read_mpii_predictions(path, 2), path, "cannot be read: no such file")
    savemat(path, {"preds": people[3]}, do_compression=True)
    assert read_mpii_predictions(path, NUM_PEOPLE).shape == (NUM_PEOPLE, 16, 2)
    whole = path.read_bytes()
    for content in (b"", b"[1, 2]", whole[:100], whole[:200], whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(content)
        check_refused(lambda: read_mpii_predictions(path, NUM_PEOPLE), path, "")
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x00" * 400)
    check_refused(lambda: read_mpii_predictions(path, 2), path, "a MATLAB 7.3 file; save it with -v7")


def test_a_damaged_matlab_file_is_read_or_refused_but_never_a_traceback(people, tmp_path):
    path = tmp_path / "pred.mat"
    savemat(path, {"preds": people[3][:2]})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(116, 200)] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            assert read_mpii_predictions(path, 2).shape == (2, 16, 2)
        except ResultsError:
            refused += 1
    assert refused > 50
