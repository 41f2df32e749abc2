"""Matching of results to people and average precision, as DensePose's tool changed COCO's.

Three things differ from COCO: there are at most 20 results an image; where every person of an image is ignored,
or nobody is annotated, all its results are; and a result that is unmatched at the highest threshold takes over
the ignore flag of the unmatched person whose box it overlaps by 0.8 or more, at all thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Similarities from which on a result is right, T of them."""
RECALLS = np.linspace(0.0, 1.0, 101)
"""Recalls at which precision is taken, R of them."""
AREAS_PX2 = {"": (0.0, 1e10), "m": (32.0**2, 96.0**2), "l": (96.0**2, 1e10)}
"""Areas of people by the end of a metric's name, A of them."""
MOST_RESULTS = 20
"""Results of an image that count, the highest-scoring ones."""

_LOWEST_BOX_IOU = 0.8


@dataclass(frozen=True)
class ImageMatches:
    """What became of one image's D results, highest score first, for K similarities.

    Attributes:
        scores: (D,).
        is_matched: (K, A, T, D).
        is_ignored: (K, A, T, D).
        num_people: (A,) people who count.
    """

    scores: Numbers
    is_matched: Flags
    is_ignored: Flags
    num_people: npt.NDArray[np.int64]


@dataclass(frozen=True)
class ImageSizes:
    """Areas of one image's G people and D results, and which people are groups or do not count.

    Attributes:
        people_px2: (G,).
        results_px2: (D,).
        is_crowd: (G,).
        is_ignored: (G,).
    """

    people_px2: Numbers
    results_px2: Numbers
    is_crowd: Flags
    is_ignored: Flags


def match_image(scores: Numbers, similarities: Numbers, box_iou: Numbers, sizes: ImageSizes) -> ImageMatches:
    """Match one image's results, highest score first.

    Args:
        scores: (D,) falling.
        similarities: (K, D, G).
        box_iou: (D, G).
        sizes: Of these people and results.
    """
    K, D, G = similarities.shape
    low, high = np.array(list(AREAS_PX2.values())).T[:, :, None]
    ignored = sizes.is_ignored | (sizes.people_px2 < low) | (sizes.people_px2 > high)
    A, T = len(ignored), len(THRESHOLDS)
    is_matched = np.zeros((K, A, T, D), bool)
    is_ignored = np.broadcast_to(ignored.all(axis=1)[None, :, None, None], is_matched.shape).copy()
    free = np.ones((K, A, T, G), bool)
    floors = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    if G:
        for d in range(D):
            similarity = similarities[:, None, None, d, :]
            fits = (similarity >= floors) & (similarity > 0)
            found, person = _choose(similarity, fits & free, ignored[None, :, None, :])
            flags = np.take_along_axis(
                np.broadcast_to(ignored[None, :, None], free.shape), person[..., None], -1
            )[..., 0]
            is_matched[..., d] = found
            is_ignored[..., d] = np.where(found, flags, is_ignored[..., d])
            _occupy(free, person, found, sizes.is_crowd)
        _match_boxes(is_matched, is_ignored, free[:, :, -1], box_iou, ignored, sizes.is_crowd)
    is_outside = (sizes.results_px2 < low) | (sizes.results_px2 > high)
    is_ignored |= ~is_matched & is_outside[None, :, None, :]
    return ImageMatches(scores, is_matched, is_ignored, (~ignored).sum(axis=1))


def _choose(values: Numbers, allowed: Flags, ignored: Flags) -> tuple[Flags, npt.NDArray[np.intp]]:
    """Choose the person of the largest value, the last of equals; those who count before those ignored."""
    counted = np.where(allowed & ~ignored, values, -1.0)
    others = np.where(allowed & ignored, values, -1.0)
    best = np.where(counted.max(axis=-1, keepdims=True) >= 0, counted, others)
    person = best.shape[-1] - 1 - best[..., ::-1].argmax(axis=-1)
    return best.max(axis=-1) >= 0, person


def _occupy(free: Flags, person: npt.NDArray[np.intp], found: Flags, is_crowd: Flags) -> None:
    """Take people out who are matched; groups stay."""
    taken = found & ~is_crowd[person]
    np.put_along_axis(
        free,
        person[..., None],
        (np.take_along_axis(free, person[..., None], -1)[..., 0] & ~taken)[..., None],
        -1,
    )


def _match_boxes(
    is_matched: Flags, is_ignored: Flags, free: Flags, box_iou: Numbers, ignored: Flags, is_crowd: Flags
) -> None:
    """Let results that are unmatched at the highest threshold take over the flag of the person in their box.

    Args:
        is_matched: (K, A, T, D), changed in place.
        is_ignored: (K, A, T, D), changed in place.
        free: (K, A, G) people unmatched at the highest threshold.
        box_iou: (D, G).
        ignored: (A, G).
        is_crowd: (G,).
    """
    free = free.copy()
    # Ignored people come last, so that of equal overlaps theirs is taken.
    order_key = np.argsort(ignored, axis=1, kind="stable")
    flags = np.broadcast_to(ignored, free.shape)
    for d in np.flatnonzero((box_iou >= _LOWEST_BOX_IOU).any(axis=1)):
        allowed = free & (box_iou[d] >= _LOWEST_BOX_IOU) & ~is_matched[:, :, -1, d, None]
        ordered = np.take_along_axis(
            np.where(allowed, box_iou[d], -1.0), np.broadcast_to(order_key, free.shape), axis=-1
        )
        place = ordered.shape[-1] - 1 - ordered[..., ::-1].argmax(axis=-1)
        person = np.take_along_axis(np.broadcast_to(order_key, free.shape), place[..., None], -1)[..., 0]
        found = ordered.max(axis=-1) >= 0
        flag = np.take_along_axis(flags, person[..., None], -1)[..., 0]
        is_ignored[..., d] = np.where(found[..., None], flag[..., None], is_ignored[..., d])
        is_matched[:, :, -1, d] |= found & flag
        _occupy(free, person, found & flag, is_crowd)


@dataclass(frozen=True)
class Curves:
    """Precision and recall of a whole data set; -1 where nobody counts.

    Attributes:
        precision: (K, A, T, R), at this or higher recall.
        recall: (K, A, T), of all results.
    """

    precision: Numbers
    recall: Numbers


def compute_curves(images: Sequence[ImageMatches], num_similarities: int) -> Curves:
    """Compute precision and recall over images, in the order of their numbers.

    Args:
        images: At least one; results of equal score count in this order.
        num_similarities: K.
    """
    scores = np.concatenate([image.scores for image in images])
    order = np.argsort(-scores, kind="stable")
    is_matched, is_ignored = (
        np.concatenate([getattr(image, name) for image in images], axis=-1)[..., order]
        for name in ("is_matched", "is_ignored")
    )
    num_people = np.sum([image.num_people for image in images], axis=0)
    shape = (num_similarities, len(AREAS_PX2), len(THRESHOLDS))
    precision, recall = np.full((*shape, len(RECALLS)), -1.0), np.full(shape, -1.0)
    right = (is_matched & ~is_ignored).cumsum(axis=-1).astype(np.float64)
    wrong = (~is_matched & ~is_ignored).cumsum(axis=-1).astype(np.float64)
    for place in np.ndindex(shape):
        total = num_people[place[1]]
        if total:
            precision[place], recall[place] = _sample_precision(right[place], wrong[place], int(total))
    return Curves(precision, recall)


def _sample_precision(right: Numbers, wrong: Numbers, total: int) -> tuple[Numbers, float]:
    if not len(right):
        return np.zeros(len(RECALLS)), 0.0
    recall = right / total
    precision = right / (right + wrong + np.spacing(1))
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return envelope[np.searchsorted(recall, RECALLS, side="left")], float(recall[-1])
