import numpy as np
import pytest
import torch
from reference.rcnn_offsets import BOX, KEYPOINTS, draw_keypoint

from models.rcnn.codec import encode_keypoints
from models.rcnn.losses import (
    compute_keypoint_entropy,
    compute_keypoint_loss,
    compute_mask_loss,
    weight_losses,
)
from models.rcnn.variants import LossWeights

SIDE = 16


def test_the_keypoint_loss_is_equation_9():
    keypoints = torch.tensor([KEYPOINTS, [(20.0, 40.0, 0.0)] * 6])
    boxes = torch.tensor([BOX, BOX])
    heatmaps = torch.rand(2, 6, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    expected = 0.0
    for heatmap, keypoint in zip(heatmaps[0].numpy(), KEYPOINTS, strict=True):
        for r in range(SIDE):
            for c in range(SIDE):
                expected += (heatmap[r, c] - draw_keypoint(keypoint, BOX, SIDE)[r, c]) ** 2 / len(KEYPOINTS)
    # The second person has no known keypoint, so only the first counts.
    assert float(compute_keypoint_loss(heatmaps, keypoints, boxes)) == pytest.approx(expected, rel=1e-4)
    assert float(compute_keypoint_loss(heatmaps[1:], keypoints[1:], boxes[1:])) == 0


def test_perfect_heatmaps_have_no_loss():
    keypoints, boxes = torch.tensor([KEYPOINTS]), torch.tensor([BOX])
    heatmaps = encode_keypoints(keypoints, boxes, SIDE)
    assert float(compute_keypoint_loss(heatmaps, keypoints, boxes)) == 0


def test_the_cross_entropy_is_that_of_the_keypoints_cell():
    logits = torch.randn(1, 6, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    expected = []
    for k, (x, y, known) in enumerate(KEYPOINTS):
        if known and BOX[0] <= x <= BOX[2] and BOX[1] <= y <= BOX[3]:
            c = min(int((x - BOX[0]) * SIDE / (BOX[2] - BOX[0])), SIDE - 1)
            r = min(int((y - BOX[1]) * SIDE / (BOX[3] - BOX[1])), SIDE - 1)
            expected.append(float(torch.logsumexp(logits[0, k].flatten(), 0) - logits[0, k, r, c]))
    found = compute_keypoint_entropy(logits, torch.tensor([KEYPOINTS]), torch.tensor([BOX]))
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)


def test_the_mask_loss_takes_the_true_class_alone():
    masks = torch.zeros(2, 32, 32, dtype=torch.uint8)
    masks[1, 8:24, 8:24] = 1
    boxes, rows = [torch.tensor([[0.0, 0.0, 32.0, 32.0]])], [torch.tensor([1])]
    logits = torch.zeros(1, 3, 4, 4)
    logits[0, 2] = -3
    logits[0, 2, 1:3, 1:3] = 3
    wrong = compute_mask_loss(logits, boxes, rows, [{"masks": masks, "labels": torch.tensor([1, 1])}])
    right = compute_mask_loss(logits, boxes, rows, [{"masks": masks, "labels": torch.tensor([1, 2])}])
    assert float(wrong) == pytest.approx(np.log(2), rel=1e-5)
    assert 0.03 < float(right) < 0.3


@pytest.mark.parametrize("compute", [compute_keypoint_loss, compute_keypoint_entropy])
def test_nobody_costs_nothing(compute):
    heatmaps = torch.zeros(0, 6, SIDE, SIDE, requires_grad=True)
    loss = compute(heatmaps, torch.zeros(0, 6, 3), torch.zeros(0, 4))
    loss.backward()
    assert loss.item() == 0


def test_the_mask_loss_is_the_mean_over_images_of_any_size():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 4, 4, generator=generator)
    targets = [
        {
            "masks": torch.randint(0, 2, (1, *size), generator=generator),
            "labels": torch.ones(1, dtype=torch.int64),
        }
        for size in ((32, 24), (48, 64), (16, 16))
    ]
    boxes = [
        torch.tensor([[2.0, 3.0, 20.0, 30.0]]),
        torch.tensor([[0.0, 0.0, 40.0, 40.0]] * 2),
        torch.zeros(0, 4),
    ]
    rows = [torch.zeros(len(own), dtype=torch.int64) for own in boxes]
    alone = [
        compute_mask_loss(part, boxes[i : i + 1], rows[i : i + 1], targets[i : i + 1])
        for i, part in enumerate(torch.split(logits, [1, 2, 0]))
    ]
    whole = compute_mask_loss(logits, boxes, rows, targets)
    assert alone[2] == 0
    torch.testing.assert_close(whole, (alone[0] + 2 * alone[1]) / 3)


def test_each_loss_gets_its_weight():
    losses = {"mask": torch.tensor(3.0), "box": torch.tensor(2.0)}
    assert weight_losses(losses, LossWeights(mask=0.5, keypoint=7.0)) == {"mask": 1.5, "box": 2.0}
    with pytest.raises(KeyError):
        weight_losses({"boxes": torch.tensor(1.0)}, LossWeights())
