import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.rcnn_offsets import draw_keypoint

from models.rcnn.codec import decode_keypoints, decode_masks, encode_keypoints, score_peaks
from models.rcnn.losses import compute_keypoint_entropy, compute_keypoint_loss, compute_mask_loss

BOX = (10.0, 20.0, 42.0, 84.0)
SIDE = 16


@pytest.fixture(autouse=True)
def one_thread():
    """Maps this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


KEYPOINTS = [
    (12.3, 30.0, 1.0),
    (42.0, 84.0, 1.0),
    (10.0, 20.0, 0.4),
    (25.0, 50.0, 0.0),
    (9.9, 50.0, 1.0),
    (25.0, 84.1, 1.0),
]


def test_targets_are_the_loop():
    heatmaps = encode_keypoints(torch.tensor([KEYPOINTS]), torch.tensor([BOX]), SIDE)
    expected = np.stack([draw_keypoint(keypoint, BOX, SIDE) for keypoint in KEYPOINTS])
    np.testing.assert_allclose(heatmaps[0].numpy(), expected, atol=1e-5)
    assert [bool(heatmap.any()) for heatmap in heatmaps[0]] == [True, True, True, False, False, False]


def test_an_unknown_keypoint_that_is_no_number_leaves_nothing():
    keypoints = torch.tensor([[[float("nan"), float("inf"), 0.0]]])
    assert encode_keypoints(keypoints, torch.tensor([BOX]), SIDE).eq(0).all()


@settings(deadline=None, max_examples=30)
@given(
    st.floats(0.01, 0.99),
    st.floats(0.01, 0.99),
    st.integers(24, 200),
    st.integers(24, 200),
)
def test_keypoints_come_back_within_the_stated_error(share_x, share_y, width, height):
    size = torch.tensor([width, height])
    box = torch.tensor([[5.0, 7.0, 5.0 + width, 7.0 + height]])
    keypoint = torch.tensor([[[5 + share_x * width, 7 + share_y * height, 1.0]]])
    decoded, scores = decode_keypoints(encode_keypoints(keypoint, box, SIDE), box)
    errors = (decoded[0, 0] - keypoint[0, 0, :2]).abs() * SIDE / size - 0.5 * SIDE / size
    places = torch.tensor([share_x, share_y]) * SIDE
    is_inner = bool(((places > 1) & (places < SIDE - 1)).all())
    assert float(errors.max()) <= (0.2 if is_inner else 0.75)
    assert 0.8 < float(scores) < 1.15


def test_peaks_are_scored_by_the_fraction_of_the_cells_about_them():
    logits = torch.full((1, 4, 20, 20), -100.0)
    logits[0, 0] = 7
    logits[0, 1, 0, 19] = 0
    logits[0, 2, 3, 3] = logits[0, 2, 3, 4] = logits[0, 2, 15, 3] = logits[0, 2, 15, 9] = 0
    # Corners of 5 x 5 cells have three fifths; what lies past them has two, and no such window all.
    logits[0, 3, 4, 4] = logits[0, 3, 4, 8] = logits[0, 3, 8, 4] = 0
    logits[0, 3, 4, 9] = math.log(2)
    torch.testing.assert_close(score_peaks(logits)[0], torch.tensor([25 / 400, 1, 0.5, 0.6]))
    # Logits say the same however high they are.
    torch.testing.assert_close(score_peaks(logits + 3), score_peaks(logits))
    assert score_peaks(logits[:0]).shape == (0, 4)


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
    boxes, matched = torch.tensor([[0.0, 0.0, 32.0, 32.0]]), torch.tensor([1])
    logits = torch.zeros(1, 3, 4, 4)
    logits[0, 2] = -3
    logits[0, 2, 1:3, 1:3] = 3
    wrong = compute_mask_loss(logits, masks, torch.tensor([1, 1]), matched, boxes)
    right = compute_mask_loss(logits, masks, torch.tensor([1, 2]), matched, boxes)
    assert float(wrong) == pytest.approx(np.log(2), rel=1e-5)
    assert 0.03 < float(right) < 0.3


@pytest.mark.parametrize("compute", [compute_keypoint_loss, compute_keypoint_entropy])
def test_nobody_costs_nothing(compute):
    heatmaps = torch.zeros(0, 6, SIDE, SIDE, requires_grad=True)
    loss = compute(heatmaps, torch.zeros(0, 6, 3), torch.zeros(0, 4))
    loss.backward()
    assert loss.item() == 0


def test_masks_lie_where_their_boxes_do():
    pasted = decode_masks(torch.ones(1, 28, 28), torch.tensor([[8.0, 4.0, 24.0, 20.0]]), (40, 30))
    assert pasted.shape == (1, 30, 40)
    assert pasted[0, 6:18, 10:22].all()
    assert not pasted[0, :2].any()
    assert not pasted[0, :, 28:].any()
    assert decode_masks(torch.ones(0, 28, 28), torch.zeros(0, 4), (40, 30)).shape == (0, 30, 40)
