"""PoseTrack17 files: an `annolist` of frames, each with its `annorect` people.

{"annolist": [{"image": [{"name": ...}], "imgnum": [1], "is_labeled": [1],
  "ignore_regions": [{"point": [{"x": [...], "y": [...]}, ...]}],
  "annorect": [{"x1": [..], "y1": [..], "x2": [..], "y2": [..],       the head
    "score": [..], "track_id": [..],
    "annopoints": [{"point": [{"id": [..], "x": [..], "y": [..], "score": [..], "is_visible": [..]}]}]}]}]}
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import Any

import numpy as np

from posetrack.annotations.columns import read_quickly
from posetrack.annotations.posetrack17_columns import FLAGS_AS_TEXT, HEAD_FIELDS, read_people
from posetrack.annotations.video import (
    AnnotatedFrame,
    AnnotatedPeople,
    AnnotatedVideo,
    DoubleArray,
    K,
    PeopleBuilder,
    shorten,
)
from posetrack.errors import ResultsError
from posetrack.json_fields import (
    LIMIT,
    expect_flag,
    expect_id,
    expect_list,
    expect_number,
    expect_object,
    expect_text,
    show_name,
)

_NAN = float("nan")


def decode_posetrack17(data: dict[str, Any], name: str, where: str) -> AnnotatedVideo:
    """Decode the content of a PoseTrack17 file.

    Args:
        data: The parsed JSON.
        name: Name of the sequence.
        where: Name of the file in messages.

    Returns:
        The sequence. Points whose id is not one of the 15 are left out; of two with the same id the first
        counts.

    Raises:
        ResultsError: A field is not valid; the message names the frame, the person and the field.
    """
    frames = []
    entries = expect_list(data["annolist"], f"{where}: annolist")
    people = read_quickly(read_people, entries)
    builder = PeopleBuilder()
    for index, entry in enumerate(entries):
        at = f"{where}: annolist[{index}]"
        entry = expect_object(entry, at)
        frame = _decode_frame(entry, at)
        frames.append(frame)
        if people is not None:
            continue
        at = f"{where}: frame {index}" + (f" ({show_name(frame.file_name)})" if frame.file_name else "")
        for i, rect in enumerate(expect_list(entry.get("annorect", []), f"{at}: annorect")):
            _decode_person(expect_object(rect, f"{at}: annorect[{i}]"), index, builder, f"{at}: annorect[{i}]")
    return AnnotatedVideo(name, tuple(frames), builder.build() if people is None else people)


def decode_posetrack17_frames(data: dict[str, Any], where: str) -> tuple[tuple[AnnotatedFrame, ...], bool]:
    """Decode the frames of a PoseTrack17 file alone, and whether anybody is annotated in them.

    Raises:
        ResultsError: As for `decode_posetrack17`.
    """
    frames, has_people = [], False
    for index, entry in enumerate(expect_list(data["annolist"], f"{where}: annolist")):
        at = f"{where}: annolist[{index}]"
        entry = expect_object(entry, at)
        frames.append(_decode_frame(entry, at))
        has_people |= bool(entry.get("annorect"))
    return tuple(frames), has_people


def encode_posetrack17(video: AnnotatedVideo) -> dict[str, Any]:
    """Encode a sequence as the content of a PoseTrack17 file; the inverse of `decode_posetrack17`.

    Absent values are left out, never invented. Lost, because the format has no field for it: the name of the
    sequence, person boxes, image ids and image sizes. People are written frame by frame; within a frame they
    keep their order.

    Args:
        video: The sequence.

    Returns:
        Values for `json.dump`, without NaN.
    """
    rects: list[list[dict[str, Any]]] = [[] for _ in video.frames]
    for index, rect in zip(video.people.frame_index.tolist(), _encode_people(video.people), strict=True):
        rects[index].append(rect)
    return {
        "annolist": [
            {**_encode_frame(frame, index), "annorect": rects[index]}
            for index, frame in enumerate(video.frames)
        ]
    }


def _encode_frame(frame: AnnotatedFrame, index: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"image": [{"name": frame.file_name}], "imgnum": [index + 1]}
    if frame.is_labeled is not None:
        entry["is_labeled"] = [int(frame.is_labeled)]
    if frame.ignore_regions:
        entry["ignore_regions"] = [
            {"point": [{"x": [x], "y": [y]} for x, y in corners.tolist()]} for corners in frame.ignore_regions
        ]
    return entry


def _encode_people(people: AnnotatedPeople) -> Iterator[dict[str, Any]]:
    points = np.concatenate(
        [people.keypoints_xy, people.keypoint_scores[..., None], people.visibility[..., None]], axis=-1
    )
    for person in range(len(people)):
        rect: dict[str, Any] = {}
        head = people.head_boxes_xyxy[person]
        if not np.isnan(head).any():
            rect.update((name, [value]) for name, value in zip(HEAD_FIELDS, head.tolist(), strict=True))
        if not np.isnan(people.scores[person]):
            rect["score"] = [float(people.scores[person])]
        if people.has_track_id[person]:
            rect["track_id"] = [int(people.track_ids[person])]
        if people.has_points[person]:
            rect["annopoints"] = [{"point": list(_encode_points(points[person].tolist()))}]
        yield rect


def _encode_points(rows: list[list[float]]) -> Iterator[dict[str, Any]]:
    """Encode K rows of x, y, score and visibility as points; x is NaN where there is none."""
    for keypoint, (x, y, score, flag) in enumerate(rows):
        if not isnan(x):
            point: dict[str, Any] = {"id": [keypoint], "x": [x], "y": [y]}
            if not isnan(score):
                point["score"] = [score]
            if not isnan(flag):
                point["is_visible"] = [shorten(flag)]
            yield point


def _decode_frame(entry: dict[str, Any], where: str) -> AnnotatedFrame:
    file_name = ""
    if entry.get("image"):
        image = expect_object(expect_list(entry["image"], f"{where}.image")[0], f"{where}.image[0]")
        file_name = expect_text(image.get("name", ""), f"{where}.image[0].name")
    is_labeled = _take_first(entry, "is_labeled", where)
    regions = expect_list(entry.get("ignore_regions", []), f"{where}.ignore_regions")
    return AnnotatedFrame(
        file_name=file_name,
        is_labeled=None if is_labeled is None else expect_flag(is_labeled, f"{where}.is_labeled"),
        ignore_regions=tuple(
            _decode_region(region, f"{where}.ignore_regions[{i}]") for i, region in enumerate(regions)
        ),
    )


def _decode_region(region: Any, where: str) -> DoubleArray:
    corners = [
        (_expect_first(corner, "x", at), _expect_first(corner, "y", at))
        for i, corner in enumerate(expect_list(expect_object(region, where).get("point", []), f"{where}.point"))
        for at in (f"{where}.point[{i}]",)
    ]
    return np.array(corners, np.float64).reshape(-1, 2)


def _decode_person(rect: dict[str, Any], frame_index: int, people: PeopleBuilder, where: str) -> None:
    person = len(people.frame_index)
    track_id = _take_first(rect, "track_id", where)
    score = _take_first(rect, "score", where)
    head = None
    if any(name in rect for name in HEAD_FIELDS):
        head = [_expect_first(rect, name, where) for name in HEAD_FIELDS]
    points = _find_points(rect, where)
    people.frame_index.append(frame_index)
    people.track_ids.append(None if track_id is None else expect_id(track_id, f"{where}.track_id"))
    people.scores.append(None if score is None else expect_number(score, f"{where}.score"))
    people.head_boxes_xyxy.append(head)
    people.boxes_xyxy.append(None)
    people.has_points.append(points is not None)
    for i, point in enumerate(points or ()):
        try:
            keypoint, x, y = point["id"][0], point["x"][0], point["y"][0]
        except (TypeError, KeyError, IndexError) as error:
            at = f"{where}.annopoints[0].point[{i}]"
            raise ResultsError(f"{at}: expected id, x and y as lists of one number") from error
        at = ""
        if not (type(x) is type(y) is float and abs(x) + abs(y) < LIMIT and keypoint.__class__ is int):
            at = f"{where}.annopoints[0].point[{i}]"
            keypoint = expect_id(keypoint, f"{at}.id")
            expect_number(x, f"{at}.x")
            expect_number(y, f"{at}.y")
        if 0 <= keypoint < K:
            at = at or f"{where}.annopoints[0].point[{i}]"
            keypoint_score = _expect_first(point, "score", at) if point.get("score") else _NAN
            flag = _read_flag(point, at)
            people.points.append((person, keypoint, x, y, keypoint_score, flag))


def _read_flag(point: dict[str, Any], where: str) -> float:
    """Decode the visibility of a point."""
    flags = point.get("is_visible")
    if flags in FLAGS_AS_TEXT:
        return float(flags[0])
    return _expect_first(point, "is_visible", where) if flags else _NAN


def _find_points(rect: dict[str, Any], where: str) -> list[Any] | None:
    """The list of points of a person, None if there is no such list."""
    groups = rect.get("annopoints")
    if not groups:
        return None
    group = expect_object(expect_list(groups, f"{where}.annopoints")[0], f"{where}.annopoints[0]")
    if "point" not in group:
        return None
    return expect_list(group["point"], f"{where}.annopoints[0].point")


def _take_first(fields: dict[str, Any], name: str, where: str) -> Any:
    """The value inside a list of one; None if the field is missing or empty."""
    values = fields.get(name)
    if values is None or values == []:
        return None
    return expect_list(values, f"{where}.{name}")[0]


def _expect_first(fields: Any, name: str, where: str) -> float:
    value = _take_first(expect_object(fields, where), name, where)
    if isinstance(value, bool):
        return float(value)
    return expect_number(value, f"{where}.{name}")
