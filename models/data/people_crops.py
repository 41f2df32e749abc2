"""Annotations for bottom-up pose estimation: images, people with known keypoints, and regions to ignore.

Regions to ignore are crowds (`iscrowd`), people marked `ignore`, and people without a known keypoint: their
segmentation if the file has one, else their box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from models.data.coco import decode_coco_samples
from models.data.coco_people import read_coco_people
from models.data.image_files import check_images
from models.data.outlines import check_outline
from models.data.run_lengths import decode_run_lengths
from models.data.samples import IntArray, PoseSamples, join_samples, keep_trainable
from models.training.errors import DataError

IgnoredRegion = npt.NDArray[np.float32] | dict[str, Any]
"""A box (4,), x1, y1, x2, y2 in pixels, or a run-length encoded mask as pycocotools has it."""


@dataclass(frozen=True, eq=False)
class ImageSamples:
    """I images with their people and regions to ignore.

    Attributes:
        people: The people with known keypoints; their images are all images.
        ignored: The regions to ignore of each image.
        rows: The indices in `people` of each image's people.
    """

    people: PoseSamples
    ignored: tuple[tuple[IgnoredRegion, ...], ...]
    rows: tuple[IntArray, ...]

    def __post_init__(self) -> None:
        counts = {len(self.people.images), len(self.ignored), len(self.rows)}
        if len(counts) > 1:
            raise ValueError(f"images, ignored and rows differ in number: {sorted(counts)}")

    def __len__(self) -> int:
        return len(self.ignored)

    def check_images(self, where: str) -> ImageSamples:
        """Check all images; see `models.data.image_files.check_images`."""
        images = tuple(check_images(self.people.images, where))
        return replace(self, people=replace(self.people, images=images))


def join_image_samples(parts: list[ImageSamples]) -> ImageSamples:
    """Concatenate the images of several files with the same keypoints; ids of images may occur twice.

    Raises:
        DataError: There are no files.
    """
    starts = np.cumsum([0, *(len(part.people) for part in parts)])
    return ImageSamples(
        people=join_samples([part.people for part in parts]),
        ignored=tuple(regions for part in parts for regions in part.ignored),
        rows=tuple(row + start for part, start in zip(parts, starts, strict=False) for row in part.rows),
    )


def read_image_samples(path: Path, image_folder: Path, keypoint_names: Sequence[str]) -> ImageSamples:
    """Read the images of a COCO-style keypoint file that have any annotation.

    Args:
        path: The annotations.
        image_folder: Folder that `file_name` is relative to.
        keypoint_names: K names, which the annotations must have, in any order.

    Returns:
        The images, with their people and ignored regions.

    Raises:
        DataError: The file cannot be read, or is not valid.
    """
    where = str(path)
    content = read_coco_people(path, keypoint_names).content
    everyone = decode_coco_samples(content, image_folder, len(keypoint_names), where)
    people = keep_trainable(everyone)
    regions: list[list[IgnoredRegion]] = [[] for _ in everyone.images]
    positions = {image["id"]: i for i, image in enumerate(content["images"])}
    try:
        for person in content["annotations"]:
            if _is_ignored(person):
                i = positions[person["image_id"]]
                if person.get("segmentation"):
                    at = f"{where}: annotations: a mask to ignore in {everyone.images[i].path}"
                    check_outline(person["segmentation"], everyone.images[i].size_wh, at)
                regions[i].append(_encode_region(person, content["images"][i]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: annotations: an ignored region cannot be read ({error})") from error
    rows = _list_rows(people)
    kept = [i for i in range(len(regions)) if regions[i] or len(rows[i])]
    return _select(people, regions, rows, kept)


def draw_mask(regions: tuple[IgnoredRegion, ...], image_wh: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Draw the mask of the part of an image that is used in the loss.

    Args:
        regions: The regions to ignore.
        image_wh: Width and height of the image.

    Returns:
        (H, W): 0 in the regions, 255 elsewhere.

    Raises:
        DataError: The mask of a region belongs to an image of another size.
    """
    W, H = image_wh
    mask = np.full((H, W), 255, np.uint8)
    for region in regions:
        if isinstance(region, dict):
            covered = decode_run_lengths(region)
            if covered.shape != (H, W):
                raise DataError(
                    f"a region of {covered.shape[1]} x {covered.shape[0]} px on an image of {W} x {H}; "
                    "its height and width in the annotation file are wrong"
                )
            mask[covered > 0] = 0
        else:
            x1, y1, x2, y2 = np.clip(np.round(region), 0, [W, H, W, H]).astype(int).tolist()
            mask[y1:y2, x1:x2] = 0
    return mask


def _is_ignored(person: Mapping[str, Any]) -> bool:
    """Whether a person is left out by `decode_coco_samples` or `keep_trainable`."""
    if person.get("iscrowd", 0) or person.get("ignore", 0):
        return True
    worth = person.get("keypoint_scores") or [1.0] * (len(person["keypoints"]) // 3)
    return not any(v > 0 and w > 0 for v, w in zip(person["keypoints"][2::3], worth, strict=True))


def _encode_region(person: Mapping[str, Any], image: Mapping[str, Any]) -> IgnoredRegion:
    segmentation = person.get("segmentation")
    if not segmentation:
        x, y, w, h = (float(value) for value in person["bbox"])
        return np.array([x, y, x + w, y + h], np.float32)
    encoded = segmentation
    if not isinstance(segmentation, Mapping) or isinstance(segmentation["counts"], list):
        encoded = coco_mask.frPyObjects(segmentation, image["height"], image["width"])
    merged: dict[str, Any] = coco_mask.merge(encoded) if isinstance(encoded, list) else dict(encoded)
    return merged


def _list_rows(people: PoseSamples) -> list[IntArray]:
    order = np.argsort(people.image_index, kind="stable")
    counts = np.bincount(people.image_index, minlength=len(people.images))
    return np.split(order, np.cumsum(counts)[:-1])


def _select(
    people: PoseSamples, regions: list[list[IgnoredRegion]], rows: list[IntArray], kept: list[int]
) -> ImageSamples:
    """Select images."""
    new_index = np.full(len(regions), -1, np.int64)
    new_index[kept] = np.arange(len(kept))
    chosen = PoseSamples(
        images=tuple(people.images[i] for i in kept),
        image_ids=people.image_ids[kept],
        image_index=new_index[people.image_index],
        boxes_xyxy=people.boxes_xyxy,
        scores=people.scores,
        keypoints_xy=people.keypoints_xy,
        weights=people.weights,
    )
    return ImageSamples(chosen, tuple(tuple(regions[i]) for i in kept), tuple(rows[i] for i in kept))
