"""Dense poses that networks just found, for the evaluation, and what of it annotations allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from posetrack.evaluation.densepose.evaluate import METRICS
from posetrack.evaluation.densepose.mesh import BodyMesh
from posetrack.evaluation.densepose.truth import SurfaceTruth
from posetrack.frame import Instances
from posetrack.results.dense_boxes import take_xywh
from posetrack.results.dense_png import encode_png
from posetrack.results.dense_results import DenseResult
from posetrack.results.people import complete_boxes


def list_dense_results(image_id: int, people: Instances) -> list[DenseResult]:
    """List the dense poses of one image's people, encoded, since those of a data set are kept.

    Args:
        image_id: Number of the image.
        people: Its people; those without a dense pose are left out.
    """
    if people.dense is None:
        return []
    scores = people.person_scores if people.box_scores is None else people.box_scores
    where = f"image {image_id}"
    return [
        DenseResult(image_id, float(score), take_xywh(box), encode_png(pose), where)
        for box, score, pose in zip(complete_boxes(people), scores, people.dense, strict=True)
        if pose.size
    ]


def pass_dense(
    predicted: Iterable[tuple[int, Instances]], found: list[DenseResult]
) -> Iterator[tuple[int, Instances]]:
    """Pass on the people of images, and append their dense poses to a list.

    Args:
        predicted: As `posetrack.evaluation.pictures.predict_images` yields them.
        found: Appended to.
    """
    for number, people in predicted:
        found += list_dense_results(number, people)
        yield number, people


def choose_possible(truth: SurfaceTruth, mesh: BodyMesh | None) -> tuple[str, ...]:
    """Choose the similarities that can be measured: with a mesh all, else that of masks if some are painted."""
    if mesh is not None:
        return tuple(METRICS)
    people = (person for image in truth.images.values() for person in image.people)
    return ("iou",) if any(person.points is not None and person.masks is not None for person in people) else ()
