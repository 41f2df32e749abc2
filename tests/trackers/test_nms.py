import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference.trackers_nms import naive_iou, naive_nms
from reference.trackers_oks import naive_oks

from trackers.nms import box_nms, compute_iou, oks_nms

box_tables = st.integers(0, 8).flatmap(
    lambda rows: hnp.arrays(np.float32, (rows, 4), elements=st.integers(-3, 12).map(float))
)


@given(box_tables, box_tables)
def test_iou_is_the_plain_formula(boxes, others):
    expected = np.array([[naive_iou(a, b) for b in others] for a in boxes]).reshape(len(boxes), len(others))
    np.testing.assert_allclose(compute_iou(boxes, others), expected, atol=1e-6)


@given(box_tables, st.data())
def test_box_nms_is_the_plain_loop(boxes, data):
    scores = data.draw(hnp.arrays(np.float32, len(boxes), elements=st.sampled_from([0.1, 0.5, 0.9])))
    table = [[naive_iou(a, b) for b in boxes] for a in boxes]
    assert box_nms(boxes, scores, 0.3).tolist() == naive_nms(table, scores, 0.3)


@given(st.integers(0, 7), st.integers(0, 2**32 - 1))
def test_oks_nms_is_the_plain_loop(rows, seed):
    rng = np.random.default_rng(seed)
    keypoints = rng.integers(0, 6, (rows, 4, 2)).astype(np.float32)
    visible = rng.random((rows, 4)) > 0.3
    scores, areas = rng.random(rows).astype(np.float32), np.full(rows, 200, np.float32)
    sigmas = np.full(4, 0.1, np.float32)
    kept = oks_nms(keypoints, visible, scores, areas_px2=areas, sigmas=sigmas, max_oks=0.61)
    table = naive_oks(keypoints, visible, keypoints, visible, areas, areas, sigmas)
    assert kept.tolist() == naive_nms(table, scores, 0.61)


def test_a_box_without_area_suppresses_nothing():
    boxes = np.array([[5, 5, 5, 5], [0, 0, 10, 10], [5, 5, 5, 5]], np.float32)
    assert box_nms(boxes, np.array([0.9, 0.5, 0.9], np.float32), 0.5).tolist() == [0, 2, 1]
