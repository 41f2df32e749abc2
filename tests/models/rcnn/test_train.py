from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models import resnet18

import models
from models.data.instances import InstanceSamples
from models.rcnn.augment import DetectionAugment
from models.rcnn.dataset import Canvas, DetectionDataset, collate_samples
from models.rcnn.detector import LITE0_DETECTOR, MOVENET_DETECTOR, make_person_detector
from models.rcnn.network import FULL, MultitaskRCNN
from models.rcnn.start import load_start
from models.rcnn.train import make_detection_losses
from models.training.errors import TrainingError
from models.training.freeze import freeze_body

K = 2
BOXES = [[20, 30, 60, 70], [90, 20, 110, 80]]


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def samples(tmp_path):
    """Three images; in the first two white people before black, in the last nobody but a region to ignore."""
    paths = []
    for i in range(3):
        image = np.zeros((100, 140, 3), np.uint8)
        for left, top, right, bottom in BOXES[: 2 - i]:
            image[top:bottom, left:right] = 255
        paths.append(Path(tmp_path / f"{i}.png"))
        cv2.imwrite(str(paths[-1]), image)
    return InstanceSamples(
        image_paths=tuple(paths),
        image_ids=np.array([30, 10, 20]),
        image_index=np.array([0, 0, 1, 2]),
        boxes_xyxy=np.array([*BOXES, BOXES[0], BOXES[1]], np.float32),
        is_ignored=np.array([False, False, False, True]),
        keypoints_xyw=np.zeros((4, K, 3), np.float32),
        outlines=(None,) * 4,
    )


def make_dataset(samples, augment=None, size_wh=(96, 96)):
    return DetectionDataset(samples, canvas=Canvas(size_wh), flip_index=(1, 0), augment=augment)


def make_small_detector():
    torch.manual_seed(0)
    return make_person_detector(
        replace(
            LITE0_DETECTOR,
            channels=16,
            pyramid_layers=1,
            proposals=(60, 30),
            sampled_proposals=32,
            head_width=32,
        )
    )


def test_a_detector_learns_four_images(samples):
    network = make_small_detector().train()
    norms = freeze_body(network.backbone.body, stages=1, is_batch_norm_frozen=True)
    compute = make_detection_losses(norms)
    dataset = make_dataset(samples, DetectionAugment(), (64, 64))
    batch = collate_samples([dataset[(0, i)] for i in (0, 1, 2, 0)])
    before = {name: value.clone() for name, value in network.backbone.body.state_dict().items()}
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 3e-3)
    totals = []
    for _ in range(20):
        losses = compute(network, batch)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert set(losses) == {"objectness", "proposal_box", "person", "box"}
    assert np.mean(totals[-3:]) < 0.6 * totals[0]
    changed = {
        name
        for name, value in network.backbone.body.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed
    assert not any("running_" in name or "conv_stem" in name for name in changed)


def test_frozen_norms_stay_frozen_after_evaluation():
    network = make_small_detector()
    norms = freeze_body(network.backbone.body, stages=2, is_batch_norm_frozen=False)
    all_norms = [part for part in network.backbone.body.modules() if isinstance(part, _BatchNorm)]
    assert 0 < len(norms) < len(all_norms)
    network.train()
    make_detection_losses(norms)(lambda images, targets: {}, {"image": torch.zeros(1, 8, 8, 3), "targets": []})
    assert not any(norm.training for norm in norms)
    assert any(norm.training for norm in all_norms)
    with pytest.raises(TrainingError, match="frozen_stages"):
        freeze_body(network.backbone.body, stages=99, is_batch_norm_frozen=False)


def test_a_resnet_body_takes_imagenet_weights(tmp_path):
    config = replace(FULL, backbone=replace(FULL.backbone, name="resnet18", channels=16), box_width=16)
    config = replace(config, num_keypoints=K, mask_layers=(16,), keypoint_layers=(16,))
    source = resnet18(weights=None)
    path = tmp_path / "resnet18.safetensors"
    save_file(source.state_dict(), path)
    network = MultitaskRCNN(config)
    load_start(network, path)
    body = network.backbone.body
    assert torch.equal(body.layer4[0].conv1.weight, source.layer4[0].conv1.weight)
    freeze_body(body, stages=2, is_batch_norm_frozen=False)
    learning = {name.split(".")[0] for name, value in body.named_parameters() if value.requires_grad}
    assert learning == {"layer2", "layer3", "layer4"}
    whole = tmp_path / "whole.safetensors"
    save_file(network.state_dict(), whole)
    again = MultitaskRCNN(config)
    load_start(again, whole)
    for name, value in again.state_dict().items():
        assert torch.equal(value, network.state_dict()[name])


def test_a_keypoint_head_is_added_to_a_detector(tmp_path):
    config = replace(LITE0_DETECTOR, channels=16, head_width=16)
    found = make_person_detector(config)
    path = tmp_path / "detector.safetensors"
    save_file(found.state_dict(), path)
    network = make_person_detector(replace(config, keypoint_layers=(8,)))
    head = network.roi_heads.keypoint_head[0].weight.clone()
    load_start(network, path)
    assert torch.equal(network.rpn.head.cls_logits.weight, found.rpn.head.cls_logits.weight)
    assert torch.equal(network.roi_heads.keypoint_head[0].weight, head)
    with pytest.raises(TrainingError, match="does not fit"):
        load_start(make_person_detector(replace(config, head_width=8)), path)


def test_movenets_body_takes_movenets_weights():
    network = make_person_detector(replace(MOVENET_DETECTOR, channels=16, head_width=16))
    weights = Path(models.__file__).parent / "weights" / "movenet-multipose.safetensors"
    load_start(network, weights)
    body = network.backbone.body
    assert torch.equal(body.backbone.stem.bias, load_file(weights)["backbone.stem.bias"].float())
    freeze_body(body, stages=11)
    learning = {name for name, value in body.named_parameters() if value.requires_grad}
    assert {name for name in learning if name.startswith(("backbone.stem", "backbone.blocks.9."))} == set()
    assert {"backbone.blocks.10.project.weight", "pyramid.top.weight"} <= learning


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.pth", None, "no such weights"),
        ("bad.safetensors", b"nonsense", "cannot be read"),
        ("other.safetensors", {"layer9.weight": torch.zeros(2)}, "does not fit"),
        ("backbone.safetensors", {"backbone.body.x": torch.zeros(2)}, "does not fit"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        save_file(content, path)
    with pytest.raises(TrainingError, match=message):
        load_start(make_small_detector(), path)
