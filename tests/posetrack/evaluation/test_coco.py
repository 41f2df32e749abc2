import contextlib
import copy
import io
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from posetrack.errors import ResultsError
from posetrack.evaluation.coco import IOU_TYPES, choose_sigmas, evaluate_coco
from posetrack.evaluation.coco_files import read_coco_annotations, read_coco_results
from posetrack.frame import Instances
from posetrack.results.coco import write_coco
from posetrack.results.coco_masks import compute_mask_area, encode_mask
from posetrack.results.people import KEEP_ALL
from posetrack.results.record import Header, Record
from posetrack.skeleton import COCO_17, POSETRACK_15, SKELETONS

HEIGHT, WIDTH = 200, 300


def encode_box(box):
    x, y, w, h = box
    rle = mask_api.merge(mask_api.frPyObjects([[x, y, x + w, y, x + w, y + h, x, y + h]], HEIGHT, WIDTH))
    return {"size": [HEIGHT, WIDTH], "counts": rle["counts"].decode()}


def make_annotation(rng, annotation_id, image_id, category_id=1):
    x, y = rng.uniform(0, 150, 2)
    w, h = rng.uniform(10, 120, 2)
    visible = rng.integers(0, 3, 17) * (rng.random() > 0.1)
    xy = np.array([x, y]) + rng.random((17, 2)) * [w, h]
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [x, y, w, h],
        "area": w * h * rng.uniform(0.3, 0.8),
        "iscrowd": int(rng.random() < 0.1),
        "keypoints": np.column_stack([xy, visible]).ravel().tolist(),
        "num_keypoints": int((visible > 0).sum()),
        "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
    }


def make_result(rng, person, spread):
    keypoints = np.reshape(person["keypoints"], (-1, 3)) + rng.normal(0, spread, (17, 3))
    box = np.array(person["bbox"]) + rng.normal(0, spread, 4)
    box[2:] = np.abs(box[2:]) + 1
    return {
        "image_id": person["image_id"],
        "category_id": person["category_id"],
        "score": rng.random(),
        "keypoints": keypoints.ravel().tolist(),
        "bbox": box.tolist(),
        "segmentation": encode_box(box),
    }


def make_data(seed, num_images=8, num_categories=2):
    rng = np.random.default_rng(seed)
    images = [{"id": 3 + 7 * i, "height": HEIGHT, "width": WIDTH} for i in range(num_images)]
    people, results = [], []
    for image in images:
        for _ in range(rng.integers(0, 5)):
            person = make_annotation(
                rng, len(people) + 1, image["id"], int(rng.integers(1, num_categories + 1))
            )
            people.append(person)
            results += [make_result(rng, person, rng.choice([1, 5, 20])) for _ in range(rng.integers(0, 3))]
    names = list(COCO_17.names)
    categories = [{"id": i, "name": f"kind{i}", "keypoints": names} for i in range(1, num_categories + 1)]
    return {"images": images, "annotations": people, "categories": categories}, results


def take_as_results(annotations):
    """Perfect results: the annotations themselves, with distinct scores."""
    people = copy.deepcopy(annotations["annotations"])
    for i, person in enumerate(people):
        person["score"] = 1 / (1 + i)
        person["segmentation"] = encode_box(person["bbox"])
    return people


def evaluate_with_files(tmp_path, annotations, results, iou_type):
    """What pycocotools says when it reads the files itself."""
    (tmp_path / "gt.json").write_text(json.dumps(annotations))
    (tmp_path / "pred.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(tmp_path / "gt.json")
        evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / "pred.json")), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [None if number == -1 else number for number in evaluation.stats]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("iou_type", "fields"),
    [
        ("keypoints", {"keypoints"}),
        ("keypoints", {"keypoints", "bbox"}),
        ("bbox", {"bbox"}),
        ("segm", {"segmentation"}),
    ],
)
def test_the_numbers_are_those_of_pycocotools(tmp_path, capsys, iou_type, fields, seed):
    annotations, results = make_data(seed)
    kept = {"image_id", "category_id", "score", *fields}
    results = [{key: value for key, value in result.items() if key in kept} for result in results]
    metrics = evaluate_coco(annotations, results, iou_type=iou_type)
    assert capsys.readouterr().out == ""
    assert list(metrics.values()) == evaluate_with_files(tmp_path, annotations, results, iou_type)
    assert tuple(metrics) == IOU_TYPES[iou_type]
    assert 0.05 < metrics["AP"] < 0.95


def test_masks_have_their_own_area_even_where_boxes_stand_beside_them(tmp_path):
    annotations, results = make_data(0)
    without = [{key: value for key, value in result.items() if key != "bbox"} for result in results]
    for result in results:
        result["bbox"] = [0, 0, 1, 1]
    metrics = evaluate_coco(annotations, results, iou_type="segm")
    assert list(metrics.values()) == evaluate_with_files(tmp_path, annotations, without, "segm")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), iou_type=st.sampled_from(list(IOU_TYPES)))
def test_perfect_results_give_one_in_any_order(seed, iou_type):
    annotations, _ = make_data(seed, num_images=3, num_categories=1)
    annotations["annotations"].append(make_annotation(np.random.default_rng(1), 99, 3) | {"iscrowd": 0})
    perfect = take_as_results(annotations)
    results = [person for person in perfect if not person["iscrowd"] and person["num_keypoints"] > 0]
    if iou_type != "keypoints":
        results = [person for person in perfect if not person["iscrowd"]]
    metrics = evaluate_coco(annotations, results, iou_type=iou_type)
    capped = {"AR_1"}  # One result an image cannot find several people.
    defined = [metrics[name] for name in metrics if name not in capped and metrics[name] is not None]
    assert defined == pytest.approx([1.0] * len(defined))
    shuffled = [results[i] for i in np.random.default_rng(seed).permutation(len(results))]
    assert evaluate_coco(annotations, shuffled, iou_type=iou_type) == metrics


def test_the_order_of_results_does_not_matter_and_what_is_given_stays_as_it_is():
    annotations, results = make_data(3)
    before = copy.deepcopy((annotations, results))
    metrics = {kind: evaluate_coco(annotations, results, iou_type=kind) for kind in IOU_TYPES}
    assert metrics == {kind: evaluate_coco(annotations, results[::-1], iou_type=kind) for kind in IOU_TYPES}
    assert (annotations, results) == before


def test_images_without_results_count_as_missed_and_nobody_of_a_size_is_undefined():
    annotations, _ = make_data(0, num_images=2, num_categories=1)
    for i, person in enumerate(annotations["annotations"]):
        person |= {"image_id": 3 + 7 * (i % 2), "iscrowd": 0, "area": 10_000.0}
        person["keypoints"][2], person["num_keypoints"] = 2, 1 + person["num_keypoints"]
    perfect = take_as_results(annotations)
    half = [person for person in perfect if person["image_id"] == 3]
    metrics = evaluate_coco(annotations, half)
    assert metrics["AR"] == pytest.approx(len(half) / len(perfect))
    assert metrics["AP_medium"] is None
    nothing = evaluate_coco(annotations, [])
    assert {nothing[name] for name in nothing if metrics[name] is not None} == {0.0}
    assert nothing["AP_medium"] is None


def test_annotation_ids_may_start_from_zero_or_be_absent():
    annotations, _ = make_data(0, num_categories=1)
    perfect = take_as_results(annotations)
    expected = evaluate_coco(annotations, perfect)
    for i, person in enumerate(annotations["annotations"]):
        person["id"] = i
    assert evaluate_coco(annotations, perfect) == expected
    for person in annotations["annotations"]:
        del person["id"], person["iscrowd"], person["num_keypoints"]
    crowds = [person for person in perfect if person["iscrowd"]]
    assert evaluate_coco(annotations, perfect)["AP"] == 1.0, f"and {len(crowds)} crowds count as people"


def test_ids_may_be_written_as_floats():
    annotations, results = make_data(0, num_categories=1)
    expected = evaluate_coco(annotations, results)
    as_floats = [{**entry, "image_id": float(entry["image_id"]), "category_id": 1.0} for entry in results]
    assert evaluate_coco(annotations, as_floats) == expected
    for image in annotations["images"]:
        image["id"] = float(image["id"])
    assert evaluate_coco(annotations, as_floats) == expected
    with pytest.raises(ResultsError, match=r"results\[0\]\.image_id: expected a whole number, found 1\.5"):
        evaluate_coco(annotations, [{**results[0], "image_id": 1.5}])


def test_a_result_absurdly_far_away_is_just_wrong():
    annotations, _ = make_data(0, num_categories=1)
    perfect = take_as_results(annotations)
    stray = {**perfect[0], "score": 0.5, "keypoints": [1e300, -1e300, 1] * 17, "bbox": [0, 0, 1e300, 1e300]}
    assert evaluate_coco(annotations, [*perfect, stray])["AR"] == 1.0


def test_results_of_our_own_exporter_are_taken(tmp_path):
    xy = np.random.default_rng(0).uniform(10, 200, (2, 15, 2))
    people = Instances(
        boxes_xyxy=np.array([[5.0, 5, 210, 210], [8, 8, 205, 205]]),
        box_scores=np.array([0.9, 0.8]),
        keypoints_xy=xy,
        keypoint_scores=np.full((2, 15), 0.9),
    )
    header = Header("clip.mp4", 640, 360, Fraction(25), POSETRACK_15, "default")
    path = write_coco([Record(0, 0.0, people)], header, tmp_path, KEEP_ALL)
    metrics = evaluate_coco(read_coco_annotations(path), read_coco_results(path))
    assert metrics["AP"] == metrics["AR"] == 1.0


def test_sigmas_come_from_the_names_or_are_given():
    for skeleton in SKELETONS.values():
        assert choose_sigmas(skeleton.names, None) == skeleton.sigmas
        assert choose_sigmas(skeleton.names, [0.1] * len(skeleton.names)) == (0.1,) * len(skeleton.names)
    assert choose_sigmas(["paw"] * 17, None) == COCO_17.sigmas
    with pytest.raises(
        ResultsError, match=r"no sigmas are known for these 14 keypoints; give --sigmas crowdpose14"
    ):
        choose_sigmas([f"k{i}" for i in range(14)], None)
    with pytest.raises(ResultsError, match=r"these 3 keypoints; give --sigmas with 3 numbers"):
        choose_sigmas("abc", None)
    with pytest.raises(ResultsError, match=r"sigmas: 2, but gt.json has 3 keypoints"):
        choose_sigmas("abc", [0.1, 0.1], "gt.json")
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ResultsError, match=r"expected 3 finite numbers above 0"):
            choose_sigmas("abc", [0.1, 0.1, wrong])


def test_wider_sigmas_forgive_more():
    annotations, results = make_data(0)
    strict, lenient = (evaluate_coco(annotations, results, sigmas=[s] * 17)["AP"] for s in (0.01, 0.5))
    assert strict < evaluate_coco(annotations, results)["AP"] < lenient


def remove(*path):
    return lambda data: _owner(data, path).pop(path[-1])


def put(value, *path):
    return lambda data: _owner(data, path).__setitem__(path[-1], value)


def _owner(data, path):
    for key in path[:-1]:
        data = data[key]
    return data


ANNOTATION_CASES = {
    "no images": (remove("images"), "images: expected a list that is not empty, found nothing"),
    "no annotations": (put([], "annotations"), "annotations: expected a list that is not empty, found []"),
    "text of annotations": (put("x", "annotations"), "annotations: expected a list that is not empty"),
    "no categories": (remove("categories"), "categories: expected a list that is not empty"),
    "an image is a number": (put(5, "images", 1), "images[1]: expected an object, found 5"),
    "image without id": (remove("images", 0, "id"), "images[0].id: expected a whole number, found nothing"),
    "image twice": (put(3, "images", 1, "id"), "images[1].id: image 3 stands twice"),
    "image id is huge": (put(2**70, "images", 1, "id"), "images[1].id: expected a whole number"),
    "no keypoints category": (remove("categories", 0, "keypoints"), "categories: none has keypoints"),
    "empty keypoints category": (put([], "categories", 0, "keypoints"), "categories[0].keypoints: expected"),
    "half a crowd": (put(-1, "annotations", 1, "iscrowd"), "annotations[1].iscrowd: expected 0 or 1, found -1"),
    "no box": (
        remove("annotations", 1, "bbox"),
        "annotations[1].bbox: expected 4 finite numbers, found nothing",
    ),
    "negative box": (put([0, 0, -1, 5], "annotations", 1, "bbox"), "annotations[1].bbox: expected x, y, width"),
    "short box": (put([1, 2], "annotations", 1, "bbox"), "annotations[1].bbox: expected 4 finite numbers"),
    "area is text": (
        put("12", "annotations", 0, "area"),
        "annotations[0].area: expected a finite number, found '12'",
    ),
    "negative area": (put(-1, "annotations", 0, "area"), "annotations[0].area: expected 0 or more"),
    "area is NaN": (put(math.nan, "annotations", 0, "area"), "annotations[0].area: expected a finite number"),
    "no keypoints": (remove("annotations", 0, "keypoints"), "annotations[0].keypoints: expected 51 finite"),
    "14 keypoints": (
        put([1.0] * 42, "annotations", 0, "keypoints"),
        "annotations[0].keypoints: 14 keypoints, but the annotations' category has 17",
    ),
    "a keypoint is text": (
        put("left", "annotations", 0, "keypoints", 3),
        "annotations[0].keypoints: expected 51",
    ),
    "a keypoint is infinite": (put(math.inf, "annotations", 0, "keypoints", 3), "found NaN or infinity"),
    "a keypoint is a list": (
        put([1], "annotations", 0, "keypoints", 3),
        "annotations[0].keypoints: expected 51",
    ),
    "image_id is text": (
        put("three", "annotations", 0, "image_id"),
        "annotations[0].image_id: expected a whole number",
    ),
    "unknown category": (put(9, "annotations", 0, "category_id"), "annotations[0].category_id: no category 9"),
    "iscrowd is text": (put("no", "annotations", 0, "iscrowd"), "annotations[0].iscrowd: expected a whole"),
    "num_keypoints is half": (put(0.5, "annotations", 0, "num_keypoints"), "num_keypoints: expected a whole"),
}
RESULT_CASES = {
    "a result is a list": (put([], 1), "results[1]: expected an object"),
    "no score": (remove(1, "score"), "results[1].score: expected a finite number, found nothing"),
    "score is NaN": (put(math.nan, 1, "score"), "results[1].score: expected a finite number, found NaN"),
    "score is text": (put("0.5", 1, "score"), "results[1].score: expected a finite number, found '0.5'"),
    "score is true": (put(True, 1, "score"), "results[1].score: expected a finite number, found True"),
    "score is huge": (put(10**400, 1, "score"), "results[1].score: expected a finite number"),
    "no category": (remove(1, "category_id"), "results[1].category_id: expected a whole number, found nothing"),
    "unknown image": (
        put(77, 1, "image_id"),
        "image 77: not in gt.json, like the images of 1 results (1 images)",
    ),
    "16 keypoints": (
        put([1.0] * 48, 1, "keypoints"),
        "results[1].keypoints: 16 keypoints, but the annotations'",
    ),
    "no keypoints": (remove(1, "keypoints"), "results[1].keypoints: expected 51 finite numbers, found nothing"),
    "keypoints in threes": (put([[1, 2, 3]] * 17, 1, "keypoints"), "results[1].keypoints"),
    "a keypoint is NaN": (put(math.nan, 1, "keypoints", 4), "results[1].keypoints: expected 51 finite numbers"),
    "box is a number": (put(4, 1, "bbox"), "results[1].bbox: expected 4 finite numbers, found 4"),
}


def make_whole():
    annotations, _ = make_data(0, num_categories=1)
    return annotations, take_as_results(annotations)


def check_message(caught, name, message):
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize(("damage", "message"), ANNOTATION_CASES.values(), ids=ANNOTATION_CASES)
def test_damaged_annotations_are_refused_with_their_place(damage, message):
    annotations, results = make_whole()
    evaluate_coco(annotations, results)
    damage(annotations)
    with pytest.raises(ResultsError) as caught:
        evaluate_coco(annotations, results, annotations_name="gt.json")
    check_message(caught, "gt.json", message)


@pytest.mark.parametrize(("damage", "message"), RESULT_CASES.values(), ids=RESULT_CASES)
def test_damaged_results_are_refused_with_their_place(damage, message):
    annotations, results = make_whole()
    damage(results)
    with pytest.raises(ResultsError) as caught:
        evaluate_coco(annotations, results, annotations_name="gt.json", results_name="pred.json")
    check_message(caught, "pred.json", message)


def test_other_wrong_calls_say_what_to_do():
    annotations, results = make_whole()
    with pytest.raises(ResultsError, match=r"type 'box': unknown; did you mean 'bbox'\?"):
        evaluate_coco(annotations, results, iou_type="box")
    with pytest.raises(ResultsError, match=r"sigmas: not used for type bbox"):
        evaluate_coco(annotations, results, iou_type="bbox", sigmas=[0.1])
    with pytest.raises(ResultsError, match=r"results: expected a list of results, found \{\}"):
        evaluate_coco(annotations, {})
    with pytest.raises(ResultsError, match=r"annotations: expected an object with images"):
        evaluate_coco([], results)
    with pytest.raises(ResultsError, match=r"no result has a category_id that is evaluated; expected 1"):
        evaluate_coco(annotations, [{**result, "category_id": 2} for result in results])
    annotations["categories"].append({"id": 2, "keypoints": ["nose"]})
    with pytest.raises(ResultsError, match=r"their numbers of keypoints differ"):
        evaluate_coco(annotations, results)


FILE_CASES = {
    "absent": (None, "cannot be read: no such file"),
    "empty": (b"", "not JSON: line 1"),
    "cut short": (b'{"images": [{"id": 1},\n {"i', "not JSON: line 2"),
    "not text": (b"\xff\xfe\x00", "not UTF-8 text at byte 0"),
    "deep": (b"[" * 100_000, "not JSON: a number too long, or too deep"),
    "long number": (b"[" + b"9" * 5000 + b"]", "not JSON: a number too long, or too deep"),
    "a number": (b"5", "expected"),
}


@pytest.mark.parametrize(("content", "message"), FILE_CASES.values(), ids=FILE_CASES)
def test_a_file_that_is_not_coco_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "file.json"
    if content is not None:
        path.write_bytes(content)
    for read in (read_coco_annotations, read_coco_results):
        with pytest.raises(ResultsError) as caught:
            read(path)
        check_message(caught, path, message)
    with pytest.raises(ResultsError, match="cannot be read: is a directory"):
        read_coco_results(tmp_path)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_mask_is_the_same_however_it_is_written(data):
    height, width = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    seed = data.draw(st.integers(0, 1000))
    pixels = np.asfortranarray(np.random.default_rng(seed).random((height, width)) < data.draw(st.floats(0, 1)))
    rle = mask_api.encode(pixels.astype(np.uint8))
    column_major = pixels.ravel(order="F").astype(int)
    changes = np.flatnonzero(np.diff(np.concatenate([[0], column_major]))).tolist()
    lengths = np.diff([0, *changes, height * width]).tolist()
    for counts in (rle["counts"], rle["counts"].decode(), lengths):
        mask = encode_mask({"size": [height, width], "counts": counts}, height, width, "mask")
        assert mask == rle
        assert compute_mask_area(mask) == pixels.sum()


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=8), st.text(max_size=8), st.lists(st.integers(-5, 40), max_size=6)))
def test_run_lengths_of_any_kind_fit_the_image_or_are_refused(counts):
    try:
        mask = encode_mask({"size": [4, 5], "counts": counts}, 4, 5, "mask")
    except ResultsError:
        return
    assert 0 <= compute_mask_area(mask) <= 20


SEGMENTATION_CASES = {
    "none": (None, "expected polygons or run lengths, found nothing"),
    "no polygon": ([], "expected polygons or run lengths, found nothing"),
    "text": ("abc", "expected polygons or run lengths, found str"),
    "two corners": ([[1, 2, 3, 4]], "[0]: expected an even number of finite numbers, 6 or more"),
    "odd": ([[1, 2, 3, 4, 5, 6, 7]], "[0]: expected an even number"),
    "flat": ([1, 2, 3, 4, 5, 6], "[0]: expected an even number"),
    "NaN": ([[1, 2, 3, 4, 5, math.nan]], "[0]: expected an even number"),
    "far away": ([[1, 2, 3, 4, 5, 1e12]], "[0]: expected an even number"),
    "another size": (
        {"size": [5, 4], "counts": [20]},
        ".size: expected [4, 5], as the image has it, found [5, 4]",
    ),
    "no size": ({"counts": [20]}, ".size: expected [4, 5]"),
    "too short": ({"size": [4, 5], "counts": [3, 4]}, ".counts: 7 pixels, but the image has 4 x 5"),
    "no counts": ({"size": [4, 5]}, ".counts: expected run lengths"),
    "within a number": (
        {"size": [4, 5], "counts": "T"},
        ".counts: expected COCO's text of run lengths; it ends",
    ),
}


@pytest.mark.parametrize(("segmentation", "message"), SEGMENTATION_CASES.values(), ids=SEGMENTATION_CASES)
def test_a_wrong_segmentation_is_refused_before_pycocotools_sees_it(segmentation, message):
    with pytest.raises(ResultsError) as caught:
        encode_mask(segmentation, 4, 5, "mask")
    assert str(caught.value).startswith("mask" + (message if message[0] in ".[" else f": {message}"))


@pytest.mark.parametrize("size", [0, -1, 10**9, "5", None])
def test_masks_need_images_of_a_size(size):
    annotations, results = make_whole()
    annotations["images"][2]["height"] = size
    with pytest.raises(ResultsError, match=r"gt.json: images\[2\].height: expected"):
        evaluate_coco(annotations, results, iou_type="segm", annotations_name="gt.json")
