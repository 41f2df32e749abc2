"""AP and AR of dense poses by GPS, GPSm and mask IoU, in one pass over the results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as mask_api

from models.data.coco_people import PERSON_ID
from models.settings import suggest
from models.training.errors import DataError
from posetrack.errors import ResultsError
from posetrack.evaluation.coco import Metrics, evaluate_coco
from posetrack.evaluation.densepose.masks import (
    draw_ignored,
    draw_person,
    is_kept,
    measure_mask_iou,
    place_mask,
)
from posetrack.evaluation.densepose.matching import (
    AREAS_PX2,
    MOST_RESULTS,
    THRESHOLDS,
    Curves,
    ImageMatches,
    ImageSizes,
    compute_curves,
    match_image,
)
from posetrack.evaluation.densepose.mesh import BodyMesh
from posetrack.evaluation.densepose.similarity import (
    Codes,
    ImagePoints,
    Similarities,
    place_points,
    take_codes,
)
from posetrack.evaluation.densepose.truth import SurfaceImage, SurfacePerson, SurfaceTruth
from posetrack.results.dense_results import Bytes, DenseResult

Numbers = npt.NDArray[np.float64]

METRICS = {"gps": "GPS", "gpsm": "GPSM", "iou": "IOU"}
"""Similarities to choose from, with their names in the output."""
BOXES = "BOX"
"""Name of the boxes' metrics in the output."""

_UNDEFINED = -1.0
_AT_75 = int(np.abs(THRESHOLDS - 0.75).argmin())


@dataclass(frozen=True)
class ImageSimilarities:
    """Similarities of one image's D results, highest score first, to its G people who are kept.

    Attributes:
        people: (G,) numbers of their annotations.
        box_iou: (D, G).
        gps: (D, G); None where it was not asked for, as the next.
        mask_iou: (D, G).
    """

    people: tuple[int, ...]
    box_iou: Numbers
    gps: Numbers | None
    mask_iou: Numbers | None


@dataclass(frozen=True)
class DenseEvaluation:
    """The evaluation of dense poses.

    Attributes:
        metrics: For each of `METRICS` that was asked for AP and AR, in percent, -1 where nobody counts; by
            threshold, from 0 to 1; and the kept people of each image. `BOXES`: COCO's metrics of the boxes.
        curves: Precision and recall; K are those that were asked for, in their order.
        images: By number of the image.
    """

    metrics: dict[str, dict[str, Any]]
    curves: Curves
    images: dict[int, ImageSimilarities]


@dataclass
class _Image:
    """One image between the passes."""

    people: list[SurfacePerson]
    results: list[DenseResult]
    box_iou: Numbers
    points: ImagePoints
    codes: Codes
    mask_iou: Numbers | None
    gps: Numbers | None = field(default=None)


def choose_metrics(text: str) -> tuple[str, ...]:
    """Split `gps,gpsm,iou`.

    Raises:
        ResultsError: It names something else, or nothing.
    """
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",")))
    for name in names:
        if name not in METRICS:
            raise ResultsError(f"--metric {name or text!r}: unknown; {suggest(name, METRICS)}")
    return names


def to_fractions(metrics: Mapping[str, Mapping[str, Any]]) -> Metrics:
    """AP and AR of dense poses from 0 to 1, None where undefined.

    Args:
        metrics: Those of a `DenseEvaluation`.

    Returns:
        `gps_AP`, `gps_AP50`, ..., `gpsm_AP`, ..., `iou_ARl`; those that were asked for.
    """
    return {
        f"{name}_{kind}{end}": _to_fraction(metrics[title][f"{kind}{end}"])
        for name, title in METRICS.items()
        if title in metrics
        for kind in ("AP", "AR")
        for end in ("", "50", "75", "m", "l")
    }


def evaluate_densepose(
    truth: SurfaceTruth,
    results: Sequence[DenseResult],
    mesh: BodyMesh | None,
    metrics: Sequence[str] = tuple(METRICS),
) -> DenseEvaluation:
    """Evaluate dense poses as DensePose's own tool does, and their boxes as COCO does.

    Args:
        truth: The annotations.
        results: Of their images; of each image the 20 highest-scoring count.
        mesh: The body's mesh; may be None for `iou` alone.
        metrics: Keys of `METRICS`.

    Raises:
        ResultsError: A mask or a result is damaged, or the mesh is missing.
    """
    needs_points, needs_masks = bool({"gps", "gpsm"} & set(metrics)), bool({"gpsm", "iou"} & set(metrics))
    if needs_points and mesh is None:
        raise ResultsError("--mesh: GPS and GPSm need the mesh files; give their folder, or --metric iou")
    by_image: dict[int, list[DenseResult]] = defaultdict(list)
    for result in results:
        by_image[result.image_id].append(result)
    try:
        images = {
            number: _compare(image, by_image[number], needs_points=needs_points, needs_masks=needs_masks)
            for number, image in truth.images.items()
        }
    except DataError as error:
        raise ResultsError(str(error)) from error
    if mesh is not None and needs_points:
        compared = list(images.values())
        points, codes = [image.points for image in compared], [image.codes for image in compared]
        for image, gps in zip(compared, Similarities(mesh, points, codes).compute(), strict=True):
            image.gps = gps
    curves = compute_curves([_match(image, metrics) for image in images.values()], len(metrics))
    kept = {str(number): [person.id for person in image.people] for number, image in images.items()}
    numbers = {METRICS[name]: {**_summarize(curves, k), "gt_kept": kept} for k, name in enumerate(metrics)}
    numbers[BOXES] = {name: _to_percent(value) for name, value in _evaluate_boxes(truth, results).items()}
    return DenseEvaluation(
        numbers,
        curves,
        {
            number: ImageSimilarities(tuple(kept[str(number)]), image.box_iou, image.gps, image.mask_iou)
            for number, image in images.items()
        },
    )


def _compare(
    image: SurfaceImage, results: list[DenseResult], *, needs_points: bool, needs_masks: bool
) -> _Image:
    """Decode what is needed of one image, and measure boxes and masks."""
    ignored = draw_ignored(image)
    people = [person for person in image.people if is_kept(person.box, ignored)]
    points = place_points(people if needs_points else [])
    found, codes, masks = [], [], []
    # The tool looks at regions to ignore only where somebody is annotated.
    for result, pose in _choose_results(results, ignored if image.people else None):
        found.append(result)
        codes.append(take_codes(points, result.box, pose))
        if needs_masks:
            masks.append(place_mask(pose[0] > 0, result.box, image))
    crowd = [person.is_crowd for person in people]
    box_iou = np.zeros((len(found), len(people)))
    if box_iou.size:
        boxes = (np.array([each.box for each in side], np.float64) for side in (found, people))
        box_iou[:] = mask_api.iou(*boxes, [int(each) for each in crowd])
    drawn = [draw_person(person, image) for person in people] if needs_masks else []
    mask_iou = measure_mask_iou(masks, drawn, crowd) if needs_masks else None
    stacked = np.array(codes, np.int32).reshape(len(found), len(points.owners))
    return _Image(people, found, box_iou, points, stacked, mask_iou)


def _choose_results(
    results: list[DenseResult], ignored: npt.NDArray[np.bool_] | None
) -> Iterator[tuple[DenseResult, Bytes]]:
    """The highest-scoring results outside regions to ignore; of their dense poses one at a time is decoded."""
    num_chosen = 0
    for result in sorted(results, key=lambda each: -each.score):
        if num_chosen == MOST_RESULTS:
            return
        pose = result.decode()
        if is_kept(result.box, ignored, pose[0] > 0):
            num_chosen += 1
            yield result, pose


def _match(image: _Image, metrics: Sequence[str]) -> ImageMatches:
    similarities = {"gps": image.gps, "iou": image.mask_iou}
    if image.gps is not None and image.mask_iou is not None:
        similarities["gpsm"] = np.sqrt(image.gps * image.mask_iou)
    sizes = ImageSizes(
        people_px2=np.array([person.area for person in image.people], np.float64),
        results_px2=np.array([result.box.w * result.box.h for result in image.results], np.float64),
        is_crowd=np.array([person.is_crowd for person in image.people], bool),
        is_ignored=np.array([person.points is None for person in image.people], bool),
    )
    scores = np.array([result.score for result in image.results], np.float64)
    stacked = np.stack([np.asarray(similarities[name]) for name in metrics])
    return match_image(scores, stacked, image.box_iou, sizes)


def _summarize(curves: Curves, k: int) -> dict[str, Any]:
    """AP and AR of one similarity."""
    numbers: dict[str, Any] = {}
    by_threshold = {"AP": curves.precision[k].mean(axis=-1), "AR": curves.recall[k]}
    for name, values in by_threshold.items():
        chosen = {"": values[0].mean(), "50": values[0, 0], "75": values[0, _AT_75]}
        chosen |= {end: values[a].mean() for a, end in enumerate(AREAS_PX2) if end}
        numbers |= {f"{name}{end}": _to_percent(float(value)) for end, value in chosen.items()}
    return numbers | {f"{name}_by_threshold": values[0].tolist() for name, values in by_threshold.items()}


def _to_fraction(percent: float) -> float | None:
    return None if percent < 0 else percent / 100


def _to_percent(fraction: float | None) -> float:
    return _UNDEFINED if fraction is None or fraction < 0 else 100 * fraction


def _evaluate_boxes(truth: SurfaceTruth, results: Sequence[DenseResult]) -> Metrics:
    entries = [
        {"image_id": result.image_id, "category_id": PERSON_ID, "score": result.score, "bbox": list(result.box)}
        for result in results
    ]
    return evaluate_coco(truth.content, entries, iou_type="bbox", annotations_name=truth.name)
