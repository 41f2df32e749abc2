import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.movenet_decode import naive_decode_multiple

from models.movenet.codec import decode_multiple

K = 3


def make_heads(seed: int, B: int, H: int, W: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(channels: int, scale: float, shift: float = 0.0) -> torch.Tensor:
        return torch.randn((B, channels, H, W), generator=generator) * scale + shift

    return {
        "center": draw(1, 2.0),
        "kpt_heatmap": draw(K, 2.0),
        "kpt_regress": draw(2 * K, 2.0),
        "kpt_offset": draw(2 * K, 0.5),
        "box_scale": draw(2, 3.0, 4.0),
        "box_offset": draw(2, 0.5),
    }


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    H=st.integers(1, 9),
    W=st.integers(1, 9),
    threshold=st.sampled_from([0.0, 0.3, 0.999]),
)
def test_multiple_is_the_naive_decoding(seed, H, W, threshold):
    heads = make_heads(seed, 1, H, W)
    boxes, scores, keypoints, keypoint_scores = decode_multiple(heads, threshold)[0]
    expected = naive_decode_multiple({name: head[0].numpy() for name, head in heads.items()}, threshold)
    assert len(scores) == len(expected)
    for i, person in enumerate(expected):
        np.testing.assert_allclose(boxes[i], person["box"], atol=1e-5)
        np.testing.assert_allclose(scores[i], person["score"], atol=1e-5)
        np.testing.assert_allclose(keypoint_scores[i], person["keypoint_scores"], atol=1e-5)
        # Where every cell's score is next to 0, rounding decides which one is the highest.
        sure = np.asarray(person["keypoint_scores"]) > 1e-4
        np.testing.assert_allclose(keypoints[i][sure], np.asarray(person["keypoints"])[sure], atol=1e-5)


def test_a_batch_decodes_as_its_images_do():
    heads = make_heads(7, 3, 8, 12)
    together = decode_multiple(heads, 0.3)
    assert sum(len(people[1]) for people in together) > 3
    for i in range(3):
        one = {name: head[i : i + 1] for name, head in heads.items()}
        for ours, alone in zip(together[i], decode_multiple(one, 0.3)[0], strict=True):
            torch.testing.assert_close(ours, alone)


def test_nobody_and_no_images():
    heads = make_heads(1, 1, 8, 8)
    heads["center"] = torch.full((1, 1, 8, 8), -9.0)
    boxes, scores, keypoints, keypoint_scores = decode_multiple(heads, 0.3)[0]
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    assert keypoints.shape == (0, K, 2)
    assert keypoint_scores.shape == (0, K)
    none = {name: head[:0] for name, head in heads.items()}
    assert decode_multiple(none, 0.3) == []
