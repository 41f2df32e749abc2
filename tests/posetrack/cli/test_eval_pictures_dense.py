"""`posetrack eval pictures` with dense poses: from networks and images to GPS, in one command or in two."""

import json

import cv2
import numpy as np
import pytest
from made_scripts import load_script
from typer.testing import CliRunner

from posetrack import build
from posetrack.cli.main import app
from posetrack.errors import ResultsError
from posetrack.frame import NO_DENSE, Instances
from posetrack.predictors.networks import Networks
from posetrack.skeleton import COCO_17

MADE = load_script("made_surfaces")
BOXES = {3: [[20, 10, 80, 100], [130, 30, 60, 90]], 5: [[50, 20, 70, 110]], 8: []}


@pytest.fixture
def folder(tmp_path):
    """Images, each of its own grey, with people on a made mesh; the category of people is 7."""
    draw = np.random.default_rng(0)
    images, people = [], []
    for number, boxes in BOXES.items():
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((150, 220, 3), number, np.uint8))
        images.append({"id": number, "file_name": f"{number}.png", "width": 220, "height": 150})
        for box in boxes:
            person = MADE.make_person(draw, len(people) + 1, number, box, 40)
            people.append(person | {"category_id": 7})
    categories = [{"id": 7, "name": "person"}]
    content = {"images": images, "annotations": people, "categories": categories}
    (tmp_path / "people.json").write_text(json.dumps(content))
    MADE.write_mesh(MADE.make_mesh(draw, 4), tmp_path)
    (tmp_path / "dense.toml").write_text('[detector]\nnetwork = "densepose-r50"\n')
    return tmp_path


@pytest.fixture
def knowing(monkeypatch):
    """Networks that know everybody but the second person's dense pose, which is empty."""

    def describe(boxes):
        dense = tuple(
            MADE.draw_surface(int(y2 - y1), int(x2 - x1)).transpose(1, 2, 0).copy() for x1, y1, x2, y2 in boxes
        )
        return tuple(NO_DENSE if x == 130 else pose for (x, *_), pose in zip(boxes, dense, strict=True))

    def detect(images):
        found = []
        for image in images:
            xywh = np.array(BOXES[image[0, 0, 0]], np.float32).reshape(-1, 4)
            boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
            scores = np.full(len(boxes), 0.9, np.float32)
            found.append(Instances(boxes_xyxy=boxes, box_scores=scores, dense=describe(boxes)))
        return found

    def estimate(images, boxes):
        return [describe(rows) for rows in boxes]

    networks = Networks(detect, None, COCO_17, estimate)
    monkeypatch.setattr(build, "build_networks", lambda recipe, compute, batch_frames: networks)


def run(command, folder, *options):
    return CliRunner().invoke(app, ["eval", command, *map(str, options)], catch_exceptions=True)


def evaluate(folder, *options, recipe="dense.toml"):
    files = ("--gt", folder / "people.json", "--images", folder, "--recipe", folder / recipe)
    return run("pictures", folder, *files, *options)


def test_one_command_and_two_give_the_same_numbers(folder, knowing):
    done = evaluate(folder, "--mesh", folder, "--results", folder / "new", "--out", folder / "out.json")
    assert done.exit_code == 0, done.output
    numbers = json.loads((folder / "out.json").read_text())
    # Two of three people are found whole.
    assert numbers["gps_AR"] == pytest.approx(2 / 3)
    assert numbers["bbox_AP"] == pytest.approx(1)
    assert "GPSm" in done.output
    entries = json.loads((folder / "new" / "densepose.json").read_text())
    assert [(entry["image_id"], entry["category_id"]) for entry in entries] == [(3, 7), (5, 7)]
    assert entries[0]["uv_shape"] == [3, 100, 80]
    files = ("--gt", folder / "people.json", "--pred", folder / "new" / "densepose.json")
    done = run("densepose", folder, *files, "--mesh", folder, "--json", folder / "again.json")
    assert done.exit_code == 0, done.output
    again = json.loads((folder / "again.json").read_text())
    for name, title in (("gps", "GPS"), ("gpsm", "GPSM"), ("iou", "IOU")):
        for kind in ("AP", "AP50", "AR"):
            assert numbers[f"{name}_{kind}"] == pytest.approx(again[title][kind] / 100)


def test_the_mesh_of_the_package_needs_no_files(folder, knowing):
    done = evaluate(folder, "--mesh", "made", "--out", folder / "out.json")
    assert done.exit_code == 0, done.output
    assert json.loads((folder / "out.json").read_text())["gps_AR"] == pytest.approx(2 / 3)


def test_dense_poses_are_also_found_in_annotated_boxes(folder, knowing):
    done = evaluate(folder, "--boxes", "annotated", "--mesh", folder, "--out", folder / "out.json")
    assert done.exit_code == 0, done.output
    numbers = json.loads((folder / "out.json").read_text())
    assert numbers["gps_AR"] == pytest.approx(2 / 3)
    assert "bbox_AP" not in numbers


def test_the_first_images_alone_are_evaluated(folder, knowing):
    done = evaluate(folder, "--first", 1, "--mesh", folder, "--out", folder / "out.json")
    assert done.exit_code == 0, done.output
    assert json.loads((folder / "out.json").read_text())["gps_AR"] == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("recipe", "mesh", "message"),
    [
        ("dense.toml", "none", r"none: no such folder"),
        ("plain.toml", "", r"--mesh: recipe plain gives no dense"),
    ],
)
def test_faults_are_found_before_the_networks_run(folder, monkeypatch, recipe, mesh, message):
    (folder / "plain.toml").write_text('[detector]\nweights = "movenet-person"\n')
    monkeypatch.setattr(build, "build_networks", None)
    done = evaluate(folder, "--mesh", folder / mesh, recipe=recipe)
    assert done.exit_code != 0
    assert isinstance(done.exception, ResultsError)
    with pytest.raises(ResultsError, match=message):
        raise done.exception


def test_results_do_not_replace_the_annotations(folder, knowing):
    (folder / "people.json").rename(folder / "densepose.json")
    files = ("--gt", folder / "densepose.json", "--images", folder, "--recipe", folder / "dense.toml")
    done = run("pictures", folder, *files, "--results", folder)
    assert isinstance(done.exception, ResultsError)
    assert "images" in json.loads((folder / "densepose.json").read_text())
