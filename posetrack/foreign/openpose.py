"""Folders of OpenPose's JSON files, one a frame (`--write_json`)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from posetrack.body_parts import BODY25_NAMES
from posetrack.errors import ResultsError
from posetrack.foreign.base import ForeignFrame, ForeignOptions, ForeignPoses, find_number, make_instances
from posetrack.foreign.kinds import OPENPOSE_SUFFIX
from posetrack.frame import UNTRACKED, Instances, IntArray
from posetrack.json_fields import expect_column, expect_list, expect_object, expect_whole, read_json
from posetrack.results.conversions import OPENPOSE_18_NAMES
from posetrack.skeleton import BODY_25, COCO_17, CROWDPOSE_14, Skeleton
from posetrack.video.images import natural_key

_POINTS = "pose_keypoints_2d"
# MPI_15 of its documentation, doc/02_output.md; the last one is the chest, which no other set has.
_MPI_NAMES = (
    "head_top",
    "neck",
    *OPENPOSE_18_NAMES[2:14],
    "chest",
)
_MODELS: dict[int, tuple[tuple[str, ...], Skeleton]] = {
    25: (BODY25_NAMES, BODY_25),
    18: (OPENPOSE_18_NAMES, COCO_17),
    15: (_MPI_NAMES, CROWDPOSE_14),
}
"""The keypoints of its models BODY_25, COCO and MPI, by their number, and the skeletons that have them."""
_FEW_POINTS = 3


def read_openpose(path: Path, options: ForeignOptions) -> ForeignPoses:
    """Read a folder; people are read frame by frame.

    Of 18 keypoints, the neck is left out, the middle of the shoulders; of the 15 of MPI the chest.
    `person_id` is the track id, where it is not -1.

    Raises:
        ResultsError: A file cannot be read, or its number of keypoints is not that of a model; of later files
            when they are read.
    """
    files = sorted(
        (file for file in path.glob(f"*{OPENPOSE_SUFFIX}") if file.name[0] != "."),
        key=lambda file: natural_key(file.name),
    )
    count = next((count for count in map(_count_points, files) if count), BODY_25.num_keypoints)
    given = options.skeleton
    if given is not None and given.num_keypoints == count:
        names, skeleton = given.names, given
    elif given is None and count in _MODELS:
        names, skeleton = _MODELS[count]
    else:
        wanted = "25, 18 or 15" if given is None else f"{given.num_keypoints}, those of {given.name}"
        raise ResultsError(f"{path}: {_POINTS} of {count} keypoints; expected {wanted}; see --skeleton")
    columns = np.array([names.index(name) for name in skeleton.names])
    stems = [file.name.removesuffix(OPENPOSE_SUFFIX) for file in files]
    frames = [
        ForeignFrame(stem, find_number(stem), partial(_read_people, file, count, columns))
        for stem, file in zip(stems, files, strict=True)
    ]
    return ForeignPoses("openpose", skeleton, frames)


def _read_file(path: Path) -> list[dict[str, object]]:
    people = expect_list(expect_object(read_json(path), str(path)).get("people"), f"{path}: people")
    posed = [expect_object(person, f"{path}: people[{i}]") for i, person in enumerate(people)]
    return [person for person in posed if person.get(_POINTS) != []]


def _count_points(path: Path) -> int:
    """Number of the keypoints of the first person; 0 where nobody is."""
    first = next(iter(_read_file(path)), None)
    return 0 if first is None else len(expect_list(first.get(_POINTS), f"{path}: people[0].{_POINTS}")) // 3


def _read_people(path: Path, count: int, columns: IntArray) -> Instances:
    people = _read_file(path)
    flat = expect_column(people, _POINTS, (3 * count,), f"{3 * count} numbers", f"{path}: people")
    triples = flat.reshape(-1, count, 3)
    there = triples[triples[..., 2] > 0]
    if len(there) > _FEW_POINTS and np.abs(there[:, :2]).max() <= 1:
        raise ResultsError(
            f"{path}: coordinates from -1 to 1, not in pixels; run OpenPose with --keypoint_scale 0"
        )
    ids = [_take_id(person.get("person_id"), f"{path}: people[{i}]") for i, person in enumerate(people)]
    return make_instances(triples[:, columns], track_ids=np.array(ids, np.int64))


def _take_id(value: object, where: str) -> int:
    """The track id, which is in a list of one; none of old versions."""
    if isinstance(value, list):
        value = value[0] if value else None
    return UNTRACKED if value is None else expect_whole(value, f"{where}.person_id")
