"""Film: the frames of a video in any order, as JPEG, for videos that a browser cannot play."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from posetrack.errors import VideoError
from posetrack.frame import Frame, IntArray
from posetrack.video.base import VideoSource
from posetrack.video.source import open_video
from posetrack.web.jpeg import encode_jpeg

_MAX_SIDE_PX = 1920
_QUALITY = 88
_BEHIND = 12
"""So many frames before the one that is asked for are kept too: whoever steps back steps on."""
_AHEAD = 48
"""A frame so little further on is reached by reading on, a later one by seeking."""
_ROUNDED_S = 1e-5  # Times are saved with six decimals.


class Film:
    """The frames of a video, found by their position among the poses.

    Not for several threads at once.

    Args:
        source: As for `open_video`.
        frames: (T,) numbers of the frames that have poses.
        times_s: (T,) their times.
        image_fps: Frames per second of a sequence of images.
        max_pixels: As for `open_video`.
        most_bytes: How much memory the encoded frames may take.
    """

    def __init__(
        self,
        source: str,
        frames: IntArray,
        times_s: np.ndarray[tuple[int], np.dtype[np.float64]],
        *,
        image_fps: Fraction,
        max_pixels: int,
        most_bytes: int = 64 << 20,
    ) -> None:
        self._source = source
        self._frames, self._times_s = frames, times_s
        self._image_fps, self._max_pixels = image_fps, max_pixels
        self._most_bytes = most_bytes
        self._num_bytes = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._video: VideoSource | None = None
        self._images: Iterator[Frame] = iter(())
        self._next = -1
        """Number of the frame that reading on gives, or a later one; -1 where nothing is open."""

    def read(self, position: int) -> bytes:
        """A frame as JPEG.

        Args:
            position: Its position among the poses.

        Raises:
            VideoError: The video does not have it, or cannot be read.
        """
        frame = int(self._frames[position])
        if frame in self._kept:
            self._kept.move_to_end(frame)
            return self._kept[frame]
        if not 0 <= self._next <= frame <= self._next + _AHEAD:
            self._seek(max(position - _BEHIND, 0))
        wanted = set(self._frames[max(position - _BEHIND, 0) : position + 1].tolist())
        for image in self._images:
            self._next = image.index + 1
            if image.index in wanted:
                self._keep(image.index, encode_jpeg(image.image, _MAX_SIDE_PX, _QUALITY))
            if image.index >= frame:
                break
        else:
            self.close()
        if frame not in self._kept:
            raise VideoError(f"{self._source}: has no frame {frame}")
        return self._kept[frame]

    def close(self) -> None:
        """Close the video; may be called twice, and frames can still be read afterwards."""
        if self._video is not None:
            self._video.close()
        self._video, self._images, self._next = None, iter(()), -1

    def _seek(self, position: int) -> None:
        self.close()
        self._video = open_video(
            self._source,
            start_s=max(float(self._times_s[position]) - _ROUNDED_S, 0.0),
            image_fps=self._image_fps,
            max_pixels=self._max_pixels,
        )
        self._images = iter(self._video)
        self._next = int(self._frames[position])

    def _keep(self, frame: int, jpeg: bytes) -> None:
        self._num_bytes += len(jpeg) - len(self._kept.get(frame, b""))
        self._kept[frame] = jpeg
        self._kept.move_to_end(frame)
        while self._num_bytes > self._most_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._num_bytes -= len(oldest)
