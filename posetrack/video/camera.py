"""A camera of this machine as a source of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from posetrack.frame import Frame
from posetrack.video.base import Selection, VideoInfo, VideoSource
from posetrack.video.live import NOMINAL_FPS, TIME_BASE, open_live


class Camera(VideoSource):
    """The newest frames of a camera, until it is closed; those that come too fast are dropped.

    A frame's `index` counts the images captured and its `time_s` is the moment of capture, from the first one
    on. A camera that is lost is connected to again.
    """

    is_live = True

    def __init__(self, number: int, selection: Selection, timeout_s: float | None = None) -> None:
        """Open the camera and wait for its first image.

        Args:
            number: 0 for the first.
            selection: The part that is wanted.
            timeout_s: Longest time without an image; None for any.

        Raises:
            VideoError: There is no such camera, or it gives no image.
        """
        super().__init__()
        self._selection = selection
        self._live = open_live(str(number), timeout_s=timeout_s)
        width, height = self._live.wait_for_first().size_wh
        self.info = VideoInfo(
            source=str(number),
            name=f"camera-{number}",
            width=width,
            height=height,
            fps=NOMINAL_FPS,
            time_base=TIME_BASE,
            num_frames=None,
        )

    def close(self) -> None:
        """Stop capturing; closing twice is fine."""
        # First: a read that waits for a frame ends then, and releases the lock that closing takes.
        self._live.close()
        super().close()

    def _read_frames(self) -> Iterator[Frame]:
        start_s: float | None = None
        num_seen = 0
        for frame in self._live:
            start_s = frame.time_s if start_s is None else start_s
            time_s = frame.time_s - start_s
            if self._selection.end_s is not None and time_s >= self._selection.end_s:
                return
            if time_s < self._selection.start_s:
                continue
            if num_seen % self._selection.every == 0:
                self._watch_size(frame)
                yield replace(frame, time_s=time_s)
            num_seen += 1

    def _release(self) -> None:
        self._live.close()
