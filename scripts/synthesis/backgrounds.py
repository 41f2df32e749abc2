"""Backgrounds without people: parts of photographs that no person touches, or made ones."""

from __future__ import annotations

import json
import logging
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from synthesis.errors import SynthesisError
from synthesis.looks import draw_colour, to_linear
from synthesis.pack import Floats
from synthesis.people_check import find_people, pick_images

_log = logging.getLogger(__name__)

_HELD_OUT = re.compile(r"(dev|val|minival|valid|validation|test|testing)[-_]?\d*(\.json)?", re.IGNORECASE)
"""Names of what is kept for evaluation."""
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
_LEAST_PX = 110
_LEAST_FRACTION = 0.2
_MARGIN_FRACTION = 0.08
_MARGIN_PX = 6
_FALSE_FRACTION = 0.05


@dataclass(frozen=True)
class Crop:
    """A part of an image file: left, top, right and bottom, px; None for all of it."""

    path: Path
    box: tuple[int, int, int, int] | None


def find_backgrounds(folders: Sequence[Path]) -> list[Crop]:
    """Find what can be a background in folders of images.

    The people of a folder with annotations (COCO, in it or in the folder above) are known: the largest part of
    each image that no person touches is taken. A folder without annotations must be one without people; our
    detector looks at some of its images.

    Raises:
        SynthesisError: A folder is kept for evaluation, cannot be read, or has nothing without people.
    """
    return [crop for folder in folders for crop in _search(folder)]


def sum_backgrounds(crops: Sequence[Crop]) -> int:
    """A checksum of the names and places of backgrounds."""
    return zlib.crc32(json.dumps([[crop.path.name, crop.box] for crop in crops]).encode())


def draw_background(rng: np.random.Generator, crops: Sequence[Crop], size_wh: tuple[int, int]) -> Floats:
    """A background, (H, W, 3) linear light, blue first: of the photographs, or a made one without any.

    Raises:
        SynthesisError: A file cannot be read any more.
    """
    if not crops:
        return make_background(rng, size_wh)
    crop = crops[int(rng.integers(len(crops)))]
    image = cv2.imread(str(crop.path), cv2.IMREAD_COLOR)
    if image is None:
        raise SynthesisError(f"{crop.path}: cannot be read as an image; remove it or use other --backgrounds")
    if crop.box is not None:
        left, top, right, bottom = crop.box
        image = image[top:bottom, left:right]
    image = _cut(rng, image, size_wh)
    if rng.random() < 0.5:
        image = image[:, ::-1]
    resized = cv2.resize(
        image, size_wh, interpolation=cv2.INTER_AREA if len(image) > size_wh[1] else cv2.INTER_CUBIC
    )
    return to_linear(resized.astype(np.float32) / 255)


def make_background(rng: np.random.Generator, size_wh: tuple[int, int]) -> Floats:
    """A made background: a wall or sky over a ground, with shapes and blotches, in or out of focus."""
    width, height = size_wh
    horizon = int(height * rng.uniform(0.2, 0.85))
    image = np.empty((height, width, 3), np.float32)
    for rows in (slice(0, horizon), slice(horizon, height)):
        ends = np.stack([draw_colour(rng), draw_colour(rng)]) * 0.7 + 0.1
        fraction = np.linspace(0, 1, rows.stop - rows.start, dtype=np.float32)[:, None, None]
        image[rows] = (
            ends[0] * (1 - fraction) + ends[1] * fraction * rng.uniform(0, 1) + ends[0] * fraction * 0.3
        )
    for _ in range(rng.integers(0, 25)):
        low = rng.uniform((-0.2, -0.2), (1, 1)) * size_wh
        size = rng.uniform(0.03, 0.5, 2) * size_wh
        corners = [int(value) for value in (*low, *(low + size))]
        colour = tuple((draw_colour(rng) * rng.uniform(0.5, 1)).tolist())
        if rng.random() < 0.7:
            cv2.rectangle(image, corners[:2], corners[2:], colour, -1 if rng.random() < 0.75 else 3)
        else:
            cv2.ellipse(
                image, corners[:2], [int(v) + 1 for v in size / 2], rng.uniform(0, 180), 0, 360, colour, -1
            )
    for sigma, strength in ((width / 20, 0.25), (width / 90, 0.15), (0.7, 0.05)):
        noise = gaussian_filter(rng.normal(size=(height, width)), sigma)
        image *= 1 + np.float32(strength * rng.random()) * (noise / noise.std()).astype(np.float32)[..., None]
    if rng.random() < 0.7:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, width / 80))
    return image.clip(0, 1)


def _cut(rng: np.random.Generator, image: npt.NDArray[Any], size_wh: tuple[int, int]) -> npt.NDArray[Any]:
    """A part of about the image's proportions, which may be stretched by a quarter."""
    height, width = image.shape[:2]
    ratio = size_wh[0] / size_wh[1] * rng.uniform(0.8, 1.25)
    new_width, new_height = min(width, height * ratio), min(height, width / ratio)
    zoom = rng.uniform(0.75, 1.0)
    new_width, new_height = max(1, int(new_width * zoom)), max(1, int(new_height * zoom))
    left, top = (int(rng.integers(0, limit + 1)) for limit in (width - new_width, height - new_height))
    return image[top : top + new_height, left : left + new_width]


def _search(folder: Path) -> Iterator[Crop]:
    if not folder.is_dir():
        raise SynthesisError(f"{folder}: no such folder; give --backgrounds a folder of images")
    root = folder.resolve()
    if _HELD_OUT.fullmatch(root.name):
        raise SynthesisError(
            f"{folder}: named as images kept for evaluation; give --backgrounds the images of a training"
        )
    files = {place: sorted(place.glob("*.json")) for place in (root, root.parent)}
    listed = {
        place: [path for path in paths if not _HELD_OUT.fullmatch(path.name)] for place, paths in files.items()
    }
    place = root if files[root] else root.parent
    entries = [entry for path in listed[place] for entry in _read_people(path, place)]
    entries = [(path, boxes, size) for path, boxes, size in entries if root in path.parents]
    if not entries and not files[root]:
        images = sorted(path for path in root.rglob("*") if path.suffix.lower() in _SUFFIXES)
        if not images:
            raise SynthesisError(f"{folder}: no images in it; give --backgrounds a folder of images")
        yield from (Crop(path, None) for path in _leave_out_people(folder, images))
        return
    found = used = 0
    for path, boxes, size in entries:
        if any(_HELD_OUT.fullmatch(part) for part in path.relative_to(root).parts[:-1]) or not path.is_file():
            continue
        found += 1
        box = find_empty(boxes, size)
        if box is not None:
            used += 1
            yield Crop(path, box)
    if not used:
        raise SynthesisError(
            f"{folder}: people are all over its {found} annotated images; give --backgrounds images with room"
        )
    _log.info("%s: %d of %d images have room without people", folder, used, found)


def _leave_out_people(folder: Path, images: list[Path]) -> list[Path]:
    """Images without annotations, less those of a sample that show people, of which there may be few."""
    looked_at = pick_images(images)
    people = find_people(looked_at)
    if len(people) > max(1, _FALSE_FRACTION * len(looked_at)) or len(people) == len(images):
        raise SynthesisError(
            f"{folder}: {len(people)} of {len(looked_at)} images looked at show people, such as "
            f"{people[0].name}; put annotations (COCO) of them beside, or use other --backgrounds"
        )
    for path in people:
        _log.info("%s: shows people, and is left out", path)
    return [path for path in images if path not in people]


def _read_people(path: Path, root: Path) -> list[tuple[Path, npt.NDArray[Any], tuple[int, int]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
            return []
        boxes = defaultdict(list)
        for person in content["annotations"]:
            boxes[person["image_id"]].append([float(value) for value in person["bbox"]])
        return [
            (
                (root / image["file_name"]).resolve(),
                np.array(boxes[image["id"]], np.float64).reshape(-1, 4),
                (int(image["width"]), int(image["height"])),
            )
            for image in content["images"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SynthesisError(
            f"{path}: annotations that cannot be read ({error!r:.60}); correct the file"
        ) from error


def find_empty(boxes_xywh: npt.NDArray[Any], size_wh: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The largest part of an image that no box touches, with a margin; None if it is small.

    Args:
        boxes_xywh: (K, 4) px.
        size_wh: Of the image.

    Returns:
        Left, top, right and bottom, px.
    """
    width, height = size_wh
    margins = _MARGIN_PX + _MARGIN_FRACTION * boxes_xywh[:, 2:]
    low, high = boxes_xywh[:, :2] - margins, boxes_xywh[:, :2] + boxes_xywh[:, 2:] + margins
    lefts = [0.0, *high[:, 0]]
    rights = [float(width), *low[:, 0]]
    best, largest = None, max(_LEAST_FRACTION * width * height, _LEAST_PX**2 - 1)
    for left in lefts:
        for right in rights:
            if min(right - left, width) < _LEAST_PX or (right - left) * height <= largest:
                continue
            inside = np.flatnonzero((high[:, 0] > left) & (low[:, 0] < right))
            edges = sorted(inside, key=lambda row: low[row, 1])
            top = 0.0
            for bottom, following in [*((low[row, 1], high[row, 1]) for row in edges), (float(height), 0.0)]:
                area = (right - left) * (bottom - top)
                if bottom - top >= _LEAST_PX and area > largest:
                    best, largest = (int(np.ceil(left)), int(np.ceil(top)), int(right), int(bottom)), area
                top = max(top, following)
    return best
