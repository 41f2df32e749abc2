from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as mask_api
from reference.rcnn_scene import DETECTOR
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.data.instances import InstanceSamples
from models.rcnn.augment import DetectionAugment
from models.rcnn.dataset import Canvas, DetectionDataset, collate_samples
from models.rcnn.network import make_rcnn
from models.rcnn.train import FoundPeople, encode_results, find_people, make_detection_losses
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


class Seer(nn.Module):
    """Finds what is white on the canvas, with masks and keypoints at the corners of the box."""

    def __init__(self, is_multitask):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.is_multitask = is_multitask

    def forward(self, images):
        return [self.find(image) for image in images]

    def find(self, image):
        count, _, stats, _ = cv2.connectedComponentsWithStats((image[0] > 2).numpy().astype(np.uint8))
        rows = stats[1:count, :4].astype(np.float32)
        boxes = torch.from_numpy(np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:]], axis=1))
        people = {"boxes": boxes, "scores": torch.linspace(0.9, 0.8, len(boxes))}
        if self.is_multitask:
            people["masks"] = torch.ones(len(boxes), 28, 28)
            people["keypoints"] = boxes.reshape(-1, 2, 2)
            people["keypoint_scores"] = torch.ones(len(boxes), 2)
        return people


@pytest.mark.parametrize("is_multitask", [False, True])
def test_found_people_come_back_to_their_images(samples, is_multitask):
    found = find_people(Seer(is_multitask).eval(), make_dataset(samples), batch_size=2)
    order = np.lexsort((found.boxes_xyxy[:, 0], found.image_index))
    assert found.image_index.tolist() == [0, 0, 1]
    np.testing.assert_allclose(found.boxes_xyxy[order], [*BOXES, BOXES[0]], atol=1.5)
    results = encode_results(found, samples.image_ids)
    assert [result["image_id"] for result in results] == [30, 30, 10]
    left, top, width, height = results[-1]["bbox"]
    np.testing.assert_allclose([left, top, width, height], [20, 30, 40, 40], atol=1.5)
    assert ("keypoints" in results[0]) == ("segmentation" in results[0]) == is_multitask
    if is_multitask:
        # COCO counts keypoints from the middle of the first pixel, boxes from its corner.
        np.testing.assert_allclose(
            results[-1]["keypoints"],
            [left - 0.5, top - 0.5, 1, left + width - 0.5, top + height - 0.5, 1],
            atol=1e-3,
        )
        assert results[-1]["segmentation"]["size"] == [100, 140]
        np.testing.assert_allclose(
            mask_api.toBbox(results[-1]["segmentation"]), [left, top, width, height], atol=2
        )


class ManyClasses(Seer):
    """Says of each first one that it is of another class."""

    def find(self, image):
        people = super().find(image)
        labels = torch.ones(len(people["boxes"]), dtype=torch.int64)
        labels[:1] = 18
        return people | {"labels": labels}


def test_only_people_count(samples):
    found = find_people(ManyClasses(True).eval(), make_dataset(samples))
    assert found.image_index.tolist() == [0]
    np.testing.assert_allclose(found.scores, 0.8)
    assert len(found.masks) == len(found.keypoints_xyw) == 1


def test_nobody_found_is_no_results(samples):
    nobody = FoundPeople(np.empty(0, np.int64), np.empty((0, 4), np.float32), np.empty(0, np.float32))
    assert encode_results(nobody, samples.image_ids) == []


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
    with pytest.raises(TrainingError, match="frozen_stages"):
        freeze_body(network.backbone.body, stages=99, is_batch_norm_frozen=False)
