"""Arrays as a source of frames: images that are in memory already, or that a program makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np

from posetrack.errors import VideoError
from posetrack.frame import Frame, ImageArray
from posetrack.video.base import Selection, VideoInfo, VideoSource

_NAME = "arrays"


class ArraySequence(VideoSource):
    """Images (H, W, 3) uint8 RGB, one frame each, at an even rate.

    They are taken as they are wanted, so they may come without end, and copied, so that a buffer may be filled
    again.
    """

    def __init__(self, arrays: Iterable[Any], selection: Selection, fps: Fraction) -> None:
        """Take the first image that is wanted, and those before it.

        Args:
            arrays: What NumPy takes for images (H, W, 3) uint8, in order.
            selection: The part that is wanted.
            fps: Images a second.

        Raises:
            VideoError: `fps` is not positive, there is no image in the part, or it is not of this form.
        """
        super().__init__()
        if fps <= 0:
            raise VideoError(f"{_NAME}: {fps} images per second; give a rate above 0")
        self._frames = _select(arrays, selection, fps)
        first = next(self._frames, None)
        if first is None:
            length_s = float(len(arrays) / fps) if isinstance(arrays, Sized) else None
            raise VideoError(selection.describe_empty(_NAME, length_s))
        self._frames = chain([first], self._frames)
        width, height = first.size_wh
        self.info = VideoInfo(
            source=_NAME,
            name=_NAME,
            width=width,
            height=height,
            fps=fps,
            time_base=1 / fps,
            num_frames=_count(arrays, selection, fps),
            kind="images",
        )

    def _read_frames(self) -> Iterator[Frame]:
        for frame in self._frames:
            self._watch_size(frame)
            yield frame

    def _release(self) -> None:
        self._frames = iter(())


def _select(arrays: Iterable[Any], selection: Selection, fps: Fraction) -> Iterator[Frame]:
    position = 0
    for index, array in enumerate(arrays):
        time_s = float(index / fps)
        if selection.end_s is not None and time_s >= selection.end_s:
            return
        if time_s < selection.start_s:
            continue
        if position % selection.every == 0:
            yield Frame(index, time_s, _check(array, index))
        position += 1


def _count(arrays: Iterable[Any], selection: Selection, fps: Fraction) -> int | None:
    if not isinstance(arrays, Sized):
        return None
    end_s = float("inf") if selection.end_s is None else selection.end_s
    times_s = (float(index / fps) for index in range(len(arrays)))
    return selection.count(sum(selection.start_s <= time_s < end_s for time_s in times_s))


def _check(array: Any, index: int) -> ImageArray:
    """A copy of an image.

    Raises:
        VideoError: It is not (H, W, 3) uint8.
    """
    image = np.asarray(array)
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape or image.dtype != np.uint8:
        found = f"shape {image.shape} of {image.dtype}" if image.dtype != object else type(array).__name__
        raise VideoError(f"{_NAME}: image {index}: expected shape (H, W, 3) of uint8, RGB; found {found}")
    return np.array(image, order="C")
