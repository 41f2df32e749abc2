"""PoseSamples: the people of a data set as columns, independent of its file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.data.image_files import ImageFile, check_images
from models.training.errors import DataError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PoseSamples:
    """N people in I images.

    Attributes:
        images: I images.
        image_ids: (I,) the data set's ids of the images.
        image_index: (N,) index of each person's image in `images`.
        boxes_xyxy: (N, 4), pixels.
        scores: (N,) score of each box; 1 for annotated ones.
        keypoints_xy: (N, K, 2), pixels; undefined where the weight is 0.
        weights: (N, K) weight of each keypoint in the loss, from 0, unknown, to 1, certain.

    Raises:
        ValueError: The shapes of the columns do not match.
    """

    images: tuple[ImageFile, ...]
    image_ids: IntArray
    image_index: IntArray
    boxes_xyxy: FloatArray
    scores: FloatArray
    keypoints_xy: FloatArray
    weights: FloatArray

    def __post_init__(self) -> None:
        N, K = self.weights.shape
        expected = {
            "image_ids": (len(self.images),),
            "image_index": (N,),
            "boxes_xyxy": (N, 4),
            "scores": (N,),
            "keypoints_xy": (N, K, 2),
        }
        check_shapes(self, expected)

    def __len__(self) -> int:
        return len(self.image_index)

    @property
    def num_keypoints(self) -> int:
        """The number of keypoints, K."""
        return int(self.weights.shape[1])

    def select(self, rows: npt.NDArray[np.bool_] | IntArray) -> PoseSamples:
        """Select people; all images remain."""
        columns = ("image_index", "boxes_xyxy", "scores", "keypoints_xy", "weights")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def select_images(self, images: IntArray) -> PoseSamples:
        """Select images by their ascending positions, with the people in them."""
        people = self.select(np.isin(self.image_index, images))
        return replace(
            people,
            images=tuple(self.images[i] for i in images),
            image_ids=self.image_ids[images],
            image_index=np.searchsorted(images, people.image_index),
        )

    def check_images(self, where: str, *, upright_if_unknown: bool = True) -> PoseSamples:
        """Check the images with people; see `models.data.image_files.check_images`."""
        used = np.unique(self.image_index).tolist()
        checked = check_images([self.images[i] for i in used], where, upright_if_unknown=upright_if_unknown)
        found = dict(zip(used, checked, strict=True))
        return replace(self, images=tuple(found.get(i, image) for i, image in enumerate(self.images)))


def check_shapes(samples: object, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError unless each named column is an array of this shape."""
    for name, shape in expected.items():
        found = getattr(samples, name).shape
        if found != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {found}")


def join_samples(parts: list[PoseSamples]) -> PoseSamples:
    """Concatenate the people of several files.

    Raises:
        DataError: There are no files, or their numbers of keypoints differ.
    """
    if not parts:
        raise DataError("training data: no annotation files")
    if len({part.num_keypoints for part in parts}) > 1:
        raise DataError(
            f"training data: files of {sorted({p.num_keypoints for p in parts})} keypoints do not mix"
        )
    starts = np.cumsum([0, *(len(part.images) for part in parts)])
    return PoseSamples(
        images=tuple(image for part in parts for image in part.images),
        image_ids=np.concatenate([part.image_ids for part in parts]),
        image_index=np.concatenate([p.image_index + start for p, start in zip(parts, starts, strict=False)]),
        boxes_xyxy=np.concatenate([part.boxes_xyxy for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        keypoints_xy=np.concatenate([part.keypoints_xy for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
    )


def list_rows(samples: PoseSamples) -> dict[int, IntArray]:
    """List the rows of the people in each image, by image number."""
    return {
        number: np.flatnonzero(samples.image_index == i) for i, number in enumerate(samples.image_ids.tolist())
    }


def enclose_keypoints(samples: PoseSamples) -> PoseSamples:
    """Replace each box by that of the person's known keypoints (HRNet, section 4.3, before its 15 %)."""
    known = (samples.weights > 0)[..., None]
    low = np.where(known, samples.keypoints_xy, np.inf).min(axis=1)
    high = np.where(known, samples.keypoints_xy, -np.inf).max(axis=1)
    boxes = np.concatenate([low, high], axis=1)
    boxes = np.where(np.isfinite(boxes), boxes, samples.boxes_xyxy).astype(np.float32)
    return replace(samples, boxes_xyxy=boxes)


def keep_trainable(samples: PoseSamples) -> PoseSamples:
    """Remove people without known keypoints, and boxes without area."""
    sizes = samples.boxes_xyxy[:, 2:] - samples.boxes_xyxy[:, :2]
    is_known = np.asarray((samples.weights > 0).any(axis=1) & (sizes > 0).all(axis=1))
    return samples.select(is_known)
