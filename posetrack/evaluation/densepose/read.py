"""Reading of dense poses in whatever form: one reader for each, chosen by the first bytes of the file."""

from __future__ import annotations

from pathlib import Path

from posetrack.errors import ResultsError
from posetrack.evaluation.densepose.raw_results import is_raw, read_raw_results
from posetrack.evaluation.densepose.results import DenseResult, read_competition_results
from posetrack.evaluation.densepose.truth import SurfaceTruth


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
    results = read_raw_results(path, truth) if is_raw(path) else read_competition_results(path, truth)
    unknown = [result for result in results if result.image_id not in truth.images]
    if unknown:
        raise ResultsError(
            f"{unknown[0].where}: image {unknown[0].image_id}: not in {truth.name}, like the images of "
            f"{len(unknown)} results in all; take those results out or add the images"
        )
    return results
