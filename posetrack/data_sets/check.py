"""The check of a data set as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from posetrack.data_sets.findings import Finding, Findings
from posetrack.data_sets.image_checks import (
    Looked,
    check_same_bytes,
    check_sizes,
    describe_sizes,
    look_at_images,
)
from posetrack.data_sets.parts import DataSetPart, read_parts
from posetrack.data_sets.people_checks import Counts, check_image_entries, check_people


@dataclass(frozen=True)
class PartReport:
    """What one part of a data set holds.

    Attributes:
        name: Its annotation file, or its folder of images.
        images: Number of images that it lists.
        sizes: Its smallest, median and largest image.
        counts: Its people.
    """

    name: str
    images: int
    sizes: dict[str, str]
    counts: Counts


@dataclass(frozen=True)
class DataSetReport:
    """The result of a check.

    Attributes:
        parts: The parts of the data set.
        findings: What was found, faults first.
    """

    parts: tuple[PartReport, ...]
    findings: tuple[Finding, ...]

    @property
    def is_fine(self) -> bool:
        """Whether no fault was found."""
        return not any(finding.is_fault for finding in self.findings)


def check_data_sets(
    paths: Sequence[Path],
    image_folder: Path | None = None,
    *,
    decoded: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> DataSetReport:
    """Check data sets, each by itself and all of them for images that they share.

    Args:
        paths: Annotation files, folders of them as `train` takes them, or folders of images by class.
        image_folder: Folder that the names of images are relative to; None to look for it.
        decoded: Whether all images are decoded; else their headers and ends are read.
        report: Called with the number of images that were looked at, and of all.

    Raises:
        ResultsError: A path holds nothing to check.
    """
    findings = Findings()
    parts = [part for path in paths for part in read_parts(path, image_folder, findings)]
    paths_of_images = list(dict.fromkeys(path for part in parts for path in part.paths))
    looked: dict[Path, Looked] = {}
    for path, image in zip(paths_of_images, look_at_images(paths_of_images, decoded=decoded), strict=True):
        looked[path] = image
        report(len(looked), len(paths_of_images))
    reports = []
    for part in parts:
        positions = check_image_entries(part, findings)
        sizes = check_sizes(part, [looked[path] for path in part.paths], findings)
        counts = check_people(part, positions, sizes, findings)
        _check_contents(part, counts, findings)
        reports.append(PartReport(part.name, len(part.images), describe_sizes(sizes), counts))
    check_same_bytes(parts, looked, findings)
    return DataSetReport(tuple(reports), tuple(findings.list_all()))


def _check_contents(part: DataSetPart, counts: Counts, findings: Findings) -> None:
    if not part.images:
        findings.add_fault("files without images", part.name)
    elif part.categories is not None and not counts.people and not counts.crowds:
        findings.add_fault("files without people", part.name)
