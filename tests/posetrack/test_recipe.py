from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.checkpoints import write_weights
from models.metadata import WeightsMetadata, encode_metadata
from posetrack.errors import RecipeError, WeightsError
from posetrack.processors.stitch import StitcherConfig
from posetrack.recipe import complete_settings, read_recipe
from posetrack.recipe_files import list_recipes

DETECTOR = '[detector]\nnetwork = "movenet-multipose"\n'
SWAHR = '[detector]\nnetwork = "swahr-w32"\n'
RCNN = '[detector]\nweights = "keypoint-rcnn-r50"\n'
OURS = '[estimator]\nweights = "thunder-heatmaps-256x192"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_reads(name):
    assert read_recipe(name).name == name


def test_the_two_recipes_everybody_uses_are_there():
    assert {"default", "fast"} <= set(list_recipes())
    assert read_recipe("fast").estimator is None
    default = read_recipe("default")
    assert default.estimator is not None
    assert default.estimator.network == "thunder-heatmaps"
    assert default.detector.weights == default.detector.network == "movenet-person"
    estimator = complete_settings(default, "estimator")
    assert (estimator.width_px, estimator.height_px, estimator.coding, estimator.padding) == (
        192,
        256,
        "dark",
        1.25,
    )


def test_a_file_of_ones_own(tmp_path):
    path = write(tmp_path, DETECTOR + "score_threshold = 1\n[tracker]\nqueue_frames = 3\n")
    recipe = read_recipe(path)
    assert recipe.name == "recipe"
    assert recipe.detector.score_threshold == 1.0
    assert isinstance(recipe.detector.score_threshold, float)
    assert recipe.tracker.queue_frames == 3
    assert recipe.estimator is None


def test_the_joining_of_tracks_is_a_table_of_its_own(tmp_path):
    recipe = read_recipe(write(tmp_path, DETECTOR + "[stitcher]\nmax_gap_s = 5\nmin_track_s = 0.5\n"))
    assert (recipe.stitcher.max_gap_s, recipe.stitcher.min_track_s) == (5.0, 0.5)
    assert recipe.stitcher.max_interpolated_s == read_recipe("fast").stitcher.max_interpolated_s == 0.4
    with pytest.raises(RecipeError, match=r"recipe.toml: stitcher.max_gap_s: expected a number from 0"):
        read_recipe(write(tmp_path, DETECTOR + "[stitcher]\nmax_gap_s = -1\n"))


def test_weights_beside_the_recipe_are_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "w.safetensors").touch()
    stages = '[detector]\nnetwork = "keypoint-rcnn"\nweights = "keypoint-rcnn-r50"\n'
    stages += '[estimator]\nnetwork = "hrnet-w32"\nweights = "%s"\n'
    path = write(tmp_path / "mine", stages % "w.safetensors")
    monkeypatch.chdir(tmp_path)
    for asked in (path, path.relative_to(tmp_path)):
        recipe = read_recipe(asked)
        assert recipe.estimator is not None
        assert Path(recipe.estimator.weights).samefile(tmp_path / "mine" / "w.safetensors")
        assert recipe.detector.weights == "keypoint-rcnn-r50", "a name stays a name"
    recipe = read_recipe(write(tmp_path, stages % "other/w.safetensors"))
    assert recipe.estimator is not None
    assert recipe.estimator.weights == "other/w.safetensors", "from the working folder"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no [detector] table"),
        ("[detektor]\n", "unknown table 'detektor'; did you mean 'detector'?"),
        ("detector = 3\n", "'detector' is a table; write it as [detector]"),
        ("[detector]\n", "recipe.toml: detector: 'network' is missing"),
        ('[detector]\nweights = "mine.safetensors"\n', "neither a file nor weights that PoseTrack knows"),
        ("[detector]\nnetwork = 5\n", "recipe.toml: detector.network: expected a text, got 5"),
        ('[detector]\nnetwork = "multipoze"\n', "detector.network: unknown network 'multipoze'; did you mean"),
        (
            '[detector]\nnetwork = "hrnet-w32"\n',
            "hrnet-w32 belongs into [estimator]; name it there",
        ),
        (
            DETECTOR + "shorter_side_px = 640\n",
            "'shorter_side_px'; did you mean 'longest_side_px'?",
        ),
        (DETECTOR + "flip_test = true\n", "recipe.toml: detector: unknown key 'flip_test'"),
        (
            DETECTOR + 'skeleton = "mpii16"\n',
            "mpii16, but the weights movenet-multipose are for coco17",
        ),
        (SWAHR + "longest_side_px = 640\n", "unknown key 'longest_side_px'; did you mean 'shorter_side_px'?"),
        (RCNN + "proposals = 0\n", "detector.proposals: expected a number from 1 to 10000, got 0"),
        (
            RCNN + "shorter_side_px = 20\n",
            "shorter_side_px: expected a number from 32 to 8192, got 20",
        ),
        (RCNN + "nms_oks = 0.5\n", "detector: unknown key 'nms_oks'; did you mean 'nms_iou'?"),
        (DETECTOR + OURS + "longest_side_px = 288\n", "estimator: unknown key 'longest_side_px'"),
        (DETECTOR + OURS + "width_px = 256\nheight_px = 192\n", "estimator.height_px: 192, but the weights"),
        (DETECTOR + OURS + 'coding = "udp"\n', "thunder-heatmaps-256x192 are for dark; leave coding out"),
        (
            DETECTOR + OURS + "padding = 1.5\n",
            "estimator.padding: 1.5, but the weights",
        ),
        (DETECTOR + OURS + 'network = "hrnet-w18"\n', "estimator.network: hrnet-w18, but the weights"),
        (DETECTOR + OURS + "margin = 0.25\n", "estimator: unknown key 'margin'"),
        ("[network]\n[loop]\n", "a training recipe, for `posetrack train"),
        (DETECTOR + "netwrk = 1\n", "recipe.toml: detector: unknown key 'netwrk'; did you mean 'network'?"),
        (DETECTOR + "zzz = 1\n", "unknown key 'zzz'; known: network, weights, skeleton"),
        (DETECTOR + 'nms_iou = "a"\n', "recipe.toml: detector.nms_iou: expected a number, got 'a'"),
        (DETECTOR + "nms_iou = true\n", "detector.nms_iou: expected a number, got True"),
        (DETECTOR + "batch_frames = 1.5\n", "detector.batch_frames: expected a whole number, got 1.5"),
        (DETECTOR + "batch_frames = 0\n", "detector.batch_frames: expected a number from 1 to 1024, got 0"),
        (
            DETECTOR + "score_threshold = 2\n",
            "detector.score_threshold: expected a number from 0 to 1, got 2",
        ),
        (
            DETECTOR + "longest_side_px = 500\n",
            "detector.longest_side_px: expected a multiple of 32, got 500",
        ),
        (
            DETECTOR + '[tracker]\nflow = "flownet"\n',
            "flow: expected one of dis, farneback, raft, got 'flownet'",
        ),
        (DETECTOR + "[smoother]\nbeta = -1\n", "smoother.beta: expected a number from 0 up, got -1"),
        ("[detector\n", "not valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(RecipeError) as caught:
        read_recipe(write(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_names_the_known_ones():
    known = "shipped: accurate, default, dense, densepose-rcnn"
    with pytest.raises(RecipeError, match=rf"no such recipe; did you mean 'default'\?.*{known}"):
        read_recipe("defalt")


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not valid TOML"):
        read_recipe(path)


def test_a_training_recipe_by_name_says_which_command_it_is_for():
    with pytest.raises(RecipeError, match="a training recipe, for `posetrack train hrnet-w18-256x192`"):
        read_recipe("hrnet-w18-256x192")


def test_a_recipe_names_weights_and_nothing_that_they_know(tmp_path):
    traits = {
        "skeleton": "mpii16",
        "width_px": 256,
        "height_px": 256,
        "coding": "udp",
        "sigma_cells": 3.0,
        "padding": 1.5,
        "heatmap_branch": 0,
    }
    write_weights(tmp_path / "w.safetensors", {"x": torch.zeros(1)}, WeightsMetadata("hrnet-w32", traits))
    recipe = read_recipe(
        write(tmp_path, DETECTOR + '[estimator]\nweights = "w.safetensors"\nflip_test = true\n')
    )
    settings = complete_settings(recipe, "estimator")
    assert settings.network == "hrnet-w32"
    assert settings.flip_test
    assert {name: getattr(settings, name) for name in traits} == traits


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"network": ""}, "damaged: the network is missing"),
        ({"trait.width_px": "{"}, r"damaged: trait.width_px: '{' is not JSON"),
        ({"trait.width_px": "[1]"}, "damaged: trait.width_px: expected a text or a number"),
        ({"trait.padding": "NaN"}, "damaged: trait.padding: expected a text or a number"),
        ({"trait.width_px": '"192"'}, "not usable: width_px: '192', such as 192"),
        ({"trait.width_px": "192.5"}, "not usable: width_px: 192.5"),
        ({"trait.width_px": "193"}, "not usable: width_px: expected a multiple of 32, got 193"),
        ({"trait.width_px": "320000"}, "not usable: width_px: expected at most"),
        ({"trait.width_px": "0"}, "not usable: width_px: 0"),
        ({"trait.coding": '"darc"'}, "not usable: coding"),
        ({"trait.colour": '"red"'}, "have 'colour', which this version does not know"),
    ],
)
def test_damaged_metadata_are_one_line_that_names_the_file(tmp_path, header, message):
    metadata = encode_metadata(WeightsMetadata("hrnet-w32", {"width_px": 192, "height_px": 256}))
    save_file({"x": torch.zeros(1)}, tmp_path / "w.safetensors", {**metadata, **header})
    with pytest.raises(WeightsError, match=message) as caught:
        complete_settings(
            read_recipe(write(tmp_path, DETECTOR + '[estimator]\nweights = "w.safetensors"\n')), "estimator"
        )
    assert "w.safetensors: its metadata" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scales", ["[nan, 1.0]", "[0.0, 1.0]", "[1.0, 1e9]", "[inf, 1.0]"])
def test_scales_are_finite_and_above_zero(tmp_path, scales):
    with pytest.raises(RecipeError, match=r"detector\.scales: expected numbers in \(0, 16\]"):
        read_recipe(write(tmp_path, SWAHR + f"scales = {scales}\n"))


def test_the_papers_tracker_is_not_followed_by_a_pass_of_ours(tmp_path):
    paper = DETECTOR + '[tracker]\nmotion = "flow"\n'
    assert read_recipe(write(tmp_path, DETECTOR)).stitcher == StitcherConfig()
    assert read_recipe(write(tmp_path, paper)).stitcher is None
    asked = read_recipe(write(tmp_path, paper + "[stitcher]\nmax_gap_s = 1\n"))
    assert asked.stitcher == StitcherConfig(max_gap_s=1)


def test_the_protocol_of_simple_baseline_is_the_papers(tmp_path):
    recipe = read_recipe("posetrack-simple-baseline")
    tracker = recipe.tracker
    assert (tracker.propagation, tracker.motion, tracker.match) == ("joint", "flow", "greedy")
    assert (tracker.nms_iou, tracker.queue_frames, tracker.propagation_padding) == (0.5, 10, 1.15)
    assert (recipe.detector.score_threshold, recipe.export.min_keypoint_score) == (0.5, 0.4)
    assert recipe.stitcher is None
    assert read_recipe("default").tracker.propagation == "missed"
    with pytest.raises(RecipeError, match='"joint" needs an \\[estimator\\]'):
        read_recipe(write(tmp_path, DETECTOR + '[tracker]\npropagation = "joint"\n'))


def test_the_queue_is_in_seconds_or_in_frames(tmp_path):
    paper = 'motion = "flow"'
    gaps = [
        read_recipe(write(tmp_path, DETECTOR + f"[tracker]\n{settings}\n")).tracker.longest_gap
        for settings in ("", "queue_s = 2", "queue_frames = 30", paper, f"{paper}\nqueue_s = 2")
    ]
    assert [gap.seconds for gap in gaps] == pytest.approx([1.2, 2, 1.2, 0.4, 0.4])
    with pytest.raises(RecipeError, match=r"tracker.queue_frames: expected a whole number, got 1.5"):
        read_recipe(write(tmp_path, DETECTOR + "[tracker]\nqueue_frames = 1.5\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=" + "[" * 3000, "not valid TOML: nested too deeply"),
        (DETECTOR + "[tracker]\nmin_oks = 0x" + "f" * 3000, "tracker.min_oks: expected a smaller number"),
        (DETECTOR + "[tracker]\nqueue_frames = " + "9" * 5000, "not valid TOML: Exceeds the limit"),
        ('[detector]\nweights = "' + "a" * 500 + '"\n', "no file or network has a name of 500 characters"),
        ('[detector]\nnetwork = "' + "a" * 500 + '"\n', "no file or network has a name of 500 characters"),
        (DETECTOR + "longest_side_px = 1000000000\n", "longest_side_px: expected at most 16384"),
        (DETECTOR + "batch_frames = 1000000000\n", "batch_frames: expected a number from 1 to 1024"),
        (DETECTOR + "det_every = 1000000000\n", "det_every: expected a number from 1 to 10000"),
        (DETECTOR + "det_every = 'often'\n", "det_every: expected a whole number or \"auto\", got 'often'"),
        (DETECTOR + "between = 'flows'\n", "between: unknown 'flows'; did you mean 'flow'"),
        (DETECTOR + "det_every = 'auto'\n", r"det_every: other than 1 it needs an \[estimator\]"),
        (DETECTOR + "[smoother]\nbeta = inf\n", "beta: expected a number from 0 up, got inf"),
        (DETECTOR + "[smoother]\nforget_s = 1e300\n", "forget_s: expected a number above 0, got 1e"),
    ],
)
def test_excess_is_one_line(text, message, tmp_path):
    with pytest.raises(RecipeError, match=message) as caught:
        read_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)
