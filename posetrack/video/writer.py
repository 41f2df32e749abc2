"""Writing of images as H.264 in MP4, on the clock of their source and with its audio."""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer

from posetrack.errors import VideoError
from posetrack.frame import ImageArray
from posetrack.interruption import finishing
from posetrack.outputs import find_remedy, make_part, name_part
from posetrack.video.audio import AudioMode, AudioTrack
from posetrack.video.base import VideoInfo
from posetrack.video.canvas import BT709, LIMITED_RANGE, Yuv420pConverter, even_size, fit_image
from posetrack.video.disk_file import DiskFile
from posetrack.video.image_writer import ImageWriter
from posetrack.video.mp4_index import clean_up, cut_torn_end, move_index_to_front

_log = logging.getLogger(__name__)

DEFAULT_CRF = 21
_PART_SUFFIX = ".part.mp4"
# With macroblock trees, which this preset leaves out, it takes 0.7 of the time of `veryfast`; files are 2 to
# 16 % larger.
_PRESET = "superfast"
_USUAL_DELAY = "rc-lookahead=10"
IS_KEPT_WHEN_KILLED = av.library_versions["libavformat"] >= (62, 12)
"""Whether this FFmpeg can write videos that play after a kill. Before 8.1 (PyAV 17.1), they have no head when
they are closed."""

# Half a second at a time reaches the file, with an index of its own, so that a killed process leaves a video.
# When the file is closed, it becomes one without fragments, whose index is at the end. Without `delay_moov` it
# has no edit list, and sound is late by its encoder's delay.
_FRAGMENTS = {"movflags": "+hybrid_fragmented+delay_moov", "frag_duration": "500000", "flush_packets": "1"}
_CONTAINER_OPTIONS = _FRAGMENTS if IS_KEPT_WHEN_KILLED else {}
# At 8 frames/s the usual 10 images and one for each thread would be lost in a kill.
_SHORT_DELAY = "rc-lookahead=2:sync-lookahead=0:sliced-threads=1"
_ONE_THREAD_PX = 1280 * 720
_MAX_TICKS_PER_S = 10_000_000
_FALLBACK_TIME_BASE = Fraction(1, 90_000)
_GAPS_REMEMBERED = 250


class VideoWriter(ImageWriter):
    """Writer of one video; a context manager.

    The file is written under a temporary name in its folder and renamed when it is complete: after `close`,
    and also after Ctrl-C, so that what was written can be played. After any other exception, or if no frame was
    written, the temporary file is removed. A recording has its name from the start, and is kept also where the
    disk fails. A process that is killed leaves a file that plays up to about its last second.

    Attributes:
        path: Path of the finished video.
        warnings: One line for each fault that was recovered from.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: VideoInfo,
        *,
        crf: int = DEFAULT_CRF,
        audio_from: str | None = None,
        is_recording: bool = False,
        size_wh: tuple[int, int] | None = None,
    ) -> None:
        """Create the file.

        Args:
            path: The video to write; an existing file is replaced when the new one is complete.
            info: Properties of the source, for its clock and frame rate.
            crf: Quality of H.264, 0 to 51; 18 looks like the source, 23 gives small files.
            audio_from: The path or URL whose audio to include, None for no audio.
            is_recording: Whether the images come only once: then they are written under the final name, where
                nothing else may be, and are on the disk after about a second.
            size_wh: Width and height of the video, both even; None for those of the first image.

        Raises:
            VideoError: The folder is missing or cannot be written.
        """
        self.path = Path(path)
        self.warnings: list[str] = []
        self._is_recording = is_recording
        self._part = self.path if is_recording else name_part(self.path.with_suffix(""), _PART_SUFFIX)
        self._file: DiskFile | None = None
        self._info, self._given_wh = info, size_wh
        self._crf = crf
        self._audio_from = audio_from
        ticks = info.time_base.denominator / info.time_base.numerator
        self._time_base = info.time_base if ticks <= _MAX_TICKS_PER_S else _FALLBACK_TIME_BASE
        self._convert = Yuv420pConverter()
        self._container: OutputContainer | None = None
        self._audio: AudioTrack | None = None
        self._first_s = 0.0
        self._last_pts = -1
        self._gaps: deque[int] = deque(maxlen=_GAPS_REMEMBERED)
        with self._errors_reported():
            if not is_recording:
                clean_up(self.path)
                make_part(self.path.with_suffix(""), _PART_SUFFIX)

    def write(self, image: ImageArray, time_s: float) -> None:
        """Append an image.

        Args:
            image: (H, W, 3) uint8 RGB; one of another size than the first is fitted into that.
            time_s: Its time in seconds, as in `Frame.time_s`; that of the first image becomes 0.

        Raises:
            ValueError: The image has another shape or type, or the writer is closed.
            VideoError: The file cannot be written; it is removed.
        """
        if self._closed:
            raise ValueError(f"{self.path}: the writer is closed")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"an image is (H, W, 3) uint8, got {image.shape} {image.dtype}")
        with self._errors_reported():
            if self._container is None:
                self._first_s = time_s
                self._container = self._start(self._given_wh or even_size(image.shape[1], image.shape[0]))
                self._has_images = True
            frame = self._convert(fit_image(image, self._size_wh))
            frame.pts = self._next_pts(time_s)
            frame.time_base = self._time_base
            self._mux_video(self._container, frame)
            self._mux_audio(self._container, Fraction(time_s) - Fraction(self._first_s))

    def _finish(self) -> None:
        assert self._container is not None
        with finishing(), self._errors_reported():
            self._flush(self._container)
            end = (self._last_pts + self._usual_gap()) * self._time_base
            self._mux_audio(self._container, end, last=True)
            self._container.close()
            self._drop_audio()
            self._close_file()
            self._move_index()

    def abort(self) -> None:
        """Abort: remove what was written."""
        self._stop()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)

    def _fail(self) -> None:
        """Keep what a recording has; remove anything else."""
        self._stop()
        with suppress(OSError):
            if not self._is_recording or not cut_torn_end(self._part):
                self._part.unlink(missing_ok=True)

    def _stop(self) -> None:
        self._closed = True
        self._drop_audio()
        # The file first: the container would begin to turn it, which can be played, into its finished form.
        self._close_file()
        if self._container is not None:
            with suppress(av.FFmpegError, OSError):
                self._container.close()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()

    def _move_index(self) -> None:
        """Give the closed file its name, with its index at the beginning where there is room for a copy."""
        try:
            move_index_to_front(self._part, self.path, is_synced=self._is_recording)
        except (OSError, ValueError) as error:
            self._part.replace(self.path)
            reason = getattr(error, "strerror", None) or str(error)
            message = (
                f"{self.path}: complete, but with its index at the end, as it could not be copied: {reason}"
            )
            self.warnings.append(message)
            _log.warning(message)
        else:
            if self._part != self.path:
                self._part.unlink()

    def _start(self, size_wh: tuple[int, int]) -> OutputContainer:
        """Write the header: with the audio copied, else transcoded, else without audio."""
        self._size_wh = size_wh
        modes: tuple[AudioMode, ...] = ("copy", "encode") if self._audio_from else ()
        for mode in modes:
            container = self._open(size_wh)
            try:
                self._audio = AudioTrack(
                    str(self._audio_from), zero_s=self._info.start_s + self._first_s, mode=mode
                )
                self._audio.add_to(container)
                container.start_encoding()
            except LookupError:
                break
            except (av.FFmpegError, ValueError, VideoError) as error:
                if mode == modes[-1]:
                    self._lose_audio(error)
                self._drop_audio()
            else:
                return container
        container = self._open(size_wh)
        container.start_encoding()
        return container

    def _open(self, size_wh: tuple[int, int]) -> OutputContainer:
        self._close_file()
        self._file = DiskFile(self._part, is_synced=self._is_recording)
        container = av.open(self._file, mode="w", format="mp4", container_options=dict(_CONTAINER_OPTIONS))
        try:
            self._stream = self._add_stream(container, size_wh)
        except av.codec.codec.UnknownCodecError as error:
            raise VideoError(
                f"{self.path}: this PyAV has no H.264 encoder; install the wheel with `pip install av`"
            ) from error
        return container

    def _add_stream(self, container: OutputContainer, size_wh: tuple[int, int]) -> av.VideoStream:
        # Without B-frames encoding takes 25 % less time, and files are 10 % larger.
        delay = _SHORT_DELAY if self._is_recording else _USUAL_DELAY
        options = {"crf": str(self._crf), "preset": _PRESET, "bf": "0", "x264-params": f"mbtree=1:{delay}"}
        stream = container.add_stream("libx264", rate=self._info.fps, options=options)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        # For small images the overhead of threads is larger than the gain.
        context.thread_count = 1 if size_wh[0] * size_wh[1] <= _ONE_THREAD_PX else 0
        context.thread_type = av.codec.context.ThreadType.AUTO
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        return stream

    def _flush(self, container: OutputContainer) -> None:
        """Write what the encoder holds back."""
        self._mux_video(container, None)

    def _next_pts(self, time_s: float) -> int:
        pts = round((Fraction(time_s) - Fraction(self._first_s)) / self._time_base)
        if self._last_pts >= 0:
            pts = max(pts, self._last_pts + 1)
            self._gaps.append(pts - self._last_pts)
        self._last_pts = pts
        return pts

    def _usual_gap(self) -> int:
        """The most frequent distance between two frames in ticks, used as the duration of the last frame."""
        if not self._gaps:
            return max(1, round(1 / (self._info.fps * self._time_base)))
        return Counter(self._gaps).most_common(1)[0][0]

    def _mux_video(self, container: OutputContainer, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            # MP4 uses it for the last packet only; the others last until the next one.
            packet.duration = self._usual_gap() if frame is None else packet.duration
            container.mux(packet)

    def _mux_audio(self, container: OutputContainer, until_s: Fraction, *, last: bool = False) -> None:
        """Write the audio up to the current image; damaged audio ends here, the video continues."""
        if self._audio is None:
            return None
        packets = self._audio.read_until(until_s, last=last)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError) as error:
                return self._lose_audio(error)
            if packet is None:
                return None
            try:
                container.mux(packet)
            except OSError:  # an error of the output file: it concerns the video too
                raise
            except (av.FFmpegError, ValueError) as error:
                return self._lose_audio(error)

    def _lose_audio(self, error: Exception) -> None:
        self._drop_audio()
        message = f"{self._info.source}: its sound cannot be carried over: {error}; {self.path.name} lacks it"
        self.warnings.append(message)
        _log.warning(message)

    def _drop_audio(self) -> None:
        if self._audio is not None:
            self._audio.close()
            self._audio = None

    @contextmanager
    def _errors_reported(self) -> Iterator[None]:
        """Convert errors of the file to a VideoError of one line, and keep only what a recording has."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            self._fail()
            reason = error.strerror or str(error)
            raise VideoError(
                f"{self.path}: the video cannot be written: {reason}; {find_remedy(error.errno)}"
            ) from error
