from pathlib import Path

import pytest
import torch

from models.settings import SettingsError
from models.swahr.recipe import (
    BottomUpEvaluationRecipe,
    BottomUpNetworkRecipe,
    BottomUpRecipe,
    TargetRecipe,
    list_bottom_up_recipes,
    make_network,
    read_bottom_up_recipe,
)
from models.swahr.variants import NETWORKS

# Of the paper: adaptive scale and weight, lambda, gamma, and what is peculiar (Tables 3 to 8).
W32_ROWS = {
    "coco-higher-hrnet-w32-512": (False, False, None, None, {}),
    "coco-sahr-w32-512": (True, False, 1.0, None, {}),
    "coco-wahr-w32-512": (False, True, None, 0.01, {}),
    "coco-swahr-w32-512": (True, True, 1.0, 0.01, {}),
    "coco-shr-w32-512": (False, False, None, None, {"is_sigma_scaled": True}),
    "coco-sahr-w32-512-lambda-0.1": (True, False, 0.1, None, {}),
    "coco-sahr-w32-512-lambda-0.5": (True, False, 0.5, None, {}),
    "coco-wahr-w32-512-gamma-1": (False, True, None, 1.0, {}),
    "coco-wahr-w32-512-gamma-0.1": (False, True, None, 0.1, {}),
    "coco-wahr-w32-512-gamma-0.001": (False, True, None, 0.001, {}),
    "coco-higher-hrnet-w32-512-half": (False, False, None, None, {"stages": "half"}),
    "coco-higher-hrnet-w32-1122-512-half": (False, False, None, None, {"stages": "half"}),
    "coco-higher-hrnet-w32-2222-512-half": (False, False, None, None, {"stages": "half"}),
    "coco-higher-hrnet-w32-512-half-sigma-2.5": (
        False,
        False,
        None,
        None,
        {"stages": "half", "sigma_cells": 2.5},
    ),
    "coco-higher-hrnet-w32-512-half-sigma-3": (
        False,
        False,
        None,
        None,
        {"stages": "half", "sigma_cells": 3.0},
    ),
}
SMALL = """
[network]
name = "{network}"
{start}
[data]
train = "a.json"
train_images = "."
[loss]
adaptive_scale = {scale}
{more}
"""


@pytest.fixture(scope="module")
def recipes():
    return {name: read_bottom_up_recipe(path) for name, path in list_bottom_up_recipes().items()}


@pytest.mark.parametrize("name", list_bottom_up_recipes())
def test_every_recipe_builds(recipes, name):
    recipe = recipes[name]
    K = 14 if recipe.data.skeleton == "crowdpose14" else 17
    with torch.device("meta"):
        network = make_network(recipe.network, K)
    assert network.num_keypoints == K
    assert (network.conv_scale_layers is not None) == recipe.loss.adaptive_scale
    assert f"-{recipe.target.size_px}" in name


def test_the_papers_recipes_are_its_training(recipes):
    papers = {name: recipe for name, recipe in recipes.items() if name.startswith(("coco", "crowdpose"))}
    assert len(papers) == len(W32_ROWS) + 8
    for name, recipe in papers.items():
        assert (recipe.optimizer.name, recipe.optimizer.learning_rate) == ("adam", 2e-3)
        assert (recipe.schedule.name, recipe.loop.epochs) == ("linear", 300)
        augment = recipe.augment
        assert (augment.rotation_deg, augment.scale_range, augment.shift) == (30.0, (0.75, 1.25), 40.0)
        assert recipe.evaluation.flip_test
        assert recipe.evaluation.scales == ((1.5, 1.0, 0.5) if "multi-scale" in name else (1.0,))
        assert recipe.target.size_px == recipe.evaluation.shorter_side_px == (640 if "w48" in name else 512)
        assert recipe.target.unknown_keypoints == "background"


@pytest.mark.parametrize("name", W32_ROWS)
def test_rows_of_the_tables(recipes, name):
    scale, weight, regularizer_weight, gamma, more = W32_ROWS[name]
    recipe = recipes[name]
    assert (recipe.loss.adaptive_scale, recipe.loss.adaptive_weight) == (scale, weight)
    assert regularizer_weight in (None, recipe.loss.regularizer_weight)
    assert gamma in (None, recipe.loss.gamma)
    expected = {"is_sigma_scaled": False, "sigma_cells": 2.0, "stages": "both"} | more
    target = recipe.target
    found = {"is_sigma_scaled": target.is_sigma_scaled, "sigma_cells": target.sigma_cells}
    assert {**found, "stages": recipe.evaluation.stages} == expected
    dilations = next((part for part in ("1122", "2222") if part in name), "1111")
    assert NETWORKS[recipe.network.name].dilations == tuple(map(int, dilations))


def test_the_four_short_runs_differ_in_the_loss_alone(recipes):
    names = [name for name in recipes if name.startswith("ablation")]
    assert sorted(names) == [f"ablation-movenet-192-{word}" for word in ("both", "fixed", "sahr", "wahr")]
    losses = [(recipes[name].loss.adaptive_scale, recipes[name].loss.adaptive_weight) for name in sorted(names)]
    assert losses == [(True, True), (False, False), (True, False), (False, True)]
    parts = ("data", "target", "augment", "evaluation", "optimizer", "schedule", "loop")
    assert len({tuple(getattr(recipes[name], part) for part in parts) for name in names}) == 1


def test_the_documentation_names_every_recipe():
    text = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    assert [name for name in list_bottom_up_recipes() if f"`{name}`" not in text] == []


def read(tmp_path, network="swahr-w18", scale="true", more="", start=""):
    path = tmp_path / "r.toml"
    path.write_text(SMALL.format(network=network, scale=scale, more=more, start=start))
    return read_bottom_up_recipe(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "swahr-w19"}, r"r\.toml: network\.name: unknown 'swahr-w19'; did you mean 'swahr-w18'\?"),
        ({"network": "higher-hrnet-w18"}, r"r\.toml: loss\.adaptive_scale: higher-hrnet-w18 has no scale maps"),
        ({"scale": "false"}, r"loss\.adaptive_scale: without it, the scale maps of swahr-w18 have no loss"),
        ({"more": "gama = 1.0"}, r"r\.toml: loss: unknown key 'gama'; did you mean 'gamma'\?"),
        ({"more": "[evalution]"}, r"unknown table 'evalution'; did you mean 'evaluation'\?"),
        ({"more": "[target]\nsize_px = 500"}, r"target\.size_px: expected a multiple of 32, got 500"),
        ({"more": '[target]\nunknown_keypoints = "mask"'}, r"target\.unknown_keypoints: unknown 'mask'"),
        ({"more": "[evaluation]\nscales = [0.5, 1.0]"}, r"evaluation\.scales: expected descending numbers"),
        ({"more": "[evaluation]\nscales = [1.0, -1.0]"}, r"evaluation\.scales: expected numbers in \(0, 16\]"),
        ({"more": '[evaluation]\nstages = "quarter"'}, r"evaluation\.stages: unknown 'quarter'"),
        ({"start": 'body = "a"\nweights = "b"'}, r"network\.weights: given beside body"),
        ({"start": "frozen_stages = 2"}, r"network\.frozen_stages: swahr-w18 has no pretrained part to freeze"),
        ({"start": "frozen_stages = 21", "network": "swahr-movenet"}, r"network\.frozen_stages: expected .*20"),
        ({"more": "[augment]\nmosaic_fraction = 1.5"}, r"augment\.mosaic_fraction"),
    ],
)
def test_mistakes_are_named(tmp_path, options, message):
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, **options)


def test_a_short_recipe_has_the_papers_defaults(tmp_path):
    recipe = read(tmp_path)
    assert isinstance(recipe, BottomUpRecipe)
    assert recipe.evaluation == BottomUpEvaluationRecipe()
    assert recipe.network == BottomUpNetworkRecipe("swahr-w18")
    with pytest.raises(ValueError, match="sigma_cells: is_sigma_scaled uses 2"):
        TargetRecipe(sigma_cells=3.0, is_sigma_scaled=True)
