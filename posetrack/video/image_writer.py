"""What takes the images of a video one by one: a file, a folder, or several of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from posetrack.frame import ImageArray


class ImageWriter(ABC):
    """What takes the images of a video one by one; nothing has its name before `close`.

    A context manager: it finishes the output where the block ends or is interrupted, and removes it after any
    other exception.
    """

    @abstractmethod
    def write(self, image: ImageArray, time_s: float) -> None:
        """Append an image (H, W, 3) or (H, W, 4), uint8, at its time in seconds."""

    _closed = False
    _has_images = False
    """Set by `write` and `abort`."""

    def close(self) -> None:
        """Finish the output, and give it its name; without any image, nothing is there. May be called twice.

        Raises:
            PoseTrackError: It cannot be finished; it is removed.
        """
        if self._closed:
            return
        if not self._has_images:
            self.abort()
            return
        self._finish()
        self._closed = True

    @abstractmethod
    def _finish(self) -> None:
        """Finish the output, which has images, and give it its name."""

    @abstractmethod
    def abort(self) -> None:
        """Remove what was written; nothing after `close`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.close()
        else:
            self.abort()
