"""COCO's metrics for keypoints, boxes and masks, computed by pycocotools."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, cast

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.data.coco_people import simplify_names
from models.settings import suggest
from posetrack.errors import ResultsError
from posetrack.evaluation.coco_files import CocoAnnotations, check_annotations, check_results
from posetrack.skeleton import COCO_17, SKELETONS, Skeleton

Metrics = dict[str, float | None]
"""Metrics by name, each from 0 to 1; None if undefined, because nothing is annotated."""

_KEYPOINT_METRICS = (
    *("AP", "AP50", "AP75", "AP_medium", "AP_large"),
    *("AR", "AR50", "AR75", "AR_medium", "AR_large"),
)
_BOX_METRICS = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"),
)
IOU_TYPES = {"keypoints": _KEYPOINT_METRICS, "bbox": _BOX_METRICS, "segm": _BOX_METRICS}
"""Types of evaluation, each with the names of its metrics in the order of pycocotools."""


def evaluate_coco(
    annotations: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    *,
    iou_type: str = "keypoints",
    sigmas: Sequence[float] | None = None,
    annotations_name: str = "annotations",
    results_name: str = "results",
) -> Metrics:
    """Compute the metrics that COCO's leaderboards and papers report (cocodataset.org, "Evaluate").

    Images without results count as missed. Differs from pycocotools in four ways, because each of them changes
    the numbers silently: an annotation with id 0 counts like any other (there it is never matched); mask
    results have the area of the mask even if they also have a box (as in Detectron2 and MMDetection); whether a
    result has a box is decided for each one, not for the first only; the list of results may be empty.

    Args:
        annotations: With `images`, `annotations` and `categories`, as in COCO's files; not modified.
        results: Each with `image_id`, `category_id`, `score` and `keypoints` (K x, y, v), `bbox` (xywh) or
            `segmentation` (RLE or polygons); not modified.
        iou_type: A key of `IOU_TYPES`.
        sigmas: K OKS sigmas; None for those that the category of the keypoints states, else of the skeleton in
            `SKELETONS` that has the names of the annotations' keypoints, in whatever order, else for COCO's if
            there are 17. Only for `keypoints`.
        annotations_name: Name of the annotations in error messages.
        results_name: Name of the results in error messages.

    Returns:
        Ten metrics for keypoints, twelve for boxes and masks.

    Raises:
        ResultsError: The annotations, results, type or sigmas are not valid.
    """
    if iou_type not in IOU_TYPES:
        raise ResultsError(f"type '{iou_type}': unknown; {suggest(iou_type, IOU_TYPES)}")
    if sigmas is not None and iou_type != "keypoints":
        raise ResultsError(f"sigmas: not used for type {iou_type}; leave them out or take keypoints")
    checked = check_annotations(annotations, iou_type, annotations_name)
    if iou_type == "keypoints":
        sigmas = choose_sigmas(checked.keypoint_names, sigmas or checked.sigmas, annotations_name)
    found = check_results(results, checked, iou_type, results_name)
    return run_cocoeval(checked, found, iou_type, sigmas)


def choose_sigmas(
    keypoint_names: Sequence[str], sigmas: Sequence[float] | None, annotations_name: str = "annotations"
) -> tuple[float, ...]:
    """Find the sigmas of the annotations' keypoints, or check given ones.

    Args:
        keypoint_names: K names, of the annotations' category.
        sigmas: The given sigmas, or None.
        annotations_name: Name of the annotations in error messages.

    Returns:
        K sigmas.

    Raises:
        ResultsError: Their number differs from that of the keypoints, or none are known for these keypoints.
    """
    count = len(keypoint_names)
    if sigmas is not None:
        if len(sigmas) != count:
            raise ResultsError(
                f"sigmas: {len(sigmas)}, but {annotations_name} has {count} keypoints; give one for each"
            )
        if not all(0 < sigma < np.inf for sigma in sigmas):
            raise ResultsError(f"sigmas: expected {count} finite numbers above 0; correct them")
        return tuple(float(sigma) for sigma in sigmas)
    for skeleton in SKELETONS.values():
        found = find_sigmas(keypoint_names, skeleton)
        if found is not None:
            return found
    if count == COCO_17.num_keypoints:
        return COCO_17.sigmas
    fitting = " or ".join(name for name, skeleton in SKELETONS.items() if skeleton.num_keypoints == count)
    raise ResultsError(
        f"{annotations_name}: categories: no sigmas are known for these {count} keypoints; give --sigmas "
        + (f"{fitting}, or {count} numbers" if fitting else f"with {count} numbers")
    )


def find_sigmas(keypoint_names: Sequence[str], skeleton: Skeleton) -> tuple[float, ...] | None:
    """The sigmas of a skeleton for its keypoints in another order; None if they are not its keypoints."""
    names = simplify_names(keypoint_names, skeleton.names)
    if sorted(names) != sorted(skeleton.names):
        return None
    by_name = dict(zip(skeleton.names, skeleton.sigmas, strict=True))
    return tuple(by_name[name] for name in names)


def run_cocoeval(
    annotations: CocoAnnotations,
    results: Sequence[Mapping[str, Any]],
    iou_type: str,
    sigmas: Sequence[float] | None,
    image_ids: Sequence[int] | None = None,
) -> Metrics:
    """Evaluate with pycocotools, without its printed output.

    Args:
        annotations: Checked annotations.
        results: Checked results.
        iou_type: A key of `IOU_TYPES`.
        sigmas: K OKS sigmas, for keypoints.
        image_ids: Only these images; None for all.

    Returns:
        The metrics that `IOU_TYPES` names.
    """
    names = IOU_TYPES[iou_type]
    if image_ids is not None and not image_ids:
        return dict.fromkeys(names)
    # Overflow: a keypoint may have absurdly large coordinates; it is simply not matched.
    with redirect_stdout(io.StringIO()), np.errstate(over="ignore", invalid="ignore"):
        evaluation = COCOeval(
            _index(annotations, annotations.annotations), _index(annotations, results), iou_type
        )
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        if image_ids is not None:
            evaluation.params.imgIds = list(image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    numbers = cast("list[float]", evaluation.stats.tolist())
    return {name: None if number < 0 else number for name, number in zip(names, numbers, strict=True)}


def _index(annotations: CocoAnnotations, people: Sequence[Mapping[str, Any]]) -> COCO:
    """Make pycocotools' index of a file; ids from 1, because it takes 0 for "no match"."""
    coco = COCO()
    coco.dataset = {
        "images": list(annotations.images.values()),
        "categories": annotations.categories,
        "annotations": [{**person, "id": i} for i, person in enumerate(people, start=1)],
    }
    coco.createIndex()
    return coco
