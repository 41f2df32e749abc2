import re
from pathlib import Path

import pytest
import torch

from models.hrnet.classification_recipe import list_class_recipes, make_class_network, read_class_recipe
from models.hrnet.recipe import choose_size, list_pose_recipes, make_network, read_pose_recipe
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
    assert len(names) == 19
    for name in names:
        recipe = recipes[name]
        assert (recipe.optimizer.name, recipe.optimizer.learning_rate) == ("adam", 1e-3)
        assert (recipe.schedule.milestones_epochs, recipe.loop.epochs) == ((170, 200), 210)
        assert (recipe.augment.rotation_deg, recipe.augment.scale_range) == (45.0, (0.65, 1.35))
        assert (recipe.augment.half_body_fraction, recipe.crop.padding) == (0.3, 1.25)
        is_coarse = recipe.network.heatmap_branch > 0
        assert recipe.crop.sigma_cells == (1.0 if is_coarse else SIGMAS_BY_HEIGHT_PX[recipe.crop.height_px])
        is_from_scratch = any(part in name for part in ("scratch", "exchange", "from-start", "finest-only"))
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
        # The same size: it was trained on.
        "thunder-heatmaps-256x192",
    ]


def test_unknown_settings_of_classification_are_named(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('[network]\nname = "hrnet-w33-imagenet"\n')
    with pytest.raises(SettingsError, match=r"network.name: unknown 'hrnet-w33-imagenet'; did you mean"):
        read_class_recipe(path)


STAGED = """
[network]
name = "hrnet-w18"
[data]
train = "train.json"
train_images = "."
[[stage]]
steps = 10
width_px = 96
height_px = 128
batch_size = 512
[[stage]]
steps = 5
rate_factor = 0.7
"""


def test_stages_have_sizes_of_their_own(tmp_path):
    path = tmp_path / "staged.toml"
    path.write_text(STAGED)
    recipe = read_pose_recipe(path)
    assert [choose_size(recipe, stage).size_wh for stage in recipe.stage] == [(96, 128), (192, 256)]
    assert [stage.batch_size for stage in recipe.stage] == [512, 0]
    assert [stage.rate_factor for stage in recipe.stage] == [1, 0.7]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("steps = 10", "", "stage 1.seconds: give one of epochs, steps, seconds, got 0"),
        ("steps = 10", "seconds = 3", "stage: some have a length in seconds; give it to all"),
        ("width_px = 96", "width_px = 100", "stage 1.width_px: expected a multiple of 32, got 100"),
        ("rate_factor", "rate", "stage 2: unknown key 'rate'"),
        ("[[stage]]", "[loop]\nsteps = 3\n[[stage]]", "loop: the stages have lengths of their own"),
        (STAGED[STAGED.index("[[stage]]") :], "[stage]\nsteps = 3", "'stage' is a table that may be repeated"),
    ],
)
def test_stages_that_do_not_fit_are_one_line(tmp_path, before, after, message):
    path = tmp_path / "staged.toml"
    path.write_text(STAGED.replace(before, after, 1))
    with pytest.raises(SettingsError, match=re.escape(f"staged.toml: {message}")) as caught:
        read_pose_recipe(path)
    assert "\n" not in str(caught.value)
