import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.evaluation_crowdpose import naive_crowdpose

from posetrack.errors import ResultsError
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.crowdpose import evaluate_crowdpose
from posetrack.skeleton import COCO_17, CROWDPOSE_14

NAMES = ("AP", "AP50", "AP75", "AR", "AR50", "AR75", "AP_easy", "AP_medium", "AP_hard")
# The limits themselves are among them: 0.2 is medium, 0.8 is hard.
CROWDEDNESS = (0.0, 0.19, 0.2, 0.5, 0.79, 0.8, 1.0)


def make_person(rng, image_id):
    x, y = rng.uniform(0, 100, 2)
    w, h = rng.uniform(20, 120, 2)
    visible = rng.integers(0, 3, 14) * (rng.random() > 0.15)
    xy = np.array([x, y]) + rng.random((14, 2)) * [w, h]
    return {
        "image_id": image_id,
        "category_id": 1,
        "bbox": [x, y, w, h],
        "iscrowd": int(rng.random() < 0.1),
        "keypoints": np.column_stack([xy, visible]).ravel().tolist(),
        "num_keypoints": int((visible == 2).sum()),
    }


def make_data(seed, crowdedness=CROWDEDNESS, most_people=4):
    rng = np.random.default_rng(seed)
    images = [{"id": 100 - i, "crowdIndex": value} for i, value in enumerate(crowdedness)]
    people, results = [], []
    for image in images:
        for _ in range(rng.integers(1, most_people + 1)):
            person = make_person(rng, image["id"])
            people.append(person)
            for _ in range(rng.integers(0, 3)):
                moved = np.reshape(person["keypoints"], (14, 3)) + rng.normal(
                    0, rng.choice([1, 4, 12]), (14, 3)
                )
                results.append(make_result(image["id"], moved, rng.random()))
    category = {"id": 1, "name": "person", "keypoints": list(CROWDPOSE_14.names)}
    return {"images": images, "annotations": people, "categories": [category]}, results


def make_result(image_id, keypoints, score):
    return {"image_id": image_id, "category_id": 1, "score": score, "keypoints": np.ravel(keypoints).tolist()}


def make_perfect(annotations):
    return [
        make_result(person["image_id"], person["keypoints"], 1 / (1 + i))
        for i, person in enumerate(annotations["annotations"])
        if not person["iscrowd"] and person["num_keypoints"] > 0
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_are_those_of_the_definition(seed):
    annotations, results = make_data(seed)
    metrics = evaluate_crowdpose(annotations, results)
    assert tuple(metrics) == NAMES
    assert metrics == pytest.approx(naive_crowdpose(annotations, results), abs=1e-12)
    assert 0.05 < metrics["AP"] < 0.95


def test_only_the_twenty_best_of_an_image_count():
    annotations, _ = make_data(0, crowdedness=(0.5,), most_people=1)
    annotations["annotations"][0] |= {"iscrowd": 0, "num_keypoints": 14}
    perfect = make_perfect(annotations)
    stray = [make_result(100, np.full((14, 3), 5000.0), 2 + i) for i in range(20)]
    assert evaluate_crowdpose(annotations, perfect + stray[:19])["AR"] == 1.0
    assert evaluate_crowdpose(annotations, perfect + stray)["AR"] == 0.0
    assert naive_crowdpose(annotations, perfect + stray[:19])["AR"] == 1.0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_perfect_results_give_one_in_any_order(seed):
    annotations, _ = make_data(seed)
    for person in annotations["annotations"]:
        person["num_keypoints"] = sum(v > 0 for v in person["keypoints"][2::3])
    for image in annotations["images"]:  # Somebody to find in each.
        person = make_person(np.random.default_rng(seed), image["id"])
        person["keypoints"][2] = 2
        annotations["annotations"].append(person | {"iscrowd": 0, "num_keypoints": 1})
    perfect = make_perfect(annotations)
    metrics = evaluate_crowdpose(annotations, perfect)
    assert metrics == pytest.approx(dict.fromkeys(NAMES, 1.0))
    shuffled = [perfect[i] for i in np.random.default_rng(seed).permutation(len(perfect))]
    assert evaluate_crowdpose(annotations, shuffled) == metrics


def test_annotated_areas_play_no_part_and_boxes_do():
    annotations, results = make_data(0)
    expected = evaluate_crowdpose(annotations, results)
    before = copy.deepcopy(annotations)
    for person in annotations["annotations"]:
        person["area"] = 1.0
    assert evaluate_crowdpose(annotations, results) == expected
    for person, same in zip(annotations["annotations"], before["annotations"], strict=True):
        person["area"] = 0.53 * same["bbox"][2] * same["bbox"][3]
    by_coco = evaluate_coco(annotations, results)
    assert by_coco["AP"] == pytest.approx(expected["AP"])
    assert by_coco["AR75"] == pytest.approx(expected["AR75"])
    for person in annotations["annotations"]:
        person["bbox"][2] *= 4
    assert evaluate_crowdpose(annotations, results)["AP"] > expected["AP"]


def test_a_level_without_images_is_undefined_and_no_results_are_zero():
    annotations, _ = make_data(0, crowdedness=(0.1, 0.9))
    for person in annotations["annotations"]:
        person |= {"iscrowd": 0, "num_keypoints": 14}
    nothing = evaluate_crowdpose(annotations, [])
    assert nothing == {name: None if name == "AP_medium" else 0.0 for name in NAMES}


def test_what_is_given_stays_as_it_is(capsys):
    annotations, results = make_data(1)
    before = copy.deepcopy((annotations, results))
    evaluate_crowdpose(annotations, results)
    assert (annotations, results) == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", [None, "0.5", math.nan, math.inf, True, [0.5]])
def test_an_image_needs_a_crowd_index(value):
    annotations, results = make_data(0)
    annotations["images"][2]["crowdIndex"] = value
    with pytest.raises(ResultsError, match=r"^gt.json: image 98.crowdIndex: expected a finite number, found"):
        evaluate_crowdpose(annotations, results, annotations_name="gt.json")


def test_another_skeleton_is_refused():
    annotations, results = make_data(0)
    results[0]["keypoints"] = [1.0] * 51
    with pytest.raises(ResultsError, match=r"^pred.json: results\[0\].keypoints: 17 keypoints, but .* has 14"):
        evaluate_crowdpose(annotations, results, results_name="pred.json")
    annotations["categories"][0]["keypoints"] = list(COCO_17.names)
    for person in annotations["annotations"]:
        person["keypoints"] = [1.0] * 51
    with pytest.raises(ResultsError, match=r"17 keypoints, expected CrowdPose's 14; .*posetrack eval coco"):
        evaluate_crowdpose(annotations, results)


@pytest.mark.parametrize(
    "spell", [str, lambda name: {"head_top": "head"}.get(name, name).replace("_", " ").title()]
)
def test_keypoints_in_another_order_have_their_own_sigmas(spell):
    annotations, results = make_data(3)
    expected = evaluate_crowdpose(annotations, results)
    order = np.random.default_rng(0).permutation(14)
    annotations["categories"][0]["keypoints"] = [spell(CROWDPOSE_14.names[k]) for k in order]
    for entry in (*annotations["annotations"], *results):
        entry["keypoints"] = np.reshape(entry["keypoints"], (14, 3))[order].ravel().tolist()
    assert evaluate_crowdpose(annotations, results) == pytest.approx(expected, abs=1e-12)
