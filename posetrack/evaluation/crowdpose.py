"""CrowdPose's metrics: keypoint AP without annotated areas, in total and by crowding level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from posetrack.errors import ResultsError
from posetrack.evaluation.coco import Metrics, find_sigmas, run_cocoeval
from posetrack.evaluation.coco_files import CocoAnnotations, check_annotations, check_results
from posetrack.json_fields import expect_array
from posetrack.skeleton import CROWDPOSE_14

_AREA_OF_BOX = 0.53
_MEDIUM_FROM, _HARD_FROM = 0.2, 0.8
_METRICS = ("AP", "AP50", "AP75", "AR", "AR50", "AR75")


def evaluate_crowdpose(
    annotations: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    *,
    annotations_name: str = "annotations",
    results_name: str = "results",
) -> Metrics:
    """Compute CrowdPose's metrics (Li et al., CVPR 2019, and the public tool `crowdposetools`).

    They are COCO's keypoint metrics with 14 sigmas, at most 20 people per image, and 0.53 of the box area, w h,
    as the area of an annotated person: in OKS, s^2 = 0.53 w h, and in the area ranges. An image is easy below a
    `crowdIndex` of 0.2, hard from 0.8 on, and medium between.

    Differs from the public tool: it rounds the AP of easy, medium and hard to four decimals, and gives -1 for a
    level without annotated people (here None). For annotations with id 0 see `evaluate_coco`.

    Args:
        annotations: As in CrowdPose's files: `images`, each with a `crowdIndex`, `annotations` with
            `keypoints` (14 x, y, v) and `bbox` (xywh), and `categories`; not modified.
        results: Each with `image_id`, `category_id`, `score` and `keypoints` (14 x, y, v).
        annotations_name: Name of the annotations in error messages.
        results_name: Name of the results in error messages.

    Returns:
        AP, AP50, AP75, AR, AR50, AR75, AP_easy, AP_medium and AP_hard.

    Raises:
        ResultsError: The annotations or results are not valid.
    """
    checked = check_annotations(annotations, "keypoints", annotations_name, needs_area=False)
    if checked.num_keypoints != CROWDPOSE_14.num_keypoints:
        raise ResultsError(
            f"{annotations_name}: categories: {checked.num_keypoints} keypoints, expected CrowdPose's "
            f"{CROWDPOSE_14.num_keypoints}; for other skeletons take posetrack eval coco"
        )
    # By name; keypoints with names of their own are taken to be in CrowdPose's order, as by the public tool.
    sigmas = find_sigmas(checked.keypoint_names, CROWDPOSE_14) or CROWDPOSE_14.sigmas
    levels = _split_images(checked)
    people = check_results(results, checked, "keypoints", results_name)
    checked = replace(checked, annotations=[_set_area(person) for person in checked.annotations])
    overall = run_cocoeval(checked, people, "keypoints", sigmas)
    metrics = {name: overall[name] for name in _METRICS}
    for level, image_ids in levels.items():
        found = run_cocoeval(checked, people, "keypoints", sigmas, image_ids)
        metrics[f"AP_{level}"] = found["AP"]
    return metrics


def _split_images(annotations: CocoAnnotations) -> dict[str, list[int]]:
    levels: dict[str, list[int]] = {"easy": [], "medium": [], "hard": []}
    for image_id, image in annotations.images.items():
        where = f"{annotations.name}: image {image_id}.crowdIndex"
        crowdedness = float(expect_array(image.get("crowdIndex"), (), where))
        level = "easy" if crowdedness < _MEDIUM_FROM else "medium" if crowdedness < _HARD_FROM else "hard"
        levels[level].append(image_id)
    return levels


def _set_area(annotation: dict[str, Any]) -> dict[str, Any]:
    _, _, width, height = annotation["bbox"]
    return {**annotation, "area": width * height * _AREA_OF_BOX}
