"""What files of other programs hold, in one form, and what they do not say."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePosixPath

import numpy as np

from models.image_size import MAX_PIXELS
from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, FloatArray, Instances, IntArray, from_pixel_indices
from posetrack.skeleton import COCO_17, HALPE_26, Skeleton, find_by_count

# The numbers of keypoints that begin with those of a body; hands and faces follow.
_WHOLE_BODIES = {133: COCO_17, 136: HALPE_26}
_LONGEST_NUMBER = 15


@dataclass(frozen=True)
class ForeignOptions:
    """What files of other programs do not say of their poses.

    >>> from posetrack import ForeignOptions
    >>> ForeignOptions(size_wh=(1920, 1080), first_frame=1).sequence
    ''

    Attributes:
        video: The video that they come from; a folder of images is matched by the names of its files.
        size_wh: Width and height of its images in pixels; None for those of the video, or of the file.
        fps: Its frames per second; None for those of the video or of the file, else 25.
        first_frame: The number that the file gives to the first frame of the video; None for the usual one.
        skeleton: Skeleton of the keypoints; None for that of the file, or the one of so many keypoints.
        sequence: Name of the sequence, in a file of several.
        max_pixels: The most pixels that an image of the video may have.
    """

    video: str | None = None
    size_wh: tuple[int, int] | None = None
    fps: Fraction | None = None
    first_frame: int | None = None
    skeleton: Skeleton | None = None
    sequence: str = ""
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True, eq=False)
class ForeignFrame:
    """A frame of a file.

    Attributes:
        name: Name of its image; empty where the file has none.
        number: Its number, as the file counts; None where it does not.
        read: Reads its people.
        size_wh: Width and height of its image in pixels; None where the file does not say.
    """

    name: str
    number: int | None
    read: Callable[[], Instances]
    size_wh: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class ForeignPoses:
    """A file of another program.

    Attributes:
        kind: The program or format.
        skeleton: Of its keypoints.
        frames: Its frames, in order; frames with nobody may be missing.
        first_frame: The number that it usually gives to the first frame of a video.
        fps: Frames per second; None where it does not say.
        size_wh: Width and height of the images in pixels, likewise.
    """

    kind: str
    skeleton: Skeleton
    frames: Sequence[ForeignFrame]
    first_frame: int = 0
    fps: Fraction | None = None
    size_wh: tuple[int, int] | None = None


def choose_skeleton(count: int, options: ForeignOptions, where: str) -> tuple[Skeleton, int]:
    """Choose the skeleton of so many keypoints.

    Args:
        count: Number of the keypoints in the file.
        options: A skeleton that is given is taken.
        where: Their place, for messages.

    Returns:
        The skeleton, and how many of the first keypoints it has: hands and faces of whole bodies are left out.

    Raises:
        ResultsError: There is none, or the given one has another number.
    """
    given = options.skeleton
    if given is not None:
        if given.num_keypoints != count:
            raise ResultsError(
                f"{where}: {count} keypoints, but skeleton {given.name} has {given.num_keypoints}; name another"
            )
        return given, count
    found = _WHOLE_BODIES.get(count) or find_by_count(count)
    if found is None:
        raise ResultsError(
            f"{where}: no skeleton has {count} keypoints; give a file that describes it with --skeleton"
        )
    return found, found.num_keypoints


def make_instances(
    triples: FloatArray,
    *,
    boxes_xyxy: FloatArray | None = None,
    person_scores: FloatArray | None = None,
    track_ids: IntArray | None = None,
) -> Instances:
    """Make people of the points of a file.

    Args:
        triples: (N, K, 3): x and y as indices of pixels, and a score; 0 or less for a point that is not there.
        boxes_xyxy: (N, 4), pixels.
        person_scores: (N,), what `Instances.person_scores` will be; as near as a box score up to 1 allows.
        track_ids: (N,).

    Returns:
        Those with at least one point.
    """
    triples = np.asarray(triples, np.float32)
    scores = np.clip(triples[..., 2], 0, 1)
    xy = np.where(scores[..., None] > 0, from_pixel_indices(triples[..., :2]), np.float32(0))
    people = Instances(boxes_xyxy=boxes_xyxy, keypoints_xy=xy, keypoint_scores=scores, track_ids=track_ids)
    # Nothing is said of the box, then: people are as certain as their keypoints.
    box_scores = np.ones(len(people), np.float32)
    if person_scores is not None:
        by_points = people.person_scores
        box_scores = np.where(by_points > 0, person_scores / np.maximum(by_points, 1e-6), person_scores)
    people = people.with_columns(box_scores=np.clip(box_scores, 0, 1))
    return separate_ids(people[(scores > 0).any(axis=1)])


def separate_ids(people: Instances) -> Instances:
    """The same people, without track ids where two of them have one id."""
    if people.track_ids is None:
        return people
    ids = people.track_ids[people.track_ids != UNTRACKED]
    is_whole = len(np.unique(ids)) == len(ids) and (ids >= 0).all()
    return people if is_whole else people.with_columns(track_ids=np.full(len(people), UNTRACKED))


def find_number(name: str) -> int | None:
    """The last number in the name of an image; None where there is none."""
    numbers = re.findall(r"[0-9]+", PurePosixPath(name.replace("\\", "/")).stem)
    return int(numbers[-1][-_LONGEST_NUMBER:]) if numbers else None
