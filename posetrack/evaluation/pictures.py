"""Predictions of a recipe's networks on the images of a data set, without tracking.

This is the evaluation of papers on pose estimation in images: detected or given boxes, poses, OKS-NMS and
rescoring.
Sources: Sun et al., CVPR 2019, section 4.1, "Testing", and its public code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np

from models.data.coco_people import read_id
from models.data.image_files import ImageFile, read_image
from posetrack.errors import ResultsError
from posetrack.evaluation.alike import suppress_alike
from posetrack.frame import (
    FloatArray,
    ImageArray,
    Instances,
    from_pixel_indices,
    from_xywh,
    to_pixel_indices,
    to_xywh,
)
from posetrack.predictors.networks import DenseEstimator, Networks, RegionEstimator
from posetrack.results.coco_entries import PERSON_CATEGORY_ID, encode_entries
from posetrack.results.people import complete_boxes

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)

# Threads that read images ahead of the networks.
_READERS = 4


def collect_boxes(
    entries: Iterable[Any], where: str, *, category_id: int = PERSON_CATEGORY_ID
) -> dict[int, Instances]:
    """Collect the boxes of annotations, or of COCO detections, by image.

    As in the public code, crowds, other categories, boxes without area and annotated people without known
    keypoints are left out.

    Args:
        entries: Each with `image_id` and `bbox` (xywh); detections with `score`.
        where: Their name in messages.
        category_id: Number of the people's category; entries without one are of it.

    Returns:
        Image -> its people, with boxes and box scores.

    Raises:
        ResultsError: An entry has no `image_id` or `bbox`.
        DataError: An id is not a whole number.
    """
    by_image: dict[int, list[list[float]]] = {}
    try:
        for entry in entries:
            if not _is_person(entry, category_id):
                continue
            left, top, width, height = entry["bbox"]
            row = [left, top, width, height, float(entry.get("score", 1.0))]
            if not (np.abs(row) < _LARGEST_FLOAT32).all():
                raise ValueError(f"bbox or score {row}")
            if width > 0 and height > 0:
                by_image.setdefault(read_id(entry["image_id"], f"{where}: image_id"), []).append(row)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{where}: an entry without image_id or bbox ({error})") from error
    tables = {number: np.array(rows, np.float64) for number, rows in by_image.items()}
    return {
        number: Instances(
            boxes_xyxy=from_xywh(table[:, :4]).astype(np.float32), box_scores=table[:, 4].astype(np.float32)
        )
        for number, table in tables.items()
    }


def _is_person(entry: Mapping[str, Any], category_id: int) -> bool:
    is_other = "category_id" in entry and read_id(entry["category_id"], "category_id") != category_id
    if is_other or entry.get("iscrowd", 0) or entry.get("ignore", 0):
        return False
    return "keypoints" not in entry or any(entry["keypoints"][2::3])


def group_by_size(images: Mapping[int, ImageFile]) -> dict[int, ImageFile]:
    """Sort images by their annotated size, so that those of one size share batches."""
    return dict(sorted(images.items(), key=lambda item: item[1].size_wh or (0, 0)))


def predict_images(
    images: Mapping[int, ImageFile],
    networks: Networks,
    *,
    boxes: Mapping[int, Instances] | None = None,
    keeps_alike: bool = False,
    batch: int = 8,
    report: Callable[[int], None] = lambda count: None,
) -> Iterator[tuple[int, Instances]]:
    """Predict the people in images.

    Args:
        images: Image number -> file.
        networks: The recipe's networks.
        boxes: Boxes for the pose estimation instead of the detector's: annotated ones, or those of COCO
            detections. They are cut out as in HRNet's public code, which takes a box's coordinates for indices
            of pixels and so cuts half a pixel to the right of the box and below it: published weights were
            trained and evaluated like that. Boxes of our detectors are cut out at their exact position.
        keeps_alike: Whether similar poses are kept, for metrics that compare person by person.
        batch: Images per call.
        report: Called with the number of finished images.

    Yields:
        The number of each image and its people; poses estimated in boxes are suppressed if similar.

    Raises:
        DataError: An image cannot be read.
        ResultsError: Boxes are given, but the recipe has no estimator and no dense poses for them.
    """
    if boxes is not None and networks.estimator is None and networks.dense is None:
        raise ResultsError("boxes: the recipe has no [estimator] to look at them; leave them out")
    waiting, done = iter(images), 0
    with closing(_read_ahead(images.values(), 2 * batch)) as read:
        while numbers := list(islice(waiting, batch)):
            pixels = list(islice(read, len(numbers)))
            if boxes is None:
                found = networks.detector(pixels)
            else:
                found = [boxes.get(number, Instances.empty()) for number in numbers]
            if networks.estimator is not None:
                poses = networks.estimator(pixels, _find_regions(found, is_given=boxes is not None))
                found = [
                    people.with_columns(keypoints_xy=points, keypoint_scores=scores)
                    for people, (points, scores) in zip(found, poses, strict=True)
                ]
                if not keeps_alike:
                    found = [_keep_unlike(people, networks) for people in found]
            if networks.dense is not None:
                found = _complete_dense(networks.dense, pixels, found)
            yield from zip(numbers, found, strict=True)
            done += len(numbers)
            report(done)


def _complete_dense(
    estimate: DenseEstimator, pixels: list[ImageArray], people: list[Instances]
) -> list[Instances]:
    """Dense poses of people whom the detector gave none."""
    if all(here.dense is not None for here in people):
        return people
    dense = estimate(pixels, [complete_boxes(here) for here in people])
    return [
        here if here.dense is not None else here.with_columns(dense=poses)
        for here, poses in zip(people, dense, strict=True)
    ]


def _read_ahead(images: Iterable[ImageFile], capacity: int) -> Generator[ImageArray]:
    """Images in order, so many of which are read on threads before they are asked for."""
    waiting: deque[Future[ImageArray]] = deque()
    with ThreadPoolExecutor(_READERS) as readers:
        for image in images:
            waiting.append(readers.submit(read_image, image))
            if len(waiting) == capacity:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _find_regions(people: list[Instances], *, is_given: bool) -> list[FloatArray]:
    """The boxes of each image that are cut out; see `predict_images` for those that are given."""
    boxes = [complete_boxes(here) for here in people]
    return [from_pixel_indices(rows) for rows in boxes] if is_given else boxes


def _keep_unlike(people: Instances, networks: Networks) -> Instances:
    """Those whose poses are not too much like a higher-scoring one's."""
    assert people.keypoints_xy is not None
    boxes = complete_boxes(people)
    if isinstance(networks.estimator, RegionEstimator):
        areas = networks.estimator.measure_regions(boxes)
    else:
        areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    rows = suppress_alike(people.keypoints_xy, people.person_scores, areas, networks.skeleton.sigmas)
    return people[rows]


def collect_results(
    predicted: Iterable[tuple[int, Instances]], *, by_detector: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """The people of all images as COCO's results, by what is compared.

    Args:
        predicted: As `predict_images` yields them.
        by_detector: As for `encode_results`.

    Returns:
        As `encode_results`, of all images together.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    for number, people in predicted:
        for kind, entries in encode_results(number, people, by_detector=by_detector).items():
            results.setdefault(kind, []).extend(entries)
    return results


def encode_results(
    number: int, people: Instances, *, by_detector: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """The people of one image as COCO's results, by what is compared.

    Args:
        number: Of the image.
        people: Its people.
        by_detector: Whether the scores of poses are the detector's too: the public codes of networks that find
            people and poses in one pass rank them so.

    Returns:
        `bbox`, with the detector's scores; `keypoints`, with `Instances.person_scores`, box score times mean
        keypoint score, unless told otherwise; and `segm`; the last two where the networks give them.
    """
    scores = people.person_scores if people.box_scores is None else people.box_scores
    results = {"bbox": encode_entries(number, scores, boxes_xywh=to_xywh(complete_boxes(people)))}
    if people.keypoints_xy is not None and people.keypoint_scores is not None:
        xy = to_pixel_indices(people.keypoints_xy)
        triples = np.concatenate([xy, people.keypoint_scores[..., None]], axis=2)
        rows = triples.reshape(len(people), 3 * triples.shape[1]).tolist()
        results["keypoints"] = encode_entries(
            number, scores if by_detector else people.person_scores, keypoints=rows
        )
    if people.masks is not None:
        results["segm"] = encode_entries(number, scores, masks=people.masks)
    return results
