from dataclasses import replace

import pytest
import torch
from torchvision.models.detection.image_list import ImageList

from models.backbones.imagenet import normalize_images
from models.backbones.variants import MobileConfig
from models.engines.make import make_engine
from models.rcnn.detector import (
    LITE0_DETECTOR,
    MOVENET_DETECTOR,
    MOVENET_MULTITASK,
    DetectorConfig,
    make_person_detector,
)
from models.rcnn.heads import add_keypoints
from models.rcnn.proposals import StridedAnchors

SMALL = DetectorConfig(
    MobileConfig("tf_mobilenetv3_small_minimal_100"), channels=16, pyramid_layers=1, head_width=32
)
POSED = replace(SMALL, keypoint_layers=(16, 16), num_keypoints=3)
W, H = 96, 64
SHARES = torch.tensor([[0.5, 0.2], [0.3, 0.5], [0.7, 0.8]])
"""Where keypoints are in their boxes."""


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_scene() -> tuple[torch.Tensor, list[dict[str, torch.Tensor]]]:
    """Bright people on a dark, noisy background: two in one image, nobody in the other."""
    boxes = torch.tensor([[8.0, 6.0, 30.0, 58.0], [52.0, 10.0, 80.0, 60.0]])
    images = torch.randint(0, 60, (2, 3, H, W), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    for x0, y0, x1, y1 in boxes.int().tolist():
        images[0, :, y0:y1, x0:x1] += 150
    someone = {"boxes": boxes, "labels": torch.ones(2, dtype=torch.int64)}
    nobody = {"boxes": torch.zeros((0, 4)), "labels": torch.zeros(0, dtype=torch.int64)}
    return images, [someone, nobody]


def make_posed_scene() -> tuple[torch.Tensor, list[dict[str, torch.Tensor]]]:
    """The same people with keypoints at three places of their boxes, each of another colour."""
    images, targets = make_scene()
    boxes = targets[0]["boxes"]
    places = boxes[:, None, :2] + SHARES * (boxes[:, 2:] - boxes[:, :2])[:, None]
    for person in places.int().tolist():
        for channel, (x, y) in enumerate(person):
            images[0, channel, y - 4 : y + 4, x - 4 : x + 4] = 0
    keypoints = torch.cat([places, torch.ones(2, 3, 1)], dim=2)
    targets[0] |= {"keypoints": keypoints, "has_keypoints": torch.tensor([True, True])}
    targets[1] |= {"keypoints": torch.zeros(0, 3, 3), "has_keypoints": torch.zeros(0, dtype=torch.bool)}
    return images, targets


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return make_person_detector(SMALL).eval()


@pytest.mark.parametrize("config", [LITE0_DETECTOR, MOVENET_DETECTOR])
def test_ours_have_at_most_six_million_parameters(config):
    with torch.device("meta"):
        detector = make_person_detector(config)
    assert 3e6 < sum(parameter.numel() for parameter in detector.parameters()) <= 6e6


@pytest.mark.parametrize("keypoint_loss", [None, "mse", "cross_entropy"])
def test_it_learns_a_scene_and_finds_it_again(keypoint_loss):
    torch.manual_seed(0)
    has_keypoints = keypoint_loss is not None
    config = replace(POSED, keypoint_loss=keypoint_loss) if has_keypoints else SMALL
    detector = make_person_detector(config).train()
    images, targets = make_posed_scene() if has_keypoints else make_scene()
    optimizer = torch.optim.AdamW(detector.parameters(), lr=3e-3)
    history = []
    for _ in range(160 if has_keypoints else 60):
        losses = detector(images, targets)
        assert set(losses) == {"objectness", "proposal_box", "person", "box", *["keypoint"] * has_keypoints}
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        if not history:
            idle = [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.any()]
            assert idle == []
        optimizer.step()
        history.append(float(total.detach()))
    # What heatmaps lose falls more slowly.
    assert history[-1] < (0.4 if has_keypoints else 0.3) * history[0]
    with torch.no_grad():
        # Running statistics lag behind after so few steps.
        for part in detector.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = None
                part.reset_running_stats()
        detector(images, targets)
        detector.eval()
        found = detector(images)
    best = found[0]["boxes"][:2]
    best = best[best[:, 0].argsort()]
    assert (best - targets[0]["boxes"]).abs().max() < 8
    assert found[0]["scores"][:2].min() > 0.5
    assert (found[1]["scores"] < 0.5).all()
    assert ("keypoints" in found[0]) == has_keypoints
    if has_keypoints:
        order = found[0]["boxes"][:2, 0].argsort()
        distances = found[0]["keypoints"][:2][order] - targets[0]["keypoints"][..., :2]
        assert distances.norm(dim=2).median() < 2
        assert found[0]["keypoint_scores"][:2].median() > 0.2


def test_nobody_found_has_no_keypoints():
    torch.manual_seed(0)
    detector = make_person_detector(replace(POSED, score_threshold=0.999)).eval()
    with torch.no_grad():
        found = detector(make_scene()[0])
    assert [tuple(people["keypoints"].shape) for people in found] == [(0, 3, 2)] * 2


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


def test_training_needs_targets():
    with pytest.raises(ValueError, match="targets"):
        make_person_detector(SMALL).train()(torch.zeros(1, 3, H, W))


def test_movenets_body_learns_as_a_whole():
    """With and without keypoints in the batch: parameters without gradients would stall several processes."""
    torch.manual_seed(0)
    config = replace(MOVENET_MULTITASK, channels=16, head_width=16, keypoint_layers=(8,), num_keypoints=3)
    detector = make_person_detector(config).train()
    images, targets = make_posed_scene()
    sum(detector(images, targets).values()).backward()
    assert [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.any()] == []
    detector.zero_grad()
    targets[0]["has_keypoints"] = torch.tensor([False, False])
    losses = detector(images, targets)
    assert losses["keypoint"] == 0
    sum(losses.values()).backward()
    assert [name for name, p in detector.named_parameters() if p.grad is None] == []


@pytest.fixture(scope="module", params=["mobile", "movenet"])
def posed_detector(request):
    """One whose offsets are not 0, as they are before training."""
    torch.manual_seed(0)
    bodies = {"mobile": POSED, "movenet": replace(POSED, body=MOVENET_MULTITASK.body)}
    detector = make_person_detector(bodies[request.param]).eval()
    torch.nn.init.normal_(detector.roi_heads.keypoint_predictor.kps_score_lowres.weight, std=0.3)
    return detector


def test_keypoints_in_use_are_those_in_training(posed_detector):
    images = normalize_images(make_scene()[0])
    with torch.no_grad():
        found = posed_detector(images)
        boxes = [people["boxes"] for people in found]
        heatmaps = posed_detector.roi_heads._run_keypoints(posed_detector.backbone(images), boxes, [(H, W)] * 2)
    expected = [{"boxes": each} for each in boxes]
    add_keypoints(expected, heatmaps, are_logits=True)
    for a, b in zip(found, expected, strict=True):
        assert len(a["boxes"]) > 0
        torch.testing.assert_close(a["keypoints"], b["keypoints"])
        torch.testing.assert_close(a["keypoint_scores"], b["keypoint_scores"])


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_engines_find_what_the_network_finds(posed_detector, name):
    detector = posed_detector
    images = normalize_images(make_scene()[0])
    options = {"device": torch.device("cpu"), "engine": name, "precision": "f32"}
    dense = make_engine(detector.dense_part(), name="dense", example=images[:, :, :, :64], **options)
    assert set(detector.roi_heads.region_parts()) == {"box", "keypoint"}
    parts = {}
    for part, module in detector.roi_heads.region_parts().items():
        cells = detector.roi_heads.count_cells(part)
        regions = torch.zeros(1, SMALL.channels, cells, cells)
        engine = make_engine(module, name=part, example=regions, **options)
        parts[part] = lambda pooled, run=engine: tuple(run(pooled).values())
    outputs = list(dense(images).values())
    with torch.no_grad():
        found = detector.find_people(outputs, (H, W), parts=parts)
        expected = detector(images)
    for a, b in zip(found, expected, strict=True):
        assert len(a["scores"]) > 0
        torch.testing.assert_close(a["keypoint_scores"], b["keypoint_scores"], rtol=1e-3, atol=1e-3)
        # Two cells of a heatmap may be nearly as high.
        assert (a["keypoints"] - b["keypoints"]).norm(dim=2).quantile(0.9) < 0.1
        torch.testing.assert_close(a["scores"], b["scores"], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(a["boxes"], b["boxes"], rtol=1e-3, atol=1e-2)


def test_anchors_keep_their_strides():
    anchors = StridedAnchors((32,), (1.0,), (64,))
    grid = anchors.grid_anchors([[2, 7]], [[torch.tensor(50), torch.tensor(59)]])[0]
    assert grid[6].tolist() == [6 * 64 - 16, -16, 6 * 64 + 16, 16]
    assert grid[7].tolist() == [-16, 64 - 16, 16, 64 + 16]


def test_boxes_are_as_precise_in_bfloat16(detector):
    # From 256 px on, bfloat16 has steps of 2 px.
    images = torch.randint(0, 255, (1, 3, 64, 416), generator=torch.Generator().manual_seed(0)).float() / 255
    anchors = []
    detector.rpn.anchor_generator.register_forward_hook(lambda part, inputs, output: anchors.append(output[0]))
    with torch.no_grad():
        detector(images)
        with torch.autocast("cpu", torch.bfloat16):
            found = detector(images)[0]
            proposals, _ = detector.rpn(ImageList(images, [(64, 416)]), detector.backbone(images))
    assert torch.equal(anchors[0], anchors[1])
    for boxes in (found["boxes"], proposals[0]):
        right = boxes[(boxes[:, 0] > 256) & (boxes[:, 2] < 416), 0]
        assert len(right) > 0
        assert (right % 1 != 0).any()
    assert found["scores"].dtype == torch.float32


def test_a_second_stage_in_bfloat16_learns_the_true_boxes():
    torch.manual_seed(0)
    detector = make_person_detector(SMALL).train()
    person = torch.tensor([[301.3, 8.6, 318.9, 52.2]])
    target = {"boxes": person, "labels": torch.ones(1, dtype=torch.int64)}
    images = torch.rand(1, 3, 64, 416)
    with torch.autocast("cpu", torch.bfloat16):
        proposals, _ = detector.rpn(ImageList(images, [(64, 416)]), detector.backbone(images), [target])
    regions, _, labels, deltas = detector.roi_heads.select_training_samples(proposals, [target])
    assert (labels[0] == 1).any()
    decoded = detector.roi_heads.box_coder.decode(deltas[0], [regions[0]])[:, 0]
    torch.testing.assert_close(decoded[labels[0] == 1], person.expand(int((labels[0] == 1).sum()), 4))
