import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_densepose import make_small_densepose
from safetensors.torch import save_file
from torch import nn

from models.backbones.variants import HRNetConfig, ResNetFPNConfig
from models.checkpoints import write_weights
from models.hrnet.network import make_pose_network
from models.hrnet.variants import NETWORKS
from models.metadata import WeightsMetadata
from models.rcnn.network import make_rcnn
from models.swahr.network import HigherHRNet
from posetrack import build
from posetrack.build import build_networks, build_pipeline, make_detection
from posetrack.compute import Compute
from posetrack.errors import RecipeError, WeightsError
from posetrack.families import movenet
from posetrack.frame import Frame, Instances
from posetrack.predictors.hrnet import HRNetPredictor
from posetrack.predictors.settings import (
    DenseHeadSettings,
    DensePoseDetectorSettings,
    MultiposeSettings,
    RCNNSettings,
    TopDownSettings,
)
from posetrack.recipe import Recipe, gives_dense, read_recipe, use_weights, without_delay
from posetrack.recipe_files import list_recipes
from posetrack.skeleton import COCO_17

COMPUTE = Compute(torch.device("cpu"))
TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)
DETECTOR = MultiposeSettings("movenet-multipose", "movenet-multipose")


def silence(network, weights):
    """Stands in for weights: what heads of heatmaps put out is 0."""
    for name, parameter in network.named_parameters():
        if name.startswith("final_layer"):
            nn.init.zeros_(parameter)


def make_small_rcnn(config):
    """In place of `make_rcnn`: bodies of torchvision and their heads are thin."""
    if isinstance(config.backbone, ResNetFPNConfig):
        config = replace(
            config, backbone=replace(config.backbone, name="resnet18", channels=16), deformed="none"
        )
    if config.has_masks:
        config = replace(config, mask_layers=(8,))
    if config.has_keypoints:
        config = replace(config, keypoint_layers=(8,))
    return make_rcnn(config)


def make_small_swahr(config, num_keypoints):
    return HigherHRNet(TINY, num_keypoints, config.has_scale_maps)


def build_alike(recipe, **options):
    """Random networks are the same ones each time, so that they are converted once."""
    torch.manual_seed(0)
    return build_pipeline(recipe, COMPUTE, **options)


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_builds(name, monkeypatch):
    # Published weights are not here. Random ones give too much to compare engines by.
    monkeypatch.setattr(build, "load_weights", silence)
    monkeypatch.setattr(build, "find_sha256", str)
    # What engines make of networks of this size is tested beside them, and takes long.
    monkeypatch.setattr("models.swahr.network.make_swahr_network", make_small_swahr)
    monkeypatch.setattr("models.rcnn.network.make_rcnn", make_small_rcnn)
    monkeypatch.setattr("models.densepose.network.make_densepose", make_small_densepose)
    for large in ("hrnet-w32", "hrnet-w48", "resnet-152"):
        monkeypatch.setitem(NETWORKS, large, TINY)
    recipe = read_recipe(name)
    if not recipe.networks[recipe.pose_table].weights:
        recipe = use_weights(recipe, Path("any.safetensors"))
    plain = build_alike(recipe)
    stages = [stage.name for stage in plain.processors]
    is_estimated = recipe.estimator is not None and recipe.tracker.propagation != "joint"
    ahead = [] if COMPUTE.engine == "torch" else ["run ahead"]
    dense = ["dense"] if gives_dense(recipe) else []
    estimated = ["estimate", *ahead] if is_estimated else []
    assert stages == ["detect", *ahead, *estimated, "track", *dense]
    # Frames that come one by one are not held back by a queue.
    one_by_one = build_alike(recipe, batch_frames=1).processors
    assert [stage.name for stage in one_by_one] == [name for name in stages if name not in ahead]
    assert len(build_alike(recipe, smoothed=True).processors) == len(plain.processors) + 1


TRAITS = {
    "skeleton": "coco17",
    "width_px": 96,
    "height_px": 128,
    "coding": "dark",
    "sigma_cells": 2.5,
    "padding": 1.5,
    "heatmap_branch": 0,
}


@pytest.mark.parametrize("has_metadata", [True, False])
def test_weights_of_a_file_fill_the_network(tmp_path, has_metadata):
    network = make_pose_network(NETWORKS["hrnet-w18"], 17).eval()
    path = tmp_path / "mine.safetensors"
    if has_metadata:
        write_weights(path, network.state_dict(), WeightsMetadata("hrnet-w18", TRAITS))
        settings = TopDownSettings("hrnet-w18", str(path))
    else:
        save_file(network.state_dict(), path)
        settings = TopDownSettings("hrnet-w18", str(path), **TRAITS)
    compute = Compute(torch.device("cpu"), engine="torch", precision="f32")
    recipe = Recipe("mine", DETECTOR, settings)
    image = np.random.default_rng(0).integers(0, 256, (80, 60, 3)).astype(np.uint8)
    box = np.array([[5, 5, 50, 70]], np.float32)
    predict = HRNetPredictor(network, TopDownSettings("hrnet-w18", **TRAITS), COCO_17, compute)
    ((wanted, _),) = predict([image], [box])
    ((found, _),) = build_networks(recipe, compute, batch_frames=1).estimator([image], [box])
    # Kernels may add in another order where the weights lie otherwise in memory.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.01)
    wider = replace(settings, network="hrnet-w32")
    message = "hrnet-w32, but the weights .* are for hrnet-w18" if has_metadata else "does not fit the network"
    with pytest.raises((WeightsError, RecipeError), match=message):
        build_networks(replace(recipe, estimator=wider), compute, batch_frames=1)


def test_weights_that_say_nothing_and_do_not_fit_are_recognised(tmp_path):
    path = tmp_path / "w32.safetensors"
    save_file(make_pose_network(NETWORKS["hrnet-w32"], 17).state_dict(), path)
    recipe = use_weights(read_recipe("hrnet-w18"), path)
    with pytest.raises(WeightsError, match=r"w32\.safetensors: does not fit .* they are those of hrnet-w32"):
        build_networks(recipe, COMPUTE, batch_frames=1)


@pytest.mark.parametrize("name", ["fast", "default"])
def test_nobody_is_found_in_nothing(name):
    networks = build_networks(read_recipe(name), COMPUTE, batch_frames=1)
    (people,) = networks.detector([np.full((90, 120, 3), 128, np.uint8)])
    assert len(people) == 0


def test_unknown_networks_are_named():
    recipe = Recipe("mine", replace(DETECTOR, network="movenet-multipoze"))
    with pytest.raises(RecipeError, match=r"mine\.toml: detector\.network: unknown network .* did you mean"):
        build_pipeline(recipe, COMPUTE)
    recipe = Recipe("mine", DETECTOR, TopDownSettings("movenet-thunda"))
    with pytest.raises(RecipeError, match=r"mine\.toml: estimator\.network: unknown network 'movenet-thunda'"):
        build_pipeline(recipe, COMPUTE)


def test_damaged_weights_are_an_error_of_ours(monkeypatch):
    monkeypatch.setitem(movenet.FAMILY.embedded, "movenet-multipose", "0" * 64)
    with pytest.raises(WeightsError, match="damaged"):
        build_pipeline(read_recipe("fast"), COMPUTE)


def test_weights_are_for_networks_that_take_them(tmp_path):
    for name in ("fast", "swahr-w32", "higher-hrnet-w32"):
        recipe = use_weights(read_recipe(name), Path("no.safetensors"))
        assert recipe.detector.weights == "no.safetensors"
        with pytest.raises(WeightsError, match=r"no\.safetensors"):
            build_pipeline(recipe, COMPUTE)
    recipe = use_weights(read_recipe("hrnet-w32"), Path("no.safetensors"))
    with pytest.raises(WeightsError, match=r"no\.safetensors"):
        build_pipeline(recipe, COMPUTE)
    path = tmp_path / "other.safetensors"
    write_weights(path, {"x": torch.zeros(1)}, WeightsMetadata("swahr-w32", {"skeleton": "coco17"}))
    with pytest.raises(
        RecipeError, match=r"weights of swahr-w32, but the \[estimator\] of recipe hrnet-w32 is"
    ):
        use_weights(read_recipe("hrnet-w32"), path)
    with pytest.raises(RecipeError, match=r"detector\.weights: multitask-rb-h needs weights"):
        build_pipeline(read_recipe("multitask"), COMPUTE)
    nameless = replace(recipe, estimator=TopDownSettings("hrnet-w32"))
    with pytest.raises(RecipeError, match=r"estimator\.weights: hrnet-w32 needs weights"):
        build_pipeline(nameless, COMPUTE)


def test_boxes_without_poses_are_tracked(monkeypatch):
    monkeypatch.setattr(build, "load_weights", silence)
    monkeypatch.setattr(build, "find_sha256", str)
    monkeypatch.setattr("models.rcnn.network.make_rcnn", make_small_rcnn)
    pipeline = build_pipeline(Recipe("mine", RCNNSettings("faster-rcnn", "w")), COMPUTE)
    assert [stage.name for stage in pipeline.processors if stage.name != "run ahead"] == ["detect", "track"]
    assert not pipeline.gives_dense


@pytest.mark.parametrize("is_detector", [True, False])
def test_dense_poses_come_from_the_detector_or_from_a_network_of_their_own(is_detector, monkeypatch):
    monkeypatch.setattr(build, "load_weights", silence)
    monkeypatch.setattr(build, "find_sha256", str)
    monkeypatch.setattr("models.densepose.network.make_densepose", make_small_densepose)
    if is_detector:
        recipe = Recipe("mine", DensePoseDetectorSettings("densepose-r50", "w"))
    else:
        own = MultiposeSettings("movenet-multipose", "w")
        recipe = Recipe("mine", own, dense=DenseHeadSettings("densepose-r50", "w"))
    assert gives_dense(recipe)
    pipeline = build_pipeline(recipe, COMPUTE)
    stages = [stage.name for stage in pipeline.processors if stage.name != "run ahead"]
    assert stages == ["detect", "track", "dense"]
    assert pipeline.gives_dense
    assert pipeline.provenance.weights.keys() == recipe.networks.keys()


def test_what_few_recipes_need_is_not_imported_for_all():
    code = (
        "import sys, torch; from posetrack.build import build_pipeline; from posetrack.compute import Compute; "
        "from posetrack.recipe import read_recipe; "
        "build_pipeline(read_recipe('fast'), Compute(torch.device('cpu'), 'torch')); "
        "sys.exit({'torchvision', 'timm'} & set(sys.modules) != set())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_detection_on_demand_holds_no_frame_back():
    recipe = read_recipe("default")
    recipe = replace(recipe, detector=replace(recipe.detector, det_every="auto"))
    assert [stage.name for stage in build_pipeline(recipe, COMPUTE).processors] == [
        "detect",
        "estimate",
        "track",
    ]


def test_detection_at_intervals_waits_for_the_next_one_unless_flow_is_asked_for():
    settings = read_recipe("default").detector
    settings = replace(settings, det_every=2)

    def see(images):
        return [Instances(boxes_xyxy=[[0, 0, 9, 9]], box_scores=[0.9]) for _ in images]

    def find(settings):
        frames = (Frame(i, i / 25, np.zeros((64, 64, 3), np.uint8)) for i in range(4))
        return [len(frame.instances) for frame in make_detection(settings, see, 1)(frames)]

    assert find(settings) == [1, 1, 1, 1]
    assert find(replace(settings, between="flow")) == [1, 0, 1, 0]
    live = without_delay(read_recipe("default"))
    assert (live.detector.between, live.detector.batch_frames) == ("flow", 1)


def test_joint_propagation_leaves_the_estimation_to_the_tracker():
    recipe = read_recipe("default")
    joint = replace(recipe, tracker=replace(recipe.tracker, propagation="joint"))
    compute = replace(COMPUTE, engine="torch", precision="f32")
    names = [[stage.name for stage in build_pipeline(each, compute).processors] for each in (recipe, joint)]
    assert names == [["detect", "estimate", "track"], ["detect", "track"]]
