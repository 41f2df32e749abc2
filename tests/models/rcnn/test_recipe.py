import pytest

from models.backbones.fpn import PyramidBackbone
from models.rcnn.recipe import (
    DetectionNetworkRecipe,
    list_detection_recipes,
    make_network,
    read_detection_recipe,
)
from models.rcnn.variants import NETWORKS
from models.settings import SettingsError

PAPER = {
    "coco-multitask-regular": ("none", True, "multi"),
    "coco-multitask-unrefined": ("none", True, "multi"),
    "coco-multitask-rb": ("backbone", True, "multi"),
    "coco-multitask-rb-h": ("backbone+head", True, "multi"),
    "coco-multitask-rb-h-single-scale": ("backbone+head", True, "single"),
    "coco-multitask-rb-h-keypoints-only": ("backbone+head", False, "multi"),
}


@pytest.mark.parametrize("name", list(list_detection_recipes()))
def test_recipes_are_valid(name):
    recipe = read_detection_recipe(list_detection_recipes()[name])
    assert recipe.data.train
    assert recipe.loop.epochs > 0


def test_one_gpu_has_its_part_of_the_batch():
    names = ("coco-multitask-unrefined", "coco-multitask-unrefined-1-gpu")
    four, one = (read_detection_recipe(list_detection_recipes()[name]) for name in names)
    assert one.network == four.network
    assert one.loop.steps == four.loop.steps
    assert 4 * one.loop.batch_size == four.loop.batch_size
    assert 4 * one.optimizer.learning_rate == pytest.approx(four.optimizer.learning_rate)


@pytest.mark.parametrize("name", list(PAPER))
def test_the_papers_recipes_are_its_tables(name):
    recipe = read_detection_recipe(list_detection_recipes()[name])
    config = NETWORKS[recipe.network.name]
    assert (config.deformed, config.has_masks, config.backbone.scales) == PAPER[name]
    assert config.has_offsets == (name != "coco-multitask-unrefined")
    assert (recipe.evaluation.shorter_side_px, recipe.evaluation.longest_side_px) == (800, 1333)
    # Section 4.1.
    assert (recipe.loop.steps, recipe.loop.batch_size) == (90_000, 12)
    assert (recipe.schedule.name, recipe.schedule.milestones_steps) == ("multi_step", (60_000, 80_000))
    assert (recipe.optimizer.name, recipe.optimizer.learning_rate, recipe.optimizer.momentum) == (
        "sgd",
        0.03,
        0.9,
    )


def test_networks_are_made_with_the_recipes_numbers():
    detector = make_network(DetectionNetworkRecipe("lite0-person", proposals=77, sampled_proposals=33), 17)
    assert isinstance(detector.backbone, PyramidBackbone)
    assert detector.rpn._pre_nms_top_n["training"] == detector.rpn._post_nms_top_n["training"] == 77
    assert detector.roi_heads.fg_bg_sampler.batch_size_per_image == 33
    assert detector.config.proposals[1] == NETWORKS["lite0-person"].proposals[1]
    network = make_network(DetectionNetworkRecipe("multitask-regular", sampled_proposals=44), 5)
    assert network.rpn._pre_nms_top_n == {"training": 2000, "testing": 1000}
    assert network.config.num_keypoints == 5
    assert network.roi_heads.fg_bg_sampler.batch_size_per_image == 44


def test_evaluation_needs_a_size(tmp_path):
    path = tmp_path / "r.toml"
    data = 'train = "a"\ntrain_images = "b"\n'
    text = f'[network]\nname = "lite0-person"\n[canvas]\nwidth_px = 64\nheight_px = 96\n[data]\n{data}'
    path.write_text(text)
    assert read_detection_recipe(path).canvas.make_canvas().size_wh == (64, 96)
    path.write_text(text + 'dev = "c"\n')
    with pytest.raises(SettingsError, match=r"r\.toml: evaluation\.longest_side_px: missing"):
        read_detection_recipe(path)
    path.write_text(text + 'dev = "c"\n[evaluation]\nlongest_side_px = 128\nnms_iou = 0.4\n')
    evaluation = read_detection_recipe(path).evaluation
    assert (evaluation.longest_side_px, evaluation.score_threshold, evaluation.nms_iou) == (128, 0.05, 0.4)


def test_unknown_networks_are_named(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('[network]\nname = "lite0-persn"\n[data]\ntrain = "a"\ntrain_images = "b"\n')
    with pytest.raises(SettingsError, match="did you mean 'lite0-person'"):
        read_detection_recipe(path)
