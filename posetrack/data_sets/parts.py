"""Finding and reading the parts of a data set: annotation files with the folders of their images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.data.image_files import is_file
from models.data.mpii import read_mpii_samples
from models.training.errors import DataError
from posetrack.annotations.posetrack17 import decode_posetrack17
from posetrack.annotations.posetrack18 import encode_posetrack18
from posetrack.data_sets.findings import Findings
from posetrack.errors import ResultsError
from posetrack.json_fields import read_json
from posetrack.skeleton import MPII_16
from posetrack.video.images import is_image_name

# Folders of annotation files in the data sets that recipes train on.
_FOLDERS = ("", "annotations", "annotations/*", "json", "annot", "labels")
_TRIED_IMAGES = 5


@dataclass
class DataSetPart:
    """One annotation file, or a folder of images by class.

    Attributes:
        name: Its name in messages.
        split: Its split, which shares no images with others: files of one split may be several sequences.
        images: Its images, as in COCO's files, as far as they are objects.
        annotations: Its annotations, likewise.
        categories: Its categories; None if it has no such list.
        folder: Folder that the names of its images are relative to.
        is_sequence: Whether its images are frames in order.
        has_boxes: Whether its annotations must have boxes.
    """

    name: str
    split: str
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]] | None
    folder: Path
    is_sequence: bool = False
    has_boxes: bool = True
    paths: list[Path] = field(default_factory=list)
    """The file of each image; a folder where an image has no valid name."""


def read_parts(path: Path, image_folder: Path | None, findings: Findings) -> Iterator[DataSetPart]:
    """Read the parts of a data set.

    Args:
        path: An annotation file, a folder of them as `train` takes it, or a folder of images by class.
        image_folder: Folder that the names of images are relative to; None to look for it.
        findings: Gets what cannot be read.

    Raises:
        ResultsError: There is nothing to check.
    """
    for given in (path, image_folder):
        if given is not None and not given.exists():
            raise ResultsError(f"{given}: no such file or folder; check the path")
    files = _find_files(path)
    read = 0
    for file in files:
        part = _read_file(file, findings, is_only=len(files) == 1)
        if part is not None:
            roots = [image_folder] if image_folder is not None else _list_roots(file, path)
            part.folder = _choose_folder(part, roots)
            part.paths = [_find_path(image, part.folder) for image in part.images]
            read += 1
            yield part
    for part in _read_classes(path) if not files else ():
        read += 1
        yield part
    if not read and not findings.list_all():
        raise ResultsError(
            f"{path}: nothing to check; give annotations (.json), a folder of them, or of images by class"
        )


def _find_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = {file for folder in _FOLDERS for file in path.glob(f"{folder}/*.json" if folder else "*.json")}
    return sorted(file for file in found if not file.name.startswith("."))


def _read_file(file: Path, findings: Findings, *, is_only: bool) -> DataSetPart | None:
    """Read one file; None if it cannot be read, or holds something else, such as detections."""
    try:
        content = read_json(file)
        if isinstance(content, Mapping) and "annolist" in content:
            video = decode_posetrack17(dict(content), file.stem, str(file))
            return _make_part(file, encode_posetrack18(video), is_sequence=True)
        if isinstance(content, list) and content and isinstance(content[0], Mapping) and "joints" in content[0]:
            return _read_mpii(file)
    except (ResultsError, DataError) as error:
        findings.add_fault("annotations that cannot be read", str(error))
        return None
    if (
        isinstance(content, Mapping)
        and isinstance(content.get("images"), list)
        and (is_only or _has_people(content))
    ):
        is_sequence = any(isinstance(image, Mapping) and "frame_id" in image for image in content["images"])
        return _make_part(file, content, is_sequence=is_sequence)
    if is_only:
        findings.add_fault(
            "annotations that cannot be read", f"{file}: no list `images`, `annolist` or of MPII"
        )
    else:
        findings.add_note("files without images and people, left out", str(file))
    return None


def _has_people(content: Mapping[str, Any]) -> bool:
    """Whether there are boxes or keypoints, or no annotations at all: not in files of captions."""
    entries = _list_objects(content.get("annotations"))
    return not entries or any(entry.keys() & {"bbox", "keypoints"} for entry in entries)


def _make_part(file: Path, content: Mapping[str, Any], *, is_sequence: bool) -> DataSetPart:
    categories = content.get("categories")
    return DataSetPart(
        name=str(file),
        split=str(file.parent if is_sequence else file),
        images=_list_objects(content.get("images")),
        annotations=_list_objects(content.get("annotations")),
        categories=_list_objects(categories) if isinstance(categories, list) else None,
        folder=file.parent,
        is_sequence=is_sequence,
        # PoseTrack17 has none, and in PoseTrack18 not everyone has one.
        has_boxes=not is_sequence,
    )


def _list_objects(entries: Any) -> list[dict[str, Any]]:
    return (
        [dict(entry) if isinstance(entry, Mapping) else {} for entry in entries]
        if isinstance(entries, list)
        else []
    )


def _read_mpii(file: Path) -> DataSetPart:
    samples = read_mpii_samples(file, Path())
    images = [{"id": i, "file_name": str(image.path)} for i, image in enumerate(samples.images)]
    annotations = []
    for i, (points, weights) in enumerate(
        zip(samples.keypoints_xy.tolist(), samples.weights.tolist(), strict=True)
    ):
        flat = [n for (x, y), w in zip(points, weights, strict=True) for n in ((x, y, 2) if w else (0, 0, 0))]
        annotations.append(
            {"id": i, "image_id": int(samples.image_index[i]), "category_id": 1, "keypoints": flat}
        )
    categories = [{"id": 1, "name": "person", "keypoints": list(MPII_16.names)}]
    part = _make_part(
        file, {"images": images, "annotations": annotations, "categories": categories}, is_sequence=False
    )
    part.has_boxes = False
    return part


def _list_roots(file: Path, path: Path) -> list[Path]:
    """Folders that images may be relative to: named like the file, beside or above it; else any of `path`."""
    parents = [file.parent, *list(file.absolute().parents)[1:4]]
    names = (file.stem, file.stem.rpartition("_")[2], "", "images")
    near = [parent / name for parent in parents for name in names]
    return near + (sorted(folder for folder in path.iterdir() if folder.is_dir()) if path.is_dir() else [])


def _choose_folder(part: DataSetPart, roots: list[Path]) -> Path:
    """The folder with the most of the first images; the first one if there are none."""
    tried = part.images[:: max(1, len(part.images) // _TRIED_IMAGES)][: _TRIED_IMAGES + 1]
    counts = [sum(is_file(_find_path(image, root)) for image in tried) for root in roots]
    return roots[counts.index(max(counts))]


def _find_path(image: Mapping[str, Any], folder: Path) -> Path:
    name = image.get("file_name")
    return folder / name if isinstance(name, str) and "\0" not in name else folder


def _read_classes(path: Path) -> Iterator[DataSetPart]:
    """Folders of images by class: `train/CLASS/NAME`, `val/CLASS/NAME`, or `CLASS/NAME`."""
    splits = [folder for folder in sorted(path.iterdir()) if folder.is_dir()]
    if any(is_image_name(str(file)) for folder in splits for file in folder.iterdir()):
        splits = [path]
    for split in splits:
        files = sorted(file for file in split.glob("*/*") if is_image_name(str(file)))
        if files:
            images = [{"id": i, "file_name": str(file.relative_to(split))} for i, file in enumerate(files)]
            yield DataSetPart(str(split), str(split), images, [], None, split, has_boxes=False, paths=files)
