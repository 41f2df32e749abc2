"""Tables of pandas from saved poses."""

import sys
from fractions import Fraction

import numpy as np
import pandas
import pytest

from models.extras import MissingPackageError
from posetrack.frame import Instances
from posetrack.results.convert import convert
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.poses import read_poses
from posetrack.results.record import Header
from posetrack.selection.people import PeopleSelection
from posetrack.skeleton import COCO_17

HEADER = Header("a.mp4", 99, 60, Fraction(25), COCO_17, "fast")


def make_people(i, **columns):
    return Instances(
        boxes_xyxy=[[i, 2, 30, 40.25], [50, 2, 70, 40]],
        box_scores=[0.9, 0.5],
        track_ids=[3, 8],
        **columns,
    )


@pytest.fixture
def path(tmp_path):
    """Three frames: two people, nobody, two people."""
    rng = np.random.default_rng(0)
    with JsonlWriter(
        tmp_path / "poses.jsonl", Header("a.mp4", 99, 60, Fraction(25), COCO_17, "fast")
    ) as writer:
        for i in range(3):
            people = make_people(
                i, keypoints_xy=rng.random((2, 17, 2)) * 50, keypoint_scores=rng.random((2, 17))
            )
            writer.write(i, i / 25, Instances.empty(17) if i == 1 else people, (99, 60))
    return tmp_path / "poses.jsonl"


def test_long_tables_have_a_row_a_keypoint(path):
    table = read_poses(path).to_dataframe()
    assert list(table.columns) == ["frame", "time", "track_id", "keypoint", "x", "y", "score"]
    assert len(table) == 2 * 2 * 17
    assert table.frame.unique().tolist() == [0, 2]
    assert table.time.unique().tolist() == [0, 0.08]
    assert list(table.keypoint.cat.categories) == list(COCO_17.names)
    last = list(read_poses(path))[2].instances
    elbow = table[(table.frame == 2) & (table.track_id == 8) & (table.keypoint == "left_elbow")]
    k = COCO_17.names.index("left_elbow")
    assert elbow[["x", "y"]].to_numpy()[0] == pytest.approx(last.keypoints_xy[1, k], abs=0.005)
    assert elbow.score.item() == pytest.approx(last.keypoint_scores[1, k], abs=5e-5)


def test_wide_tables_are_those_of_the_csv(path, tmp_path):
    table = read_poses(path).to_dataframe(wide=True)
    expected = pandas.read_csv(convert(path, "csv", tmp_path))
    pandas.testing.assert_frame_equal(table, expected)
    assert len(table) == 4


def test_chosen_people_only(path):
    table = read_poses(path).select(PeopleSelection(only={8})).to_dataframe()
    assert table.track_id.unique().tolist() == [8]
    empty = read_poses(path).select(PeopleSelection(min_score=1)).to_dataframe()
    assert len(empty) == 0
    assert list(empty.columns) == list(table.columns)
    assert empty.dtypes.equals(table.dtypes)


def test_people_without_poses(tmp_path):
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, HEADER) as writer:
        writer.write(0, 0.0, make_people(0), (99, 60))
    poses = read_poses(path)
    assert len(poses.to_dataframe()) == 0
    wide = poses.to_dataframe(wide=True)
    assert wide.x1.tolist() == [0, 50]
    assert wide.nose_x.isna().all()


def test_without_pandas_it_is_said_what_to_install(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'posetrack\[pandas\]'"):
        read_poses(path).to_dataframe()
