import pytest
import torch
from torch import nn

from models.densepose.losses import DenseLossConfig
from models.densepose.recipe import (
    DenseLossRecipe,
    DensePoseNetworkRecipe,
    list_densepose_recipes,
    make_network,
    read_densepose_recipe,
)
from models.settings import SettingsError

DATA = '[data]\ntrain = "a"\ntrain_images = "b"\n'
NETWORK = '[network]\nname = "{}"\n[canvas]\nshort_sides_px = [64]\n'


def read(folder, name="densepose-r50", more=""):
    path = folder / "r.toml"
    path.write_text(NETWORK.format(name) + DATA + more)
    return read_densepose_recipe(path)


@pytest.mark.parametrize("name", list_densepose_recipes())
def test_recipes_are_those_of_the_papers(name):
    recipe = read_densepose_recipe(list_densepose_recipes()[name])
    is_long, is_mobile = name.endswith("s3x"), "mobile" in name
    assert (recipe.loop.steps, recipe.loop.batch_size) == (390_000 if is_long else 130_000, 16)
    optimizer = recipe.optimizer
    assert (optimizer.name, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.9, 1e-4)
    assert recipe.schedule.milestones_steps == ((330_000, 370_000) if is_long else (100_000, 120_000))
    assert recipe.schedule.warmup_factor == 0.1
    assert recipe.network.frozen_stages == (3 if is_mobile else 2)
    assert recipe.network.is_batch_norm_constant == is_mobile
    assert recipe.loop.sync_batch_norm == ("parsing-b" in name)
    assert (recipe.losses.coarse_weight, recipe.losses.fine_weight) == (2.0, 0.3)
    assert (recipe.evaluation.shorter_side_px, recipe.evaluation.longest_side_px) == (800, 1333)
    sides = recipe.canvas.short_sides_px
    rate, weight = optimizer.learning_rate, recipe.losses.coordinate_weight
    expected = {
        "coco-densepose-r50-s1x": ("densepose-r50", 0.002, 0.1, 1000, (640, 800), 6),
        "coco-mobile-parsing-a-s1x": ("mobile-parsing-a", 0.002, 0.1, 1000, (512, 864), 2),
        "coco-mobile-parsing-b-s1x": ("mobile-parsing-b", 0.002, 0.1, 1000, (512, 864), 2),
        "coco-mobile-parsing-b-s3x": ("mobile-parsing-b", 0.002, 0.1, 1000, (512, 864), 2),
        "coco-parsing-r50-s1x": ("parsing-r50", 0.002, 0.1, 1000, (512, 864), 2),
        "coco-uv-rcnn-r50": ("uv-rcnn-r50", 0.06, 0.05, 500, (512, 864), 12),
    }
    found = (recipe.network.name, rate, weight, recipe.schedule.warmup_steps, (sides[0], sides[-1]), len(sides))
    assert found == expected[name]
    with torch.device("meta"):
        network = make_network(recipe)
    assert isinstance(network, nn.Module)
    is_uv_rcnn = name == "coco-uv-rcnn-r50"
    assert network.balance == (2.0 if is_uv_rcnn else None)
    loss = DenseLossConfig(2.0, 0.3, weight, "dense_points", 0.25) if is_uv_rcnn else DenseLossConfig()
    assert network.roi_heads._losses == loss


def test_networks_are_made_with_the_recipes_numbers(tmp_path):
    more = "[losses]\nbalance = 3\nis_balance_detached = false\ncoordinate_weight = 0.2\n"
    recipe = read(tmp_path, "densepose-r50-dl-wc2", more)
    with torch.device("meta"):
        network = make_network(recipe)
    assert (network.balance, network.is_balance_detached) == (3.0, False)
    assert network.roi_heads._losses == DenseLossConfig(coordinate_weight=0.2, confidences="anisotropic")


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("densepose-r5", "", "did you mean 'densepose-r50'"),
        ("densepose-r50", '[losses]\ncoordinate_loss = "l2"\n', r"losses\.coordinate_loss: unknown 'l2'"),
        ("densepose-r50", "[losses]\nomega = 0.7\n", r"losses\.omega"),
        ("densepose-r50", "[losses]\nbalance = -1\n", r"losses\.balance"),
        ("densepose-r50", 'dev = "c"\n', r"evaluation\.longest_side_px: missing"),
        ("densepose-r50", '[[more]]\ntrain = "c"\n', r"more 1: 'train_images' is missing"),
        ("densepose-r50", "times = 0\n", r"data\.times: expected a number from 0.01"),
        ("densepose-r50", 'mesh = "c"\n', r"data\.mesh: is for the evaluation of data\.dev"),
        ("densepose-r50", "[augment]\nrotation_deg = 200\n", r"augment\.rotation_deg"),
        (
            "densepose-r50-dl-wc1",
            '[losses]\ncoordinate_loss = "dense_points"\n',
            r"losses\.coordinate_loss: dense_points, but densepose-r50-dl-wc1",
        ),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said(tmp_path, name, more, message):
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, name, more)


def test_the_losses_of_limbs_and_the_sampled_regions_go_to_the_network(tmp_path):
    text = NETWORK.format("densepose-r50").replace('"\n[canvas]', '"\nsampled_dense = 6\n[canvas]', 1)
    path = tmp_path / "r.toml"
    path.write_text(f"{text}{DATA}[losses]\nlimb_weight = 0.5\n")
    with torch.device("meta"):
        network = make_network(read_densepose_recipe(path))
    assert (network.roi_heads._sampled, network.roi_heads._losses.limb_weight) == (6, 0.5)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="sampled_anchors"):
        DensePoseNetworkRecipe("densepose-r50", sampled_anchors=-1)
    with pytest.raises(ValueError, match="fine_weight"):
        DenseLossRecipe(fine_weight=float("nan"))
