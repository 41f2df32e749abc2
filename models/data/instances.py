"""COCO-style annotations for detectors: people with boxes, masks and keypoints, and regions to ignore.

Regions to ignore are crowds, people with `ignore`, and the boxes around the polygons of an image's
`ignore_regions_x` and `ignore_regions_y`, as in PoseTrack.

Besides COCO's fields an annotation may have `score`, that of its box, and `keypoint_scores`, K numbers from 0
to 1, the weight of each keypoint. A keypoint with v = 0 is unknown, not absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as mask_api

from models.data.coco_faults import describe_fault
from models.data.coco_people import read_coco_people
from models.data.image_files import ImageFile, check_images, list_images
from models.data.letterbox import Placement, paste_image, place_points
from models.data.outlines import check_outline
from models.data.run_lengths import decode_run_lengths
from models.data.samples import FloatArray, IntArray, check_shapes
from models.training.errors import DataError

BoolArray = npt.NDArray[np.bool_]
Outline = list[list[float]] | Mapping[str, Any]
"""A mask in COCO's encoding: polygons x1, y1, x2, y2, ... or run lengths."""

ReadDetail = Callable[[Mapping[str, Any], str], object | None]
"""Reads what else a family needs from an annotation and its name in messages; None where there is nothing."""

_REGION_FIELDS = ("ignore_regions_x", "ignore_regions_y")


@dataclass(frozen=True, eq=False)
class InstanceSamples:
    """N people and regions to ignore in I images.

    Attributes:
        images: I images.
        image_ids: (I,) the data set's ids of the images.
        image_index: (N,) index of each person's image in `images`, ascending.
        boxes_xyxy: (N, 4), pixels.
        is_ignored: (N,) whether it is a region to ignore: neither a person nor background.
        keypoints_xyw: (N, K, 3), x and y in pixels and the weight in the loss, from 0, unknown, to 1.
        outlines: N masks; None where there is none.
        details: What else a family read of the N people, None where there is nothing; or empty.

    Raises:
        ValueError: The shapes of the columns do not match.
    """

    images: tuple[ImageFile, ...]
    image_ids: IntArray
    image_index: IntArray
    boxes_xyxy: FloatArray
    is_ignored: BoolArray
    keypoints_xyw: FloatArray
    outlines: tuple[Outline | None, ...]
    details: tuple[object | None, ...] = ()

    def __post_init__(self) -> None:
        N, K = self.keypoints_xyw.shape[:2]
        expected = {
            "image_ids": (len(self.images),),
            "image_index": (N,),
            "boxes_xyxy": (N, 4),
            "is_ignored": (N,),
            "keypoints_xyw": (N, K, 3),
        }
        check_shapes(self, expected)
        if len(self.outlines) != N:
            raise ValueError(f"outlines: expected {N}, got {len(self.outlines)}")
        if self.details and len(self.details) != N:
            raise ValueError(f"details: expected {N}, got {len(self.details)}")
        if (np.diff(self.image_index) < 0).any():
            raise ValueError("image_index: expected ascending numbers")

    def __len__(self) -> int:
        return len(self.image_index)

    @property
    def num_images(self) -> int:
        """The number of images, I."""
        return len(self.images)

    def find_rows(self, image: int) -> slice:
        """The rows of an image's people."""
        start, stop = np.searchsorted(self.image_index, [image, image + 1])
        return slice(int(start), int(stop))

    def check_images(self, where: str) -> InstanceSamples:
        """Check all images; see `models.data.image_files.check_images`."""
        return replace(self, images=tuple(check_images(self.images, where)))


def read_coco_instances(
    path: Path,
    image_folder: Path,
    keypoint_names: Sequence[str],
    *,
    min_box_score: float = 0.0,
    read_detail: ReadDetail | None = None,
) -> InstanceSamples:
    """Read the people of a COCO-style file.

    Args:
        path: The annotations, with the habits that `models.data.coco_people` knows.
        image_folder: Folder that `file_name` is relative to.
        keypoint_names: K names; people without keypoints get unknown ones. Without names none are read.
        min_box_score: Boxes with lower scores are regions to ignore, like crowds.
        read_detail: Reads what else is needed of each person.

    Raises:
        DataError: The file cannot be read, or is not valid.
    """
    content = read_coco_people(path, keypoint_names, needs_keypoints=False).content
    return decode_coco_instances(
        content, image_folder, len(keypoint_names), min_box_score, str(path), read_detail
    )


# What is too large for float32 becomes infinite, and is refused as such.
@np.errstate(over="ignore")
def decode_coco_instances(
    data: Mapping[str, Any],
    image_folder: Path,
    num_keypoints: int,
    min_box_score: float,
    where: str,
    read_detail: ReadDetail | None = None,
) -> InstanceSamples:
    """Decode the content of `CocoPeople`; `where` is its name in messages."""
    try:
        positions = {image["id"]: i for i, image in enumerate(data["images"])}
        listed = [*data["annotations"], *_list_ignored_regions(data["images"], where)]
        order = sorted(range(len(listed)), key=lambda i: positions[listed[i]["image_id"]])
        people = [listed[i] for i in order]
        boxes = np.array([person["bbox"] for person in people], np.float32).reshape(-1, 4)
        samples = InstanceSamples(
            images=list_images(data, image_folder, where),
            image_ids=np.array(list(positions), np.int64),
            image_index=np.array([positions[person["image_id"]] for person in people], np.int64),
            boxes_xyxy=np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
            is_ignored=np.array([_is_ignored(person, min_box_score) for person in people], bool),
            keypoints_xyw=_decode_keypoints(people, num_keypoints),
            outlines=tuple(person.get("segmentation") or None for person in people),
            details=tuple(read_detail(listed[i], f"{where}: annotations[{i}]") for i in order)
            if read_detail
            else (),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        fault = describe_fault(data, num_keypoints, error, needs_keypoints=False)
        raise DataError(f"{where}: {fault}") from error
    for i, person in enumerate(data["annotations"]):
        if person.get("segmentation"):
            image = samples.images[positions[person["image_id"]]]
            check_outline(person["segmentation"], image.size_wh, f"{where}: annotations[{i}].segmentation")
    if not (np.isfinite(samples.boxes_xyxy).all() and np.isfinite(samples.keypoints_xyw).all()):
        fault = describe_fault(data, num_keypoints, "numbers that are not finite", needs_keypoints=False)
        raise DataError(f"{where}: {fault}")
    return select_rows(samples, np.asarray((boxes[:, 2:] > 0).all(axis=1), bool))


def keep_peopled(samples: InstanceSamples) -> InstanceSamples:
    """Select the images with at least one person who is not ignored."""
    return select_images(samples, np.unique(samples.image_index[~samples.is_ignored]))


def select_images(samples: InstanceSamples, images: IntArray) -> InstanceSamples:
    """Select images by their ascending positions, with the people in them."""
    rows = np.isin(samples.image_index, images)
    return replace(
        select_rows(samples, rows),
        images=tuple(samples.images[i] for i in images),
        image_ids=samples.image_ids[images],
        image_index=np.searchsorted(images, samples.image_index[rows]),
    )


def join_instances(first: InstanceSamples, second: InstanceSamples) -> InstanceSamples:
    """Concatenate the people of two files with the same keypoints; ids of images may occur twice."""
    columns = ("image_ids", "boxes_xyxy", "is_ignored", "keypoints_xyw")
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in columns}
    return InstanceSamples(
        images=first.images + second.images,
        image_index=np.concatenate([first.image_index, second.image_index + first.num_images]),
        outlines=first.outlines + second.outlines,
        details=first.details + second.details,
        **{name: np.concatenate(pair) for name, pair in pairs.items()},
    )


def draw_mask(outline: Outline, placement: Placement, canvas_wh: tuple[int, int]) -> BoolArray:
    """Draw a person's mask on the canvas on which its image is placed.

    Args:
        outline: The mask in the image.
        placement: Placement of the image on the canvas.
        canvas_wh: Width and height of the canvas.

    Returns:
        (H, W).

    Raises:
        DataError: The outline is not valid.
    """
    width, height = canvas_wh
    try:
        if isinstance(outline, Mapping):
            return _place_run_lengths(outline, placement, canvas_wh)
        polygons = [place_points(np.reshape(part, (-1, 2)), placement).astype(float) for part in outline]
        drawn = mask_api.frPyObjects([part.ravel().tolist() for part in polygons], height, width)
        return decode_run_lengths(mask_api.merge(drawn)).astype(bool)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise DataError(f"segmentation: neither polygons nor run lengths of the image ({error})") from error


def _place_run_lengths(
    outline: Mapping[str, Any], placement: Placement, canvas_wh: tuple[int, int]
) -> BoolArray:
    height, width = outline["size"]
    if (width, height) != placement.image_wh:
        raise ValueError(f"size is {width}x{height}, the image's {placement.image_wh}")
    is_plain = isinstance(outline["counts"], list)
    lengths = mask_api.frPyObjects(dict(outline), height, width) if is_plain else outline
    canvas = np.zeros((canvas_wh[1], canvas_wh[0]), np.uint8)
    mask = decode_run_lengths(lengths) * np.uint8(255)
    paste_image(canvas, mask, placement, (0, 0, *canvas_wh))
    return canvas > 127


def _is_ignored(person: Mapping[str, Any], min_box_score: float) -> bool:
    is_unsure = person.get("score", 1.0) < min_box_score
    return bool(person.get("iscrowd", 0) or person.get("ignore", 0) or is_unsure)


def _list_ignored_regions(images: Sequence[Mapping[str, Any]], where: str) -> list[dict[str, Any]]:
    """The boxes around PoseTrack's regions to ignore, as annotations of people to ignore."""
    return [
        {"image_id": image["id"], "bbox": box, "ignore": 1}
        for i, image in enumerate(images)
        for box in list_ignored_boxes(image, f"{where}: images[{i}]")
    ]


def list_ignored_boxes(image: Mapping[str, Any], where: str) -> list[list[float]]:
    """The boxes x, y, width, height around an image's regions to ignore, as PoseTrack has them.

    Raises:
        DataError: The regions are not lists of numbers.
    """
    boxes = []
    try:
        for xs, ys in zip(*(image.get(name) or [] for name in _REGION_FIELDS), strict=True):
            corners = np.array([xs, ys], np.float64)
            if corners.size and np.isfinite(corners).all():
                boxes.append([*corners.min(axis=1).tolist(), *np.ptp(corners, axis=1).tolist()])
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{where}.{_REGION_FIELDS[0]}: expected lists of numbers, as many as in {_REGION_FIELDS[1]}; "
            "correct them"
        ) from error
    return boxes


def _decode_keypoints(people: list[Mapping[str, Any]], num_keypoints: int) -> FloatArray:
    keypoints = np.zeros((len(people), num_keypoints, 3), np.float32)
    for row, person in zip(keypoints, people, strict=True):
        flat = person.get("keypoints")
        if not flat or not num_keypoints:
            continue
        if len(flat) != 3 * num_keypoints:
            raise ValueError(f"{len(flat) / 3:g} keypoints, but the recipe's skeleton has {num_keypoints}")
        row[:] = np.reshape(flat, (-1, 3))
        worth = np.clip(person.get("keypoint_scores") or 1.0, 0, 1)
        row[:, 2] = np.where(row[:, 2] > 0, worth, 0)
    return keypoints


def select_rows(samples: InstanceSamples, rows: BoolArray) -> InstanceSamples:
    """Select people by a mask (N,); all images remain."""
    columns = ("image_index", "boxes_xyxy", "is_ignored", "keypoints_xyw")
    return replace(
        samples,
        **{name: getattr(samples, name)[rows] for name in columns},
        outlines=tuple(compress(samples.outlines, rows)),
        details=tuple(compress(samples.details, rows)),
    )
