"""The notes beside the measures: what was done, what is defined how, and what one camera can and cannot say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from posetrack.low_pass import is_regular, measure_rate_hz
from posetrack.measuring.definitions import SIGNS, ZEROS, find_points, list_angles, list_segments
from posetrack.measuring.settings import MeasureSettings
from posetrack.measuring.tracks import PosesClock
from posetrack.results.record import Header
from posetrack.skeleton import Skeleton

LIMITS = (
    "Angles and lengths are those of the image plane: what is seen of them from one camera. They equal those "
    "of the body only for motion in a plane that faces the camera, such as a walker filmed from the side.",
    "A limb that points towards the camera looks shorter, and its angles larger or smaller than they are.",
    "Rotation about the long axis of a limb cannot be seen at all.",
    "Metres by --height or --scale hold at the distance from the camera for which they were given; someone "
    "twice as far away looks half as large. Body heights are each person's own.",
    "Places by --floor hold for what touches the floor. Ankles are some 8 cm above it, and a foot that is "
    "lifted seems farther away than it is.",
    "A lens that bends straight lines, and a camera that moves or zooms, change lengths, paths and speeds; "
    "nothing is done about that.",
    "Keypoints are estimates of a network. Some degrees of error are usual, more where a limb is hidden. These "
    "measures are no medical device.",
)
"""What 2D from one camera can and cannot mean."""


def describe_units(settings: MeasureSettings) -> str:
    """The unit of lengths and where it comes from, in one line."""
    if settings.unit == "px":
        return "pixels of the upright image"
    if settings.unit == "heights":
        return "heights of each person's standing body, as it is in the image"
    if settings.px_per_m is not None:
        return f"metres, {settings.px_per_m:g} pixels each, for everyone"
    ids = ", ".join(
        f"id {track_id} {height_m:g} m" for track_id, height_m in sorted(settings.heights_m.items())
    )
    if settings.height_m is not None:
        others = ", the others" if ids else ", everyone"
        return f"metres, by the heights of {ids or 'the people'}{others} {settings.height_m:g} m"
    return f"metres, by the height of {ids}; for the others the median of what a metre is there"


def describe_times(clock: PosesClock) -> str:
    """The times of the frames, and what is done about irregular ones, in one line."""
    rate_hz = measure_rate_hz(clock.times_s)
    if clock.is_broken:
        return f"the times of the file do not rise; counted at its nominal rate, {rate_hz:.4g} frames a second"
    left_out = ""
    if clock.num_left_out:
        left_out = f"; {clock.num_left_out} frames left out, whose times are not later than those before"
    if is_regular(clock.times_s):
        return f"regular, {rate_hz:.4g} frames a second{left_out}"
    steps_s = np.diff(clock.times_s)
    return (
        f"irregular, {steps_s.min():.3g} to {steps_s.max():.3g} s apart; filtered at regular times by a cubic "
        "spline and brought back to their own; rates of change are by the true times; rows of .trc and .mot "
        f"are brought to regular times by straight lines{left_out}"
    )


def describe_definitions(skeleton: Skeleton) -> list[str]:
    """The definitions of the angles and lengths of a skeleton, a line each."""
    points = find_points(skeleton)
    lines = [
        f"{angle.name}: {angle.proximal} - {angle.joint} - {angle.distal}; zero: {ZEROS[angle.zero]}; "
        f"{SIGNS[angle.sign]}"
        for angle in list_angles(points)
    ]
    return [*lines, *(f"{part.name}: {part.start} to {part.end}" for part in list_segments(points))]


def make_short_notes(settings: MeasureSettings) -> list[str]:
    """The lines for the header of a file of one person."""
    return [
        "Angles in the image plane of one camera, by PoseTrack; notes.txt beside this says what they mean.",
        f"Signal: {settings.describe_signal()}.",
    ]


def make_notes(
    header: Header,
    name: str,
    settings: MeasureSettings,
    clock: PosesClock,
    *,
    remarks: Iterable[tuple[int, str]],
    left_out: Sequence[str],
) -> str:
    """All notes, as text.

    Args:
        header: Of the poses.
        name: Of their file.
        settings: The settings.
        clock: Of the poses.
        remarks: Warnings and remarks on people, each with the person's id.
        left_out: Files that were not written, and why.
    """
    lines = [
        f"Measures of {name}, poses of {header.source} by recipe {header.recipe}, {header.width} x "
        f"{header.height} px",
        f"Signal: {settings.describe_signal()}",
        f"Times: {describe_times(clock)}",
        f"Lengths: {describe_units(settings)}",
    ]
    if settings.floor is not None:
        corners = " ".join(f"{x:g},{y:g}" for x, y in settings.floor.corners_xy)
        size = f"{settings.floor.width_m:g} x {settings.floor.depth_m:g} m"
        steps = settings.floor_low_pass
        body = "" if steps is None else f", filtered at {steps.cutoff_hz:g} Hz, which takes the steps out"
        lines.append(
            f"Floor: {size} between the points {corners}; x from the first to the second, y from there on; "
            f"feet are where their ankles are seen, the body is between them{body}"
        )
    facing = (
        "found in each frame, by nose and knees" if settings.facing == "auto" else f"{settings.facing}, given"
    )
    lines += [f"Facing: {facing}", *left_out, "", "What 2D from one camera can and cannot mean:"]
    lines += [f"- {limit}" for limit in LIMITS]
    lines += ["", "Definitions (proximal - joint - distal):"]
    lines += [f"- {line}" for line in describe_definitions(header.skeleton)]
    lines += ["", "People:"]
    lines += [f"- id {track_id}: {remark}" for track_id, remark in remarks] or ["- nothing to remark"]
    return "\n".join(lines) + "\n"
