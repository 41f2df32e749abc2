from dataclasses import replace

import pytest
import torch

from posetrack.build import build_pipeline
from posetrack.compute import Compute
from posetrack.errors import RecipeError, WeightsError
from posetrack.recipe import DetectorRecipe, EstimatorRecipe, Recipe, list_recipes, read_recipe

COMPUTE = Compute(torch.device("cpu"))


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_builds(name):
    recipe = read_recipe(name)
    plain = build_pipeline(recipe, COMPUTE)
    stages = [process.__module__.rpartition(".")[2] for process in plain.processors]
    ahead = [] if COMPUTE.engine == "torch" else ["pipeline"]
    assert stages == ["detect", *(["estimate"] if recipe.estimator else []), *ahead, "track"]
    # Frames that come one by one are not held back by a queue.
    assert len(build_pipeline(recipe, COMPUTE, batch_frames=1).processors) == len(stages) - len(ahead)
    assert len(build_pipeline(recipe, COMPUTE, smoothed=True).processors) == len(plain.processors) + 1


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
