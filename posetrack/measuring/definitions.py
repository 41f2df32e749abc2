"""The definitions: which points make an angle or a segment, what is zero, and what is positive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from posetrack.skeleton import Skeleton

SIDES = ("left", "right")
_SAME_SIDE = "*_"

DIRECTIONS = ("up", "down", "level")
"""What stands for the proximal point of an angle to the vertical or the horizontal of the image."""

ZEROS = {
    "straight": "proximal, joint and distal on a line",
    "folded": "distal on the side of proximal",
    "vertical": "joint and distal above one another",
    "level": "joint and distal at one height",
}
SIGNS = {
    "bend": "0 to 180, without a side",
    "front": "+ in front of the person, - behind",
    "right": "+ towards the right of the image",
    "rise": "+ where distal is higher; empty where they are closer than a fifth of the trunk (a side view)",
}


@dataclass(frozen=True)
class AngleDefinition:
    """An angle between two lines that meet in a joint.

    Attributes:
        name: Its name; with a side, `left_` or `right_` comes first.
        proximal: The point towards the trunk, or a direction of the image: `up`, `down` or `level`.
        joint: The point in which the lines meet.
        distal: The other point.
        zero: A key of `ZEROS`.
        sign: A key of `SIGNS`.
        opensim: Name of the coordinate in OpenSim's models (Rajagopal 2016), without the side; empty for none.
    """

    name: str
    proximal: str
    joint: str
    distal: str
    zero: str
    sign: str
    opensim: str = ""

    @property
    def has_sides(self) -> bool:
        """Whether there is one for the left and one for the right side."""
        return _SAME_SIDE in self.joint

    @property
    def points(self) -> tuple[str, ...]:
        """The names of its points."""
        return tuple(name for name in (self.proximal, self.joint, self.distal) if name not in DIRECTIONS)


ANGLES = (
    AngleDefinition("knee_flexion", "*_hip", "*_knee", "*_ankle", "straight", "bend", "knee_angle"),
    AngleDefinition("hip_flexion", "*_shoulder", "*_hip", "*_knee", "straight", "front", "hip_flexion"),
    AngleDefinition("elbow_flexion", "*_shoulder", "*_elbow", "*_wrist", "straight", "bend", "elbow_flex"),
    AngleDefinition("shoulder_flexion", "*_hip", "*_shoulder", "*_elbow", "folded", "front", "arm_flex"),
    AngleDefinition("thigh_inclination", "down", "*_hip", "*_knee", "vertical", "right"),
    AngleDefinition("shank_inclination", "down", "*_knee", "*_ankle", "vertical", "right"),
    AngleDefinition("trunk_inclination", "up", "mid_hip", "mid_shoulder", "vertical", "right"),
    AngleDefinition("neck_flexion", "mid_hip", "mid_shoulder", "head", "straight", "front"),
    AngleDefinition("pelvis_tilt", "level", "right_hip", "left_hip", "level", "rise"),
    AngleDefinition("shoulder_tilt", "level", "right_shoulder", "left_shoulder", "level", "rise"),
)
"""The angles; `*` is the same side in all three points."""


@dataclass(frozen=True)
class SegmentDefinition:
    """A length between two points of the body.

    Attributes:
        name: Its name; with a side, `left_` or `right_` comes first.
        start: One end.
        end: The other end.
    """

    name: str
    start: str
    end: str

    @property
    def has_sides(self) -> bool:
        """Whether there is one for the left and one for the right side."""
        return _SAME_SIDE in self.start


SEGMENTS = (
    SegmentDefinition("upper_arm_length", "*_shoulder", "*_elbow"),
    SegmentDefinition("forearm_length", "*_elbow", "*_wrist"),
    SegmentDefinition("thigh_length", "*_hip", "*_knee"),
    SegmentDefinition("shank_length", "*_knee", "*_ankle"),
    SegmentDefinition("trunk_length", "mid_hip", "mid_shoulder"),
    SegmentDefinition("head_length", "mid_shoulder", "head"),
    SegmentDefinition("shoulder_width", "right_shoulder", "left_shoulder"),
    SegmentDefinition("hip_width", "right_hip", "left_hip"),
)
"""The lengths; `*` is the same side in both points."""

POINTS = {
    "mid_hip": ("left_hip", "right_hip"),
    "mid_shoulder": ("left_shoulder", "right_shoulder"),
}
"""Points between two keypoints, in their middle. `head` is the head top, or the middle of the ears."""

MIDDLE = "mid_keypoints"
"""The middle of all keypoints, of a skeleton with neither hips nor shoulders."""


def find_points(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """The points of a skeleton by name, each as the keypoints in whose middle it lies."""
    place = {name: i for i, name in enumerate(skeleton.names)}
    points: dict[str, tuple[int, ...]] = {name: (i,) for name, i in place.items()}
    for name, pair in POINTS.items():
        if all(end in place for end in pair):
            points[name] = tuple(place[end] for end in pair)
    if not any(name in points for name in POINTS):
        points[MIDDLE] = tuple(place.values())
    heads: tuple[tuple[str, ...], ...] = (("head_top",), ("left_ear", "right_ear"))
    for ends in heads:
        if "head" not in points and all(end in place for end in ends):
            points["head"] = tuple(place[end] for end in ends)
    return points


def list_angles(points: Mapping[str, object]) -> list[AngleDefinition]:
    """The angles whose points a skeleton has, those with sides once for each."""
    return [angle for angle in _expand(ANGLES) if all(name in points for name in angle.points)]


def list_segments(points: Mapping[str, object]) -> list[SegmentDefinition]:
    """The segments whose points a skeleton has, those with sides once for each."""
    found = [
        SegmentDefinition(
            f"{side}_{segment.name}" if side else segment.name,
            segment.start.replace("*", side),
            segment.end.replace("*", side),
        )
        for segment in SEGMENTS
        for side in (SIDES if segment.has_sides else ("",))
    ]
    return [segment for segment in found if segment.start in points and segment.end in points]


def _expand(angles: tuple[AngleDefinition, ...]) -> list[AngleDefinition]:
    return [
        replace(
            angle,
            name=f"{side}_{angle.name}" if side else angle.name,
            proximal=angle.proximal.replace("*", side),
            joint=angle.joint.replace("*", side),
            distal=angle.distal.replace("*", side),
            opensim=f"{angle.opensim}_{side[0]}" if side and angle.opensim else angle.opensim,
        )
        for angle in angles
        for side in (SIDES if angle.has_sides else ("",))
    ]
