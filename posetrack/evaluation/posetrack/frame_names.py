"""Comparison of the frame names of ground truth and predictions, which the reference tool pairs by position."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath

import numpy as np

from posetrack.annotations.video import AnnotatedVideo
from posetrack.json_fields import show_name

_log = logging.getLogger(__name__)

_Key = str | int


def pair_by_name(truth: AnnotatedVideo, predictions: AnnotatedVideo) -> AnnotatedVideo:
    """Put the frames of predictions into the order of the ground truth, by the names of their images.

    Folders, endings and leading zeros do not count. Where names are missing, stand twice or are not those of
    the ground truth, as those that are made of the numbers of frames, the frames stay as they are.
    """
    wanted, found = _list_keys(truth), _list_keys(predictions)
    if wanted is None or found is None or wanted == found or set(wanted) != set(found):
        return predictions
    position = {key: i for i, key in enumerate(found)}
    return predictions.select_frames(np.array([position[key] for key in wanted], np.int64))


def find_missing(truth: AnnotatedVideo, predictions: AnnotatedVideo) -> str | None:
    """The name of the first frame of the ground truth that the predictions lack; None if names do not tell."""
    wanted, found = _list_keys(truth), _list_keys(predictions)
    if wanted is None or found is None or not set(wanted) & set(found):
        return None
    missing = [frame for frame, key in zip(truth.frames, wanted, strict=True) if key not in set(found)]
    return show_name(missing[0].file_name) if missing else None


def warn_of_names(
    truth: AnnotatedVideo, predictions: AnnotatedVideo, predictions_file: str, *, corrected: bool
) -> None:
    """Log a warning if frames that are paired by position have other names, as far as they have names.

    Args:
        truth: The ground truth.
        predictions: The predictions.
        predictions_file: Name of the predictions in messages.
        corrected: Whether frames are only paired by name, where this is possible.
    """
    wanted, found = _list_keys(truth), _list_keys(predictions)
    if wanted is None or found is None or wanted == found or len(wanted) != len(found):
        return
    is_permuted = set(wanted) == set(found)
    if is_permuted and corrected:
        return
    index = next(i for i, (a, b) in enumerate(zip(wanted, found, strict=True)) if a != b)
    _log.warning(
        "%s: frame names differ, the first at frame %d: %s, but %s in the ground truth; paired by position%s",
        predictions_file,
        index,
        show_name(predictions.frames[index].file_name),
        show_name(truth.frames[index].file_name),
        " as by the reference tool; --corrected pairs by name" if is_permuted else "",
    )


def _list_keys(video: AnnotatedVideo) -> list[_Key] | None:
    """What the frames are compared by; None where a name is missing or stands twice."""
    keys = [_make_key(frame.file_name) for frame in video.frames]
    return None if "" in keys or len(set(keys)) < len(keys) else keys


def _make_key(file_name: str) -> _Key:
    stem = PurePosixPath(file_name.replace("\\", "/")).stem
    return int(stem) if stem.isascii() and stem.isdecimal() and len(stem) < 20 else stem
