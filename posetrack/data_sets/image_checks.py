"""Check of a data set's images: missing, damaged, of another size, turned, and the same bytes twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from models.data.image_files import (
    UPRIGHT,
    ImageFile,
    ImageHeader,
    agrees,
    is_file,
    make_image_file,
    read_header,
    read_image,
)
from models.training.errors import DataError
from posetrack.data_sets.findings import Findings
from posetrack.data_sets.parts import DataSetPart

_THREADS = min(16, 4 * (os.cpu_count() or 1))
_READ_AT_ONCE = 1024
_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Looked:
    """What was found of one image: its header or the error, and what files of the same bytes have in common."""

    header: ImageHeader | DataError
    tail: tuple[int, bytes]


def look_at_images(paths: Sequence[Path], *, decoded: bool) -> Iterator[Looked]:
    """Look at image files on threads, in order: at header and end, or at all pixels if asked."""
    with ThreadPoolExecutor(_THREADS) as readers:
        # In parts, so that an interruption need not wait for all of them.
        for start in range(0, len(paths), _READ_AT_ONCE):
            yield from readers.map(partial(_look, decoded=decoded), paths[start : start + _READ_AT_ONCE])


def _look(path: Path, *, decoded: bool) -> Looked:
    try:
        header = read_header(path)
        if decoded:
            read_image(ImageFile(path))
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            return Looked(header, (size, hashlib.sha256(file.read()).digest()))
    except DataError as error:
        return Looked(error, (0, b""))
    except OSError as error:
        return Looked(DataError(f"{path}: cannot be read ({error.strerror})"), (0, b""))


def check_sizes(
    part: DataSetPart, looked: Sequence[Looked], findings: Findings
) -> list[tuple[int, int] | None]:
    """Check the images of a part against their annotations.

    Returns:
        Width and height of each image as annotated, else as it is shown; None where neither is known.
    """
    sizes: list[tuple[int, int] | None] = []
    is_found = any(map(is_file, part.paths))
    if part.paths and not is_found:
        kind = "files none of whose images are found (give their folder with --images)"
        findings.add_fault(kind, f"{part.name}: {part.paths[0]}, for one")
    for i, (image, path, found) in enumerate(zip(part.images, part.paths, looked, strict=True)):
        try:
            annotated_wh = make_image_file(
                {"file_name": "", **image}, part.folder, f"{part.name}: images[{i}]"
            ).size_wh
        except DataError as error:
            findings.add_fault("images whose entry is not valid", str(error))
            sizes.append(None)
            continue
        header = found.header
        if isinstance(header, DataError):
            if is_found:
                kind = "images that cannot be opened" if is_file(path) else "images that are missing"
                findings.add_fault(kind, str(path))
            sizes.append(annotated_wh)
            continue
        file = ImageFile(path, annotated_wh)
        if annotated_wh is not None and not agrees(file, header):
            shown = "{}x{}".format(*header.shown_wh)
            findings.add_fault(
                "images of another size than annotated",
                f"{path}: {shown}, annotated {annotated_wh[0]}x{annotated_wh[1]}",
            )
        elif header.orientation != UPRIGHT:
            findings.add_note(_describe_turn(file, header), f"{path}: orientation {header.orientation}")
        sizes.append(annotated_wh or header.shown_wh)
    return sizes


def _describe_turn(file: ImageFile, header: ImageHeader) -> str:
    if file.size_wh is None or header.shown_wh == header.stored_wh:
        return "images with an EXIF orientation, whose annotated size does not say whether it was applied"
    if file.size_wh == header.shown_wh:
        return "images with an EXIF orientation that were annotated upright"
    return "images with an EXIF orientation that were annotated as they are stored"


def check_same_bytes(parts: Sequence[DataSetPart], looked: Mapping[Path, Looked], findings: Findings) -> None:
    """Find images in two splits, and files of the same bytes within a split and between splits."""
    splits_of: dict[Path, set[str]] = {}
    for part, split in zip(parts, _name_splits(parts), strict=True):
        for path in part.paths:
            splits_of.setdefault(path, set()).add(split)
    by_tail: dict[tuple[int, bytes], list[Path]] = {}
    for path, splits in splits_of.items():
        if looked[path].tail[0]:
            by_tail.setdefault(looked[path].tail, []).append(path)
        if any(not _is_union(one, other) for one, other in combinations(sorted(splits), 2)):
            findings.add_fault("images that are in two splits", f"{path}: {', '.join(sorted(splits))}")
    for candidates in by_tail.values():
        first_of: dict[bytes, Path] = {}
        for path in candidates if len(candidates) > 1 else ():
            first = first_of.setdefault(_hash(path), path)
            if first != path and not first.samefile(path):
                is_between = not splits_of[first] & splits_of[path]
                where = "between splits" if is_between else "within a split"
                findings.add_fault(f"images of the same bytes {where}", f"{path} and {first}")


def _name_splits(parts: Sequence[DataSetPart]) -> list[str]:
    """The split of each part; files about the same images, such as COCO's of boxes and keypoints, are one."""
    first_of: dict[frozenset[Path], str] = {}
    return [
        part.split if part.is_sequence else first_of.setdefault(frozenset(part.paths), part.split)
        for part in parts
    ]


def _is_union(one: str, other: str) -> bool:
    """Whether one of two splits is `trainval`, which holds the others by intention."""
    names = [Path(split).stem for split in (one, other)]
    return any("trainval" in name for name in names) and not any("test" in name for name in names)


def _hash(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def describe_sizes(sizes: Sequence[tuple[int, int] | None]) -> dict[str, Any]:
    """The smallest, the middle and the largest image by area."""
    known = sorted((size for size in sizes if size is not None), key=lambda size: size[0] * size[1])
    if not known:
        return {}
    chosen = {"smallest": known[0], "median": known[len(known) // 2], "largest": known[-1]}
    return {name: "{}x{}".format(*size) for name, size in chosen.items()}
