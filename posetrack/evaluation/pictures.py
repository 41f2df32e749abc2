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
from posetrack.frame import FloatArray, Instances
from posetrack.predictors.hrnet import HRNetPredictor
from posetrack.predictors.networks import Networks
from posetrack.results.masks import encode_masks
from posetrack.results.people import complete_boxes

# COCO counts keypoints from the centre of the first pixel, frames from its corner.
_HALF_PIXEL = np.float32(0.5)


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
    """
    by_image: dict[int, list[list[float]]] = {}
    for entry in entries:
        if entry.get("iscrowd", 0) or entry.get("category_id", 1) != 1:
            continue
        x, y, width, height = entry["bbox"]
        row = [x, y, x + width, y + height, float(entry.get("score", 1.0))]
        by_image.setdefault(int(entry["image_id"]), []).append(row)
    found = {}
    for number, rows in by_image.items():
        table = np.array(rows, np.float32)
        # The public code takes a box's numbers for those of pixels' centres, which it crops by.
        found[number] = Instances(boxes_xyxy=table[:, :4] + _HALF_PIXEL, box_scores=table[:, 4])
    return found


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
        boxes: People to estimate the poses of, in place of those whom the detector finds.
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
            found = [boxes.get(number, _NOBODY) for number, _ in chunk]
        if networks.estimator is not None:
            poses = networks.estimator(images, [complete_boxes(people) for people in found])
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


def encode_results(number: int, people: Instances) -> dict[str, list[dict[str, object]]]:
    """The people of one image as COCO's results, by what is compared.

    Args:
        number: Of the image.
        people: Its people.

    Returns:
        `bbox`, with the detector's scores; `keypoints`, with `Instances.person_scores`, box score times mean
        keypoint score; and `segm`. Lists are empty where there is nothing of the kind.
    """
    head = {"image_id": number, "category_id": 1}
    boxes = complete_boxes(people)
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    scores = people.person_scores if people.box_scores is None else people.box_scores
    results: dict[str, list[dict[str, object]]] = {"bbox": [], "keypoints": [], "segm": []}
    results["bbox"] = [
        {**head, "bbox": box, "score": score} for box, score in zip(xywh.tolist(), scores.tolist(), strict=True)
    ]
    if people.keypoints_xy is not None and people.keypoint_scores is not None:
        triples = np.concatenate([people.keypoints_xy - _HALF_PIXEL, people.keypoint_scores[..., None]], axis=2)
        results["keypoints"] = [
            {**head, "keypoints": row, "score": score}
            for row, score in zip(
                triples.reshape(len(people), 3 * triples.shape[1]).tolist(),
                people.person_scores.tolist(),
                strict=True,
            )
        ]
    if people.masks is not None:
        results["segm"] = [
            {**head, "segmentation": mask, "score": score}
            for mask, score in zip(encode_masks(people.masks), scores.tolist(), strict=True)
        ]
    return results


_NO_BOXES: FloatArray = np.zeros((0, 4), np.float32)
_NOBODY = Instances(boxes_xyxy=_NO_BOXES, box_scores=np.zeros(0, np.float32))
