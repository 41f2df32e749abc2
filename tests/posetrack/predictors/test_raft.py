"""RAFT as the flow of a recipe: its weights, and what the tracker gives it."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.checkpoints import write_weights
from models.metadata import WeightsMetadata
from models.raft.network import estimate_flow, make_raft
from posetrack.build import build_networks, make_flow
from posetrack.cli.main import main
from posetrack.compute import Compute
from posetrack.errors import RecipeError, WeightsError
from posetrack.needs import find_lack
from posetrack.predictors.raft import RaftFlow
from posetrack.recipe import read_recipe
from posetrack.run.tracker import Tracker
from posetrack.weights.store import load_weights
from trackers.config import FlowTrackerConfig
from trackers.flow import DisFlow
from trackers.flow_tracker import FlowTracker, People
from trackers.image_motion import ImageMotion

COMPUTE = Compute(torch.device("cpu"), engine="torch", precision="f32")


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "flow.safetensors"
    write_weights(path, make_raft("raft-small").state_dict(), WeightsMetadata("raft-small", {}))
    return path


def use_raft(weights, **settings):
    recipe = read_recipe("fast")
    tracker = replace(recipe.tracker, flow="raft", flow_weights=str(weights), **settings)
    return replace(recipe, tracker=tracker)


def test_the_flow_of_a_recipe_is_that_of_the_network_with_its_weights(weights):
    recipe = use_raft(weights)
    assert find_lack(recipe) is None
    networks = build_networks(recipe, COMPUTE, batch_frames=1)
    rng = np.random.default_rng(0)
    previous, image = rng.integers(0, 256, (2, 130, 140, 3)).astype(np.uint8)
    flow = networks.flow(previous, image)
    torch.manual_seed(0)
    network = make_raft("raft-small").eval()
    pair = [torch.from_numpy(part).permute(2, 0, 1)[None] for part in (previous, image)]
    with torch.inference_mode():
        expected = estimate_flow(network, *pair)[0].permute(1, 2, 0).numpy()
    assert flow.dtype == np.float32
    np.testing.assert_allclose(flow, expected, rtol=1e-4, atol=1e-3)
    assert set(networks.weights_sha256) == {"detector", "flow"}


def test_people_are_tracked_with_it(weights):
    recipe = use_raft(weights, flow_longest_side_px=128, scene_cut_similarity=-1.0)
    tracker = Tracker(recipe, engine="torch")
    frames = list(tracker.track("docs/media/street.mp4", start_s=3.2, end_s=3.28))
    assert [frame.instances.track_ids.tolist() for frame in frames] == [[1]] * len(frames)


def test_torchvisions_file_is_imported_as_it_is(tmp_path, monkeypatch, capsys):
    torch.manual_seed(1)
    network = make_raft("raft-small")
    torch.save(network.state_dict(), tmp_path / "raft_small.pth")
    out = tmp_path / "mine.safetensors"
    command = ["weights", "import", tmp_path / "raft_small.pth", "--kind", "raft-small", "--out", out]
    monkeypatch.setattr(sys, "argv", ["posetrack", *map(str, command)])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    found = make_raft("raft-small")
    load_weights(found, out)
    for name, tensor in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    assert make_flow(use_raft(out), COMPUTE) is not None


class ColorFlow:
    """A flow of 0 that keeps the images that it was given."""

    takes_color = True

    def __init__(self):
        self.pairs = []

    def __call__(self, previous, image):
        self.pairs.append((previous, image))
        return np.zeros((*image.shape[:2], 2), np.float32)


def test_it_gets_the_images_in_colour_and_downscaled():
    rng = np.random.default_rng(0)
    images = np.kron(rng.integers(0, 256, (3, 15, 20, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    flow = ColorFlow()
    motion = ImageMotion(FlowTrackerConfig(flow="raft", flow_longest_side_px=80), flow)
    for image in images:
        motion.follow(image, None)
    for pair, before, after in zip(flow.pairs[::2], images, images[1:], strict=False):
        for shown, image in zip(pair, (before, after), strict=True):
            assert shown.shape == (60, 80, 3)
            np.testing.assert_allclose(shown.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=1)
    # Unlike images are tried once more, the second one shifted back.
    assert len(flow.pairs) == 4


def test_a_recipe_says_what_it_lacks_and_what_is_wrong(tmp_path, weights):
    assert FlowTrackerConfig().flow == "dis"
    assert "posetrack weights fetch raft-large" in find_lack(use_raft("raft-large"))
    with pytest.raises(WeightsError, match="posetrack weights fetch raft-large"):
        make_flow(use_raft("raft-large"), COMPUTE)
    with pytest.raises(RecipeError, match=r"tracker\.flow_weights: weights of movenet-multipose"):
        make_flow(use_raft("movenet-multipose"), COMPUTE)
    assert make_flow(read_recipe("fast"), COMPUTE) is None
    with pytest.raises(ValueError, match="flow: raft is a network, and none was given"):
        FlowTracker(np.ones(3), FlowTrackerConfig(flow="raft"))
    # A flow that is given counts, whatever the name.
    tracker = FlowTracker(np.ones(3), FlowTrackerConfig(flow="raft"), estimate_flow=DisFlow())
    assert len(tracker.update(np.zeros((90, 90, 3), np.uint8), People.empty(3)).track_ids) == 0


def test_tiny_images_have_flow():
    torch.manual_seed(0)
    flow = RaftFlow(make_raft("raft-small"), torch.device("cpu"))
    for shape in ((1, 1, 3), (17, 40, 3)):
        image = np.zeros(shape, np.uint8)
        assert flow(image, image).shape == (*shape[:2], 2)
