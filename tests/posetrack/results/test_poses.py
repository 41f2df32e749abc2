from fractions import Fraction

import numpy as np
import pytest

from posetrack import draw, read_poses
from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

HEADER = Header("clip.mp4", 64, 48, Fraction(25), COCO_17, "fast")
SOMEONE = Instances(
    boxes_xyxy=[[4, 4, 30, 44]],
    box_scores=[0.9],
    keypoints_xy=np.full((1, 17, 2), 20.0),
    keypoint_scores=np.ones((1, 17)),
    track_ids=[7],
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, HEADER) as writer:
        writer.write(0, 0.0, SOMEONE)
        writer.write(2, 0.08, SOMEONE[[]])
    return path


def test_saved_frames_can_be_read_twice(path):
    poses = read_poses(path)
    assert poses.header == HEADER
    assert "coco17 of 'clip.mp4'" in repr(poses)
    for _ in range(2):
        first, second = poses
        assert (first.index, first.time_s, first.instances.track_ids.tolist()) == (0, 0.0, [7])
        assert (second.index, second.time_s, len(second.instances)) == (2, 0.08, 0)
        assert first.keypoint_names == COCO_17.names
        assert first.is_restored
        np.testing.assert_array_equal(first.instances.keypoints_xy, SOMEONE.keypoints_xy)


def test_their_images_are_black_and_can_be_drawn_on(path):
    first = next(iter(read_poses(path)))
    assert first.size_wh == (64, 48)
    assert not first.image.any()
    assert first.image.base.nbytes == 3, "however large the video is"
    assert draw(first).any()


def test_what_is_no_results_file_is_refused_at_once(tmp_path):
    with pytest.raises(ResultsError, match=r"none\.jsonl: cannot be read"):
        read_poses(tmp_path / "none.jsonl")
