"""Where MOTA is lost: everything is counted once, at the right keypoint and size."""

import numpy as np
import pytest
from reference.evaluation_cases import make_frame, make_person, make_random_case, write_case

from posetrack.evaluation.posetrack.evaluate import evaluate_posetrack
from posetrack.evaluation.posetrack.losses import CAUSES, SIZES, classify_sizes
from posetrack.evaluation.posetrack.losses_report import add_losses, describe_losses, make_cost_table
from posetrack.skeleton import POSETRACK_15

NOSE = POSETRACK_15.names.index("nose")


def spread(left, side_px, score=0.9):
    """The 15 keypoints on a line of this length."""
    return {k: (left + side_px * k / 14, 100, score) for k in range(15)}


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 3, 4])
def test_what_is_lost_and_mota_are_100(tmp_path, seed, corrected):
    gt, pred = write_case(tmp_path, make_random_case(seed), 17, 18)
    evaluation = evaluate_posetrack(gt, pred, corrected=corrected)
    losses = add_losses(evaluation)
    lost = sum(points.sum(axis=0) for points in losses.compute_points().values())
    np.testing.assert_allclose(100 - lost, evaluation.total.mota[:-1], atol=1e-9)
    described = describe_losses(losses)
    total = sum(described["by_keypoint"][cause][-1] for cause in CAUSES)
    assert 100 - total == pytest.approx(evaluation.total.mota[-1], abs=1e-9)
    by_size = sum(described["by_size"][size][cause] for size in SIZES for cause in CAUSES)
    assert by_size == pytest.approx(total, abs=1e-9)
    assert sum(described["by_size"]["alone"].values()) == 0 or not corrected


def test_where_nothing_is_annotated_nothing_is_defined(tmp_path):
    gt, pred = write_case(tmp_path, make_random_case(2), 17, 18)
    described = describe_losses(add_losses(evaluate_posetrack(gt, pred)))
    assert described["by_keypoint"]["misses"] == [None] * 16
    assert described["by_size"]["small"] == dict.fromkeys(CAUSES)


def test_each_loss_is_at_its_cause_keypoint_and_size(tmp_path):
    small, large = make_person(1, spread(100, 50)), make_person(2, spread(300, 280))
    truth = [make_frame(small, large)] * 4
    without_nose = {k: point for k, point in spread(300, 280).items() if k != NOSE}
    wrong = make_person(9, spread(900, 150))
    found = [
        make_frame(small, large),
        # The large person has no nose; somebody of medium size is false.
        make_frame(small, make_person(2, without_nose), wrong),
        # The small one is of another track.
        make_frame(make_person(7, spread(100, 50)), large),
        make_frame(small, large),
    ]
    gt, pred = write_case(tmp_path, {"one": (truth, found)}, 17, 17)
    # The last frame does not count.
    losses = add_losses(evaluate_posetrack(gt, pred))
    expected = {cause: np.zeros((4, 15), int) for cause in ("objects", *CAUSES)}
    expected["objects"][[0, 2]] = 3
    expected["misses"][2, NOSE] = 1
    expected["false_positives"][1] = 1
    expected["switches"][0] = 1
    for cause, counts in expected.items():
        np.testing.assert_array_equal(getattr(losses, cause), counts, err_msg=cause)
    points = describe_losses(losses)
    assert points["by_keypoint"]["misses"][NOSE] == pytest.approx(100 / 6)
    assert points["by_size"]["medium"]["false_positives"] == pytest.approx(100 / 6)
    assert points["by_size"]["large"]["misses"] == pytest.approx(100 / 6 / 15)


def test_a_frame_with_nobody_on_one_side_is_a_class_of_its_own(tmp_path):
    person = make_person(1, spread(100, 50))
    truth, found = [make_frame(person)] * 3, [make_frame(), make_frame(person), make_frame(person)]
    gt, pred = write_case(tmp_path, {"one": (truth, found)}, 17, 17)
    points = describe_losses(add_losses(evaluate_posetrack(gt, pred)))["by_size"]
    assert points["alone"] == {"misses": 50, "false_positives": 50, "switches": 0}
    points = describe_losses(add_losses(evaluate_posetrack(gt, pred, corrected=True)))["by_size"]
    assert points["small"] == pytest.approx({"misses": 100 / 3, "false_positives": 0, "switches": 0})


def test_sizes_are_by_the_longer_side():
    points = np.full((5, 15, 2), np.nan)
    for row, (width, height) in enumerate(((99.9, 5), (5, 100), (249, 249), (250, 3))):
        points[row, 0], points[row, 1] = (10, 10), (10 + width, 10 + height)
    assert classify_sizes(points).tolist() == [0, 1, 1, 2, 0]
    assert classify_sizes(points[:0]).tolist() == []


def test_what_a_least_keypoint_score_costs(tmp_path):
    truth = [make_frame(make_person(1, spread(100, 50)))] * 5
    points = spread(100, 50)
    # The nose scores little and is right, the false person's keypoints too.
    points[NOSE] = (*points[NOSE][:2], 0.2)
    found = [make_frame(make_person(1, points), make_person(2, spread(900, 50, score=0.3)))] * 5
    gt, pred = write_case(tmp_path, {"one": (truth, found)}, 17, 17)
    without, shown = (evaluate_posetrack(gt, pred, min_keypoint_score=score) for score in (0.0, 0.4))
    table = make_cost_table(without, shown, 0.4)
    rows = {cells[0]: cells[1:] for cells in zip(*(column._cells for column in table.columns), strict=True)}
    assert rows["nose"] == ("-50.0", "0.0", "+100.0", "-100.0", "0.0")
    assert rows["left_knee"][1:] == ("+100.0", "0.0", "-100.0", "0.0")
    assert rows["total"][1] == f"+{100 * 14 / 15:.1f}"
