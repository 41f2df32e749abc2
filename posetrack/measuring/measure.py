"""`measure`: all measures of everyone in saved poses, one person after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from posetrack.errors import PoseTrackError
from posetrack.measuring.settings import MeasureSettings

if TYPE_CHECKING:
    from posetrack.measuring.person import MeasuredPerson
    from posetrack.measuring.tracks import PosesClock
    from posetrack.results.poses import SavedPoses

MOST_SIGHTINGS = 1_000_000
"""People of all frames that are held at the same time, unless one alone has more: about 0.5 GB."""


def measure(
    poses: SavedPoses | str | Path, settings: MeasureSettings | None = None
) -> tuple[MeasuredPerson, ...]:
    """Measure everyone with a track id in saved poses: angles, lengths, speeds, paths.

    docs/measure.md defines every measure. Keypoints are taken as they were found or corrected, not as a run has
    smoothed them; gaps are filled and the filter applied here.

    >>> from tempfile import TemporaryDirectory
    >>> from posetrack import MeasureSettings, Tracker, measure, read_poses
    >>> with TemporaryDirectory() as folder:
    ...     report = Tracker("fast").run("docs/media/street.mp4", folder, overlay=False, start_s=3.2, end_s=3.7)
    ...     people = measure(read_poses(f"{folder}/poses.jsonl"), MeasureSettings(height_m=1.78))
    >>> [person.track_id for person in people], people[0]["left_thigh_length_m"].shape
    ([1], (13,))

    Args:
        poses: The poses; `read_poses(...).select(...)` chooses people.
        settings: The settings; None for the defaults, with lengths in pixels.

    Returns:
        The people, by track id.

    Raises:
        ResultsError: The poses cannot be read, or have nobody to measure.
        PoseTrackError: An id of the settings is not there.
    """
    settings = MeasureSettings() if settings is None else settings
    poses = open_poses(poses)
    from posetrack.measuring.tracks import read_clock

    return tuple(measure_people(poses, read_clock(poses), settings))


def open_poses(poses: SavedPoses | str | Path) -> SavedPoses:
    """Saved poses, or those of a path."""
    from posetrack.results.poses import read_poses

    return read_poses(poses) if isinstance(poses, str | Path) else poses


def measure_people(poses: SavedPoses, clock: PosesClock, settings: MeasureSettings) -> Iterator[MeasuredPerson]:
    """Measure people in the order of their ids; only some of them are in memory at the same time.

    Args:
        poses: The poses.
        clock: Of the poses.
        settings: The settings.

    Raises:
        ResultsError: The poses cannot be read.
        PoseTrackError: An id of the settings is not there, or the body height of one is not known, or the floor
            is not in the image.
    """
    from posetrack.measuring.compute import measure_person
    from posetrack.measuring.tracks import group_ids, read_tracks

    if settings.floor is not None:
        settings.floor.check_image(poses.header.size_wh)
    m_per_px = find_m_per_px(poses, clock, settings)
    for ids in group_ids(clock.counts, MOST_SIGHTINGS):
        for track in read_tracks(poses, clock, ids):
            yield measure_person(track, poses.header.skeleton, settings, m_per_px)


def find_m_per_px(poses: SavedPoses, clock: PosesClock, settings: MeasureSettings) -> float | None:
    """Metres a pixel by the people whose heights are given, their median; None where none are.

    They need not be among the people who are measured.

    Raises:
        PoseTrackError: An id is not there, or its body height in pixels is not known.
    """
    from posetrack.measuring.compute import clean_track, make_points
    from posetrack.measuring.scale import measure_height
    from posetrack.measuring.tracks import check_ids, read_clock, read_tracks
    from posetrack.selection.people import EVERYONE

    ids = frozenset(settings.heights_m)
    if not ids <= clock.counts.keys() and not poses.selection.is_everyone:
        poses = poses.select(EVERYONE)
        clock = read_clock(poses)
    check_ids(ids, clock, f"{poses.path}: --height")
    if not ids or settings.unit != "m":
        return None
    skeleton = poses.header.skeleton
    found: list[float] = []
    for track in read_tracks(poses, clock, ids):
        height = measure_height(make_points(clean_track(track, settings).xy, skeleton))
        if height.px is None:
            raise PoseTrackError(
                f"{poses.path}: --height: id {track.track_id} is never seen from shoulders to ankles, so that "
                "the height in pixels is not known; give that of another id, or --scale"
            )
        found.append(settings.heights_m[track.track_id] / height.px)
    return median(found)
