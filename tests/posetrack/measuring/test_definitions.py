"""The table of definitions: it fits every skeleton, and the page has it."""

from pathlib import Path

import pytest

from posetrack.measuring.definitions import (
    ANGLES,
    SEGMENTS,
    SIGNS,
    ZEROS,
    find_points,
    list_angles,
    list_segments,
)
from posetrack.skeleton import COCO_17, MPII_16, SKELETONS, Skeleton

PAGE = Path(__file__).parents[3] / "docs" / "measure.md"


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))
def test_every_skeleton_has_all_angles_and_lengths(skeleton):
    points = find_points(skeleton)
    angles, segments = list_angles(points), list_segments(points)
    assert len(angles) == sum(2 if angle.has_sides else 1 for angle in ANGLES) == 16
    assert len(segments) == sum(2 if segment.has_sides else 1 for segment in SEGMENTS) == 12
    assert {name for angle in angles for name in angle.points} <= points.keys()
    assert len({angle.name for angle in angles}) == 16
    assert "*" not in "".join(f"{angle}" for angle in angles)


def test_the_head_is_the_head_top_or_between_the_ears():
    assert find_points(COCO_17)["head"] == (3, 4)
    assert find_points(MPII_16)["head"] == (9,)


def test_a_skeleton_without_a_keypoint_lacks_what_is_made_of_it():
    arm = Skeleton("arm", ("left_shoulder", "left_elbow", "left_wrist"), (), (), (0.1,) * 3)
    points = find_points(arm)
    assert [angle.name for angle in list_angles(points)] == ["left_elbow_flexion"]
    assert [segment.name for segment in list_segments(points)] == [
        "left_upper_arm_length",
        "left_forearm_length",
    ]


def test_the_page_has_the_definitions():
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip(" |") for cell in row] for row in rows]
    for angle in ANGLES:
        name = f"`*_{angle.name}`" if angle.has_sides else f"`{angle.name}`"
        (row,) = [row for row in cells if row[0] == name]
        expected = [angle.proximal, angle.joint, angle.distal, ZEROS[angle.zero], SIGNS[angle.sign]]
        assert row[1:6] == expected
        assert (row[6:] or [""])[0] == (f"{angle.opensim}_*" if angle.opensim else "")
    for segment in SEGMENTS:
        name = f"`*_{segment.name}`" if segment.has_sides else f"`{segment.name}`"
        (row,) = [row for row in cells if row[0] == name]
        assert row[1:] == [segment.start, segment.end]
