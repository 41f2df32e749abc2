"""HOTA of keypoints, by hand; `test_evaluate.py` has the fast code against the plain one."""

import math

import numpy as np
import pytest
from reference.evaluation_cases import make_frame, make_person

from posetrack.evaluation.posetrack.hota import compute_similarities


def at(track, x, joint=0):
    """A person with one joint; the head is 30 pixels."""
    return make_person(track, {joint: (x, 50)})


def of_joint(metrics, joint=0):
    return {name: metrics[name][joint] for name in ("hota", "deta", "assa", "fraga", "fa_hota")}


def expect(deta, assa, fraga):
    return pytest.approx(
        {
            "hota": 100 * math.sqrt(deta * assa),
            "deta": 100 * deta,
            "assa": 100 * assa,
            "fraga": 100 * fraga,
            "fa_hota": 100 * math.sqrt(deta * math.sqrt(assa * fraga)),
        }
    )


def test_similarity():
    similarities = compute_similarities(np.array([0, 0.25005, 0.5001, 0.7, np.inf]))
    np.testing.assert_allclose(similarities, [1, 0.5, 0, 0, 0])


@pytest.mark.parametrize("corrected", [False, True])
def test_one_person_with_a_short_change_of_track(evaluate, corrected):
    truth = [make_frame(at(1, 100))] * 4
    predictions = [make_frame(at(track, 100)) for track in (7, 7, 8, 7)]
    # With 7: TPA 3, FNA 1, three times. With 8: TPA 1, FNA 3. Fragments of 2, 2, 1 and 1 frames, each over 4.
    metrics = evaluate(truth, predictions, corrected=corrected)
    assert of_joint(metrics) == expect(1, (3 * 3 / 4 + 1 / 4) / 4, (2 + 2 + 1 + 1) / 4 / 4)


def test_misses_do_not_end_a_fragment(evaluate):
    other = at(2, 500)
    truth = [make_frame(at(1, 100), other)] * 3
    # Frame 1 has no prediction for person 1, but one for person 2.
    predictions = [
        make_frame(at(7, 100), at(8, 500)),
        make_frame(at(8, 500)),
        make_frame(at(7, 100), at(8, 500)),
    ]
    # Person 1: TPA 2, FNA 1; person 2: 3 of 3.
    association = (2 * 2 / 3 + 3 * 1) / 5
    assert of_joint(evaluate(truth, predictions)) == expect(5 / 6, association, association)


def test_two_people_swap(evaluate):
    truth = [make_frame(at(1, 100), at(2, 500))] * 4
    predictions = [make_frame(at(a, 100), at(b, 500)) for a, b in ((7, 8), (7, 8), (7, 8), (8, 7))]
    # Each person: 3 frames with one track (TPA 3, FNA 1, FPA 1), 1 with the other (TPA 1, FNA 3, FPA 3).
    association = (3 * 3 / 5 + 1 / 7) / 4
    assert of_joint(evaluate(truth, predictions)) == expect(1, association, association)


def test_false_tracks_and_misses_lower_the_association_too(evaluate):
    # Track 7 is right in two frames, and in two others nowhere near.
    truth = [make_frame(at(1, 100))] * 4
    predictions = [make_frame(at(7, x)) for x in (100, 100, 900, 900)]
    # TP 2, FN 2, FP 2; TPA 2, FNA 2, FPA 2.
    assert of_joint(evaluate(truth, predictions)) == expect(2 / 6, 2 / 6, 2 / 6)


def test_each_alpha_counts_what_is_similar_enough(evaluate):
    # 7.5 pixels are 0.25 head sizes: similarity 0.5001, enough for alpha 0.05 to 0.5.
    metrics = of_joint(evaluate([make_frame(at(1, 100))], [make_frame(at(1, 107.5))]))
    assert metrics == pytest.approx(dict.fromkeys(metrics, 100 * 10 / 19))


def test_keypoints_are_matched_at_the_greatest_total_similarity(evaluate):
    # In head sizes 7 is 0.2 from 1 and 0.1 from 2; 8 is 0.45 from 1 and 0.15 from 2.
    # The nearest pair is not among the best two.
    truth = [make_frame(at(1, 100), at(2, 109))] * 2
    predictions = [make_frame(at(7, 106), at(8, 113.5))] * 2
    metrics = of_joint(evaluate(truth, predictions))
    # 1-7 is similar by 0.6001 (12 alphas) and 2-8 by 0.7001 (14 alphas); one track each.
    detections = [2] * 12 + [1] * 2 + [0] * 5
    deta = [tp / (4 - tp) for tp in detections]
    assert metrics["deta"] == pytest.approx(100 * sum(deta) / 19)
    assert metrics["assa"] == metrics["fraga"] == pytest.approx(100 * 14 / 19)
    hota = [math.sqrt(d) for d in deta]
    assert metrics["hota"] == metrics["fa_hota"] == pytest.approx(100 * sum(hota) / 19)


@pytest.mark.parametrize("corrected", [False, True])
def test_last_frame_and_empty_sides_count_as_they_are(evaluate, corrected):
    pair = make_frame(at(1, 100), at(2, 500))
    metrics = evaluate([pair] * 3, [pair, make_frame(), make_frame()], corrected=corrected)
    # 6 objects, 2 found; TPA 1, FNA 2 each.
    assert of_joint(metrics) == expect(2 / 6, 1 / 3, 1 / 3)


def test_total_is_the_mean_over_joints_that_are_somewhere(evaluate):
    person = make_person(1, {0: (100, 50), 1: (200, 50)})
    pose = make_person(1, {0: (100, 50), 2: (300, 50)})
    metrics = evaluate([make_frame(person)], [make_frame(pose)])
    # Joint 1 is missed, joint 2 is made up, the rest is nowhere.
    assert metrics["hota"][:4] == [100, 0, 0, None]
    assert metrics["hota"][-1] == pytest.approx(100 / 3)
