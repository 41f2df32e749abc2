import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models.backbones.variants import HRNetConfig, ResNetFPNConfig
from models.hrnet.codec import HeatmapCoding
from models.hrnet.recipe import NetworkRecipe, make_network
from models.rcnn.network import make_rcnn
from models.rcnn.variants import NETWORKS
from models.swahr.network import HigherHRNet
from posetrack import build
from posetrack.build import DETECTORS, ESTIMATORS, build_networks, build_pipeline
from posetrack.compute import Compute
from posetrack.errors import RecipeError, WeightsError
from posetrack.predictors.hrnet import HRNetPredictor, TopDownConfig
from posetrack.recipe import DetectorRecipe, EstimatorRecipe, Recipe, list_recipes, read_recipe, use_weights
from posetrack.skeleton import COCO_17

COMPUTE = Compute(torch.device("cpu"))
TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)


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


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_builds(name, monkeypatch):
    # Published weights are not here. Random ones give too much to compare engines by.
    monkeypatch.setattr(build, "load_weights", silence)
    # What engines make of networks of this size is tested beside them, and takes long.
    monkeypatch.setattr(
        build, "make_swahr_network", lambda config, count: HigherHRNet(TINY, count, config.has_scale_maps)
    )
    monkeypatch.setattr("models.rcnn.network.make_rcnn", make_small_rcnn)
    recipe = read_recipe(name)
    if not recipe.detector.weights and not recipe.detector.network.startswith("movenet"):
        recipe = use_weights(recipe, Path("any.safetensors"))
    plain = build_pipeline(recipe, COMPUTE)
    stages = [process.__module__.rpartition(".")[2] for process in plain.processors]
    ahead = [] if COMPUTE.engine == "torch" else ["pipeline"]
    assert stages == ["detect", *(["estimate"] if recipe.estimator else []), *ahead, "track"]
    # Frames that come one by one are not held back by a queue.
    assert len(build_pipeline(recipe, COMPUTE, batch_frames=1).processors) == len(stages) - len(ahead)
    assert len(build_pipeline(recipe, COMPUTE, smoothed=True).processors) == len(plain.processors) + 1


def test_weights_of_a_file_fill_the_network(tmp_path):
    network = make_network(NetworkRecipe("hrnet-w18"), 17).eval()
    path = tmp_path / "mine.safetensors"
    save_file(network.state_dict(), path)
    recipe = EstimatorRecipe("hrnet-w18", weights=str(path), width_px=96, height_px=128)
    compute = Compute(torch.device("cpu"), engine="torch", precision="f32")
    image = np.random.default_rng(0).integers(0, 256, (80, 60, 3)).astype(np.uint8)
    box = np.array([[5, 5, 50, 70]], np.float32)
    coding = HeatmapCoding(input_wh=(96, 128), sigma_cells=recipe.sigma_cells, kind=recipe.coding)
    predict = HRNetPredictor(network, TopDownConfig("mine", coding), COCO_17, compute)
    ((wanted, _),) = predict([image], [box])
    ((found, _),) = ESTIMATORS["hrnet-w18"](recipe, compute, None)([image], [box])
    np.testing.assert_array_equal(found, wanted)
    with pytest.raises(WeightsError, match="does not fit the network"):
        ESTIMATORS["hrnet-w32"](replace(recipe, network="hrnet-w32"), compute, None)


@pytest.mark.parametrize("name", ["bottomup", "default"])
def test_nobody_is_found_in_nothing(name):
    networks = build_networks(read_recipe(name), COMPUTE, batch_frames=1)
    (people,) = networks.detector([np.full((90, 120, 3), 128, np.uint8)])
    assert len(people) == 0


def test_unknown_networks_are_named():
    recipe = Recipe("mine", DetectorRecipe("movenet-multipoze"))
    with pytest.raises(RecipeError, match=r"mine: detector\.network: unknown network .* did you mean"):
        build_pipeline(recipe, COMPUTE)
    recipe = replace(
        recipe, detector=DetectorRecipe("movenet-multipose"), estimator=EstimatorRecipe("movenet-thunda")
    )
    with pytest.raises(RecipeError, match=r"mine: estimator\.network: unknown network 'movenet-thunda'"):
        build_pipeline(recipe, COMPUTE)


def test_damaged_weights_are_an_error_of_ours(monkeypatch):
    monkeypatch.setitem(
        __import__("models.checkpoints", fromlist=["x"]).EMBEDDED_SHA256, "movenet-multipose", ""
    )
    with pytest.raises(WeightsError, match="damaged"):
        build_pipeline(read_recipe("fast"), COMPUTE)


def test_weights_are_for_networks_that_take_them():
    with pytest.raises(RecipeError, match=r"fast: has no \[estimator\] that takes --weights"):
        use_weights(read_recipe("fast"), Path("mine.safetensors"))
    for name in ("swahr-w32", "higher-hrnet-w32"):
        recipe = use_weights(read_recipe(name), Path("no.safetensors"))
        assert recipe.detector.weights == "no.safetensors"
        with pytest.raises(WeightsError, match=r"no\.safetensors"):
            build_pipeline(recipe, COMPUTE)
    with pytest.raises(RecipeError, match="movenet-thunder has weights, keypoints and crops of its own"):
        build_pipeline(use_weights(read_recipe("movenet"), Path("mine.safetensors")), COMPUTE)
    recipe = use_weights(read_recipe("hrnet-w32"), Path("no.safetensors"))
    with pytest.raises(WeightsError, match=r"no\.safetensors"):
        build_pipeline(recipe, COMPUTE)
    with pytest.raises(RecipeError, match=r"detector\.weights: multitask-rb-h needs weights"):
        build_pipeline(read_recipe("multitask"), COMPUTE)
    nameless = replace(recipe, estimator=EstimatorRecipe("hrnet-w32"))
    with pytest.raises(RecipeError, match=r"estimator\.weights: hrnet-w32 needs weights"):
        build_pipeline(nameless, COMPUTE)


@pytest.mark.parametrize(
    ("detector", "estimator", "message"),
    [
        ({"shorter_side_px": 640}, None, "detector.shorter_side_px: movenet-multipose does not use it"),
        ({"flip_test": True}, None, "detector.flip_test: movenet-multipose does not use it; leave it out"),
        ({"skeleton": "mpii16"}, None, "detector.skeleton: movenet-multipose does not use it"),
        (
            {"network": "swahr-w32", "weights": "w", "longest_side_px": 640},
            None,
            "detector.longest_side_px: swahr",
        ),
        ({"network": "keypoint-rcnn", "weights": "w", "nms_oks": 0.5}, None, "detector.nms_oks: keypoint-rcnn"),
        ({}, {"width_px": 288}, "estimator.width_px: movenet-thunder does not use it"),
        ({}, {"coding": "udp"}, "estimator.coding: movenet-thunder does not use it"),
        ({"network": "faster-rcnn", "weights": "w"}, None, "mine: faster-rcnn finds boxes without poses"),
    ],
)
def test_settings_that_would_do_nothing_are_errors(detector, estimator, message):
    recipe = Recipe(
        "mine",
        DetectorRecipe(**{"network": "movenet-multipose", **detector}),
        None if estimator is None else EstimatorRecipe("movenet-thunder", **estimator),
    )
    with pytest.raises(RecipeError) as caught:
        build_pipeline(recipe, COMPUTE)
    assert str(caught.value).startswith(message)


def test_networks_that_are_known_by_name_alone_are_those_there_are():
    assert {name for name, make in DETECTORS.items() if make.__name__ == "_make_rcnn"} == set(NETWORKS)
    for name, config in NETWORKS.items():
        recipe = Recipe("mine", DetectorRecipe(name))
        # Without weights nothing is built; those without poses are refused before that.
        with pytest.raises(
            RecipeError, match="needs weights" if config.has_keypoints else "boxes without poses"
        ):
            build_pipeline(recipe, COMPUTE)


def test_what_few_recipes_need_is_not_imported_for_all():
    code = "import sys, posetrack.build; sys.exit({'torchvision', 'timm'} & set(sys.modules) != set())"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
