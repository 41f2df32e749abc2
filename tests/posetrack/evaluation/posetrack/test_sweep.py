"""The least score of predicted keypoints: leaving out those below it, and which one is best."""

import copy

import numpy as np
import pytest
from reference.evaluation_cases import make_frame, make_person, make_random_case, read_case, write_case
from reference.evaluation_posetrack import naive_evaluate

from posetrack.evaluation.posetrack.evaluate import evaluate_posetrack, find_sequences
from posetrack.evaluation.posetrack.sweep import THRESHOLDS, sweep_keypoint_scores
from posetrack.evaluation.posetrack.sweep_report import describe_choice
from posetrack.skeleton import POSETRACK_15

MEASURES = ("ap", "ap_precision", "ap_recall", "mota", "motp", "mot_precision", "mot_recall", "hota")


def leave_out_weak(frames, min_score):
    """Predictions without points of a low score, and without people who have no others."""
    left = copy.deepcopy(frames)
    for frame in left:
        for person in frame["people"]:
            points = person["points"] or {}
            kept = {
                joint: point for joint, point in points.items() if point[2] is None or point[2] >= min_score
            }
            if points:
                person["points"] = kept or None
    return left


@pytest.mark.parametrize("years", [(17, 17), (18, 18), (17, 18)])
@pytest.mark.parametrize(("seed", "min_score"), [(3, 0.4), (8, 0.7)])
def test_keypoints_below_the_least_score_are_as_if_never_predicted(tmp_path, years, seed, min_score):
    case = make_random_case(seed)
    weaker = {name: (truth, leave_out_weak(found, min_score)) for name, (truth, found) in case.items()}
    gt, pred = write_case(tmp_path / "all", case, *years)
    found = evaluate_posetrack(gt, pred, min_keypoint_score=min_score).total.to_dict()
    unfiltered = evaluate_posetrack(gt, pred).total.to_dict()
    other_gt, other_pred = write_case(tmp_path / "less", weaker, 17, 17)
    names = [truth.stem for truth, _ in find_sequences(other_gt, other_pred)]
    expected = naive_evaluate(read_case(other_gt, other_pred, names), False)
    for name in MEASURES:
        assert found[name] == pytest.approx(expected[name], abs=1e-9), name
    assert found["ap_recall"][-1] < unfiltered["ap_recall"][-1]


def make_sequence(*, right_score, wrong_score, num_wrong):
    """One person found with one score, and `num_wrong` false ones with another."""
    true = make_person(1, {k: (100 + k, 100) for k in range(15)})
    found = make_person(1, {k: (100 + k, 100, right_score) for k in range(15)})
    wrong = [
        make_person(2 + i, {k: (900 + 50 * i, 100 + k, wrong_score) for k in range(15)})
        for i in range(num_wrong)
    ]
    return [make_frame(true)] * 5, [make_frame(found, *wrong)] * 5


def test_a_sweep_is_one_evaluation_a_threshold(tmp_path):
    gt, pred = write_case(tmp_path, make_random_case(3), 17, 18)
    sweep = sweep_keypoint_scores(gt, pred, (0.0, 0.3, 0.6))
    for i, threshold in enumerate(sweep.thresholds):
        total = evaluate_posetrack(gt, pred, min_keypoint_score=threshold).total
        for name in ("ap", "mota", "mot_precision", "mot_recall"):
            np.testing.assert_array_equal(getattr(sweep, name)[i], getattr(total, name))
    assert sweep.best == np.nanargmax(sweep.mota[:, -1])
    by_keypoint = np.nan_to_num(sweep.mota[:, :-1], nan=-np.inf)
    assert sweep.best_of_keypoints.tolist() == by_keypoint.argmax(axis=0).tolist()


def test_the_best_threshold_says_what_it_was_chosen_on_and_what_it_gives_elsewhere(tmp_path):
    case = {
        "one": make_sequence(right_score=0.9, wrong_score=0.3, num_wrong=2),
        "two": make_sequence(right_score=0.9, wrong_score=0.3, num_wrong=1),
        "odd": make_sequence(right_score=0.45, wrong_score=0.5, num_wrong=1),
    }
    gt, pred = write_case(tmp_path, case, 17, 17)
    sweep = sweep_keypoint_scores(gt, pred, THRESHOLDS, corrected=True)
    # From 0.35 on the false people of the first two are gone; above 0.45 so is the right one of the third.
    assert sweep.thresholds[sweep.best] == 0.35
    assert sweep.mota[sweep.best, -1] == pytest.approx(100 * 2 / 3)
    assert set(sweep.best_of_keypoints.tolist()) == {sweep.best}
    # Without the third, 0.35 is best as well; without the others, 0.
    assert sweep.held_out_mota[-1] == pytest.approx(100 * 2 / 3)
    text = describe_choice(sweep)
    assert text.startswith("0.35 has the best MOTA on the 3 sequences that it was chosen on: odd, one, two;")
    assert text.endswith("chosen on the others, MOTA is 66.7")


def test_a_choice_that_holds_on_no_other_sequence_is_seen(tmp_path):
    case = {
        "low": make_sequence(right_score=0.25, wrong_score=0.2, num_wrong=2),
        "high": make_sequence(right_score=0.9, wrong_score=0.7, num_wrong=2),
    }
    gt, pred = write_case(tmp_path, case, 17, 17)
    # Corrected, since a frame in which nobody is left counts as -100 % otherwise.
    sweep = sweep_keypoint_scores(gt, pred, THRESHOLDS, corrected=True)
    assert sweep.mota[sweep.best, -1] == pytest.approx(50)
    # The best of `high`, 0.75, loses everybody of `low`; that of `low`, 0.25, keeps the false people of `high`.
    assert sweep.held_out_mota[-1] == pytest.approx((0 - 100) / 2)


def test_one_sequence_and_no_track_ids(tmp_path):
    truth, found = make_sequence(right_score=0.9, wrong_score=0.3, num_wrong=1)
    for frame in found:
        for person in frame["people"]:
            person["track"] = None
    gt, pred = write_case(tmp_path, {"one": (truth, found)}, 17, 17)
    sweep = sweep_keypoint_scores(gt, pred, (0.0, 0.5))
    assert not sweep.is_tracked
    assert np.isnan(sweep.held_out_mota).all()
    assert sweep.thresholds[sweep.best] == 0.0
    assert describe_choice(sweep) == "0 has the best AP on the 1 sequence that it was chosen on: one"
    assert sweep.to_dict()["mota"] == [[None] * (POSETRACK_15.num_keypoints + 1)] * 2
