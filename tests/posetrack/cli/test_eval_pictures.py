"""`posetrack eval pictures`: networks that know the truth score 1, whatever the boxes come from."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from posetrack import build
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError
from posetrack.frame import Instances
from posetrack.predictors.networks import Networks
from posetrack.skeleton import COCO_17


@pytest.fixture
def data(tmp_path):
    """Three images, each of its own grey, with two people, one and none."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number, count in ((7, 2), (8, 1), (9, 0)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((120, 160, 3), number, np.uint8))
        images.append({"id": number, "file_name": f"{number}.png", "width": 160, "height": 120})
        for i in range(count):
            points = rng.uniform([10 + 75 * i, 10], [65 + 75 * i, 110], (17, 2)).round()
            low, high = points.min(axis=0), points.max(axis=0)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [*low.tolist(), *(high - low).tolist()],
                    "area": float(np.prod(high - low)),
                    "num_keypoints": 17,
                    "keypoints": np.column_stack([points, np.full(17, 2)]).ravel().tolist(),
                }
            )
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}]
    gt = tmp_path / "gt.json"
    gt.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return tmp_path


@pytest.fixture
def knowing(monkeypatch, data):
    """Networks that know the annotations; everyone is found twice, the second time unsure."""
    truth = json.loads((data / "gt.json").read_text())["annotations"]
    seen = []

    def people_of(image):
        rows = [entry for entry in truth if entry["image_id"] == image[0, 0, 0]]
        boxes = np.array([entry["bbox"] for entry in rows], np.float32).reshape(-1, 4)
        points = np.array([entry["keypoints"] for entry in rows], np.float32).reshape(-1, 17, 3)[..., :2]
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1), points + 0.5

    def detector(images):
        found = []
        for image in images:
            boxes, _ = people_of(image)
            scores = np.repeat([0.9, 0.4], len(boxes)).astype(np.float32)
            found.append(Instances(boxes_xyxy=np.concatenate([boxes, boxes]), box_scores=scores))
        return found

    def estimator(images, boxes):
        seen.extend(len(rows) for rows in boxes)
        poses = []
        for image, rows in zip(images, boxes, strict=True):
            _, points = people_of(image)
            chosen = np.concatenate([points, points])[: len(rows)]
            poses.append((chosen, np.full(chosen.shape[:2], 0.8, np.float32)))
        return poses

    networks = Networks(detector, estimator, COCO_17)
    monkeypatch.setattr(build, "build_networks", lambda recipe, compute, batch_frames: networks)
    return seen


def evaluate(data, *options):
    base = ["eval", "pictures", "--gt", str(data / "gt.json"), "--images", str(data)]
    result = CliRunner().invoke(app, [*base, "--out", str(data / "numbers.json"), *options])
    if isinstance(result.exception, PoseTrackError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads((data / "numbers.json").read_text())


def test_truth_scores_one_and_doubles_are_suppressed(data, knowing):
    numbers = evaluate(data, "--results", str(data / "results"))
    assert numbers["keypoints_AP"] == pytest.approx(1)
    assert numbers["bbox_AP"] == pytest.approx(1)
    assert knowing == [4, 2, 0]
    results = json.loads((data / "results" / "keypoints.json").read_text())
    assert [entry["image_id"] for entry in results] == [7, 7, 8]
    assert [entry["score"] for entry in results] == pytest.approx([0.9 * 0.8] * 3)
    # As COCO counts, not as frames do.
    truth = json.loads((data / "gt.json").read_text())["annotations"]
    np.testing.assert_allclose(results[2]["keypoints"][:2], truth[2]["keypoints"][:2], atol=1e-4)


def test_annotated_boxes_and_detections_stand_in_for_the_detector(data, knowing):
    numbers = evaluate(data, "--boxes", "annotated")
    assert numbers["keypoints_AP"] == pytest.approx(1)
    assert "bbox_AP" not in numbers
    assert knowing == [2, 1, 0]
    one = {"image_id": 8, "category_id": 1, "bbox": [5, 5, 90, 100], "score": 0.7}
    (data / "boxes.json").write_text(json.dumps([one, {**one, "category_id": 3}]))
    numbers = evaluate(data, "--boxes", str(data / "boxes.json"))
    assert numbers["keypoints_AR"] == pytest.approx(1 / 3)
    assert knowing[3:] == [0, 1, 0]


def run(data, *options):
    base = ["eval", "pictures", "--gt", str(data / "gt.json"), "--images", str(data)]
    return CliRunner().invoke(app, [*base, *options])


def test_images_without_annotations_give_results_and_say_where(data, knowing, monkeypatch):
    def withhold(content):
        del content["annotations"]
        # As in COCO's test-dev: names of categories, and not of keypoints.
        content["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}]

    change(data, withhold)
    monkeypatch.chdir(data)
    done = run(data, "--out", str(data / "numbers.json"))
    assert done.exit_code == 0, done.output
    folder = Path("posetrack-out") / "gt"
    assert f"{folder / 'keypoints.json'}" in done.output.replace("\n", "")
    results = json.loads((folder / "keypoints.json").read_text())
    assert [entry["image_id"] for entry in results] == [7, 7, 8]
    assert {entry["category_id"] for entry in results} == {1}
    assert not (data / "numbers.json").exists()
    # An empty list of annotations says the same.
    change(data, lambda content: content.update(annotations=[]))
    done = run(data, "--results", str(data / "here"))
    assert done.exit_code == 0, done.output
    assert (data / "here" / "bbox.json").is_file()
    with pytest.raises(PoseTrackError, match="--boxes annotated: no people are annotated"):
        evaluate(data, "--boxes", "annotated")


def test_people_of_low_scores_are_evaluated(data, knowing, monkeypatch):
    used = []
    networks = build.build_networks(None, None, batch_frames=1)
    monkeypatch.setattr(
        build,
        "build_networks",
        lambda recipe, *_, **__: used.append(recipe.detector.score_threshold) or networks,
    )
    said = [run(data, *options).output for options in ((), ("--min-score", "0.3"), ("--recipe", "fast"))]
    assert used == [0.05, 0.3, 0]
    assert "from a score of 0.05 on are evaluated, in videos from 0.5" in said[0].replace("\n", " ")
    # Nothing is asked of a detector whose boxes are not used.
    assert "evaluated, in videos" not in run(data, "--boxes", "annotated").output


def test_some_of_the_images(data, knowing):
    assert evaluate(data, "--first", "1")["keypoints_AR"] == pytest.approx(1)
    assert knowing == [4]


def test_mistakes_are_one_line(data, knowing):
    (data / "8.png").write_bytes(b"no image")
    with pytest.raises(PoseTrackError, match=r"8\.png: not an image"):
        evaluate(data)
    with pytest.raises(PoseTrackError, match=r"nothing\.json"):
        evaluate(data, "--boxes", str(data / "nothing.json"))
    with pytest.raises(PoseTrackError, match="did you mean 'fast'"):
        evaluate(data, "--recipe", "fats")


def change(data, act):
    content = json.loads((data / "gt.json").read_text())
    act(content)
    (data / "gt.json").write_text(json.dumps(content))


def number_category(content):
    content["categories"] = [{"id": 2, "name": "dog"}, {**content["categories"][0], "id": 7}]
    for entry in content["annotations"]:
        entry["category_id"] = 7
    content["annotations"].append({"id": 99, "image_id": 9, "category_id": 2, "bbox": [1, 1, 50, 50]})


def write_ids_as_text(content):
    for entry in content["images"]:
        entry["id"] = str(entry["id"])
    for entry in content["annotations"]:
        entry["image_id"] = f"{entry['image_id']}"


def reverse_keypoints(content):
    content["categories"][0]["keypoints"].reverse()
    for entry in content["annotations"]:
        entry["keypoints"] = np.reshape(entry["keypoints"], (17, 3))[::-1].ravel().tolist()


def drop_areas(content):
    for entry in content["annotations"]:
        del entry["area"]


@pytest.mark.parametrize("act", [number_category, write_ids_as_text, reverse_keypoints, drop_areas])
@pytest.mark.parametrize("boxes", ["recipe", "annotated"])
def test_data_sets_as_they_come(data, knowing, act, boxes):
    change(data, act)
    numbers = evaluate(data, "--results", str(data / "results"), "--boxes", boxes)
    assert numbers["keypoints_AP"] == pytest.approx(1)
    assert numbers.get("bbox_AP", 1) == pytest.approx(1)
    # The results are of the file's own category.
    results = json.loads((data / "results" / "keypoints.json").read_text())
    assert {entry["category_id"] for entry in results} == {7 if act is number_category else 1}


def test_detections_are_of_the_files_category(data, knowing):
    change(data, number_category)
    one = {"image_id": 8, "category_id": 7, "bbox": [5, 5, 90, 100], "score": 0.7}
    (data / "boxes.json").write_text(json.dumps([one, {**one, "category_id": 1}]))
    assert evaluate(data, "--boxes", str(data / "boxes.json"))["keypoints_AR"] == pytest.approx(1 / 3)
    assert knowing == [0, 1, 0]
    (data / "boxes.json").write_text(json.dumps([{**one, "category_id": 1}]))
    with pytest.raises(PoseTrackError, match=r"boxes\.json: no boxes of category 7 in these images"):
        evaluate(data, "--boxes", str(data / "boxes.json"))


def test_without_keypoints_only_boxes_are_evaluated(data, knowing):
    def drop_keypoints(content):
        del content["categories"][0]["keypoints"]
        for entry in content["annotations"]:
            del entry["keypoints"]

    change(data, drop_keypoints)
    numbers = evaluate(data)
    assert numbers["bbox_AP"] == pytest.approx(1)
    assert not any(name.startswith("keypoints") for name in numbers)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda content: content["images"].append(content["images"][0]), "image 7 stands twice"),
        (lambda content: content["images"][0].update(id="im1"), r"images\[0\]\.id: expected a whole number"),
        (
            lambda content: content["images"][1].update(width=120, height=160),
            r"8\.png: the image is 160x120, but",
        ),
        (lambda content: content["images"][1].update(file_name="no.png"), r"no\.png: no such image"),
        (lambda content: content["categories"][0]["keypoints"].__setitem__(0, "snout"), "'nose' is missing"),
        (lambda content: content["annotations"][2].pop("bbox"), r"annotations\[2\]\.bbox"),
        (lambda content: content["annotations"][2].update(area=-1), r"annotations\[2\]\.area"),
        (lambda content: content.update(images=[]), "images: none"),
    ],
)
def test_faults_are_found_before_the_networks_run(data, knowing, monkeypatch, act, message):
    change(data, act)
    monkeypatch.setattr(build, "build_networks", lambda *_, **__: pytest.fail("built"))
    with pytest.raises(PoseTrackError, match=message):
        evaluate(data)


def test_turned_images_are_shown_as_they_were_annotated(data, knowing, caplog):
    image = np.zeros((160, 120, 3), np.uint8)
    image[0, -1], image[0, 0] = 8, 200
    exif = Image.Exif()
    exif[274] = 8
    Image.fromarray(image).save(data / "8.png", exif=exif)
    # The annotated size is that of the upright image, whose first pixel is the stored last of the first row.
    assert evaluate(data)["keypoints_AP"] == pytest.approx(1)
    assert not caplog.records


def test_outputs_are_checked_before_the_networks_run(data, knowing, monkeypatch):
    monkeypatch.setattr(build, "build_networks", lambda *_, **__: pytest.fail("built"))
    truth = (data / "gt.json").read_text()
    (data / "keypoints.json").write_text("[]")
    for options, message in (
        (("--results", str(data / "7.png")), "is a file, and the results need a folder"),
        (
            ("--boxes", str(data / "keypoints.json"), "--results", str(data)),
            "keypoints.json: is the input itself",
        ),
        (("--out", str(data / "gt.json")), "gt.json: is the input itself"),
        (("--out", str(data)), "is a folder"),
    ):
        with pytest.raises(PoseTrackError, match=message):
            evaluate(data, *options)
    assert (data / "gt.json").read_text() == truth
