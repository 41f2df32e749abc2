from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from made_scripts import load_script
from reference.densepose_scene import make_person, shrink

from models.densepose.decoder import PyramidDecoder
from models.densepose.heads import (
    ChartPredictor,
    ContextHead,
    ConvolutionHead,
    DeepLabHead,
    LightContextHead,
)
from models.densepose.layers import NonLocal, RegionNorm, start_dense_layers
from models.densepose.losses import DenseLossConfig
from models.densepose.network import make_densepose, normalize_bgr
from models.densepose.roi_heads import JoinedMaps
from models.densepose.variants import NETWORKS, PARSING_R50, DensePoseConfig

# Trainable parameters; frozen batch norms have none. Of the first eleven the public code has the same.
WC1, WC2, WC1M, WC2M = 204_825, 614_475, 221_211, 630_861
IMPROVED, DEEPLAB = 63_821_090, 66_055_970
PARAMETERS = {
    "densepose-r50": 59_731_247,
    "densepose-r101": 78_671_151,
    "densepose-r50-improved": IMPROVED,
    "densepose-r101-improved": 82_760_994,
    "densepose-r50-improved-wc1": IMPROVED + WC1,
    "densepose-r50-improved-wc2": IMPROVED + WC2,
    "densepose-r50-improved-wc1m": IMPROVED + WC1M,
    "densepose-r50-improved-wc2m": IMPROVED + WC2M,
    "densepose-r50-dl": DEEPLAB,
    "densepose-r101-dl": 84_995_874,
    "densepose-r50-dl-wc1": DEEPLAB + WC1,
    "densepose-r50-dl-wc2": DEEPLAB + WC2,
    "densepose-r50-dl-wc1m": DEEPLAB + WC1M,
    "densepose-r50-dl-wc2m": DEEPLAB + WC2M,
    "parsing-r50": 54_555_951,
    "movenet-densepose": 6_360_295,
}
UNPUBLISHED = {"uv-rcnn-r50", "uv-rcnn-r101", "uv-rcnn-x101"}
# These are in the table of `scripts/table_backbones.py`; (A) is there with each body.
MOBILE = {name for name in NETWORKS if name.startswith("mobile-parsing-")}
OTHER_BODIES = {name for name in MOBILE if name.startswith("mobile-parsing-a-")} - {
    "mobile-parsing-a-r50",
    "mobile-parsing-a-tf_efficientnet_cc_b0_4e",
}
SHRUNK = {
    name: shrink(NETWORKS[name])
    for name in (
        "densepose-r50",
        "densepose-r50-dl-wc2m",
        "densepose-r50-improved-wc1",
        "parsing-r50",
        "uv-rcnn-r50",
        "mobile-parsing-b",
        "movenet-densepose",
    )
}
BOX = [8.0, 6.0, 52.0, 60.0]


def make_target(*, has_dense=True):
    """One person, as the data set gives them."""
    person = make_person(3, 40)
    count = int(has_dense)
    return {
        "boxes": torch.tensor([BOX]),
        "labels": torch.ones(1, dtype=torch.int64),
        "ignored_boxes": torch.zeros(0, 4),
        "has_dense": torch.tensor([has_dense]),
        "dense_boxes": torch.tensor([BOX])[:count],
        "dense_counts": torch.tensor([40])[:count],
        "dense_points_xy": person.points_xy[: 40 * count],
        "dense_charts": person.charts[: 40 * count],
        "dense_coordinates_uv": person.coordinates_uv[: 40 * count],
        "has_dense_mask": torch.tensor([True])[:count],
        "dense_masks": person.mask[None][:count],
    }


def make_nobody():
    target = make_target(has_dense=False)
    return target | {name: target[name][:0] for name in ("boxes", "labels", "has_dense")}


def count_parameters(config):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make_densepose(config).parameters())


def test_parameters_are_those_of_the_table():
    assert PARAMETERS.keys() | UNPUBLISHED | MOBILE == NETWORKS.keys()
    assert {name: count_parameters(NETWORKS[name]) for name in PARAMETERS} == PARAMETERS


@pytest.mark.parametrize("name", sorted(MOBILE))
def test_mobile_networks_have_the_papers_parameters(name):
    table = load_script("table_backbones")
    counted, all_of_them = table.count_parameters(name)
    assert counted / 1e6 == pytest.approx(table.PAPER_M[name], abs=table.MOST_DIFFERENT_M)
    assert all_of_them == count_parameters(NETWORKS[name])
    # The norms of ResNet-50 are buffers.
    assert (all_of_them > counted) == (not name.endswith("-r50"))


def test_light_context_is_lighter_than_gce():
    assert count_parameters(NETWORKS["uv-rcnn-r50"]) < PARAMETERS["parsing-r50"]
    with torch.device("meta"):
        heads = ContextHead(256), LightContextHead(256)
    attentions = heads[0].non_local, heads[1].attention
    non_local, light = (sum(p.numel() for p in each.parameters()) for each in attentions)
    assert 10 * light < non_local
    assert count_parameters(replace(NETWORKS["uv-rcnn-r50"], dense_head="gce")) == PARAMETERS["parsing-r50"]


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in OTHER_BODIES])
def test_every_parameter_gets_a_gradient(name):
    torch.manual_seed(0)
    config = NETWORKS[name]
    # The bodies are as they are, the heads thinner.
    thin = {"sampled_proposals": 32, "proposals": (20, 20), "box_width": 16, "dense_width": 128}
    network = make_densepose(replace(config, **thin)).train()
    # The last norm of the non-local block starts at 0, where nothing before it could learn.
    for part in network.modules():
        if isinstance(part, NonLocal):
            torch.nn.init.ones_(part.norm.weight)
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    losses = network(images, [make_target(), make_target(has_dense=False)])
    confidences = config.confidences
    own = ("uv",) if confidences != "none" else ("u", "v")
    dense = {f"dense_{loss}" for loss in ("coarse", "fine", *own)}
    assert losses.keys() == {"objectness", "proposal_box", "person", "box"} | dense
    assert all(losses[loss] != 0 for loss in dense)
    sum(losses.values()).backward()
    trained = {key: p for key, p in network.named_parameters() if p.requires_grad}
    without = {key for key, p in trained.items() if p.grad is None or not p.grad.any()}
    # u and v of charts that are not annotated, and the key's bias, to which softmax is blind, get 0.
    assert {key for key in without if not key.endswith("key.bias")} == set()


@pytest.mark.parametrize("name", ["densepose-r50-dl-wc2m", "parsing-r50", "movenet-densepose"])
def test_a_batch_without_dense_poses_has_losses_of_zero(name):
    network = make_densepose(SHRUNK[name]).train()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    for targets in ([make_target(has_dense=False)] * 2, [make_nobody()] * 2):
        losses = network(images, targets)
        assert all(loss.isfinite() for loss in losses.values())
        assert {loss.item() for key, loss in losses.items() if key.startswith("dense_")} == {0.0}
        sum(losses.values()).backward()
        assert all(p.grad is not None for p in network.roi_heads.dense_predictor.parameters())


def test_losses_can_be_balanced():
    config = SHRUNK["parsing-r50"]
    losses = {"person": torch.tensor(1.0), "box": torch.tensor(2.0), "dense_u": torch.tensor(3.0)}
    assert make_densepose(config).weight_losses(losses) == losses
    weighted = make_densepose(config, balance=2.0).weight_losses(losses)
    assert weighted["dense_u"].item() == pytest.approx(6)
    assert (weighted["person"] + weighted["box"]).item() < 2


@pytest.mark.parametrize("name", list(SHRUNK))
def test_people_have_the_outputs_of_the_dense_head(name):
    config = SHRUNK[name]
    network = make_densepose(config).eval()
    with torch.no_grad():
        people = network(torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8))
    side, number = config.dense_side, len(people[0]["boxes"])
    assert people[0]["coarse"].shape == (number, config.num_coarse, side, side)
    for output in ("fine", "u", "v", *config.confidence_names):
        assert people[0][output].shape == (number, 25, side, side)
    assert ("fine_confidence" in people[0]) == config.has_segment_confidences


@pytest.mark.parametrize("name", ["densepose-r50-dl-wc2m", "parsing-r50"])
def test_without_proposals_nobody_is_found(name):
    heads = make_densepose(SHRUNK[name]).eval().roi_heads
    maps = {key: torch.zeros(2, 64, 64 >> i, 64 >> i) for i, key in enumerate(("0", "1", "2", "3"))}
    with torch.no_grad():
        people = heads.find_people(heads.maps(maps), [torch.zeros(0, 4)] * 2, [(256, 256)] * 2)
    assert [len(each["boxes"]) for each in people] == [0, 0]
    assert people[0]["fine"].shape[:2] == (0, 25)


@pytest.mark.parametrize(
    "head",
    [
        ConvolutionHead(8, 32, 2),
        DeepLabHead(32, 32, 2, is_non_local=True),
        ContextHead(8, 4, 32, 8, 2),
        ContextHead(8, 4, 32, 0, 2),
        LightContextHead(8, 4, 32, 2),
    ],
)
def test_heads_keep_the_cells(head):
    channels = next(head.parameters()).shape[1] if not isinstance(head, LightContextHead) else 8
    assert head(torch.randn(2, channels, 10, 10)).shape == (2, 32, 10, 10)


def test_a_norm_takes_no_regions_as_well():
    norm = RegionNorm(8).train()
    before = norm.running_mean.clone()
    assert norm(torch.zeros(0, 8, 4, 4, requires_grad=True)).shape == (0, 8, 4, 4)
    assert torch.equal(norm.running_mean, before)
    regions = torch.randn(3, 8, 4, 4)
    expected = torch.nn.functional.batch_norm(regions, None, None, training=True)
    torch.testing.assert_close(norm(regions), expected)
    assert not torch.equal(norm.running_mean, before)


def test_a_non_local_block_starts_as_nothing():
    block = NonLocal(32, 8, has_batch_norm=False)
    start_dense_layers(block)
    regions = torch.randn(2, 32, 6, 6)
    assert torch.equal(block(regions), regions)


@pytest.mark.parametrize(("is_enlarged", "side"), [(True, 24), (False, 12)])
def test_predicted_maps_have_two_or_four_cells_for_each(is_enlarged, side):
    outputs = ChartPredictor(8, 2, is_enlarged=is_enlarged, has_segment_confidences=True)(
        torch.randn(3, 8, 6, 6)
    )
    assert {name: maps.shape for name, maps in outputs.items()} == {
        "coarse": (3, 2, side, side),
        "fine": (3, 25, side, side),
        "u": (3, 25, side, side),
        "v": (3, 25, side, side),
        "fine_confidence": (3, 1, side, side),
        "coarse_confidence": (3, 1, side, side),
    }


def test_the_decoder_joins_all_levels_at_the_finest():
    names = ("0", "1", "2", "3")
    maps = {name: torch.randn(1, 8, 32 >> i, 48 >> i) for i, name in enumerate(names)}
    joined = JoinedMaps(PyramidDecoder(8, 8), names)(maps)
    assert list(joined) == [*names, "joined"]
    assert joined["joined"].shape == (1, 8, 32, 48)


def test_bgr_is_in_bytes_without_the_mean():
    images = torch.tensor([10, 20, 30], dtype=torch.uint8).reshape(1, 3, 1, 1)
    expected = [30 - 103.53, 20 - 116.28, 10 - 123.675]
    assert normalize_bgr(images).flatten().tolist() == pytest.approx(expected)
    assert torch.equal(normalize_bgr(images.float()), images.float())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dense_head": "x"}, "dense_head 'x'"),
        ({"dense_maps": "x"}, "dense_maps 'x'"),
        ({"pixels": "x"}, "pixels 'x'"),
        ({"num_classes": 3}, "num_classes 3"),
        ({"num_coarse": 3}, "num_coarse 3"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DensePoseConfig(**(vars(PARSING_R50) | options))


@pytest.mark.parametrize("name", ["densepose-r101", "uv-rcnn-r50", "uv-rcnn-x101"])
def test_features_of_random_weights_have_an_ordinary_size(name):
    """Frozen norms do not normalise; without a start of their own, features of R101 are of millions."""
    torch.manual_seed(0)
    config = replace(NETWORKS[name], dense_width=64)
    network = make_densepose(config).eval()
    draw = np.random.default_rng(0)
    image = cv2.resize(draw.integers(0, 256, (6, 6, 3)).astype(np.uint8), (64, 64))
    images = torch.from_numpy(image).permute(2, 0, 1)[None]
    heads = network.roi_heads
    with torch.no_grad():
        maps = network.backbone(network.normalize(images))
        regions = heads.dense_roi_pool(maps, [torch.tensor([BOX])], [(64, 64)])
        features = heads.dense_head(regions)
    for values in (*maps.values(), features):
        assert 0.03 < values.std() < 3
    # Cells differ, and so do their gates.
    assert features.std((2, 3)).mean() > 0.03
    if config.dense_head == "ladcem":
        seen = {}
        hook = heads.dense_head.attention.gate.register_forward_hook(lambda _, __, out: seen.update(gate=out))
        with torch.no_grad():
            heads.dense_head(regions)
        hook.remove()
        gates = seen["gate"].sigmoid()
        assert ((gates > 0.02) & (gates < 0.98)).float().mean() > 0.9


def test_losses_take_the_confidences_of_the_network():
    network = make_densepose(SHRUNK["densepose-r50-improved-wc1"])
    assert network.roi_heads._losses == DenseLossConfig(confidences="isotropic")


@pytest.mark.parametrize("most", [0, 1])
def test_so_many_regions_of_each_image_are_learned(most):
    torch.manual_seed(0)
    config = replace(SHRUNK["parsing-r50"], sampled_proposals=200, sampled_dense=most)
    network = make_densepose(config).train()
    seen = []
    network.roi_heads.dense_head.register_forward_hook(lambda part, inputs, output: seen.append(len(output)))
    target = make_target()
    # Both people are one, so that there are two regions at least: their boxes.
    twice = {name: torch.cat([value, value]) for name, value in target.items()}
    network(torch.zeros(1, 3, 64, 64), [twice])
    assert (seen[0] == 1) if most else (seen[0] >= 2), seen
