"""What keeps a recipe from running here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from posetrack.families.table import list_embedded
from posetrack.needs import find_lack
from posetrack.predictors.settings import RCNNSettings
from posetrack.recipe import read_recipe, use_weights
from posetrack.recipe_files import list_recipes
from posetrack.weights.published import PUBLISHED


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path / "cache"))


def test_with_nothing_fetched_every_recipe_runs_or_says_what_to_do():
    for name in list_recipes():
        recipe = read_recipe(name)
        lack = find_lack(recipe)
        needed = [each for each in recipe.networks.values() if each.weights not in list_embedded()]
        if not needed:
            assert lack is None
        elif needed[0].weights in PUBLISHED:
            assert f"posetrack weights fetch {needed[0].weights}" in str(lack)
        else:
            assert lack == f"{needed[0].network} needs weights of yours; give a file with --weights"


def test_a_file_will_do_if_it_is_there(tmp_path):
    file = tmp_path / "w.safetensors"
    recipe = use_weights(read_recipe("hrnet-w32"), file)
    assert find_lack(recipe) == f"{file}: no such file; give a file with --weights"
    file.touch()
    assert find_lack(recipe) is None
    needy = RCNNSettings("lite0-person")
    assert find_lack(replace(recipe, detector=needy)) == (
        "lite0-person needs weights of yours; name a file in [detector]"
    )
    assert find_lack(use_weights(read_recipe("multitask"), Path(file))) is None
