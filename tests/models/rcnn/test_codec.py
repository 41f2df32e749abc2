import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.rcnn_offsets import BOX, KEYPOINTS, draw_keypoint

from models.rcnn.codec import decode_keypoints, decode_masks, encode_keypoints, score_peaks

SIDE = 16


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
def test_keypoints_come_back_within_the_stated_error(fraction_x, fraction_y, width, height):
    size = torch.tensor([width, height])
    box = torch.tensor([[5.0, 7.0, 5.0 + width, 7.0 + height]])
    keypoint = torch.tensor([[[5 + fraction_x * width, 7 + fraction_y * height, 1.0]]])
    decoded, scores = decode_keypoints(encode_keypoints(keypoint, box, SIDE), box)
    errors = (decoded[0, 0] - keypoint[0, 0, :2]).abs() * SIDE / size - 0.5 * SIDE / size
    places = torch.tensor([fraction_x, fraction_y]) * SIDE
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


def test_masks_lie_where_their_boxes_do():
    pasted = decode_masks(torch.ones(1, 28, 28), torch.tensor([[8.0, 4.0, 24.0, 20.0]]), (40, 30))
    assert pasted.shape == (1, 30, 40)
    assert pasted[0, 6:18, 10:22].all()
    assert not pasted[0, :2].any()
    assert not pasted[0, :, 28:].any()
    assert decode_masks(torch.ones(0, 28, 28), torch.zeros(0, 4), (40, 30)).shape == (0, 30, 40)
