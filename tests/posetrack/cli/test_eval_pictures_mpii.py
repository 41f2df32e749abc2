"""`posetrack eval pictures --format`: MPII's people in their annotated boxes, and CrowdPose's metrics."""

import json

import cv2
import numpy as np
import pytest
from scipy.io import loadmat, savemat
from typer.testing import CliRunner

from models.checkpoints import write_weights
from models.hrnet.network import make_pose_network
from models.hrnet.variants import NETWORKS
from models.metadata import WeightsMetadata
from posetrack import build
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError
from posetrack.frame import Instances
from posetrack.predictors.networks import Networks
from posetrack.skeleton import CROWDPOSE_14, MPII_16

TRAITS = {"width_px": 64, "height_px": 64, "coding": "offset", "sigma_cells": 2.0, "padding": 1.25}
RECIPE = '[detector]\nweights = "movenet-person"\n[estimator]\nweights = "mpii.safetensors"\nflip_test = true\n'
# Image -> the people's centres and scales, in the units of the data set.
PEOPLE = {"b.png": [(40.0, 50.0, 0.3), (100.0, 60.0, 0.4)], "a.png": [(70.0, 45.0, 0.35)]}


def make_annotated(folder):
    """MPII's files: `valid.json` and `gt_valid.mat`; each image has a grey of its own."""
    rng = np.random.default_rng(0)
    rows = []
    for i, (name, people) in enumerate(PEOPLE.items()):
        cv2.imwrite(str(folder / name), np.full((120, 150, 3), 10 + i, np.uint8))
        for x, y, scale in people:
            joints = np.array([x, y]) + rng.uniform(-25, 25, (16, 2)).round()
            rows.append(
                {
                    "image": name,
                    "center": [x, y],
                    "scale": scale,
                    "joints": joints.tolist(),
                    "joints_vis": [1] * 15 + [0],
                }
            )
    (folder / "valid.json").write_text(json.dumps(rows))
    joints = np.array([row["joints"] for row in rows])
    fields = {
        "jnt_missing": np.array([1 - np.array(row["joints_vis"]) for row in rows]).T,
        "pos_gt_src": joints.transpose(1, 2, 0),
        "headboxes_src": np.tile(np.array([[[1.0], [1.0]], [[21.0], [21.0]]]), (1, 1, len(rows))),
    }
    savemat(folder / "gt_valid.mat", fields)
    hidden = [{key: row[key] for key in ("image", "center", "scale")} for row in rows]
    (folder / "test.json").write_text(json.dumps(hidden))
    return joints


@pytest.fixture
def mpii(tmp_path):
    metadata = WeightsMetadata("hrnet-w18", {**TRAITS, "skeleton": "mpii16", "heatmap_branch": 0})
    network = make_pose_network(NETWORKS["hrnet-w18"], 16)
    write_weights(tmp_path / "mpii.safetensors", network.state_dict(), metadata)
    (tmp_path / "mpii.toml").write_text(RECIPE)
    return tmp_path, make_annotated(tmp_path)


@pytest.fixture
def knowing(mpii, monkeypatch):
    """A network that knows everybody in the box that it is asked about, in order."""
    _, joints = mpii
    asked = []

    def estimate(images, boxes):
        first = {10: 0, 11: 2}
        asked.extend(boxes)
        found = []
        for image, rows in zip(images, boxes, strict=True):
            start = first[int(image[0, 0, 0])]
            # MATLAB's 1 is the first pixel, whose centre is at 0.5.
            xy = (joints[start : start + len(rows)] - 0.5).astype(np.float32)
            found.append((xy, np.ones(xy.shape[:2], np.float32)))
        return found

    networks = Networks(lambda _: pytest.fail("boxes are annotated"), estimate, MPII_16)
    monkeypatch.setattr(build, "build_networks", lambda *_, **__: networks)
    return asked


def run(folder, gt, *options, recipe="mpii.toml", form="mpii"):
    given = ("--gt", folder / gt, "--images", folder, "--recipe", folder / recipe, "--format", form)
    result = CliRunner().invoke(app, ["eval", "pictures", *map(str, (*given, *options))])
    if isinstance(result.exception, PoseTrackError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_poses_are_written_as_hrnet_does_and_evaluated(mpii, knowing):
    folder, joints = mpii
    run(folder, "valid.json", "--results", folder / "out", "--out", folder / "numbers.json")
    np.testing.assert_allclose(loadmat(folder / "out" / "pred.mat")["preds"], joints, atol=1e-3)
    numbers = json.loads((folder / "numbers.json").read_text())
    assert numbers["Mean"] == numbers["Head"] == 1
    # The box is the square of the scale, moved down by 15 px at scale 1, in indices of pixels; half a pixel on
    # as for all given boxes.
    np.testing.assert_allclose(knowing[0][0], [39.5 - 30, 54 - 30, 39.5 + 30, 54 + 30], atol=1e-4)
    files = (
        "--gt",
        folder / "gt_valid.mat",
        "--pred",
        folder / "out" / "pred.mat",
        "--out",
        folder / "two.json",
    )
    assert CliRunner().invoke(app, ["eval", "mpii", *map(str, files)]).exit_code == 0
    assert json.loads((folder / "two.json").read_text()) == numbers


def test_some_images_and_the_test_set(mpii, knowing, monkeypatch):
    folder, joints = mpii
    run(folder, "valid.json", "--first", 1, "--out", folder / "numbers.json", "--results", folder / "out")
    assert len(loadmat(folder / "out" / "pred.mat")["preds"]) == 2
    monkeypatch.chdir(folder)
    said = run(folder, "test.json").replace("\n", "")
    assert "posetrack-out/test/pred.mat" in said
    assert "no joints are annotated" in said
    np.testing.assert_allclose(loadmat("posetrack-out/test/pred.mat")["preds"], joints, atol=1e-3)


def test_a_network_with_random_weights_goes_the_whole_way_at_six_scales(mpii):
    folder, _ = mpii
    scales = "scales = [0.8, 0.9, 1.0, 1.1, 1.2, 1.3]\n"
    (folder / "six.toml").write_text(RECIPE + scales)
    options = ("--device", "cpu", "--engine", "torch", "--results")
    for name in ("mpii", "six"):
        run(folder, "valid.json", *options, folder / name, recipe=f"{name}.toml")
    one, six = (loadmat(folder / name / "pred.mat")["preds"] for name in ("mpii", "six"))
    assert one.shape == six.shape == (3, 16, 2)
    assert (one != six).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "coco.toml"}, "recipe coco gives keypoints of coco17, and MPII takes mpii16"),
        ({"recipe": "one.toml"}, "recipe one gives no poses in given boxes"),
        ({"gt": "none.json"}, r"none\.json: no such file"),
        ({"gt": "two.json"}, r"gt_valid\.mat: 3 people, but .*two\.json has 2"),
        ({"form": "mpi"}, "--format mpi: unknown; did you mean 'mpii'"),
    ],
)
def test_mistakes_are_one_line(mpii, options, message):
    folder, _ = mpii
    (folder / "coco.toml").write_text(
        '[detector]\nweights = "movenet-person"\n[estimator]\nweights = "thunder-heatmaps-256x192"'
    )
    (folder / "one.toml").write_text('[detector]\nweights = "movenet-multipose"')
    rows = json.loads((folder / "valid.json").read_text())
    (folder / "two.json").write_text(json.dumps(rows[:2]))
    with pytest.raises(PoseTrackError, match=message):
        run(folder, **{"gt": "valid.json", **options})


def test_boxes_are_the_annotated_ones(mpii):
    folder, _ = mpii
    with pytest.raises(PoseTrackError, match="--boxes, --min-score: not used with --format mpii"):
        run(folder, "valid.json", "--boxes", "annotated")
    with pytest.raises(PoseTrackError, match="--mesh: MPII has no dense poses"):
        run(folder, "valid.json", "--mesh", "made")


def test_crowdpose_has_its_own_metrics(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "7.png"), np.zeros((120, 160, 3), np.uint8))
    points = np.random.default_rng(0).uniform(20, 100, (14, 2)).round()
    low, high = points.min(axis=0), points.max(axis=0)
    person = {
        "id": 1,
        "image_id": 7,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "num_keypoints": 14,
        "keypoints": np.column_stack([points, np.full(14, 2)]).ravel().tolist(),
    }
    content = {
        "images": [{"id": 7, "file_name": "7.png", "width": 160, "height": 120, "crowdIndex": 0.9}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person", "keypoints": list(CROWDPOSE_14.names)}],
    }
    (tmp_path / "gt.json").write_text(json.dumps(content))
    (tmp_path / "crowd.toml").write_text('[detector]\nnetwork = "swahr-w32"\nskeleton = "crowdpose14"')
    found = Instances(
        boxes_xyxy=[[*low, *high]],
        box_scores=[0.5],
        keypoints_xy=points[None] + 0.5,
        keypoint_scores=np.ones((1, 14)),
    )
    networks = Networks(lambda images: [found] * len(images), None, CROWDPOSE_14)
    monkeypatch.setattr(build, "build_networks", lambda *_, **__: networks)
    options = {"recipe": "crowd.toml", "form": "crowdpose"}
    run(tmp_path, "gt.json", "--out", tmp_path / "numbers.json", **options)
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["keypoints_AP"] == numbers["keypoints_AP_hard"] == pytest.approx(1)
    assert "bbox_AP" not in numbers
    del content["images"][0]["crowdIndex"]
    (tmp_path / "gt.json").write_text(json.dumps(content))
    with pytest.raises(PoseTrackError, match="crowdIndex"):
        run(tmp_path, "gt.json", **options)
