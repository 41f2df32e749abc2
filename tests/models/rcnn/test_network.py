from dataclasses import replace

import pytest
import torch
from reference.rcnn_scene import DETECTOR, POSED_DETECTOR, H, W, make_scene, shrink

from models.backbones.imagenet import normalize_images
from models.detection.config import BoxChoice
from models.engines.make import make_engine
from models.rcnn.network import make_rcnn
from models.rcnn.offsets import DeformableConv2d
from models.rcnn.variants import (
    FASTER_RCNN,
    FULL,
    FULL_SINGLE_SCALE,
    LITE0_DETECTOR,
    MOVENET_DETECTOR,
    MOVENET_MULTITASK,
    NETWORKS,
    REFINED_BACKBONE,
    REGULAR,
    LossWeights,
)


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return make_rcnn(DETECTOR).eval()


@pytest.mark.parametrize("name", [name for name in NETWORKS if "person" not in name])
def test_every_variant_learns_a_scene(name):
    torch.manual_seed(0)
    config = shrink(NETWORKS[name])
    network = make_rcnn(config).train()
    images, targets = make_scene()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    names = {"objectness", "proposal_box", "person", "box"}
    names |= {"mask"} if config.has_masks else set()
    names |= {"keypoint"} if config.has_keypoints else set()
    history = []
    idle = {parameter for parameter, _ in network.named_parameters()}
    for _ in range(21):
        losses = network(images, targets)
        assert set(losses) == names
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        idle -= {key for key, p in network.named_parameters() if p.grad is not None and p.grad.any()}
        optimizer.step()
        # Squared errors of heatmaps start at those of empty ones, and peaks rise late: see `test_offsets.py`.
        late = {"keypoint"} if config.keypoint_loss == "mse" else set()
        history.append(sum(loss.item() for part, loss in losses.items() if part not in late))
    assert idle == set()
    assert min(history[-3:]) < 0.7 * history[0]


@pytest.mark.parametrize("keypoint_loss", [None, "mse", "cross_entropy"])
def test_a_detector_learns_a_scene_and_finds_it_again(keypoint_loss):
    torch.manual_seed(0)
    has_keypoints = keypoint_loss is not None
    config = DETECTOR
    if has_keypoints:
        weights = LossWeights(keypoint=0.2)
        config = replace(POSED_DETECTOR, keypoint_loss=keypoint_loss, loss_weights=weights)
    network = make_rcnn(config).train()
    images, targets = make_scene()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    history = []
    for _ in range(160 if has_keypoints else 60):
        losses = network(images, targets)
        assert set(losses) == {"objectness", "proposal_box", "person", "box", *["keypoint"] * has_keypoints}
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        if not history:
            idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
            assert idle == []
        optimizer.step()
        history.append(float(total.detach()))
    # The loss of heatmaps falls more slowly.
    assert history[-1] < (0.4 if has_keypoints else 0.3) * history[0]
    with torch.no_grad():
        # Running statistics lag behind after so few steps.
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = None
                part.reset_running_stats()
        network(images, targets)
        found = network.eval()(images)
    order = found[0]["boxes"][:2, 0].argsort()
    assert (found[0]["boxes"][:2][order] - targets[0]["boxes"]).abs().max() < 8
    assert found[0]["scores"][:2].min() > 0.5
    assert (found[1]["scores"] < 0.5).all()
    assert ("keypoints" in found[0]) == has_keypoints
    if has_keypoints:
        distances = found[0]["keypoints"][:2][order] - targets[0]["keypoints"][..., :2]
        assert distances.norm(dim=2).median() < 2
        assert found[0]["keypoint_scores"][:2].median() > 0.2


def test_losses_are_weighted():
    images, targets = make_scene()
    found = []
    for weights in (LossWeights(), LossWeights(objectness=2.0, box=0.5, keypoint=0.0)):
        torch.manual_seed(0)
        found.append(make_rcnn(replace(POSED_DETECTOR, loss_weights=weights)).train()(images, targets))
    factors = {"objectness": 2, "proposal_box": 1, "person": 1, "box": 0.5, "keypoint": 0}
    for name, factor in factors.items():
        assert found[0][name].item() > 0
        assert found[1][name].item() == factor * found[0][name].item()


@pytest.mark.parametrize("config", [LITE0_DETECTOR, MOVENET_DETECTOR])
def test_our_detectors_have_at_most_six_million_parameters(config):
    with torch.device("meta"):
        network = make_rcnn(config)
    assert 3e6 < sum(parameter.numel() for parameter in network.parameters()) <= 6e6


def test_convolutions_are_deformed_where_the_tables_say():
    def count(config, prefix):
        parts = make_rcnn(shrink(config)).named_modules()
        return sum(isinstance(part, DeformableConv2d) and name.startswith(prefix) for name, part in parts)

    assert [count(c, "backbone.body.layer1") for c in (REGULAR, REFINED_BACKBONE, FULL)] == [0, 0, 0]
    # Stages of resnet18 have four 3x3 convolutions each.
    assert [count(c, "backbone.body") for c in (REGULAR, REFINED_BACKBONE, FULL)] == [0, 12, 12]
    assert [count(c, "roi_heads") for c in (REGULAR, REFINED_BACKBONE, FULL)] == [0, 0, 2]


@pytest.mark.parametrize("config", [FASTER_RCNN, FULL, FULL_SINGLE_SCALE, DETECTOR])
def test_the_pyramid_has_the_strides_of_the_configuration(config):
    network = make_rcnn(shrink(config)).eval()
    with torch.no_grad():
        maps = network.backbone(torch.zeros(1, 3, 64, 128))
    assert tuple(maps) == (*config.backbone.map_names, "pool")
    assert [tuple(level.shape[2:]) for level in maps.values()] == [
        (64 // s, 128 // s) for s in config.backbone.strides
    ]


def test_bytes_are_normalised_inside(detector):
    images, _ = make_scene()
    with torch.no_grad():
        found, expected = detector(images), detector(normalize_images(images))
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a["boxes"], b["boxes"])
        assert torch.equal(a["scores"], b["scores"])


def test_a_batch_gives_what_its_images_give(detector):
    images, _ = make_scene()
    with torch.no_grad():
        together = detector(images)
        alone = [detector(image[None])[0] for image in images]
    for a, b in zip(together, alone, strict=True):
        assert len(a["boxes"]) > 0
        torch.testing.assert_close(a["boxes"], b["boxes"], rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(a["scores"], b["scores"], rtol=1e-4, atol=1e-5)


def test_boxes_end_where_the_image_does(detector):
    images, _ = make_scene()
    with torch.no_grad():
        found = detector(images, sizes_wh=[(50, 64), (96, 30)])
    assert found[0]["boxes"][:, 2].max() <= 50
    assert found[1]["boxes"][:, 3].max() <= 30
    with pytest.raises(ValueError, match="1 sizes for 2 images"):
        detector(images, sizes_wh=[(50, 64)])


@pytest.mark.parametrize("config", [DETECTOR, shrink(REGULAR)])
def test_training_needs_targets(config):
    with pytest.raises(ValueError, match="targets"):
        make_rcnn(config).train()(torch.zeros(1, 3, H, W))


def test_nobody_in_the_batch_costs_no_masks_and_keypoints():
    torch.manual_seed(0)
    network = make_rcnn(shrink(FULL)).train()
    images, targets = make_scene()
    losses = network(images[1:], targets[1:])
    sum(losses.values()).backward()
    assert losses["mask"].item() == losses["keypoint"].item() == 0


def test_movenets_body_learns_as_a_whole():
    """With and without keypoints in the batch: parameters without gradients would stall several processes."""
    torch.manual_seed(0)
    network = make_rcnn(shrink(MOVENET_MULTITASK)).train()
    images, targets = make_scene()
    sum(network(images, targets).values()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []
    network.zero_grad()
    targets[0]["has_keypoints"] = torch.tensor([False, False])
    losses = network(images, targets)
    assert losses["keypoint"] == 0
    sum(losses.values()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("body", ["mobile", "movenet"])
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_engines_find_what_the_network_finds(body, engine):
    torch.manual_seed(0)
    network = make_rcnn(POSED_DETECTOR if body == "mobile" else shrink(MOVENET_MULTITASK)).eval()
    # Before training all offsets are 0.
    torch.nn.init.normal_(network.roi_heads.keypoint_predictor.kps_score_lowres.weight, std=0.3)
    images = normalize_images(make_scene()[0])
    options = {"device": torch.device("cpu"), "engine": engine, "precision": "f32"}
    dense = make_engine(network.image_part(), name="dense", example=images[:, :, :, :64], **options)
    assert set(network.roi_heads.region_parts()) == {"box", "keypoint"}
    parts = {}
    for part, module in network.roi_heads.region_parts().items():
        cells = network.roi_heads.count_cells(part)
        regions = torch.zeros(1, network.backbone.out_channels, cells, cells)
        made = make_engine(module, name=part, example=regions, **options)
        parts[part] = lambda pooled, run=made: tuple(run(pooled).values())
    outputs = list(dense(images).values())
    with torch.no_grad():
        found = network.find_people(outputs, (H, W), parts=parts)
        expected = network(images)
    for a, b in zip(found, expected, strict=True):
        assert len(a["scores"]) > 0
        torch.testing.assert_close(a["keypoint_scores"], b["keypoint_scores"], rtol=1e-3, atol=1e-3)
        # Two cells of a heatmap may be nearly as high.
        assert (a["keypoints"] - b["keypoints"]).norm(dim=2).quantile(0.9) < 0.1
        torch.testing.assert_close(a["scores"], b["scores"], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(a["boxes"], b["boxes"], rtol=1e-3, atol=1e-2)


def test_thresholds_are_arguments_of_a_network_in_hand():
    torch.manual_seed(0)
    network = make_rcnn(DETECTOR).eval()
    # So that there are scores of all kinds.
    torch.nn.init.normal_(network.roi_heads.box_predictor.cls_score.weight, std=0.5)
    images, _ = make_scene()
    with torch.no_grad():
        outputs = network.image_part()(images)
        expected = network(images)
        middle = expected[0]["scores"].median().item()
        plain = network.find_people(outputs, (H, W))
        sure = network.find_people(outputs, (H, W), choice=BoxChoice(score_threshold=middle))
        apart = network.find_people(outputs, (H, W), choice=BoxChoice(nms_iou=0.2))
        everyone = network.find_people(outputs, (H, W), choice=BoxChoice(0.0, nms_iou=1.0))
    for i in range(2):
        assert torch.equal(plain[i]["boxes"], expected[i]["boxes"])
        assert torch.equal(sure[i]["scores"], expected[i]["scores"][expected[i]["scores"] > middle])
        assert 0 < len(apart[i]["boxes"]) < len(plain[i]["boxes"]) < len(everyone[i]["boxes"]) == 100
    assert 0 < len(sure[0]["boxes"]) < len(plain[0]["boxes"])
