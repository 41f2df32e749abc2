"""A set of 20 keypoints that no public one has, from annotations to tracks, drawings and numbers."""

import json

import numpy as np
import pytest
import torch
from made_keypoints import LIMBS, NAMES, SIGMAS, SKELETON, make_data
from typer.testing import CliRunner

from models.backbones.variants import HRNetConfig
from models.hrnet.variants import NETWORKS
from models.metadata import read_metadata
from posetrack import Tracker, read_poses
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError
from posetrack.skeleton_files import decode_skeleton

TINY = HRNetConfig(width=8, modules=(1, 1, 1), blocks=1, stem_channels=16, bottlenecks=1)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The data set, and weights trained on it."""
    folder = tmp_path_factory.mktemp("data") / "own"
    make_data(folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY)
        call("train", folder / "train.toml", "--data", folder, "--out", folder / "trained")
        yield folder
    torch.set_num_threads(threads)


def call(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_weights_know_their_keypoints(own):
    score = (own / "trained" / "evaluation.csv").read_text().splitlines()[1].split(",")[2]
    assert float(score) > 0.6
    weights = own / "trained" / "weights.safetensors"
    assert decode_skeleton(read_metadata(weights).traits["skeleton"]) == SKELETON
    assert "skeleton         figure20 (snout, left_lamp," in call("weights", "info", weights)


@pytest.fixture(scope="module")
def run(own):
    """Images tracked with the weights, by the recipe that names them alone."""
    arguments = ["run", own / "images", "-r", own / "run.toml", "-o", own / "out", "-f", "csv", "--smooth"]
    call(*arguments, "--blur-faces", "--quiet")
    return own / "out"


def test_a_run_and_its_file(own, run):
    poses = read_poses(run)
    assert poses.header.skeleton == SKELETON
    header = json.loads((run / "poses.jsonl").read_text().splitlines()[0])
    assert header["limbs"] == [list(limb) for limb in LIMBS]
    assert header["sigmas"] == list(SIGMAS)
    frames = list(poses)
    assert len(frames) == 20
    assert sum(len(frame.instances) for frame in frames) >= 38
    assert frames[0].keypoint_names == NAMES
    truth = json.loads((own / "val.json").read_text())["annotations"][:2]
    found = frames[16].instances
    for person in truth:
        points = np.reshape(person["keypoints"], (20, 3))[:, :2] + 0.5
        # Of a figure of 170 px.
        assert np.abs(found.keypoints_xy - points).mean(axis=(1, 2)).min() < 16
    assert (run / "overlay.mp4").is_file()
    assert "tail_x" in (run / "poses.csv").read_text().splitlines()[0]
    table = poses.to_dataframe()
    assert set(table.keypoint) == set(NAMES)


def test_what_is_made_of_the_poses(own, run, tmp_path):
    out = call("retrack", run, "-o", tmp_path / "again.jsonl", "--draw", "--smooth", "-r", own / "run.toml")
    assert "again.jsonl: recipe run, " in out
    assert read_poses(tmp_path / "again.jsonl").header.skeleton == SKELETON
    call("draw", run, "-o", tmp_path / "drawn.gif", "--blur-faces", "--trails")
    call("crops", run, "-o", tmp_path / "crops", "--thumbnails")
    call("edit", run, "keypoint", read_poses(run).list_ids()[0], "tail", "--frame", 3, "--at", "20,30")
    call("edit", run, "undo")
    call("measure", run, "-o", tmp_path / "measures")
    for form in ("coco", "csv", "mot"):
        call("convert", run, "--to", form, "-o", tmp_path)
    for form in ("openpose", "posetrack18", "posetrack17"):
        with pytest.raises(
            PoseTrackError, match=f"format {form}: cannot hold figure20 keypoints, only those of"
        ):
            call("convert", run, "--to", form, "-o", tmp_path)


def test_a_coco_file_tells_the_keypoints(own, run, tmp_path):
    call("convert", run, "--to", "coco", "-o", tmp_path)
    category = json.loads((tmp_path / "coco.json").read_text())["categories"][0]
    assert (category["keypoints"], category["sigmas"]) == (list(NAMES), list(SIGMAS))
    call("convert", tmp_path / "coco.json", "--to", "poses", "-o", tmp_path)
    assert read_poses(tmp_path / "poses.jsonl").header.skeleton == SKELETON
    # Results of the same people: everything is found.
    pred = json.loads((tmp_path / "coco.json").read_text())["annotations"]
    (tmp_path / "pred.json").write_text(json.dumps(pred))
    out = call("eval", "coco", "--gt", tmp_path / "coco.json", "--pred", tmp_path / "pred.json")
    assert "100.0" in out


def test_evaluation_on_the_data_set(own):
    common = [
        "--gt",
        own / "val.json",
        "--images",
        own / "images",
        "-r",
        own / "run.toml",
        "--boxes",
        "annotated",
    ]
    out = own / "numbers.json"
    call("eval", "pictures", *common, "--out", out, "--results", own / "found")
    assert json.loads(out.read_text())["keypoints_AP"] > 0.6
    results = own / "found" / "keypoints.json"
    call("eval", "coco", "--gt", own / "val.json", "--pred", results, "--sigmas", own / "skeleton.toml")
    with pytest.raises(PoseTrackError, match="no sigmas are known for these 20 keypoints"):
        call("eval", "coco", "--gt", own / "val.json", "--pred", results)


def test_the_data_set_is_checked(own):
    assert "no faults" in call("check", own, "--images", own / "images")


def test_a_recipe_that_describes_other_keypoints(own, tmp_path):
    text = (own / "run.toml").read_text().replace("trained", str(own / "trained"))
    table = (own / "skeleton.toml").read_text()
    (tmp_path / "same.toml").write_text(text + table)
    assert Tracker(tmp_path / "same.toml").skeleton == SKELETON
    (tmp_path / "other.toml").write_text(text + table.replace("figure20", "other20"))
    with pytest.raises(PoseTrackError, match=r"other.toml: estimator.skeleton: other20 \(snout.* for figure20"):
        Tracker(tmp_path / "other.toml")
