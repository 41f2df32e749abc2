"""The common structure of PoseTrack18 and COCO files: images with ids, and annotations with image ids."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from posetrack.annotations.video import AnnotatedFrame, AnnotatedPeople, AnnotatedVideo, DoubleArray
from posetrack.errors import ResultsError
from posetrack.frame import BoolArray
from posetrack.json_fields import (
    expect_flag,
    expect_id,
    expect_list,
    expect_numbers,
    expect_object,
    expect_text,
)
from posetrack.results.posetrack18 import find_vid_id, number_first_image

MISSING_SCORE = -9999.0
"""The score of a keypoint without one if others of the person have scores, as in PoseTrack's evaluation."""

_REGION_FIELDS = ("ignore_regions_x", "ignore_regions_y")

_log = logging.getLogger(__name__)


def decode_images(data: dict[str, Any], where: str) -> list[AnnotatedFrame]:
    """Decode `images`.

    Args:
        data: The parsed file.
        where: Name of the file in messages.

    Returns:
        One frame per image, in order.

    Raises:
        ResultsError: A field is not valid, or an id occurs twice.
    """
    frames = []
    for i, image in enumerate(expect_list(data.get("images"), f"{where}: images")):
        at = f"{where}: images[{i}]"
        image = expect_object(image, at)
        is_labeled = image.get("is_labeled")
        # As in COCO-style files for training, a side of 0 counts as none.
        sides = [expect_id(image[side], f"{at}.{side}") for side in ("width", "height") if image.get(side)]
        frames.append(
            AnnotatedFrame(
                file_name=expect_text(image.get("file_name", ""), f"{at}.file_name"),
                is_labeled=None if is_labeled is None else expect_flag(is_labeled, f"{at}.is_labeled"),
                ignore_regions=_decode_regions(image, at),
                image_id=expect_id(image.get("id"), f"{at}.id"),
                size_wh=(sides[0], sides[1]) if len(sides) == 2 else None,
            )
        )
    seen: set[int | None] = set()
    for i, frame in enumerate(frames):
        if frame.image_id in seen:
            raise ResultsError(
                f"{where}: images[{i}].id: image {frame.image_id} stands twice; give every image its own id"
            )
        seen.add(frame.image_id)
    return frames


def _decode_regions(image: dict[str, Any], where: str) -> tuple[DoubleArray, ...]:
    if not any(name in image for name in _REGION_FIELDS):
        return ()
    columns = [expect_list(image.get(name), f"{where}.{name}") for name in _REGION_FIELDS]
    if len(columns[0]) != len(columns[1]):
        raise ResultsError(f"{where}.ignore_regions_y: {len(columns[1])} regions, but {len(columns[0])} in x")
    regions = []
    for i, (xs, ys) in enumerate(zip(*columns, strict=True)):
        xs = expect_list(xs, f"{where}.ignore_regions_x[{i}]")
        ys = expect_numbers(ys, len(xs), f"{where}.ignore_regions_y[{i}]")
        expect_numbers(xs, len(xs), f"{where}.ignore_regions_x[{i}]")
        regions.append(np.array([xs, ys], np.float64).T)
    return tuple(regions)


def encode_images(video: AnnotatedVideo, image_ids: list[int]) -> Iterator[dict[str, Any]]:
    """Encode `images`; the inverse of `decode_images`.

    Args:
        video: One sequence.
        image_ids: One per frame.

    Yields:
        One image per frame.
    """
    vid_id = find_vid_id(video.name)
    for frame, image_id in zip(video.frames, image_ids, strict=True):
        image: dict[str, Any] = {
            "id": image_id,
            "file_name": frame.file_name,
            "frame_id": image_id,
            "vid_id": vid_id,
            "nframes": len(video.frames),
        }
        if frame.is_labeled is not None:
            image["is_labeled"] = frame.is_labeled
        if frame.size_wh is not None:
            image["width"], image["height"] = frame.size_wh
        if frame.ignore_regions:
            for axis, name in enumerate(_REGION_FIELDS):
                image[name] = [corners[:, axis].tolist() for corners in frame.ignore_regions]
        yield image


def number_images(video: AnnotatedVideo) -> list[int]:
    """Choose the image ids of a sequence: its own, or PoseTrack's if one is missing or not unique.

    Args:
        video: The sequence.

    Returns:
        One per frame, all different.
    """
    own = {frame.image_id for frame in video.frames if frame.image_id is not None}
    if len(own) == len(video.frames):
        return [frame.image_id for frame in video.frames if frame.image_id is not None]
    first = number_first_image(video.name)
    return list(range(first, first + len(video.frames)))


def match_annotations(
    data: dict[str, Any], frames: list[AnnotatedFrame], where: str
) -> Iterator[tuple[int, dict[str, Any], str]]:
    """Decode `annotations` one by one.

    Annotations of images that the file does not list are left out, with a logged warning.

    Args:
        data: The parsed file.
        frames: Its images.
        where: Name of the file in messages.

    Yields:
        The position of the annotation's frame, the annotation, and its name in messages.

    Raises:
        ResultsError: There is no list, an annotation has no image id, or all image ids are unknown.
    """
    index_of_image = {frame.image_id: index for index, frame in enumerate(frames)}
    annotations = expect_list(data.get("annotations"), f"{where}: annotations")
    unknown = 0
    for i, annotation in enumerate(annotations):
        at = f"{where}: annotations[{i}]"
        image_id = expect_id(expect_object(annotation, at).get("image_id"), f"{at}.image_id")
        index = index_of_image.get(image_id)
        if index is None:
            unknown += 1
        else:
            yield index, annotation, f"{at} (frame {index})"
    if unknown and unknown == len(annotations):
        raise ResultsError(f"{where}: annotations: every image_id is missing in `images`")
    if unknown:
        _log.warning("%s: %d annotations left out: `images` does not list their image_id", where, unknown)


def decode_box(annotation: dict[str, Any], name: str, where: str) -> tuple[float, ...] | None:
    """Decode a box from x, y, width and height to x1, y1, x2 and y2; None if there is none.

    Raises:
        ResultsError: It is not four numbers.
    """
    if annotation.get(name) is None:
        return None
    x, y, w, h = expect_numbers(annotation[name], 4, f"{where}.{name}")
    return x, y, x + w, y + h


def encode_box(box_xyxy: DoubleArray) -> list[float]:
    """Encode a box (4,) as x, y, width and height; the inverse of `decode_box`.

    The corner x2, y2 may change by a rounding error, one unit in the last place for boxes inside the image: not
    every number is the rounded sum of x1 and some width. A second round trip changes nothing.
    """
    x1, y1, x2, y2 = box_xyxy.tolist()
    return [x1, y1, _find_extent(x1, x2), _find_extent(y1, y2)]


def _find_extent(start: float, end: float) -> float:
    """Find the number that added to `start` gives `end`, if there is one: the rounded difference may not."""
    extent = end - start
    for nearby in (extent, math.nextafter(extent, math.inf), math.nextafter(extent, -math.inf)):
        if start + nearby == end:
            return nearby
    return extent


def encode_tracked_person(people: AnnotatedPeople, person: int) -> dict[str, Any]:
    """Encode the fields of an annotation that both formats share, as far as the person has them."""
    fields: dict[str, Any] = {}
    if people.has_track_id[person]:
        fields["track_id"] = int(people.track_ids[person])
    if not np.isnan(people.scores[person]):
        fields["score"] = float(people.scores[person])
    for name, boxes in (("bbox", people.boxes_xyxy), ("bbox_head", people.head_boxes_xyxy)):
        if not np.isnan(boxes[person]).any():
            fields[name] = encode_box(boxes[person])
    return fields


def fill_scores(people: AnnotatedPeople, present: BoolArray) -> tuple[DoubleArray, BoolArray]:
    """Encode keypoint scores without NaN.

    Args:
        people: N people.
        present: (N, K), the keypoints that are written.

    Returns:
        (N, K) scores: `MISSING_SCORE` where a keypoint has none, 0 where it is absent; and (N,) whether a
        person has any.
    """
    scores = np.where(present, np.nan_to_num(people.keypoint_scores, nan=MISSING_SCORE), 0.0)
    has_scores = np.any(present & ~np.isnan(people.keypoint_scores), axis=1)
    return np.asarray(scores, np.float64), np.asarray(has_scores, bool)
