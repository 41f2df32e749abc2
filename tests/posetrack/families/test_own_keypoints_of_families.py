"""Every family's training of keypoints of one's own gives weights that say what they are."""

import pytest
from made_keypoints import SKELETON, TABLE

from models.training.recipe import list_recipes
from posetrack.cli.train import read_training
from posetrack.families.table import load_families
from posetrack.skeleton_files import decode_skeleton

RECIPES = {
    "hrnet": "coco-hrnet-w32-256x192",
    "swahr": "coco-swahr-w32-512",
    "rcnn": "coco-multitask-rb-h-keypoints-only",
}


@pytest.mark.parametrize(("family", "name"), RECIPES.items(), ids=list(RECIPES))
def test_described_weights_make_the_network_again(family, name, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(list_recipes(family)[name].read_text() + TABLE)
    training = read_training(path)
    metadata = training.describe(training.read_recipe(path))
    assert decode_skeleton(metadata.traits["skeleton"]) == SKELETON
    (record,) = [record for record in load_families() if record.name == family]
    (role,) = record.roles.values()
    settings = role.complete(role.settings(), metadata, "x")
    assert decode_skeleton(settings.skeleton) == SKELETON
