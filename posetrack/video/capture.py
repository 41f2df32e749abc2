"""Capture of live images from a camera, a network stream, or a file played at its own pace."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from threading import Event

import av
import cv2
import numpy as np
from av.container import InputContainer

from posetrack.addresses import show_address
from posetrack.errors import VideoError
from posetrack.frame import ImageArray
from posetrack.video.container import open_container, pick_video_stream
from posetrack.video.limits import MAX_PIXELS, bound_decoders
from posetrack.video.source import open_video
from posetrack.video.upright import ImageConverter

_log = logging.getLogger(__name__)

Capture = Generator[ImageArray]
"""Yields images as they arrive, (H, W, 3) uint8 RGB; ends with the source, raises VideoError if it is lost."""

STREAM_OPEN_S = 10.0
STREAM_SILENCE_S = 3.0
# HLS is sent in segments of many seconds, with nothing between them.
_SEGMENTED_SILENCE_S = 20.0
_UNDECODABLE_S = 10.0
_MOST_CAMERA_DIGITS = 3

# RTSP over TCP, which passes firewalls. Not `nobuffer`: it drops the packets that were probed to find the
# streams, and with them the key frame that the first images need.
_STREAM_OPTIONS = {"rtsp_transport": "tcp"}


def capture_camera(source: str) -> Capture:
    """Capture from a camera of this machine.

    Args:
        source: The camera's number or device.

    Raises:
        VideoError: It cannot be opened, or delivers no more images.
    """
    camera = _open_camera(source)
    try:
        if not camera.isOpened():
            raise VideoError(
                f"{source}: the camera cannot be opened; is it plugged in, free, and may you read its device?"
            )
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        while True:
            is_there, image = camera.read()
            if not is_there:
                raise VideoError(f"{source}: the camera gives no image any more")
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    finally:
        camera.release()


def _open_camera(source: str) -> cv2.VideoCapture:
    # OpenCV warns about each backend that failed to open it; our error says it once.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    if not source.isdecimal():
        return cv2.VideoCapture(source)
    if len(source) > _MOST_CAMERA_DIGITS:
        raise VideoError(f"{source}: no such camera; their numbers are 0, 1, 2 and so on")
    return cv2.VideoCapture(int(source))


def capture_stream(url: str, stop: Event, *, max_pixels: int = MAX_PIXELS) -> Capture:
    """Capture from a network stream; one of known length, such as a file over HTTP, plays at its own pace.

    Packets that cannot be decoded are skipped. Where decoding is slower than the stream, packets are skipped up
    to the next key frame, because images that wait in a socket buffer become outdated.

    Args:
        url: rtsp, http, rtmp, udp or another protocol of FFmpeg.
        stop: Ends the capture when set.
        max_pixels: The most pixels that an image may have.

    Raises:
        VideoError: It cannot be opened, sends nothing for 3 s, sends nothing that can be decoded, or too large
            images.
    """
    container = _open_stream(url, max_pixels)
    try:
        stream = pick_video_stream(url, container)
        # One thread: with several, each delays the output by an image.
        stream.thread_type = "SLICE"
        is_file = container.duration is not None
        pace = Pace(1.0, stop)
        stream.codec_context.options = bound_decoders(max_pixels)
        convert = ImageConverter(show_address(url), stream, max_pixels)
        for image in _decode(url, container, stream, is_live=not is_file):
            if is_file and image.time is not None:
                pace.wait(image.time)
            if stop.is_set():
                return
            converted = convert(image)
            while convert.notes:
                _log.warning("%s: %s", show_address(url), convert.notes.pop(0))
            yield converted
    # Not from the error, which holds the address and would be shown with it.
    except av.error.ExitError:
        raise VideoError(f"{show_address(url)}: the stream fell silent") from None
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"{show_address(url)}: the stream broke off: {reason.lower()}") from None
    finally:
        container.close()


def _open_stream(url: str, max_pixels: int) -> InputContainer:
    options = {**_STREAM_OPTIONS, **bound_decoders(max_pixels)}
    silence_s = max(STREAM_SILENCE_S, _SEGMENTED_SILENCE_S) if ".m3u8" in url else STREAM_SILENCE_S
    start_s = time.monotonic()
    try:
        return open_container(url, timeout_s=(STREAM_OPEN_S, silence_s), options=options)
    except VideoError as error:
        # FFmpeg names this differently for every protocol.
        if time.monotonic() - start_s >= STREAM_OPEN_S:
            raise VideoError(
                f"{show_address(url)}: no answer within {STREAM_OPEN_S:g} s; check the address, and that it "
                "is sending"
            ) from error
        raise


def _decode(
    url: str, container: InputContainer, stream: av.VideoStream, *, is_live: bool
) -> Iterator[av.VideoFrame]:
    """Yield the images of a stream that can be decoded.

    Raises:
                    av.FFmpegError: The stream cannot be read any more.
            VideoError: No packet could be decoded for 10 s.
    """
    backlog = Backlog()
    image_s = time.monotonic()
    packets = container.demux(stream)
    while True:
        asked_s = time.monotonic()
        packet = next(packets, None)
        now_s = time.monotonic()
        if packet is None:
            return
        if is_live and backlog.should_skip(now_s - asked_s, now_s, is_key=packet.is_keyframe):
            continue
        try:
            images = stream.codec_context.decode(packet if packet.size else None)
        except av.error.InvalidDataError:
            # Damaged in transfer, or the stream was joined between two key frames.
            images = []
        if images:
            image_s = now_s
        elif now_s - image_s > _UNDECODABLE_S:
            raise VideoError(
                f"{show_address(url)}: nothing of its video can be decoded; is it encrypted, or damaged?"
            )
        yield from images


class Backlog:
    """Detects that decoding is slower than the stream, and decides which packets to skip until it catches up.

    If hardly any of the last second was spent waiting for packets, they were already buffered.
    """

    _WINDOW_S = 1.0
    _LEAST_WAITING = 0.1
    # Longer than it takes to regain Python's global lock from another thread.
    _WAIT_S = 0.006
    _LONGEST_SKIP_S = 10.0

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._waited_s = 0.0
        self._is_skipping = False
        self._has_caught_up = False

    def should_skip(self, wait_s: float, now_s: float, *, is_key: bool) -> bool:
        """Whether to skip a packet.

        Args:
            wait_s: Time spent waiting for it.
            now_s: Its arrival time on a monotonic clock.
            is_key: Whether decoding can start with it.
        """
        if self._since_s is None:
            self._since_s = now_s
        span_s = now_s - self._since_s
        if self._is_skipping:
            self._has_caught_up |= wait_s > self._WAIT_S
            if (is_key and self._has_caught_up) or span_s > self._LONGEST_SKIP_S:
                self._restart(now_s, is_skipping=False)
            return self._is_skipping
        self._waited_s += wait_s
        if span_s >= self._WINDOW_S:
            self._restart(now_s, is_skipping=self._waited_s < self._LEAST_WAITING * span_s)
        return self._is_skipping

    def _restart(self, now_s: float, *, is_skipping: bool) -> None:
        self._since_s, self._waited_s = now_s, 0.0
        self._is_skipping, self._has_caught_up = is_skipping, False


def capture_file(
    path: str, stop: Event, *, loop: bool = False, speed: float = 1.0, max_pixels: int = MAX_PIXELS
) -> Capture:
    """Capture from a file as if from a camera, at the pace of its time stamps.

    Args:
        path: A path that `open_video` accepts.
        stop: Ends the capture when set.
        loop: Whether to start again at the end.
        speed: Playback speed; 2 is twice as fast.
        max_pixels: The most pixels that an image may have.

    Raises:
        VideoError: It cannot be read.
    """
    while True:
        pace = Pace(speed, stop)
        with open_video(path, max_pixels=max_pixels) as video:
            for frame in video:
                pace.wait(frame.time_s)
                if stop.is_set():
                    return
                yield frame.image
        if not loop:
            return


class Pace:
    """A clock that waits until a time stamp is due.

    Args:
        speed: Playback speed; 2 is twice as fast.
        stop: Ends the waiting when set.
    """

    _LONGEST_GAP_S = 10.0

    def __init__(self, speed: float, stop: Event) -> None:
        self._speed = speed
        self._stop = stop
        self._origin_s: float | None = None

    def wait(self, time_s: float) -> None:
        """Wait until a time stamp is due; forward jumps of more than 10 s are not waited for."""
        now_s = time.monotonic()
        if self._origin_s is None:
            self._origin_s = now_s - time_s / self._speed
        due_s = self._origin_s + time_s / self._speed - now_s
        if due_s * self._speed > self._LONGEST_GAP_S:
            self._origin_s = now_s - time_s / self._speed
        elif due_s > 0:
            self._stop.wait(due_s)
