from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from reference.rcnn_scene import DETECTOR
from torch.nn.modules.batchnorm import _BatchNorm

from models.data.image_files import ImageFile
from models.data.instances import InstanceSamples
from models.detection.augment import DetectionAugment
from models.detection.dataset import DetectionDataset, collate_samples
from models.detection.plan import Canvas
from models.detection.train import make_detection_losses
from models.rcnn.network import make_rcnn
from models.training.errors import TrainingError
from models.training.freeze import freeze_body

K = 2
BOXES = [[20, 30, 60, 70], [90, 20, 110, 80]]


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
        images=tuple(map(ImageFile, paths)),
        image_ids=np.array([30, 10, 20]),
        image_index=np.array([0, 0, 1, 2]),
        boxes_xyxy=np.array([*BOXES, BOXES[0], BOXES[1]], np.float32),
        is_ignored=np.array([False, False, False, True]),
        keypoints_xyw=np.zeros((4, K, 3), np.float32),
        outlines=(None,) * 4,
    )


def make_dataset(samples, augment=None, size_wh=(96, 96)):
    return DetectionDataset(samples, canvas=Canvas(size_wh), flip_index=(1, 0), augment=augment)


def test_a_detector_learns_four_images(samples):
    network = make_rcnn(DETECTOR).train()
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
    network = make_rcnn(DETECTOR)
    norms = freeze_body(network.backbone.body, stages=2, is_batch_norm_frozen=False)
    all_norms = [part for part in network.backbone.body.modules() if isinstance(part, _BatchNorm)]
    assert 0 < len(norms) < len(all_norms)
    network.train()
    make_detection_losses(norms)(lambda images, targets: {}, {"image": torch.zeros(1, 8, 8, 3), "targets": []})
    assert not any(norm.training for norm in norms)
    assert any(norm.training for norm in all_norms)
    freeze_body(network.backbone.body, stages=0, is_batch_norm_constant=True)
    learning = {name for name, value in network.backbone.body.named_parameters() if value.requires_grad}
    assert learning
    assert not any(".bn" in name for name in learning)
    assert not any(norm.training for norm in all_norms)
    with pytest.raises(TrainingError, match="frozen_stages"):
        freeze_body(network.backbone.body, stages=99, is_batch_norm_frozen=False)
