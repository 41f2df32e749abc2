"""The skeletons of training recipes: by name, in a table, or of the data set."""

import json
from dataclasses import dataclass, replace

import pytest

from models.keypoint_table import NO_TABLE, KeypointTable
from models.settings import SettingsError
from posetrack.skeleton import BODY_25, COCO_17
from posetrack.training.skeletons import find_skeleton, settle_skeleton

HAND = KeypointTable("hand3", ("wrist", "thumb", "index"), (), (("wrist", "thumb"),), (0.06, 0.05, 0.05))


@dataclass(frozen=True)
class Data:
    skeleton: str = "coco17"


@dataclass(frozen=True)
class Recipe:
    data: Data = Data()
    skeleton: KeypointTable = NO_TABLE


def test_skeletons_are_found_by_name():
    assert find_skeleton(Recipe()) is COCO_17
    assert find_skeleton(Recipe(Data("body25"))) is BODY_25


def test_unknown_skeletons_are_named():
    with pytest.raises(SettingsError, match=r"data\.skeleton: unknown 'coco71'; did you mean 'coco17'\?"):
        find_skeleton(Recipe(Data("coco71")))


@pytest.mark.parametrize("name", ["coco17", "hand3"])
def test_a_table_of_the_recipe(name):
    skeleton = find_skeleton(Recipe(Data(name), HAND))
    assert (skeleton.name, skeleton.names, skeleton.edges) == ("hand3", HAND.names, HAND.limbs)


def test_a_table_and_another_name():
    with pytest.raises(SettingsError, match=r"data\.skeleton: mpii16, but the recipe has a table .* hand3"):
        find_skeleton(Recipe(Data("mpii16"), HAND))
    wrong = replace(HAND, limbs=(("wrist", "toe"),))
    with pytest.raises(SettingsError, match=r"skeleton\.limbs: 'toe' is none of the names"):
        find_skeleton(Recipe(skeleton=wrong))


TABLE = """
[skeleton]
name = "hand3"
names = ["wrist", "thumb", "index"]
limbs = [["wrist", "thumb"]]
sigmas = [0.06, 0.05, 0.05]
"""


def test_a_skeleton_of_the_data_set(tmp_path):
    (tmp_path / "keypoints.toml").write_text(TABLE)
    settled = settle_skeleton(Recipe(Data("keypoints.toml")), tmp_path)
    assert settled == Recipe(Data("hand3"), HAND)
    assert settle_skeleton(settled, tmp_path) is settled
    category = {"id": 1, "keypoints": list(HAND.names), "skeleton": [[1, 2]], "sigmas": list(HAND.sigmas)}
    (tmp_path / "train.json").write_text(json.dumps({"categories": [{"id": 2, "name": "cat"}, category]}))
    of_annotations = settle_skeleton(Recipe(Data("train.json")), tmp_path)
    assert of_annotations == Recipe(Data("keypoints3"), replace(HAND, name="keypoints3"))
    category["keypoints"] = list(COCO_17.names)
    (tmp_path / "train.json").write_text(json.dumps({"categories": [category]}))
    assert find_skeleton(settle_skeleton(Recipe(Data("train.json")), tmp_path)) == COCO_17


def test_a_data_set_without_one(tmp_path):
    with pytest.raises(
        SettingsError, match=r"data\.skeleton: skeleton .*none\.toml: neither a file nor built in"
    ):
        settle_skeleton(Recipe(Data("none.toml")), tmp_path)
    (tmp_path / "train.json").write_text(json.dumps({"categories": []}))
    with pytest.raises(SettingsError, match=r"data\.skeleton: .*train\.json: categories: 0 with keypoints"):
        settle_skeleton(Recipe(Data("train.json")), tmp_path)
    with pytest.raises(SettingsError, match=r"data\.skeleton: train\.json, but the recipe has a table"):
        settle_skeleton(Recipe(Data("train.json"), HAND), tmp_path)
