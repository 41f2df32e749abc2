"""What every source of frames has in common: its VideoInfo, the part that is wanted, how it is read."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Literal, Self

from posetrack.errors import VideoError
from posetrack.frame import Frame

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a source before its frames are read.

    Attributes:
        source: The source as the user gave it.
        name: A name for its outputs: the stem of a file, the name of a folder of images.
        width: Pixels, upright (display rotation applied), of the first frame that is wanted.
        height: Pixels, likewise.
        fps: Average frames per second of the source, before `every`.
        time_base: Seconds in one tick of the source's clock; frame times are whole ticks.
        num_frames: How many frames will come after start, end and every; an estimate for
            progress, None where it cannot be known.
        has_audio: Whether the source carries sound.
        kind: A container that FFmpeg reads, or a sequence of image files.
        start_s: Stamp of the source's first frame in its container, in seconds. A `Frame.time_s`
            of 0 is there; what else the container carries (sound) is on the container's clock.
    """

    source: str
    name: str
    width: int
    height: int
    fps: Fraction
    time_base: Fraction
    num_frames: int | None
    has_audio: bool = False
    kind: Literal["video", "images"] = "video"
    start_s: float = 0.0


@dataclass(frozen=True)
class Selection:
    """The frames of a source that are wanted: start_s <= time < end_s, every n-th of them.

    Raises:
        VideoError: The part is empty or negative, or `every` is below 1.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise VideoError(f"every {self.every}: give 1 for all frames, 2 for every second one, and so on")
        if not 0 <= self.start_s < float("inf"):
            raise VideoError(f"start {self.start_s:g} s: give seconds from the first frame, 0 or more")
        if self.end_s is not None and not self.end_s > self.start_s:
            raise VideoError(f"end {self.end_s:g} s is not after start {self.start_s:g} s: give a later end")

    def count(self, num_frames: int) -> int:
        """How many of `num_frames` consecutive frames of the part remain after `every`."""
        return max(0, -(-num_frames // self.every))

    def describe_empty(self, source: str, length_s: float | None) -> str:
        """The message for a source that has no frame in this part.

        Args:
            source: The source as the user gave it.
            length_s: How long it is; None where that is not known.
        """
        end = "the end" if self.end_s is None else f"{self.end_s:g} s"
        length = "" if length_s is None else f"; it is {length_s:.4g} s long"
        return f"{source}: no frame between {self.start_s:g} s and {end}{length}; choose another start or end"


class VideoSource(ABC):
    """Frames of one source, in order of time; iterate over it once.

    One thread may iterate and another may close it. A frame has the size that its image has: where the
    resolution of a stream changes, so does the size of the frames, and a warning says where. Pixels are
    taken as square (the sample aspect ratio is ignored) and interlaced images are not deinterlaced.

    Attributes:
        info: What was known when the source was opened.
        warnings: One line for each thing that was wrong and survived; complete after the last frame.
        num_damaged: Packets or images that could not be decoded, and images decoded from damaged data.
        is_live: Whether it captures on its own thread and gives its newest frame, so that nothing should queue.
    """

    info: VideoInfo
    is_live = False

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.num_damaged = 0
        self._lock = threading.Lock()
        self._closed = False
        self._started = False
        self._size_wh: tuple[int, int] | None = None
        self._size_changed = False

    def __iter__(self) -> Iterator[Frame]:
        """Read the frames.

        Raises:
            RuntimeError: The source was iterated before.
            VideoError: The source can no longer be read.
        """
        if self._started:
            raise RuntimeError(f"{self.info.source}: already read; open it again to read it again")
        self._started = True
        return self._guarded_frames()

    def close(self) -> None:
        """Release the source; frames that were given out stay valid. Closing twice is fine."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _guarded_frames(self) -> Iterator[Frame]:
        frames = self._read_frames()
        while True:
            with self._lock:
                frame = None if self._closed else next(frames, None)
            if frame is None:
                return
            yield frame

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        _log.warning(message)

    def _watch_size(self, frame: Frame) -> None:
        """Warn where the size of the images changes for the first time."""
        if self._size_wh not in (None, frame.size_wh) and not self._size_changed:
            width, height = frame.size_wh
            self._size_changed = True
            self._warn(
                f"{self.info.source}: the image size changes at frame {frame.index}, to {width}x{height}"
            )
        self._size_wh = frame.size_wh

    @abstractmethod
    def _read_frames(self) -> Iterator[Frame]: ...

    @abstractmethod
    def _release(self) -> None: ...
