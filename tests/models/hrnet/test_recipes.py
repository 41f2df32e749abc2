from pathlib import Path

import pytest
import torch

from models.hrnet.classification_recipe import list_class_recipes, make_class_network, read_class_recipe
from models.hrnet.recipe import list_pose_recipes, make_network, read_pose_recipe
from models.hrnet.train import make_coding
from models.settings import SettingsError

K = 17
SIGMAS_BY_HEIGHT_PX = {128: 1.0, 256: 2.0, 384: 3.0}


@pytest.fixture(scope="module")
def recipes():
    return {name: read_pose_recipe(path) for name, path in list_pose_recipes().items()}


@pytest.mark.parametrize("name", list_pose_recipes())
def test_every_pose_recipe_reads_and_builds(recipes, name):
    recipe = recipes[name]
    stride = 4 << recipe.network.heatmap_branch
    W, H = recipe.size_wh
    assert make_coding(recipe).heatmap_wh == (W // stride, H // stride)
    with torch.device("meta"):
        network = make_network(recipe.network, K)
    assert network.stride == stride
    assert network.final_layer.out_channels == K


@pytest.mark.parametrize("name", list_class_recipes())
def test_every_imagenet_recipe_is_that_of_the_paper(name):
    recipe = read_class_recipe(list_class_recipes()[name])
    optimizer, loop = recipe.optimizer, recipe.loop
    assert recipe.network.name == f"{name.removeprefix('imagenet-')}-imagenet"
    assert (optimizer.name, optimizer.learning_rate, optimizer.momentum) == ("sgd", 0.1, 0.9)
    assert (optimizer.is_nesterov, optimizer.weight_decay) == (True, 1e-4)
    assert (recipe.schedule.name, recipe.schedule.milestones_epochs) == ("multi_step", (30, 60, 90))
    assert (loop.epochs, loop.batch_size, recipe.crop.size_px) == (100, 256, 224)
    with torch.device("meta"):
        *_, last = make_class_network(recipe.network.name, 1000).modules()
    assert last.out_features == 1000


def test_the_documentation_names_every_recipe():
    text = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    names = [*list_pose_recipes(), *list_class_recipes()]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_no_two_lists_share_a_recipe():
    assert not list_pose_recipes().keys() & list_class_recipes().keys()


def test_coco_recipes_have_the_numbers_of_the_paper(recipes):
    names = [name for name in recipes if name.startswith(("coco-hrnet", "mpii-hrnet", "crowdpose"))]
    names.remove("coco-hrnet-w32-384x288-from-256x192")
    assert len(names) == 18
    for name in names:
        recipe = recipes[name]
        assert (recipe.optimizer.name, recipe.optimizer.learning_rate) == ("adam", 1e-3)
        assert (recipe.schedule.milestones_epochs, recipe.loop.epochs) == ((170, 200), 210)
        assert (recipe.augment.rotation_deg, recipe.augment.scale_range) == (45.0, (0.65, 1.35))
        assert (recipe.augment.half_body_fraction, recipe.crop.padding) == (0.3, 1.25)
        is_coarse = recipe.network.heatmap_branch > 0
        assert recipe.crop.sigma_cells == (1.0 if is_coarse else SIGMAS_BY_HEIGHT_PX[recipe.crop.height_px])
        is_from_scratch = any(part in name for part in ("scratch", "exchange", "from-start"))
        assert (recipe.network.body == "") == is_from_scratch


def test_names_of_recipes_say_their_network_and_size(recipes):
    networks = {"simple-baseline-50": "resnet-50", "simple-baseline-101": "resnet-101"}
    networks |= {"simple-baseline-152": "resnet-152"}
    for name, recipe in recipes.items():
        assert f"{recipe.crop.height_px}x{recipe.crop.width_px}" in name
        if name.startswith(recipe.network.name):
            continue
        start = next((network for part, network in networks.items() if part in name), None)
        assert recipe.network.name.startswith(start or "hrnet-w")
        if start is None:
            assert recipe.network.name.split("-")[1] in name.split("-")


def test_posetrack_recipes_fine_tune(recipes):
    found = [recipe for name, recipe in recipes.items() if name.startswith("posetrack")]
    assert len(found) == 4
    for recipe in found:
        assert (recipe.optimizer.learning_rate, recipe.loop.epochs) == (1e-4, 20)
        assert recipe.schedule.milestones_epochs == (10, 15)
        assert (recipe.data.boxes, recipe.crop.padding) == ("keypoints", 1.15)
        assert recipe.network.body


def test_mpii_is_square(recipes):
    for name in ("mpii-hrnet-w32-256x256", "mpii-hrnet-w48-256x256", "mpii-simple-baseline-152-256x256"):
        assert recipes[name].size_wh == (256, 256)


def test_those_for_another_size_start_from_a_whole_network(recipes):
    assert [name for name, r in recipes.items() if r.network.weights] == [
        "coco-hrnet-w32-384x288-from-256x192",
        "hrnet-w18-256x192-finish",
    ]


def test_unknown_settings_of_classification_are_named(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('[network]\nname = "hrnet-w33-imagenet"\n')
    with pytest.raises(SettingsError, match=r"network.name: unknown 'hrnet-w33-imagenet'; did you mean"):
        read_class_recipe(path)
