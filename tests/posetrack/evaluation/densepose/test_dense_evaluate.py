"""The evaluation of dense poses against a naive loop, and each quirk of the public tool alone."""

import copy

import numpy as np
import pytest
from pycocotools import mask as mask_api
from reference.evaluation_densepose import naive_evaluate, naive_gps

from posetrack.errors import ResultsError
from posetrack.evaluation.densepose.evaluate import choose_metrics

BOX = (10.0, 20.0, 100.0, 150.0)
FAR = (300.0, 200.0, 100.0, 150.0)


def drop_points(person):
    for name in [name for name in person if name.startswith("dp_")]:
        del person[name]


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_naive_loop(evaluate, made, arrays, seed):
    people, results = made.make_files(seed, 8)
    expected, matrices = naive_evaluate(people, results, arrays)
    found = evaluate(people, results)
    for name, numbers in expected.items():
        for key, value in numbers.items():
            assert found.metrics[name][key] == pytest.approx(value, abs=1e-9), (name, key)
    assert 10 < expected["GPS"]["AP"] < 90
    for name in ("gps", "box_iou", "mask_iou"):
        for image_id, matrix in matrices[name].items():
            ours = getattr(found.images[image_id], name)
            assert ours.size == np.size(matrix)
            if ours.size:
                np.testing.assert_allclose(ours, matrix, rtol=0, atol=1e-12)


def test_perfect_results_have_an_ap_of_100(evaluate, make_one):
    found = evaluate(*make_one(BOX, FAR))
    assert found.metrics["IOU"]["AP"] == pytest.approx(100)
    assert found.metrics["BOX"]["AP"] == pytest.approx(100)
    assert found.images[1].gps.diagonal().min() > 0.7
    assert found.metrics["GPS"]["APm"] == -1
    assert found.metrics["GPS"]["gt_kept"] == {"1": [1, 2]}


def test_no_results_give_zero(evaluate, make_one):
    people, _ = make_one(BOX)
    metrics = evaluate(people, []).metrics
    assert metrics["GPS"]["AP"] == metrics["GPSM"]["AR"] == metrics["BOX"]["AP"] == 0


def test_results_of_an_image_without_people_are_ignored(evaluate, make_one):
    people, results = make_one(BOX, images=2)
    results.append({**results[0], "image_id": 2, "score": 1.0})
    assert evaluate(people, results).metrics["IOU"]["AP"] == pytest.approx(100)


def test_results_of_an_image_of_ignored_people_are_ignored(evaluate, made, make_one):
    people, results = make_one(BOX, images=2)
    other = made.make_person(np.random.default_rng(2), 9, 2, list(FAR), 5)
    drop_points(other)
    people["annotations"].append(other)
    results.append({**results[0], "image_id": 2, "score": 1.0})
    assert evaluate(people, results).metrics["IOU"]["AP"] == pytest.approx(100)


def test_a_result_on_a_person_without_points_is_no_false_positive(evaluate, make_one):
    people, results = make_one(BOX, FAR)
    drop_points(people["annotations"][1])
    results[1]["score"] = 1.0
    assert evaluate(people, results).metrics["GPS"]["AP50"] == pytest.approx(100)
    results[1]["bbox"][0] -= 40
    assert evaluate(people, results).metrics["GPS"]["AP50"] < 60


def test_the_box_step_takes_a_flag_back_at_every_threshold(evaluate, make_one):
    """A result whose mask is that of an ignored person, and its box that of one who counts, counts as right."""
    people, results = make_one(BOX, BOX, FAR)
    (x, y, w, h), (ignored, other, _) = BOX, people["annotations"]
    drop_points(ignored)
    ignored["segmentation"] = [[x, y, x + w, y, x + w, y + 0.9 * h, x, y + 0.9 * h]]
    ignored["bbox"] = [x, y, w, 0.7 * h]
    other["dp_masks"] = [[]] * 14
    results = [{**results[0], "score": 1.0}, {**results[2], "score": 0.5}]
    found = evaluate(people, results)
    assert 0.5 < found.images[1].mask_iou[0, 0] < 0.95
    assert found.metrics["IOU"]["AP50"] == pytest.approx(100)


def test_at_most_twenty_results_count(evaluate, made, make_one):
    people, results = make_one(BOX)
    far = made.make_result(1, [400.0, 300.0, 30.0, 30.0], 1.0, made.draw_surface(30, 30))
    assert evaluate(people, [far] * 19 + results).metrics["IOU"]["AR50"] == 100
    assert evaluate(people, [far] * 20 + results).metrics["IOU"]["AR50"] == 0


def test_people_of_background_points_have_no_similarity(evaluate, make_one):
    people, results = make_one(BOX)
    people["annotations"][0]["dp_I"] = [0.0] * 20
    found = evaluate(people, results)
    assert found.images[1].gps.tolist() == [[0.0]]
    assert found.metrics["GPS"]["AR"] == 0


def test_points_are_truncated_towards_zero(evaluate, made, make_one, arrays):
    """A point up to a pixel left of the found box is in its first column."""
    people, _ = make_one(BOX)
    person = people["annotations"][0]
    person |= {"dp_x": [0.0], "dp_y": [127.0], "dp_I": [9.0], "dp_U": [0.0], "dp_V": [0.0]}
    surface = np.zeros((3, 150, 100), np.uint8)
    surface[0] = 9
    for shift, expected in ((0.9, 1.0), (1.1, 0.0)):
        moved = made.make_result(1, [10.0 + shift, 20.0, 100.0, 150.0], 0.9, surface)
        assert evaluate(people, [moved], ["gps"]).images[1].gps.tolist() == [[expected]]
        assert naive_gps(person, moved, arrays) == expected


def test_annotated_points_are_divided_by_255(evaluate, made, make_one):
    people, _ = make_one((0.0, 0.0, 255.0, 255.0))
    people["annotations"][0] |= {"dp_x": [100.0], "dp_y": [100.0], "dp_I": [3.0], "dp_U": [0.0], "dp_V": [0.0]}
    surface = np.zeros((3, 255, 255), np.uint8)
    surface[0, 100, 100] = 3
    results = [made.make_result(1, [0.0, 0.0, 255.0, 255.0], 1.0, surface)]
    assert evaluate(people, results).images[1].gps.tolist() == [[1.0]]


def test_background_points_do_not_count(evaluate, make_one):
    people, results = make_one(BOX)
    before = evaluate(people, results).images[1].gps[0, 0]
    person = people["annotations"][0]
    for name, value in (("dp_x", 1.0), ("dp_y", 1.0), ("dp_I", 0.0), ("dp_U", 0.0), ("dp_V", 0.0)):
        person[name] = [value, *person[name]]
    assert evaluate(people, results).images[1].gps[0, 0] == pytest.approx(before, abs=1e-12)


def test_people_and_results_in_regions_to_ignore_are_left_out(evaluate, made, make_one):
    people, results = make_one(BOX, FAR)
    region = {"ignore_regions_x": [[290, 500, 500, 290]], "ignore_regions_y": [[190, 190, 400, 400]]}
    people["images"][0] |= region
    found = evaluate(people, results)
    assert found.images[1].people == (1,)
    assert found.images[1].gps.shape == (1, 1)
    assert found.metrics["IOU"]["AP50"] == pytest.approx(100)
    # A result of which more than a tenth is outside stays, and is wrong.
    out = made.make_result(1, [250.0, 200.0, 100.0, 150.0], 1.0, made.draw_surface(150, 100))
    assert evaluate(people, [out, *results]).metrics["IOU"]["AP50"] < 60


def test_a_result_of_no_pixels_in_a_region_to_ignore_is_wrong(evaluate, made, make_one):
    people, results = make_one(BOX)
    people["images"][0] |= {
        "ignore_regions_x": [[290, 500, 500, 290]],
        "ignore_regions_y": [[190, 190, 400, 400]],
    }
    results.append(made.make_result(1, list(FAR), 1.0, np.zeros((3, 150, 100), np.uint8)))
    found = evaluate(people, results)
    assert found.images[1].gps.shape == (2, 1)
    assert found.metrics["GPS"]["AP50"] == pytest.approx(50)


def test_regions_to_ignore_without_an_area_are_nothing(evaluate, make_one):
    people, results = make_one(BOX)
    people["images"][0] |= {"ignore_regions_x": [[5, 50]], "ignore_regions_y": [[5, 50]]}
    assert evaluate(people, results).images[1].people == (1,)


def test_groups_match_any_number_of_results(evaluate, make_one):
    people, results = make_one(BOX, FAR)
    people["annotations"][1]["iscrowd"] = 1
    drop_points(people["annotations"][1])
    results += [{**copy.deepcopy(results[1]), "score": 0.95} for _ in range(3)]
    assert evaluate(people, results).metrics["IOU"]["AP"] == pytest.approx(100)


def test_one_mask_of_the_whole_person(evaluate, make_one):
    people, results = make_one(BOX)
    before = evaluate(people, results).images[1].mask_iou
    person = people["annotations"][0]
    whole = mask_api.merge([each for each in person["dp_masks"] if each])
    person["dp_masks"] = {"size": whole["size"], "counts": whole["counts"].decode()}
    assert evaluate(people, results).images[1].mask_iou == before


def test_only_what_is_asked_for(evaluate, make_one):
    found = evaluate(*make_one(BOX), choose_metrics("iou"))
    assert list(found.metrics) == ["IOU", "BOX"]
    assert found.images[1].gps is None
    with pytest.raises(ResultsError, match="--metric 'gsp': unknown; did you mean 'gps'"):
        choose_metrics("gsp,iou")


def put(values, person=0):
    return lambda people: people["annotations"][person].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put({"bbox": [0, 0, 9e4, 9e4]}), "annotation 1: bbox: expected at most 67108864 pixels"),
        (put({"bbox": [0, 0, 1e9, 1]}), "annotation 1: bbox: expected"),
        (put({"dp_U": ["0.5"] * 20}), "annotation 1.dp_U: expected a list of finite numbers"),
        (
            lambda people: people["images"][0].update(width=90_000, height=90_000),
            "image 1: height, width: expected at most 200000000 pixels",
        ),
        (
            lambda people: people["images"][0].update(
                ignore_regions_x=[[1e15, 2, 3]], ignore_regions_y=[[1, 2, 3]]
            ),
            r"people.json: image 1: ignore_regions\[0\]: expected",
        ),
    ],
)
def test_annotations_that_would_take_all_memory_or_are_none_are_refused(evaluate, make_one, change, message):
    people, results = make_one(BOX)
    change(people)
    with pytest.raises(ResultsError, match=message) as caught:
        evaluate(people, results)
    assert "\n" not in str(caught.value)
