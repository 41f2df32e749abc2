"""The people of one frame as the objects of `poses.jsonl`, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, FloatArray, Instances
from posetrack.json_fields import expect_column, expect_count, expect_list, make_error, read_float32
from posetrack.results.masks import decode_masks, encode_masks
from posetrack.results.people import complete_boxes
from posetrack.results.rounding import round_pixels, round_scores
from posetrack.skeleton import Skeleton


def encode_people(instances: Instances) -> list[dict[str, object]]:
    """The people of one frame as objects of JSON; who has no box gets one around the keypoints."""
    if len(instances) == 0:
        return []
    track_ids = instances.track_ids
    scores = instances.person_scores if instances.box_scores is None else instances.box_scores
    people: list[dict[str, object]] = [
        {"track_id": track_id, "box": box, "score": score, "keypoints": keypoints}
        for track_id, box, score, keypoints in zip(
            [UNTRACKED] * len(instances) if track_ids is None else track_ids.tolist(),
            round_pixels(complete_boxes(instances)).tolist(),
            round_scores(scores).tolist(),
            _keypoint_triples(instances),
            strict=True,
        )
    ]
    if instances.smoothed_xy is not None:
        for person, smoothed in zip(people, round_pixels(instances.smoothed_xy).tolist(), strict=True):
            person["smoothed"] = smoothed
    if instances.is_interpolated is not None:
        for row in np.flatnonzero(instances.is_interpolated):
            people[row]["interpolated"] = True
    if instances.masks is not None:
        for person, mask in zip(people, encode_masks(instances.masks), strict=True):
            person["mask"] = mask
    if instances.dense_rows is not None:
        for row in np.flatnonzero(instances.dense_rows >= 0):
            people[row]["dense"] = int(instances.dense_rows[row])
    return people


def _keypoint_triples(instances: Instances) -> list[list[list[float]]]:
    xy, scores = instances.keypoints_xy, instances.keypoint_scores
    if xy is None:
        return [[] for _ in range(len(instances))]
    triples = np.ones((*xy.shape[:2], 3))
    triples[..., :2] = round_pixels(xy)
    if scores is not None:
        triples[..., 2] = round_scores(scores)
    rows: list[list[list[float]]] = triples.tolist()
    return rows


def decode_people(
    people: list[dict[str, Any]], skeleton: Skeleton, size_wh: tuple[int, int], where: str
) -> Instances:
    """The people from objects of JSON; the inverse of `encode_people`.

    Args:
        people: One object a person.
        skeleton: The keypoints.
        size_wh: Width and height of the image in pixels.
        where: File and line, for messages.

    Raises:
        ResultsError: A field is not what it should be.
    """
    K, at = skeleton.num_keypoints, f"{where}: people"
    track_ids = [
        expect_count(person.get("track_id"), UNTRACKED, f"{where}: people[{i}].track_id")
        for i, person in enumerate(people)
    ]
    keypoints = None
    if not people or any(person.get("keypoints") != [] for person in people):
        keypoints = expect_column(people, "keypoints", (K, 3), f"{K} triples", at)
    smoothed = None
    if any("smoothed" in person for person in people):
        smoothed = expect_column(people, "smoothed", (K, 2), f"{K} pairs", at)
        if keypoints is None:
            raise ResultsError(f"{where}: people[0].keypoints: empty, but there are smoothed ones")
    interpolated = [person.get("interpolated", False) for person in people]
    for i, value in enumerate(interpolated):
        if not isinstance(value, bool):
            raise make_error(f"{at}[{i}].interpolated", "true or false", value)
    masks = None
    if any("mask" in person for person in people):
        encoded = [person.get("mask") for person in people]
        masks = decode_masks(encoded, size_wh, f"{where}: ")
    dense_rows = [
        expect_count(person.get("dense", -1), -1, f"{at}[{i}].dense") for i, person in enumerate(people)
    ]
    return Instances(
        boxes_xyxy=expect_column(people, "box", (4,), "4 numbers", at),
        box_scores=expect_column(people, "score", (), "a number", at),
        keypoints_xy=None if keypoints is None else keypoints[..., :2],
        keypoint_scores=None if keypoints is None else keypoints[..., 2],
        smoothed_xy=smoothed,
        track_ids=np.array(track_ids, np.int64),
        is_interpolated=np.array(interpolated) if any(interpolated) else None,
        masks=masks,
        dense_rows=np.array(dense_rows, np.int64) if any(row >= 0 for row in dense_rows) else None,
    )


def encode_faces(faces_xyxy: FloatArray | None) -> dict[str, object]:
    """The key "faces" of a frame, of those who were left out; none where there are none."""
    return {} if faces_xyxy is None or not len(faces_xyxy) else {"faces": round_pixels(faces_xyxy).tolist()}


def decode_faces(fields: dict[str, Any], where: str) -> FloatArray | None:
    """The boxes (F, 4) of the key "faces" of a frame; None where it has none.

    Raises:
        ResultsError: They are no boxes.
    """
    if "faces" not in fields:
        return None
    boxes = [read_float32(box, (4,)) for box in expect_list(fields["faces"], f"{where}: faces")]
    for i, box in enumerate(boxes):
        if box is None:
            raise make_error(f"{where}: faces[{i}]", "4 numbers", fields["faces"][i])
    return np.array(boxes, np.float32).reshape(-1, 4)
