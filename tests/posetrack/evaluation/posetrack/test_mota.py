"""CLEAR MOT of keypoints: hand-computed cases, each quirk, and the fast code against explicit events."""

import random

import numpy as np
import pytest
from reference.evaluation_cases import make_frame, make_person, write_case
from reference.evaluation_posetrack import NaiveMot

from posetrack.evaluation.posetrack.evaluate import evaluate_posetrack
from posetrack.evaluation.posetrack.mota import MotAccumulator, pair_nearest

YEARS = [(17, 17), (17, 18), (18, 17), (18, 18)]
NOBODY = make_frame()


def at(track, x, joint=0):
    """A person with one joint; a head of 30 pixels, so that 3 pixels are 0.1."""
    return make_person(track, {joint: (x, 50)})


def of_joint(metrics, joint=0):
    return {
        name: metrics[name][joint] for name in ("mota", "motp", "motp_clean", "mot_precision", "mot_recall")
    }


def list_pairs(distances, valid):
    rows, columns = pair_nearest(distances, valid)
    return [*zip(rows.tolist(), columns.tolist(), strict=True)]


@pytest.mark.parametrize("seed", range(40))
def test_fast_is_naive(seed):
    rng = random.Random(seed)
    G, P, K, nearness = rng.randint(1, 5), rng.randint(1, 5), 2, rng.choice((0.3, 0.6, 0.9))
    fast, naive = MotAccumulator(G, P, K), [NaiveMot() for _ in range(K)]
    for _ in range(rng.randint(1, 14)):
        people, poses = rng.sample(range(G), rng.randint(1, G)), rng.sample(range(P), rng.randint(1, P))
        true_present = np.array([[rng.random() < 0.8 for _ in range(K)] for _ in people])
        present = np.array([[rng.random() < 0.8 for _ in range(K)] for _ in poses])
        distances = np.full((len(poses), len(people), K), np.inf)
        for k in range(K):
            rows, columns = np.flatnonzero(true_present[:, k]), np.flatnonzero(present[:, k])
            near = {}
            for i, person in enumerate(rows):
                for j, pose in enumerate(columns):
                    distances[pose, person, k] = 0.5 * rng.random() if rng.random() < nearness else 0.6
                    if distances[pose, person, k] <= 0.5:
                        near[i, j] = distances[pose, person, k]
            naive[k].update([people[i] for i in rows], [poses[j] for j in columns], near)
        fast.update(np.array(people), true_present, np.array(poses), present, distances, distances <= 0.5)
    counts = fast.counts()
    for k in range(K):
        kinds = [kind for kind, *_ in naive[k].events]
        pairs = [event for event in naive[k].events if event[0] in ("MATCH", "SWITCH")]
        assert counts.detections[k] == len(pairs)
        assert counts.switches[k] == kinds.count("SWITCH")
        assert counts.objects[k] == len(pairs) + kinds.count("MISS")
        assert counts.hypotheses[k] == len(pairs) + kinds.count("FP")
        assert counts.distance[k] == pytest.approx(sum(event[3] for event in pairs))
        assert counts.event_distance[k] == pytest.approx(sum(event[3] or 0 for event in naive[k].events))


def test_as_many_pairs_as_can_be_come_before_near_ones():
    distances = np.array([[0.01, 0.4], [0.4, 0.9]])
    assert list_pairs(distances, np.array([[True, True], [True, False]])) == [(1, 0), (0, 1)]
    # Three at 0.49 before two at 0.
    distances = np.array([[0.49, 0.9, 0.9], [0.0, 0.49, 0.9], [0.9, 0.0, 0.49]])
    assert list_pairs(distances, distances <= 0.5) == [(0, 0), (1, 1), (2, 2)]
    assert list_pairs(np.array([[0.1, 0.4], [0.3, 0.1]]), np.ones((2, 2), bool)) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("years", YEARS)
def test_counts_by_hand(evaluate, years):
    # Frames: match; miss and false positive; switch (after the gap); match; the last is left out.
    truth = [make_frame(at(1, 100))] * 5
    predictions = [make_frame(at(track, x)) for track, x in ((5, 100), (5, 200), (6, 103), (6, 100), (7, 900))]
    metrics = of_joint(evaluate(truth, predictions, years=years))
    # 4 objects, 4 hypotheses, 3 detections, 1 miss, 1 false positive, 1 switch; distances 0, 0.1, 0.
    assert metrics["mota"] == pytest.approx(100 * (1 - 3 / 4))
    assert metrics["mot_precision"] == metrics["mot_recall"] == pytest.approx(75)
    assert metrics["motp_clean"] == pytest.approx(100 * (1 - 0.1 / 3))
    # The 0.1 counts as RAW, as SWITCH and as ASCEND.
    assert metrics["motp"] == pytest.approx(100 * (1 - 0.3 / 3))
    corrected = of_joint(evaluate(truth, predictions, years=years, corrected=True))
    # 5 objects, 5 hypotheses, 3 detections.
    assert corrected["mota"] == pytest.approx(100 * (1 - (2 + 2 + 1) / 5))
    assert corrected["mot_recall"] == pytest.approx(60)
    assert corrected["motp"] == corrected["motp_clean"] == pytest.approx(100 * (1 - 0.1 / 3))


def test_last_frame_is_the_last_that_counts(evaluate):
    """Frames without ground truth do not shield the last one with."""
    good, bad = make_frame(at(1, 100)), make_frame(at(1, 900))
    truth, predictions = [good, good, good, NOBODY], [good, good, bad, bad]
    assert of_joint(evaluate(truth, predictions))["mota"] == 100
    # The third frame has a miss and a false positive.
    assert of_joint(evaluate(truth, predictions, corrected=True))["mota"] == pytest.approx(100 / 3)


def test_raw_events_double_the_distance(evaluate):
    """A constant distance of 0.1 gives 80, not 90."""
    metrics = of_joint(evaluate([make_frame(at(1, 100))] * 4, [make_frame(at(1, 103))] * 4))
    assert metrics["motp"] == pytest.approx(80)
    assert metrics["motp_clean"] == pytest.approx(90)
    corrected = of_joint(evaluate([make_frame(at(1, 100))] * 4, [make_frame(at(1, 103))] * 4, corrected=True))
    assert corrected["motp"] == corrected["motp_clean"] == pytest.approx(90)


def test_raw_events_are_of_every_near_pair(evaluate):
    """Also of those that are not matched: 0.1 of the matched pair twice, 0.2 of the other once."""
    poses = make_frame(at(1, 103), at(2, 106))
    metrics = of_joint(evaluate([make_frame(at(1, 100))] * 2, [poses] * 2))
    assert metrics["motp"] == pytest.approx(100 * (1 - 0.4))
    assert metrics["motp_clean"] == pytest.approx(90)


def test_ascend_transfer_and_migrate_count_once_more(evaluate):
    end = make_frame(at(1, 100))
    # Person 2 takes over the hypothesis of person 1: TRANSFER and, since 2 was never found, MIGRATE.
    metrics = of_joint(
        evaluate([make_frame(at(1, 100)), make_frame(at(2, 100)), end], [make_frame(at(7, 103))] * 2 + [end])
    )
    assert metrics["mota"] == 100
    assert metrics["motp"] == pytest.approx(100 * (1 - (0.2 + 0.4) / 2))
    # A new hypothesis for a person that had another: SWITCH and ASCEND.
    metrics = of_joint(
        evaluate([make_frame(at(1, 100))] * 3, [make_frame(at(7, 103)), make_frame(at(8, 103)), end])
    )
    assert metrics["mota"] == 50
    assert metrics["motp"] == pytest.approx(100 * (1 - (0.2 + 0.3) / 2))
    # Two people change their hypotheses: two SWITCH, two TRANSFER; none is new.
    truth = [make_frame(at(1, 100), at(2, 500))] * 2 + [end]
    predictions = [make_frame(at(7, 103), at(8, 503)), make_frame(at(8, 103), at(7, 503)), end]
    metrics = of_joint(evaluate(truth, predictions))
    assert metrics["mota"] == 50
    assert metrics["motp"] == pytest.approx(100 * (1 - (0.4 + 0.6) / 4))


def test_a_switch_counts_across_any_gap(evaluate):
    gap = 6
    truth = [make_frame(at(1, 100))] + [make_frame(at(2, 500))] * gap + [make_frame(at(1, 100))] * 2
    same, other = (
        [make_frame(at(1, 100))] + [make_frame(at(2, 500))] * gap + [make_frame(at(track, 100))] * 2
        for track in (1, 9)
    )
    assert of_joint(evaluate(truth, same))["mota"] == 100
    assert of_joint(evaluate(truth, other))["mota"] == pytest.approx(100 * (1 - 1 / 8))


def test_last_pairing_is_kept_while_it_is_valid(evaluate):
    """Though another prediction is nearer now; as soon as the old one is too far, a switch."""
    start, near = make_frame(at(7, 100)), make_frame(at(7, 114), at(8, 100))
    kept = of_joint(evaluate([make_frame(at(1, 100))] * 3, [start, near, near]))
    # 2 objects, one false positive, no switch.
    assert kept["mota"] == 50
    far = make_frame(at(7, 116), at(8, 100))
    assert of_joint(evaluate([make_frame(at(1, 100))] * 3, [start, far, far]))["mota"] == 0


@pytest.mark.parametrize("years", YEARS)
def test_frame_with_an_empty_side_counts_as_one_of_each(evaluate, years):
    pair = make_frame(at(1, 100), at(2, 500))
    perfect = of_joint(evaluate([pair] * 3, [pair] * 3, years=years))
    assert perfect["mota"] == 100
    metrics = evaluate([pair] * 3, [pair, NOBODY, pair], years=years)
    # 2 + 1 objects, 2 + 1 hypotheses, 2 detections.
    assert of_joint(metrics)["mota"] == pytest.approx(100 * (1 - 2 / 3))
    assert of_joint(metrics)["mot_precision"] == of_joint(metrics)["mot_recall"] == pytest.approx(200 / 3)
    # Even a joint that nobody has.
    assert of_joint(metrics, 5)["mota"] == -100
    assert of_joint(metrics, 5)["motp"] == 0
    corrected = evaluate([pair] * 3, [pair, NOBODY, pair], years=years, corrected=True)
    # 6 objects, 4 hypotheses, 4 detections.
    assert of_joint(corrected)["mota"] == pytest.approx(100 * 4 / 6)
    assert of_joint(corrected)["mot_recall"] == pytest.approx(100 * 4 / 6)
    assert of_joint(corrected)["mot_precision"] == 100
    assert set(of_joint(corrected, 5).values()) == {None}


def test_ground_truth_without_points_is_an_empty_side(evaluate):
    someone = make_frame(at(1, 100))
    pointless = make_frame({**at(1, 100), "points": None})
    # 1 + 1 objects, 1 + 1 hypotheses, 1 detection.
    assert of_joint(evaluate([someone, pointless, someone], [someone] * 3))["mota"] == 0
    # 2 objects, 3 hypotheses.
    corrected = of_joint(evaluate([someone, pointless, someone], [someone] * 3, corrected=True))
    assert corrected["mota"] == 50


def test_the_assignment_of_poses_plays_no_part(evaluate):
    """A wrist that another pose of the same person has better is followed on its own."""
    person = make_person(1, {0: (100, 50), 1: (200, 50), 2: (300, 50)})
    body, wrist = make_person(7, {0: (100, 50), 1: (200, 50)}), make_person(8, {2: (300, 50)})
    metrics = evaluate([make_frame(person)] * 2, [make_frame(body, wrist)] * 2)
    assert metrics["mota"][:3] == [100, 100, 100]
    assert metrics["ap_recall"][:3] == [100, 100, 0]


def test_tracks_start_anew_in_each_sequence(tmp_path):
    parts = {
        name: ([make_frame(at(1, 100))] * 2, [make_frame(at(track, 100))] * 2)
        for name, track in (("000001", 7), ("000002", 8))
    }
    assert evaluate_posetrack(*write_case(tmp_path, parts)).total.mota[0] == 100


def test_a_person_that_stands_twice_in_the_ground_truth(evaluate):
    """The reference tool takes it: the first keeps the hypothesis, the second is paired anew."""
    one = make_frame(at(1, 100))
    two = make_frame(at(1, 100), at(1, 103))
    metrics = of_joint(
        evaluate([one, two, two], [make_frame(at(7, 100)), make_frame(at(7, 100), at(8, 103)), one])
    )
    # 3 objects, 3 detections, one switch.
    assert metrics["mota"] == pytest.approx(100 * (1 - 1 / 3))


def test_nothing_detected(evaluate):
    truth, predictions = [make_frame(at(1, 100))] * 2, [make_frame(at(1, 900))] * 2
    metrics = of_joint(evaluate(truth, predictions))
    assert metrics == {"mota": -100, "motp": 0, "motp_clean": 0, "mot_precision": 0, "mot_recall": 0}
    corrected = of_joint(evaluate(truth, predictions, corrected=True))
    assert corrected == {"mota": -100, "motp": None, "motp_clean": None, "mot_precision": 0, "mot_recall": 0}


def test_single_frame(evaluate):
    frame = make_frame(at(1, 100))
    assert of_joint(evaluate([frame], [frame])) == {
        "mota": None,
        "motp": 0,
        "motp_clean": 0,
        "mot_precision": None,
        "mot_recall": None,
    }
    assert set(of_joint(evaluate([frame], [frame], corrected=True)).values()) == {100}
