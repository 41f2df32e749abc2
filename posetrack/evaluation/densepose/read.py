"""Reading of the dense poses to evaluate, in whatever form."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from posetrack.errors import ResultsError
from posetrack.evaluation.densepose.truth import SurfaceTruth
from posetrack.results.dense_results import DenseResult
from posetrack.results.dense_sources import read_results


def read_dense_results(path: Path, truth: SurfaceTruth) -> list[DenseResult]:
    """Read results of any form.

    Args:
        path: The file.
        truth: The annotations, which must have their images.

    Returns:
        Those of people, in the order of the file.

    Raises:
        ResultsError: The file cannot be read, is of none of the forms, or does not fit the annotations.
    """
    results = read_results(path, partial(_find_image, truth), truth.category_id)
    unknown = [result for result in results if result.image_id not in truth.images]
    if unknown:
        raise ResultsError(
            f"{unknown[0].where}: image {unknown[0].image_id}: not in {truth.name}, like the images of "
            f"{len(unknown)} results in all; take those results out or add the images"
        )
    return results


def _find_image(truth: SurfaceTruth, name: str, where: str) -> int:
    if name in truth.file_names:
        return truth.file_names[name]
    last = PurePosixPath(name).name
    found = [number for known, number in truth.file_names.items() if PurePosixPath(known).name == last]
    if len(found) != 1:
        raise ResultsError(
            f"{where}: {len(found)} images of {truth.name} are named {last[:60]!r}; give image_id"
        )
    return found[0]
