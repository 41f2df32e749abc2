"""The networks of a recipe over a data set's images, image by image, as COCO's results.

What the tables of papers on pose in images report: detection or given boxes, poses, OKS-NMS, rescoring; no
tracking. Sources: Sun et al., CVPR 2019, section 4.1, "Testing", and its public code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from models.data.crop import read_image
from posetrack.errors import ResultsError
from posetrack.evaluation.alike import suppress_alike
from posetrack.frame import Instances, from_pixel_indices, from_xywh, to_pixel_indices, to_xywh
from posetrack.predictors.hrnet import HRNetPredictor
from posetrack.predictors.networks import Networks
from posetrack.results.coco_entries import encode_entries
from posetrack.results.people import complete_boxes


def list_images(annotations: Mapping[str, Any], folder: Path) -> dict[int, Path]:
    """The images of COCO annotations: number -> file.

    Raises:
        ResultsError: The annotations name none.
    """
    images = annotations.get("images")
    if not isinstance(images, Sequence) or not images:
        raise ResultsError("annotations: no images; is this a COCO file?")
    try:
        return {int(image["id"]): folder / image["file_name"] for image in images}
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"annotations: images: one without a number or file name ({error})") from error


def collect_boxes(entries: Iterable[Mapping[str, Any]]) -> dict[int, Instances]:
    """Boxes of annotations, or of COCO detections, by image; crowds and other categories are left out.

    Args:
        entries: Each with `image_id` and `bbox` (xywh); `score` where they are detections.

    Returns:
        Image -> its people, with boxes and box scores.
    """
    by_image: dict[int, list[list[float]]] = {}
    for entry in entries:
        if entry.get("iscrowd", 0) or entry.get("category_id", 1) != 1:
            continue
        left, top, width, height = entry["bbox"]
        row = [left, top, width, height, float(entry.get("score", 1.0))]
        by_image.setdefault(int(entry["image_id"]), []).append(row)
    tables = {number: np.array(rows, np.float64) for number, rows in by_image.items()}
    return {
        number: Instances(
            boxes_xyxy=from_xywh(table[:, :4]).astype(np.float32), box_scores=table[:, 4].astype(np.float32)
        )
        for number, table in tables.items()
    }


def predict_images(
    image_paths: Mapping[int, Path],
    networks: Networks,
    *,
    boxes: Mapping[int, Instances] | None = None,
    batch: int = 8,
    report: Callable[[int], None] = lambda count: None,
) -> Iterator[tuple[int, Instances]]:
    """Find the people of images.

    Args:
        image_paths: Number -> file.
        networks: The recipe's.
        boxes: People to estimate the poses of, in place of those whom the detector finds: annotated ones, or
            those of a file of COCO detections. They are cut out as HRNet's public code does it, which takes a
            box's numbers for indices of pixels and so is half a pixel to the right of the box and below it:
            published weights were trained and measured like that. Boxes of our detectors are cut out where
            they are.
        batch: Images at once.
        report: Called with how many images are done.

    Yields:
        The number of each image and its people: alike poses suppressed where an estimator looked at boxes.

    Raises:
        DataError: An image cannot be read.
        ResultsError: Boxes are given, but the recipe has no estimator for them.
    """
    if boxes is not None and networks.estimator is None:
        raise ResultsError("boxes: the recipe has no [estimator] to look at them; leave them out")
    waiting, done = iter(image_paths.items()), 0
    while chunk := list(islice(waiting, batch)):
        images = [read_image(path) for _, path in chunk]
        if boxes is None:
            found = networks.detector(images)
        else:
            found = [boxes.get(number, Instances.empty()) for number, _ in chunk]
        if networks.estimator is not None:
            regions = [complete_boxes(people) for people in found]
            if boxes is not None:
                regions = [from_pixel_indices(region) for region in regions]
            poses = networks.estimator(images, regions)
            found = [
                _keep_unlike(replace(people, keypoints_xy=points, keypoint_scores=scores), networks)
                for people, (points, scores) in zip(found, poses, strict=True)
            ]
        yield from zip((number for number, _ in chunk), found, strict=True)
        done += len(chunk)
        report(done)


def _keep_unlike(people: Instances, networks: Networks) -> Instances:
    """Those whose poses are not too much like a higher-scoring one's."""
    assert people.keypoints_xy is not None
    boxes = complete_boxes(people)
    if isinstance(networks.estimator, HRNetPredictor):
        areas = networks.estimator.measure_regions(boxes)
    else:
        areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    rows = suppress_alike(people.keypoints_xy, people.person_scores, areas, networks.skeleton.sigmas)
    return people[rows]


def encode_results(number: int, people: Instances) -> dict[str, list[dict[str, Any]]]:
    """The people of one image as COCO's results, by what is compared.

    Args:
        number: Of the image.
        people: Its people.

    Returns:
        `bbox`, with the detector's scores; `keypoints`, with `Instances.person_scores`, box score times mean
        keypoint score; and `segm`. Lists are empty where there is nothing of the kind.
    """
    scores = people.person_scores if people.box_scores is None else people.box_scores
    results: dict[str, list[dict[str, Any]]] = {"keypoints": [], "segm": []}
    if people.keypoints_xy is not None and people.keypoint_scores is not None:
        xy = to_pixel_indices(people.keypoints_xy)
        triples = np.concatenate([xy, people.keypoint_scores[..., None]], axis=2)
        rows = triples.reshape(len(people), 3 * triples.shape[1]).tolist()
        results["keypoints"] = encode_entries(number, people.person_scores, keypoints=rows)
    if people.masks is not None:
        results["segm"] = encode_entries(number, scores, masks=people.masks)
    return {"bbox": encode_entries(number, scores, boxes_xywh=to_xywh(complete_boxes(people))), **results}
