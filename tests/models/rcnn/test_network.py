from dataclasses import replace
from functools import partial
from operator import attrgetter

import pytest
import torch
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from models.backbones.variants import ResNetFPNConfig
from models.rcnn.deform import DeformableConv2d
from models.rcnn.network import (
    FASTER_RCNN,
    FULL,
    FULL_SINGLE_SCALE,
    KEYPOINT_RCNN,
    MASK_RCNN,
    REFINED_BACKBONE,
    REGULAR,
    UNREFINED,
    MultitaskConfig,
    MultitaskRCNN,
)
from models.rcnn.recipe import NETWORKS

K = 3
W, H = 96, 64


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def shrink(config):
    """The same variant, small enough to learn within seconds."""
    return replace(
        config,
        backbone=replace(config.backbone, name="resnet18", channels=16),
        num_keypoints=K,
        proposals=(30, 20),
        sampled_proposals=16,
        box_width=32,
        mask_layers=(16, 16),
        keypoint_layers=(16, 16),
        most_people=6,
    )


def make_scene() -> tuple[torch.Tensor, list[dict[str, torch.Tensor]]]:
    boxes = torch.tensor([[8.0, 6.0, 30.0, 58.0], [52.0, 10.0, 80.0, 60.0]])
    images = torch.randn(2, 3, H, W, generator=torch.Generator().manual_seed(1)) * 0.1
    masks = torch.zeros(2, H, W, dtype=torch.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        images[0, :, y0:y1, x0:x1] += 1
        mask[y0:y1, x0:x1] = 1
    fractions = torch.tensor([[0.5, 0.2], [0.3, 0.5], [0.7, 0.8]])
    places = boxes[:, None, :2] + fractions * (boxes[:, 2:] - boxes[:, :2])[:, None]
    someone = {
        "boxes": boxes,
        "labels": torch.ones(2, dtype=torch.int64),
        "masks": masks,
        "keypoints": torch.cat([places, torch.ones(2, K, 1)], dim=2),
    }
    nobody = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, H, W, dtype=torch.uint8),
        "keypoints": torch.zeros(0, K, 3),
    }
    return images, [someone, nobody]


VARIANTS = {name: config for name, config in NETWORKS.items() if isinstance(config, MultitaskConfig)}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_learns_a_scene(name):
    torch.manual_seed(0)
    config = shrink(VARIANTS[name])
    network = MultitaskRCNN(config).train()
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
        # Squared errors of heatmaps begin at those of empty ones, and peaks rise late: see `test_heads.py`.
        late = {"keypoint"} if config.keypoint_loss == "mse" else set()
        history.append(sum(loss.item() for part, loss in losses.items() if part not in late))
    assert idle == set()
    assert min(history[-3:]) < 0.7 * history[0]


def test_convolutions_are_deformed_where_the_tables_say():
    def count(config, prefix):
        parts = MultitaskRCNN(shrink(config)).named_modules()
        return sum(isinstance(part, DeformableConv2d) and name.startswith(prefix) for name, part in parts)

    assert [count(c, "backbone.body.layer1") for c in (REGULAR, REFINED_BACKBONE, FULL)] == [0, 0, 0]
    # Stages of resnet18 have four 3x3 convolutions each.
    assert [count(c, "backbone.body") for c in (REGULAR, REFINED_BACKBONE, FULL)] == [0, 12, 12]
    assert [count(c, "roi_heads") for c in (REGULAR, REFINED_BACKBONE, FULL)] == [0, 0, 2]


def test_regions_come_from_the_scales_of_the_paper():
    images = torch.zeros(1, 3, 64, 128)
    expected = ((FASTER_RCNN, (4, 8, 16, 32, 64)), (FULL, (8, 16, 32, 64)), (FULL_SINGLE_SCALE, (32, 64)))
    for config, strides in expected:
        network = MultitaskRCNN(shrink(config)).eval()
        with torch.no_grad():
            maps = network.backbone(images)
        assert tuple(maps) == (*config.backbone.map_names, "pool")
        assert config.backbone.strides == strides
        assert [tuple(level.shape[2:]) for level in maps.values()] == [(64 // s, 128 // s) for s in strides]


PUBLISHED = {
    "faster": (FASTER_RCNN, detection.fasterrcnn_resnet50_fpn),
    "mask": (MASK_RCNN, detection.maskrcnn_resnet50_fpn),
    "keypoint": (KEYPOINT_RCNN, detection.keypointrcnn_resnet50_fpn),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_names_and_shapes_are_ours(name):
    config, make = PUBLISHED[name]
    with torch.device("meta"):
        theirs = make(weights=None, weights_backbone=None, num_classes=config.num_classes).state_dict()
        ours = MultitaskRCNN(config).state_dict()
    # Published weights are those of frozen batch norms, which count no batches.
    shapes = {key: value.shape for key, value in theirs.items() if not key.endswith("num_batches_tracked")}
    assert {key: value.shape for key, value in ours.items()} == shapes


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings_are_ours(name):
    config, make = PUBLISHED[name]
    with torch.device("meta"):
        theirs = make(weights=None, weights_backbone=None, num_classes=config.num_classes)
        ours = MultitaskRCNN(config)
    for part, names in {
        "rpn": ("_pre_nms_top_n", "_post_nms_top_n", "nms_thresh", "score_thresh"),
        "rpn.anchor_generator": ("sizes", "aspect_ratios"),
        "rpn.fg_bg_sampler": ("batch_size_per_image", "positive_fraction"),
        "rpn.proposal_matcher": ("high_threshold", "low_threshold", "allow_low_quality_matches"),
        "rpn.box_coder": ("weights",),
        "roi_heads": ("score_thresh", "nms_thresh", "detections_per_img"),
        "roi_heads.box_coder": ("weights",),
        "roi_heads.box_roi_pool": ("featmap_names", "output_size", "sampling_ratio", "canonical_scale"),
        "roi_heads.fg_bg_sampler": ("batch_size_per_image", "positive_fraction"),
        "roi_heads.proposal_matcher": ("high_threshold", "low_threshold", "allow_low_quality_matches"),
    }.items():
        for setting in names:
            read = attrgetter(f"{part}.{setting}")
            assert read(ours) == read(theirs), (part, setting)


def make_theirs(name: str, config) -> torch.nn.Module:
    """Torchvision's model of the same, small, shape."""
    backbone = resnet_fpn_backbone(
        backbone_name="resnet18",
        weights=None,
        norm_layer=partial(FrozenBatchNorm2d, eps=config.backbone.norm_epsilon),
        trainable_layers=5,
    )
    backbone.fpn = type(backbone.fpn)([64, 128, 256, 512], 16, backbone.fpn.extra_blocks)
    backbone.out_channels = 16
    head = {"box_head": detection.faster_rcnn.TwoMLPHead(16 * 49, 32)}
    head["box_predictor"] = detection.faster_rcnn.FastRCNNPredictor(32, config.num_classes)
    pool = partial(MultiScaleRoIAlign, ["0", "1", "2", "3"], sampling_ratio=2)
    if name == "mask":
        head["mask_roi_pool"] = pool(output_size=14)
        head["mask_head"] = MaskRCNNHeads(16, (16, 16), 1)
        head["mask_predictor"] = detection.mask_rcnn.MaskRCNNPredictor(16, 16, config.num_classes)
    if name == "keypoint":
        head["keypoint_roi_pool"] = pool(output_size=14)
        head["keypoint_head"] = KeypointRCNNHeads(16, (16, 16))
        head["keypoint_predictor"] = KeypointRCNNPredictor(16, K)
        head["num_keypoints"] = None
    make = {"faster": detection.FasterRCNN, "mask": detection.MaskRCNN, "keypoint": detection.KeypointRCNN}[
        name
    ]
    return make(
        backbone,
        rpn_pre_nms_top_n_train=30,
        rpn_post_nms_top_n_train=30,
        rpn_pre_nms_top_n_test=20,
        rpn_post_nms_top_n_test=20,
        box_batch_size_per_image=16,
        box_score_thresh=0.0,
        box_detections_per_img=6,
        **head,
    )


@pytest.fixture(params=["faster", "mask", "keypoint"])
def pair(request):
    """Torchvision's network and ours with the same weights."""
    torch.manual_seed(0)
    config = replace(shrink(PUBLISHED[request.param][0]), score_threshold=0.0)
    theirs, ours = make_theirs(request.param, config), MultitaskRCNN(config)
    for key, buffer in theirs.named_buffers():
        if key.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def run_theirs(network, images, targets=None):
    """Torchvision's network without its resizing, which happens outside of ours."""
    image_list = ImageList(images, [(H, W)] * len(images))
    pyramid = network.backbone(images)
    proposals, rpn_losses = network.rpn(image_list, pyramid, targets)
    people, losses = network.roi_heads(pyramid, proposals, image_list.image_sizes, targets)
    return people, losses | rpn_losses


def test_outputs_equal_torchvisions(pair):
    theirs, ours = pair
    images, _ = make_scene()
    with torch.no_grad():
        expected, _ = run_theirs(theirs.eval(), images)
        found = ours.eval()(images)
    for a, b in zip(found, expected, strict=True):
        assert len(a["boxes"]) == 6
        for name in ("boxes", "labels", "scores"):
            assert torch.equal(a[name], b[name])
        if "masks" in b:
            assert torch.equal(a["masks"], b["masks"][:, 0])
        if "keypoints" in b:
            assert torch.equal(a["keypoints"], b["keypoints"][..., :2])
            assert torch.equal(a["keypoint_values"], b["keypoints_scores"])
            assert ((a["keypoint_scores"] > 0) & (a["keypoint_scores"] <= 1)).all()
        assert ("masks" in a, "keypoints" in a) == ("masks" in b, "keypoints" in b)


def test_losses_equal_torchvisions(pair):
    theirs, ours = pair
    images, targets = make_scene()
    torch.manual_seed(5)
    _, expected = run_theirs(theirs.train(), images, targets)
    torch.manual_seed(5)
    found = ours.train()(images, targets)
    names = {
        "objectness": "loss_objectness",
        "proposal_box": "loss_rpn_box_reg",
        "person": "loss_classifier",
        "box": "loss_box_reg",
        "mask": "loss_mask",
        "keypoint": "loss_keypoint",
    }
    assert {names[name] for name in found} == set(expected)
    for name, loss in found.items():
        torch.testing.assert_close(loss, expected[names[name]])


def test_people_without_masks_or_keypoints_do_not_teach_these_heads():
    torch.manual_seed(0)
    network = MultitaskRCNN(shrink(UNREFINED)).train()
    images, targets = make_scene()
    someone = targets[0]
    lacking = torch.zeros(2, dtype=torch.bool)
    losses = network(images, [someone | {"has_masks": lacking, "has_keypoints": lacking}, targets[1]])
    assert losses["mask"].item() == 0
    assert losses["keypoint"].item() == 0
    assert losses["person"].item() > 0
    wrong = someone["masks"].clone()
    wrong[0] = 1 - wrong[0]
    one = {"has_masks": torch.tensor([False, True])}
    found = []
    for masks in (someone["masks"], wrong):
        torch.manual_seed(3)
        found.append(network(images, [someone | one | {"masks": masks}, targets[1]])["mask"].item())
    assert found[0] == found[1] > 0


def test_nobody_in_the_batch_costs_no_masks_and_keypoints():
    torch.manual_seed(0)
    network = MultitaskRCNN(shrink(FULL)).train()
    images, targets = make_scene()
    losses = network(images[1:], targets[1:])
    sum(losses.values()).backward()
    assert losses["mask"].item() == losses["keypoint"].item() == 0


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="keypoint_loss 'l1': known: mse, cross_entropy"):
        replace(FULL, keypoint_loss="l1")
    with pytest.raises(ValueError, match="deformed 'all'"):
        replace(FULL, deformed="all")
    with pytest.raises(ValueError, match="body 'vgg'"):
        ResNetFPNConfig(name="vgg")
    with pytest.raises(ValueError, match="scales 'two'"):
        ResNetFPNConfig(scales="two")
    with pytest.raises(ValueError, match="targets"):
        MultitaskRCNN(shrink(UNREFINED)).train()(torch.zeros(1, 3, H, W))
