"""Keypoints of one skeleton as those of a format, against the conversion of the papers and by hand."""

import json
from fractions import Fraction

import numpy as np
import pytest

from posetrack.body_parts import BODY25_NAMES
from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.results.conversions import (
    OPENPOSE_18_NAMES,
    choose_openpose_names,
    find_openpose_conversion,
    find_posetrack_conversion,
)
from posetrack.results.export import export, find_exporter
from posetrack.results.record import Header, Record
from posetrack.skeleton import (
    BODY_25,
    COCO_17,
    CROWDPOSE_14,
    HALPE_26,
    MPII_16,
    POSETRACK_15,
    Skeleton,
    convert_coco17_to_posetrack15,
)


def make_points(skeleton, seed=0):
    rng = np.random.default_rng(seed)
    K = skeleton.num_keypoints
    return rng.uniform(0, 400, (3, K, 2)).astype(np.float32), rng.uniform(0.1, 1, (3, K)).astype(np.float32)


def test_coco_becomes_posetrack_as_in_the_papers():
    xy, scores = make_points(COCO_17)
    found_xy, found_scores = find_posetrack_conversion(COCO_17)(xy, scores)
    expected_xy, expected_scores = convert_coco17_to_posetrack15(xy, scores)
    np.testing.assert_allclose(found_xy, expected_xy, rtol=1e-6)
    np.testing.assert_allclose(found_scores, expected_scores, rtol=1e-6)
    assert found_scores.dtype == np.float32


def test_what_is_there_is_taken():
    for skeleton in (POSETRACK_15, HALPE_26):
        xy, scores = make_points(skeleton)
        found_xy, found_scores = find_posetrack_conversion(skeleton)(xy, scores)
        columns = [skeleton.names.index(name) for name in POSETRACK_15.names]
        np.testing.assert_array_equal(found_xy, xy[:, columns])
        np.testing.assert_array_equal(found_scores, scores[:, columns])
    xy, scores = make_points(BODY_25)
    found_xy, _ = find_posetrack_conversion(BODY_25)(xy, scores)
    nose, neck = (xy[:, BODY_25.names.index(name)] for name in ("nose", "neck"))
    np.testing.assert_allclose(found_xy[:, POSETRACK_15.names.index("head_top")], 2 * nose - neck, rtol=1e-5)


def test_openpose_with_feet_and_without():
    assert choose_openpose_names(COCO_17) == OPENPOSE_18_NAMES
    for skeleton in (BODY_25, HALPE_26):
        assert choose_openpose_names(skeleton) == BODY25_NAMES
        xy, scores = make_points(skeleton)
        found_xy, found_scores = find_openpose_conversion(skeleton)(xy, scores)
        columns = [skeleton.names.index(name) for name in BODY25_NAMES]
        np.testing.assert_array_equal(found_xy, xy[:, columns])
        np.testing.assert_array_equal(found_scores, scores[:, columns])
    names = [name for name in BODY_25.names if name not in ("neck", "pelvis")]
    feet = Skeleton("feet23", tuple(names), (), (), (0.1,) * 23)
    xy, scores = make_points(feet)
    found_xy, found_scores = find_openpose_conversion(feet)(xy, scores)
    hips = [names.index("left_hip"), names.index("right_hip")]
    np.testing.assert_allclose(found_xy[:, BODY25_NAMES.index("pelvis")], xy[:, hips].mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(found_scores[:, BODY25_NAMES.index("pelvis")], scores[:, hips].min(axis=1))


def test_nothing_lies_between_a_keypoint_and_none():
    xy, scores = make_points(COCO_17)
    scores[0, COCO_17.names.index("left_shoulder")] = 0
    for convert, names in (
        (find_posetrack_conversion(COCO_17), POSETRACK_15.names),
        (find_openpose_conversion(COCO_17), OPENPOSE_18_NAMES),
    ):
        _, found = convert(xy, scores)
        assert found[0, names.index("neck")] == 0
        assert found[1, names.index("neck")] > 0


@pytest.mark.parametrize("skeleton", [MPII_16, CROWDPOSE_14])
def test_a_skeleton_without_a_nose(skeleton):
    assert find_posetrack_conversion(skeleton) is None
    assert find_openpose_conversion(skeleton) is None
    with pytest.raises(
        ResultsError, match=f"cannot hold {skeleton.name} keypoints, only those of coco17, pose"
    ):
        find_exporter("posetrack18", skeleton)


@pytest.mark.parametrize("skeleton", [BODY_25, HALPE_26])
def test_body25_files(skeleton, tmp_path):
    xy, scores = make_points(skeleton)
    scores[0, skeleton.names.index("left_heel")] = 0
    people = Instances(keypoints_xy=xy, keypoint_scores=scores, track_ids=[1, 2, 3])
    header = Header("clip.mp4", 640, 480, Fraction(25), skeleton, "made")
    folder = export([Record(0, 0.0, people)], header, "openpose", tmp_path)
    first = json.loads((folder / "clip_000000000000_keypoints.json").read_text())["people"][0]
    triples = np.reshape(first["pose_keypoints_2d"], (25, 3))
    assert triples[BODY25_NAMES.index("left_heel")].tolist() == [0, 0, 0]
    np.testing.assert_allclose(triples[0, :2], xy[0, 0] - 0.5, atol=0.006)


@pytest.mark.parametrize("name", ["coco", "csv", "posetrack18"])
def test_a_keypoint_of_score_0_is_absent(name, tmp_path):
    """As `posetrack edit keypoint --absent` and other programs' files have it."""
    xy, scores = make_points(COCO_17)
    scores[:, COCO_17.names.index("left_wrist")] = 0
    people = Instances(keypoints_xy=xy, keypoint_scores=scores, track_ids=[1, 2, 3])
    header = Header("clip.mp4", 640, 480, Fraction(25), COCO_17, "made")
    path = export([Record(0, 0.0, people)], header, name, tmp_path)
    if name == "csv":
        rows = path.read_text().splitlines()
        assert rows[1].split(",")[rows[0].split(",").index("left_wrist_x")] == ""
        return
    content = json.loads(path.read_text())
    column = content["categories"][0]["keypoints"].index("left_wrist")
    assert content["annotations"][0]["keypoints"][3 * column : 3 * column + 3] == [0, 0, 0]
