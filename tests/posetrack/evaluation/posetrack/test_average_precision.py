"""AP of keypoints: hand-computed cases, and the fast code against the plain one."""

import numpy as np
import pytest
from reference.evaluation_cases import make_frame, make_person
from reference.evaluation_posetrack import naive_average_precision

from posetrack.evaluation.posetrack.average_precision import (
    KeypointLabels,
    compute_average_precision,
    compute_curve,
    integrate_curve,
)

PERSON = make_person(1, {0: (100, 100), 1: (200, 200)})
YEARS = [(17, 17), (17, 18), (18, 17), (18, 18)]


def compute_ap(scores, labels, num_annotated, corrected=False):
    """(AP, precision, recall) in percent, None where undefined."""
    columns = KeypointLabels((np.array(scores, float),), (np.array(labels, bool),), np.array([num_annotated]))
    values = compute_average_precision(columns, corrected=corrected)[:, 0]
    return [None if np.isnan(value) else value for value in values]


def test_curve_and_area_by_hand():
    precision, recall = compute_curve(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2)
    np.testing.assert_allclose(precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(recall, [0.5, 0.5, 1])
    # From 0 to 0.5 the best precision is 1, from there to 1 it is 2/3.
    assert integrate_curve(precision, recall) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_precision_is_the_best_at_this_recall_or_a_higher_one():
    # Precision 1, 1/2, 1/3, 1/2, 3/5: the second find counts with that of the third.
    assert compute_ap([0.9, 0.8, 0.7, 0.6, 0.5], [True, False, False, True, True], 3) == pytest.approx(
        [100 * (1 + 3 / 5 + 3 / 5) / 3, 60, 100]
    )


def test_recall_that_is_never_reached_counts_as_precision_0():
    assert compute_ap([0.9], [True], 4) == pytest.approx([25, 100, 25])


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_fast_is_naive(seed, corrected):
    rng = np.random.default_rng(seed)
    count = rng.integers(0, 60)
    scores = rng.choice([0.1, 0.2, 0.3, 0.4, -9999.0], count) if seed % 2 else rng.random(count)
    labels = rng.random(count) < (0 if seed % 10 == 0 else 0.6)
    num_annotated = 0 if seed % 10 == 0 else int(labels.sum() + rng.integers(1, 9))
    expected = naive_average_precision(scores.tolist(), labels.tolist(), num_annotated, corrected)
    expected = [None if value is None else 100 * value for value in expected]
    assert compute_ap(scores, labels, num_annotated, corrected) == pytest.approx(expected, abs=1e-9)


def test_equal_scores_are_one_step_when_corrected_whatever_their_order():
    for labels in ([True, False, True, False], [False, False, True, True], [True, True, False, False]):
        # One step: precision 1/2 at recall 1.
        assert compute_ap([0.5] * 4, labels, 2, corrected=True) == pytest.approx([50, 50, 100])
    assert compute_ap([0.5] * 4, [True] * 2 + [False] * 2, 2) != compute_ap(
        [0.5] * 4, [False] * 2 + [True] * 2, 2
    )


def test_undefined_values():
    assert compute_ap([], [], 3) == compute_ap([], [], 0) == [0, 0, 0]
    assert compute_ap([0.5], [False], 0) == [None, 0, None]
    assert compute_ap([], [], 3, corrected=True) == [0, None, 0]
    assert compute_ap([], [], 0, corrected=True) == [None, None, None]
    assert compute_ap([0.5], [False], 0, corrected=True) == [None, 0, None]


@pytest.mark.parametrize("years", YEARS)
def test_unannotated_joint_of_a_found_person_is_a_false_positive(evaluate, years):
    pose = make_person(1, {0: (100, 100, 0.4), 1: (200, 200, 0.4), 2: (300, 300, 0.4)})
    metrics = evaluate([make_frame(PERSON)], [make_frame(pose)], years=years)
    assert metrics["ap_precision"][:3] == [100, 100, 0]
    assert metrics["ap_recall"][:3] == [100, 100, None]
    assert metrics["ap"][:3] == [100, 100, None]


@pytest.mark.parametrize("years", YEARS)
def test_unmatched_pose_is_false_in_all_joints_even_near_ones(evaluate, years):
    # Both poses are nearest to the only person; the second has 1 of 2 joints right, and loses.
    better = make_person(1, {0: (100, 100, 0.2), 1: (200, 200, 0.2)})
    worse = make_person(2, {0: (100, 100, 0.9), 1: (900, 900, 0.9)})
    for poses in ([better, worse], [worse, better]):
        metrics = evaluate([make_frame(PERSON)], [make_frame(*poses)], years=years)
        # The higher score did not help it, and comes first in the ranking: precision 0, then 1/2.
        assert metrics["ap"][:2] == [50, 50]
        assert metrics["ap_precision"][:2] == [50, 50]
        assert metrics["ap_recall"][:2] == [100, 100]


def test_a_pose_has_one_wish_only(evaluate):
    """A pose that loses its best person does not take its second best."""
    neighbour = make_person(2, {0: (105, 100), 1: (900, 900)})
    first = make_person(1, {0: (100, 100), 1: (200, 200)})
    second = make_person(2, {0: (103, 100), 1: (200, 200)})  # All of PERSON, half of the neighbour.
    metrics = evaluate([make_frame(PERSON, neighbour)], [make_frame(first, second)])
    assert metrics["ap_recall"][:2] == [50, 50]
    assert metrics["ap_precision"][:2] == [50, 50]


def test_the_fraction_is_of_the_annotated_joints(evaluate):
    """One of one joint beats two of four."""
    many = make_person(1, {0: (100, 100), 1: (110, 100), 2: (900, 900), 3: (950, 900)})
    few = make_person(2, {4: (300, 300)})
    pose = make_person(1, {0: (100, 100), 1: (110, 100), 4: (300, 300)})
    metrics = evaluate([make_frame(many, few)], [make_frame(pose)])
    assert metrics["ap_recall"][:5] == [0, 0, 0, 0, 100]


def test_equal_fractions_go_to_the_first(evaluate):
    twin = make_person(2, {0: (100, 100), 2: (200, 200)})
    pose = make_person(1, {0: (100, 100), 1: (200, 200), 2: (200, 200)})
    assert evaluate([make_frame(PERSON, twin)], [make_frame(pose)])["ap_recall"][:3] == [50, 100, 0]
    assert evaluate([make_frame(twin, PERSON)], [make_frame(pose)])["ap_recall"][:3] == [50, 0, 100]


@pytest.mark.parametrize("years", YEARS)
def test_threshold_is_inclusive(evaluate, years):
    """Head size 30: 15 pixels are found, a little more are not."""
    for offset, recall in ((15, 100), (15.001, 0)):
        pose = make_person(1, {0: (100 + offset, 100), 1: (200, 200)})
        metrics = evaluate([make_frame(PERSON)] * 2, [make_frame(pose)] * 2, years=years)
        assert metrics["ap_recall"][:2] == [recall, 100]
        assert metrics["mot_recall"][:2] == [recall, 100]


@pytest.mark.parametrize("years", YEARS)
def test_a_missing_score_is_the_lowest_and_0_is_not_missing(evaluate, years):
    def rank(right, wrong):
        found = make_person(1, {0: (100, 100, right), 1: (200, 200, right)})
        stray = make_person(2, {0: (900, 900, wrong)})
        return evaluate([make_frame(PERSON)], [make_frame(found, stray)], years=years)["ap"][0]

    assert rank(None, 0.0) == rank(None, -5.0) == rank(0.0, 0.5) == 50
    assert rank(0.0, None) == rank(-5.0, None) == rank(0.5, 0.0) == 100


def test_last_frame_counts(evaluate):
    wrong = make_person(1, {0: (900, 900), 1: (900, 900)})
    metrics = evaluate([make_frame(PERSON)] * 2, [make_frame(PERSON), make_frame(wrong)])
    assert metrics["ap_recall"][:2] == [50, 50]
    assert metrics["mota"][:2] == [100, 100]


def test_total_is_the_mean_over_joints_with_those_that_nobody_has(evaluate):
    metrics = evaluate([make_frame(PERSON)], [make_frame(PERSON)])
    # Nothing to find and nothing predicted counts as 0.
    assert metrics["ap"] == pytest.approx([100, 100, *[0] * 13, 200 / 15])
    metrics = evaluate([make_frame(PERSON)], [make_frame(PERSON)], corrected=True)
    assert metrics["ap"] == [100, 100, *[None] * 13, 100]
