"""MOTA, IDF1 and HOTA of boxes: cases worked out by hand, the naive loops, and TrackEval's numbers."""

import numpy as np
import pytest
from reference.evaluation_mot import naive_hota, write_random_case

from posetrack.evaluation.mot.evaluate import evaluate_boxes, evaluate_mot
from posetrack.evaluation.mot.files import TrackedBoxes, TrueBoxes, read_tracked_boxes, read_true_boxes
from posetrack.evaluation.mot.pairs import pair_sequences

BOX = (10.0, 20.0, 40.0, 80.0)
FAR = (500.0, 20.0, 530.0, 80.0)
TRACKEVAL = {
    "S0": {"mota": 0.228310502283, "motp": 0.706157155395, "idf1": 0.293706293706, "hota": 0.221383485673,
           "deta": 0.337944973165, "assa": 0.145506453176, "switches": 10, "false_positives": 75, "misses": 84},
    "S1": {"mota": 0.214953271028, "motp": 0.712622689475, "idf1": 0.299765807963, "hota": 0.229771259993,
           "deta": 0.353373718795, "assa": 0.150263424407, "switches": 17, "false_positives": 75, "misses": 76},
    "S2": {"mota": 0.464788732394, "motp": 0.706417415461, "idf1": 0.456140350877, "hota": 0.289395594531,
           "deta": 0.428260618661, "assa": 0.196037404527, "switches": 9, "false_positives": 39, "misses": 66},
    "S4": {"mota": 0.290476190476, "motp": 0.70229869058, "idf1": 0.360406091371, "hota": 0.254742957673,
           "deta": 0.366205465584, "assa": 0.177942148013, "switches": 11, "false_positives": 56, "misses": 82},
}  # fmt: skip
"""Numbers of TrackEval 1.3.0, benchmark MOT17, for `write_random_case` with these seeds."""
TRACKEVAL_POOLED = {
    "mota": 0.299065420561, "motp": 0.706953904367, "idf1": 0.350515463918, "idp": 0.364438839849,
    "idr": 0.33761682243, "hota": 0.248809298453, "deta": 0.369443466299, "assa": 0.168566508261,
    "switches": 47, "false_positives": 245, "misses": 308,
}  # fmt: skip


def make_boxes(rows):
    """Boxes from (frame, id, box)."""
    rows = sorted(rows, key=lambda row: row[0])
    return TrackedBoxes(
        np.array([row[0] for row in rows], int),
        np.array([row[1] for row in rows], int),
        np.array([row[2] for row in rows], float).reshape(-1, 4),
    )


def make_truth(rows, is_counted=True, is_unclear=False, is_ignored=False):
    boxes = make_boxes(rows)
    columns = (np.broadcast_to(column, len(boxes)).copy() for column in (is_counted, is_unclear, is_ignored))
    return TrueBoxes(boxes, *columns)


def measure(truth, tracked, **options):
    """The metrics of one sequence, which are the pooled ones too."""
    evaluation = evaluate_boxes([("one", truth, make_boxes(tracked))], **options)
    assert evaluation.per_sequence == {"one": evaluation.pooled}
    return evaluation.pooled.to_dict()


def follow(track_id, frames, box=BOX):
    return [(frame, track_id, box) for frame in frames]


def test_perfect_results():
    people = follow(3, range(1, 11)) + follow(8, range(4, 8), FAR)
    numbers = measure(make_truth(people), people)
    assert {name: numbers[name] for name in ("mota", "idf1", "hota", "deta", "assa", "motp", "idp", "idr")} == (
        pytest.approx(dict.fromkeys(("mota", "idf1", "hota", "deta", "assa", "motp", "idp", "idr"), 1.0))
    )
    assert (numbers["switches"], numbers["false_positives"], numbers["misses"]) == (0, 0, 0)
    assert (numbers["ids"], numbers["short_ids"], numbers["people"]) == (2, 1, 2)
    assert (numbers["true_boxes"], numbers["tracked_boxes"]) == (14, 14)


def test_a_change_of_id_halves_the_association():
    numbers = measure(make_truth(follow(1, range(1, 17))), follow(1, range(1, 9)) + follow(2, range(9, 17)))
    assert numbers["switches"] == 1
    assert numbers["mota"] == pytest.approx(1 - 1 / 16)
    # 8 of 16 boxes have the person's track: 2 * 8 / (16 + 16).
    assert numbers["idf1"] == numbers["idp"] == numbers["idr"] == pytest.approx(0.5)
    assert (numbers["deta"], numbers["assa"]) == pytest.approx((1, 0.5))
    assert numbers["hota"] == pytest.approx(0.5**0.5)
    assert (numbers["ids"], numbers["short_ids"]) == (2, 0)


def test_frames_without_results_are_missed():
    numbers = measure(make_truth(follow(1, range(1, 11))), follow(5, range(2, 9)))
    assert (numbers["misses"], numbers["false_positives"], numbers["short_ids"]) == (3, 0, 1)
    assert [numbers[name] for name in ("mota", "deta", "assa", "hota")] == pytest.approx([0.7] * 4)
    assert (numbers["idp"], numbers["idr"]) == pytest.approx((1, 0.7))
    assert numbers["idf1"] == pytest.approx(14 / 17)


def test_nothing_found():
    numbers = measure(make_truth(follow(1, range(1, 11))), [])
    assert (numbers["mota"], numbers["hota"], numbers["idf1"], numbers["misses"]) == (0, 0, 0, 10)
    assert numbers["motp"] is None
    assert numbers["idp"] is None


def test_results_where_nobody_is():
    numbers = measure(make_truth(follow(1, [1])), follow(1, range(1, 4), FAR))
    assert (numbers["mota"], numbers["false_positives"], numbers["misses"]) == (-3, 3, 1)
    assert numbers["hota"] == 0


def test_the_least_iou_counts_as_a_match():
    """Boxes of 30 x 60 pixels, moved by 10: 20 of 40 columns are shared."""
    truth, tracked = make_truth(follow(1, range(1, 3))), follow(1, range(1, 3), (20.0, 20.0, 50.0, 80.0))
    assert measure(truth, tracked)["mota"] == 1
    assert measure(truth, tracked)["motp"] == pytest.approx(0.5)
    assert measure(truth, tracked, min_iou=0.51)["mota"] == -1
    farther = follow(1, range(1, 3), (25.0, 20.0, 55.0, 80.0))
    assert measure(truth, farther)["mota"] == -1
    assert measure(truth, farther, min_iou=0.3)["mota"] == 1
    # IoU 0.5 reaches 10 of 19 thresholds, whatever `min_iou` is.
    for min_iou in (0.3, 0.5, 0.7):
        numbers = measure(truth, tracked, min_iou=min_iou)
        assert numbers["hota"] == numbers["deta"] == numbers["assa"] == pytest.approx(10 / 19)


def test_results_at_unclear_boxes_are_neither_right_nor_wrong():
    people = [*follow(1, range(1, 5)), *follow(2, range(1, 5), FAR)]
    is_counted = [row[1] == 1 for row in sorted(people, key=lambda row: row[0])]
    for is_unclear, false_positives in ((np.logical_not(is_counted), 0), (False, 4)):
        numbers = measure(make_truth(people, is_counted, is_unclear), people)
        assert (numbers["false_positives"], numbers["misses"], numbers["people"]) == (false_positives, 0, 1)
        assert numbers["tracked_boxes"] == 4 + false_positives
        assert numbers["ids"] == 2


def test_a_result_that_fits_a_person_better_counts_beside_an_unclear_box():
    people = [(1, 1, BOX), (1, 2, (12.0, 20.0, 42.0, 80.0))]
    numbers = measure(make_truth(people, [True, False], [False, True]), [(1, 1, BOX)])
    assert (numbers["misses"], numbers["tracked_boxes"]) == (0, 1)


def test_results_in_ignored_regions_do_not_count_unless_they_match_a_person():
    region, small = (0.0, 0.0, 200.0, 100.0), (150.0, 20.0, 180.0, 80.0)
    half_out, mostly_out = (185.0, 20.0, 215.0, 80.0), (186.0, 20.0, 216.0, 80.0)
    people = [(1, 1, BOX), (1, 9, region)]
    for is_ignored, wrong in ((True, 1), (False, 3)):
        truth = make_truth(people, [True, False], False, [False, is_ignored])
        numbers = measure(truth, [(1, 1, BOX), (1, 2, small), (1, 3, half_out), (1, 4, mostly_out)])
        assert (numbers["misses"], numbers["false_positives"]) == (0, wrong)


def test_results_after_the_ground_truth_are_wrong_with_a_warning(caplog):
    numbers = measure(make_truth(follow(1, range(1, 11))), follow(1, range(1, 13)))
    assert numbers["false_positives"] == 2
    assert "one: the ground truth ends with frame 10; results in 2 later frames" in caplog.text


def test_pooled_numbers_are_those_of_all_boxes():
    whole, half = follow(1, range(1, 31)), follow(1, range(1, 11))
    evaluation = evaluate_boxes(
        [
            ("a", make_truth(whole), make_boxes(whole)),
            ("b", make_truth(half), make_boxes([])),
        ]
    )
    pooled = evaluation.pooled
    assert (pooled.mota, pooled.idf1) == pytest.approx((30 / 40, 60 / 70))
    # The 30 matches are associated without fault; 10 of 40 boxes are missed.
    assert (pooled.deta, pooled.assa, pooled.motp) == pytest.approx((0.75, 1, 1))
    assert (pooled.people, pooled.ids, pooled.misses) == (2, 1, 10)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mot")
    for name in TRACKEVAL:
        write_random_case(folder, int(name[1:]))
    return pair_sequences(folder / "gt", folder / "pred")


def test_numbers_are_those_of_trackeval(cases):
    evaluation = evaluate_mot(cases)
    assert list(evaluation.per_sequence) == list(TRACKEVAL)
    for metrics, expected in [
        *zip(evaluation.per_sequence.values(), TRACKEVAL.values(), strict=True),
        (evaluation.pooled, TRACKEVAL_POOLED),
    ]:
        found = metrics.to_dict()
        assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_pooling_one_sequence_twice_changes_no_fraction(cases):
    truth, tracked = (
        read(path) for read, path in zip((read_true_boxes, read_tracked_boxes), cases["S1"], strict=True)
    )
    evaluation = evaluate_boxes([(name, truth, tracked) for name in ("a", "b")])
    once, twice = evaluation.per_sequence["a"].to_dict(), evaluation.pooled.to_dict()
    for name, value in once.items():
        assert twice[name] == (2 * value if isinstance(value, int) else pytest.approx(value)), name


def test_hota_is_that_of_naive_loops(cases):
    for name in ("S0", "S4"):
        truth, tracked = read_true_boxes(cases[name][0]), read_tracked_boxes(cases[name][1])
        # Without the unclear boxes, which the naive loops do not know.
        people = truth.boxes[truth.is_counted]
        evaluation = evaluate_boxes([(name, make_truth(rows_of(people)), tracked)])
        expected = naive_hota(nest(people), nest(tracked))
        found = evaluation.pooled.to_dict()
        assert {metric: found[metric] for metric in expected} == pytest.approx(expected, abs=1e-9)


def rows_of(boxes):
    return list(zip(boxes.frames.tolist(), boxes.track_ids.tolist(), boxes.boxes_xyxy.tolist(), strict=True))


def nest(boxes):
    frames = {}
    for frame, track_id, (x1, y1, x2, y2) in rows_of(boxes):
        frames.setdefault(frame, {})[track_id] = (x1, y1, x2 - x1, y2 - y1)
    return frames
