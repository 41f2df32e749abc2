import numpy as np
import pytest
from pycocotools.cocoeval import Params

from posetrack.skeleton import (
    COCO_17,
    CROWDPOSE_14,
    POSETRACK_15,
    SKELETONS,
    Skeleton,
    convert_coco17_to_posetrack15,
)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_every_skeleton_is_whole(skeleton):
    assert skeleton.num_keypoints == int(skeleton.name[-2:])
    flip = skeleton.flip_index
    assert [flip[i] for i in flip] == list(range(skeleton.num_keypoints))
    assert all(skeleton.sigmas[i] == skeleton.sigmas[flip[i]] for i in flip)
    sided = [name for name in skeleton.names if skeleton.side_of(name) != "middle"]
    assert {name for pair in skeleton.flip_pairs for name in pair} == set(sided)
    assert {k for edge in skeleton.edge_index for k in edge} == set(range(skeleton.num_keypoints))


def test_coco_sigmas_are_those_of_the_reference_tool():
    np.testing.assert_allclose(COCO_17.sigmas, Params(iouType="keypoints").kpt_oks_sigmas)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ("a", "a")}, "stands twice"),
        ({"sigmas": (0.1,)}, "2 keypoints but 1 sigmas"),
        ({"edges": (("a", "c"),)}, "no such keypoint: c"),
        ({"flip_pairs": (("d", "b"),)}, "no such keypoint: d"),
        ({"grouped": (0, 0)}, "the order of grouping has not each keypoint once"),
    ],
)
def test_a_skeleton_that_contradicts_itself_is_refused(change, message):
    fields = {"name": "x", "names": ("a", "b"), "edges": (), "flip_pairs": (), "sigmas": (0.1, 0.1)} | change
    with pytest.raises(ValueError, match=message):
        Skeleton(**fields)


def test_keypoints_are_grouped_in_the_public_codes_orders():
    order = [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
    assert list(COCO_17.grouping_order) == order
    # COCO's positions, as far as there are so many, are used for CrowdPose's keypoints too.
    assert list(CROWDPOSE_14.grouping_order) == order[:14]


def test_neck_and_head_top_come_from_shoulders_and_nose():
    xy = np.arange(34, dtype=np.float32).reshape(1, 17, 2)
    scores = np.linspace(0.1, 0.9, 17, dtype=np.float32)[None]
    at = {name: i for i, name in enumerate(COCO_17.names)}
    xy[0, at["left_shoulder"]], xy[0, at["right_shoulder"]], xy[0, at["nose"]] = (10, 20), (30, 20), (20, 10)
    out_xy, out_scores = convert_coco17_to_posetrack15(xy, scores)
    out = {name: (out_xy[0, i], out_scores[0, i]) for i, name in enumerate(POSETRACK_15.names)}
    shoulder_score = scores[0, [at["left_shoulder"], at["right_shoulder"]]].mean()
    np.testing.assert_array_equal(out["neck"][0], [20, 20])
    np.testing.assert_array_equal(out["head_top"][0], [20, 0])
    assert out["neck"][1] == out["head_top"][1] == pytest.approx(shoulder_score)
    np.testing.assert_array_equal(out["left_ankle"][0], xy[0, at["left_ankle"]])
    assert out["left_ankle"][1] == scores[0, at["left_ankle"]]


def test_conversion_of_nobody_and_of_another_skeleton():
    xy, scores = convert_coco17_to_posetrack15(np.zeros((0, 17, 2)), np.zeros((0, 17)))
    assert xy.shape == (0, 15, 2)
    assert scores.shape == (0, 15)
    with pytest.raises(ValueError, match=r"expected COCO keypoints of shape \(N, 17, 2\)"):
        convert_coco17_to_posetrack15(np.zeros((1, 15, 2)), np.zeros((1, 15)))
