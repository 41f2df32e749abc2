"""Parity with torchvision's published networks: names, settings, outputs and losses."""

from dataclasses import replace
from functools import partial
from operator import attrgetter

import pytest
import torch
from reference.rcnn_scene import H, K, W, make_scene, shrink
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from models.backbones.imagenet import normalize_images
from models.rcnn.network import make_rcnn
from models.rcnn.variants import FASTER_RCNN, KEYPOINT_RCNN, MASK_RCNN

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
        ours = make_rcnn(config).state_dict()
    # Published weights are those of frozen batch norms, which count no batches.
    shapes = {key: value.shape for key, value in theirs.items() if not key.endswith("num_batches_tracked")}
    assert {key: value.shape for key, value in ours.items()} == shapes


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings_are_ours(name):
    config, make = PUBLISHED[name]
    with torch.device("meta"):
        theirs = make(weights=None, weights_backbone=None, num_classes=config.num_classes)
        ours = make_rcnn(config)
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
    """Torchvision's network with the same small shapes."""
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
    theirs, ours = make_theirs(request.param, config), make_rcnn(config)
    for key, buffer in theirs.named_buffers():
        if key.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def run_theirs(network, images, targets=None):
    """Torchvision's network without its resizing, which happens outside ours."""
    image_list = ImageList(images, [(H, W)] * len(images))
    pyramid = network.backbone(images)
    proposals, rpn_losses = network.rpn(image_list, pyramid, targets)
    people, losses = network.roi_heads(pyramid, proposals, image_list.image_sizes, targets)
    return people, losses | rpn_losses


def test_outputs_equal_torchvisions(pair):
    theirs, ours = pair
    images = normalize_images(make_scene()[0])
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
    images = normalize_images(images)
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
