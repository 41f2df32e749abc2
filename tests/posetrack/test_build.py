from dataclasses import replace

import pytest
import torch

from posetrack.build import build_pipeline, choose_device
from posetrack.errors import PoseTrackError, RecipeError, WeightsError
from posetrack.recipe import DetectorRecipe, EstimatorRecipe, Recipe, list_recipes, read_recipe

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_builds(name):
    recipe = read_recipe(name)
    plain = build_pipeline(recipe, CPU)
    assert len(plain.processors) == (2 if recipe.estimator is None else 3)
    assert len(build_pipeline(recipe, CPU, smoothed=True).processors) == len(plain.processors) + 1


def test_unknown_networks_are_named():
    recipe = Recipe("mine", DetectorRecipe("movenet-multipoze"))
    with pytest.raises(RecipeError, match=r"mine: detector\.network: unknown network .* did you mean"):
        build_pipeline(recipe, CPU)
    recipe = replace(
        recipe, detector=DetectorRecipe("movenet-multipose"), estimator=EstimatorRecipe("movenet-thunda")
    )
    with pytest.raises(RecipeError, match=r"mine: estimator\.network: unknown network 'movenet-thunda'"):
        build_pipeline(recipe, CPU)


def test_damaged_weights_are_an_error_of_ours(monkeypatch):
    monkeypatch.setitem(
        __import__("models.checkpoints", fromlist=["x"]).EMBEDDED_SHA256, "movenet-multipose", ""
    )
    with pytest.raises(WeightsError, match="damaged"):
        build_pipeline(read_recipe("fast"), CPU)


def test_engines_that_do_not_exist_are_errors_of_ours():
    with pytest.raises(PoseTrackError, match="engine openvin: there is none of that name; did you mean"):
        build_pipeline(read_recipe("fast"), CPU, engine="openvin")
    with pytest.raises(PoseTrackError, match="precision fp16: engine torch does not have it on this cpu"):
        build_pipeline(read_recipe("fast"), CPU, engine="torch", precision="fp16")


def test_devices():
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in {"cpu", "cuda"}
    for name in ("gpu", "cuda:x", "cpu:1", ""):
        with pytest.raises(PoseTrackError, match="no such device; use auto, cpu, cuda or cuda:N"):
            choose_device(name)
    with pytest.raises(PoseTrackError, match="torch sees"):
        choose_device("cuda:99")
