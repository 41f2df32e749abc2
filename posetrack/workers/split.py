"""Splitting of one long video: parts that overlap, and what is checked before any work."""

from __future__ import annotations

import math
from dataclasses import dataclass

from posetrack.errors import PoseTrackError, VideoError
from posetrack.predictors.settings import DetectorSettings
from posetrack.recipe import Recipe, gives_dense
from posetrack.run.sources import Part
from posetrack.selection.people import PeopleSelection
from posetrack.video.base import VideoInfo
from trackers.clock import FRAME_S
from trackers.flow_tracker import FlowTrackerConfig

_LEAST_OVERLAP_S = 3.0
_SETTLING_S = 1.0
"""For so long a tracker that has just begun may see other velocities and rates than one that has not."""


@dataclass(frozen=True)
class SplitPart:
    """A part of a split video, in seconds from the source's first frame.

    Attributes:
        tracked_s: From here on people are tracked in this part: before its own frames, in the overlap.
        start_s: From here on the frames are its own.
        end_s: Up to here, exclusive; None for the end of the source.
        seen_s: People are tracked up to here, exclusive, because the last frames may wait for a detection.
    """

    tracked_s: float
    start_s: float
    end_s: float | None
    seen_s: float | None


def find_overlap_s(config: FlowTrackerConfig) -> float:
    """How long parts overlap: a tracker that begins there knows what another one does.

    Twice the time for which a person may be missed, and a second for velocities; at least 3 s.

    Args:
        config: Settings of the tracker.
    """
    return max(2 * config.longest_gap.seconds + _SETTLING_S, _LEAST_OVERLAP_S)


def find_beyond_s(detector: DetectorSettings) -> float:
    """How long a part is tracked beyond its end: until a detection that its last frames wait for.

    Args:
        detector: Settings of the detector; `det_every` is a number.
    """
    assert detector.det_every != "auto"
    return 2 * detector.det_every * FRAME_S if detector.skips_frames else 0.0


def check_split(split_s: float, recipe: Recipe, selection: PeopleSelection, *, blurs_faces: bool) -> None:
    """Find what forbids a split before any work.

    Args:
        split_s: Length of a part.
        recipe: The recipe.
        selection: Which people are wanted.
        blurs_faces: Whether faces are blurred.

    Raises:
        PoseTrackError: The parts are shorter than their overlap, or what is asked for needs one piece.
    """
    overlap_s = find_overlap_s(recipe.tracker)
    name = recipe.name
    if not (math.isfinite(split_s) and split_s >= overlap_s):
        raise PoseTrackError(
            f"--split {split_s:g}: parts overlap by {overlap_s:g} s with recipe {name}; give more"
        )
    if recipe.detector.det_every == "auto":
        raise PoseTrackError(
            f"--split: recipe {name} detects people when it is needed, as the frames before tell; set "
            "detector.det_every to a number, or leave --split out"
        )
    if gives_dense(recipe):
        raise PoseTrackError(
            f"--split: recipe {name} gives dense poses, whose file is of one piece; leave --split out"
        )
    if selection.max_people is not None and blurs_faces:
        raise PoseTrackError("--split: takes --max-people or --blur-faces; leave one of them out")


def plan_parts(
    info: VideoInfo, part: Part, split_s: float, overlap_s: float, beyond_s: float = 0.0
) -> list[SplitPart]:
    """Cut a video at time points, between two frames where these are equally long.

    Args:
        info: The video, as `part` of it was opened.
        part: The part of it that is wanted.
        split_s: Length of a part, about: all have the same.
        overlap_s: How long before its own frames a part begins to be tracked.
        beyond_s: How long after them it is.

    Raises:
        VideoError: It is no video, or its length is not known.
    """
    if info.kind != "video":
        raise VideoError(f"{info.source}: images, which are not split; leave --split out")
    if info.num_frames is None:
        raise VideoError(f"{info.source}: its length is not known, which --split needs; leave it out")
    start_s, end_s = part.get("start_s", 0.0), part.get("end_s")
    fps = float(info.fps)
    length_s = info.num_frames * part.get("every", 1) / fps
    count = max(round(length_s / split_s), 1)
    # Half a frame away from frames, so that no rounding decides to which part one belongs.
    borders = [(round((start_s + length_s * i / count) * fps) - 0.5) / fps for i in range(1, count)]
    starts, ends = [start_s, *borders], [*borders, end_s]
    latest_s = math.inf if end_s is None else end_s
    return [
        SplitPart(
            max(start - overlap_s, start_s), start, end, None if end is None else min(end + beyond_s, latest_s)
        )
        for start, end in zip(starts, ends, strict=True)
    ]
