"""A video file or URL as a source of frames."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.codec.context import Flags

from posetrack.addresses import name_address, show_address
from posetrack.errors import VideoError
from posetrack.frame import Frame
from posetrack.video.base import Selection, VideoInfo, VideoSource
from posetrack.video.container import (
    can_open_again,
    find_path,
    open_container,
    pick_video_stream,
    read_end_s,
    read_fps,
    to_url,
)
from posetrack.video.limits import MAX_PIXELS, bound_decoders, check_max_pixels, check_pixels
from posetrack.video.losses import LossWatch
from posetrack.video.missing import describe_missing
from posetrack.video.refused import find_refused_size
from posetrack.video.seek import find_start
from posetrack.video.silence import NETWORK_TIMEOUT_S, Silence
from posetrack.video.timeline import FrameClock
from posetrack.video.upright import ImageConverter

_MAX_READ_ERRORS = 10
_LENGTH_ERROR_S = 1.0
_LEFT_BEHIND_S = 2.0


@dataclass(frozen=True)
class _Image:
    """A decoded image of the selected part, before its conversion to RGB."""

    index: int
    time_s: float
    frame: av.VideoFrame


class VideoFile(VideoSource):
    """The video stream of a container that FFmpeg reads.

    Damaged packets are skipped and counted. A file that is shorter than its header says, or has
    holes, yields the frames that exist, and a warning.
    """

    def __init__(
        self,
        source: str,
        selection: Selection,
        *,
        max_pixels: int = MAX_PIXELS,
        silence: Silence | None = None,
    ) -> None:
        """Open the container and decode up to the first selected frame.

        Args:
            source: A path, or a URL with `://`.
            selection: The part to read.
            max_pixels: The most pixels that an image may have.
            silence: The time-out, told of all data; None: the source is never silent.

        Raises:
            VideoError: It cannot be opened or decoded, its images are too large, it has no video stream,
                or no frame in the part.
        """
        super().__init__()
        self._source, self._shown = source, show_address(source)
        self._selection = selection
        self._max_pixels = check_max_pixels(max_pixels)
        self._silence = silence
        self._end_s = 0.0
        self._reached_end = False
        self._open()
        try:
            self._fps = read_fps(source, self._stream)
            self._length_s: float | None = None
            self._images = self._select(self._locate_start())
            self._first = next(self._images, None)
            if self._first is None:
                raise VideoError(selection.describe_empty(self._shown, self._length_s))
            self.info = self._describe(self._first)
            if self.info.has_audio and can_open_again(source):
                self.audio_address = source
        except BaseException:
            self._container.close()
            raise

    def list_files(self) -> tuple[Path, ...]:
        """The file, if it is one."""
        return (find_path(self._source),) if can_open_again(self._source) else ()

    def _open_again(self) -> VideoFile | None:
        if not can_open_again(self._source):
            return None
        return VideoFile(self._source, self._selection, max_pixels=self._max_pixels)

    def _open(self) -> None:
        bound = bound_decoders(self._max_pixels)
        # The reading thread ends some time after it was left behind.
        limit_s = _LEFT_BEHIND_S + (NETWORK_TIMEOUT_S if self._silence is None else self._silence.limit_s)
        self._container = open_container(self._source, timeout_s=(limit_s, limit_s), options=bound)
        self._note_data()
        try:
            self._stream = pick_video_stream(self._source, self._container)
        except VideoError:
            self._container.close()
            raise
        self._time_base = self._stream.time_base or Fraction(1, 90000)
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.options = bound
        self._convert = ImageConverter(self._shown, self._stream, self._max_pixels)
        if self._stream.codec_context.name == "hevc":
            # Otherwise FFmpeg's HEVC decoder outputs nothing from a lost packet to the next key frame.
            self._stream.codec_context.flags |= Flags.output_corrupt.value
        # AVI has no presentation time stamps: FFmpeg makes them up, wrongly where images are reordered.
        self._use_dts = self._container.format.name == "avi"
        self._losses = LossWatch(self._source, self._stream, self._selection, self.missing)

    def _locate_start(self) -> Iterator[av.VideoFrame]:
        """Yield images, from the first one or from the one at the start, if a seek leads there."""
        frames = self._decode()
        first = next(frames, None)
        if first is None:
            raise self._explain_nothing()
        first_pts = self._stamp(first)
        self._start_clock(first_pts)
        if self._selection.start_s == 0 or first_pts is None:
            return chain([first], frames)
        start = find_start(
            self._source,
            self._stream,
            first_pts=first_pts,
            start_s=self._selection.start_s,
            places=self._losses.places,
        )
        if start is None and self._is_past_end():
            raise VideoError(self._selection.describe_empty(self._shown, self._length_s))
        if start is None:
            return chain([first], frames)
        landed, frames = None, self._decode()
        with suppress(av.FFmpegError):  # of a damaged index
            self._container.seek(start.key_pts, stream=self._stream)
            landed = next((frame for frame in frames if (self._stamp(frame) or 0) >= start.pts), None)
        if landed is not None and self._stamp(landed) == start.pts:
            self._losses.land(start.pts)
            return chain([landed], frames)
        # The seek went too far, or the image at the start is damaged: decode from the beginning.
        self._container.close()
        self._open()
        self.num_damaged = 0
        self._start_clock(first_pts)
        return self._decode()

    def _is_past_end(self) -> bool:
        return self._length_s is not None and self._selection.start_s > self._length_s + _LENGTH_ERROR_S

    def _start_clock(self, first_pts: int | None) -> None:
        self._clock = FrameClock(time_base=self._time_base, fps=self._fps, first_pts=first_pts)
        self._losses.begin(float(1 / self._fps))
        # The decoding time stamp of AVI's first image is late by the decoder's delay, the image is not.
        first = self._stream.start_time if self._use_dts else first_pts
        self._origin_s = float((first or 0) * self._time_base)
        # Read now: a closed container must not be accessed.
        end_s = read_end_s(self._stream)
        self._length_s = length_s = None if end_s is None else end_s - self._origin_s
        num_stored = self._stream.frames if "mov" in self._container.format.name else 0
        # An edit list shows a part of the stored images only.
        is_edited = length_s is not None and abs(num_stored - length_s * self._fps) > 1
        self._num_stored = 0 if is_edited else num_stored

    def _stamp(self, frame: av.VideoFrame) -> int | None:
        return frame.dts if self._use_dts or frame.pts is None else frame.pts

    def _select(self, frames: Iterator[av.VideoFrame]) -> Generator[_Image]:
        """Yield the selected images with their times."""
        start_s, end_s, every = self._selection.start_s, self._selection.end_s, self._selection.every
        anchor = self._selection.anchor
        for frame in frames:
            stamp = self._stamp(frame)
            if self._losses.is_late(stamp):
                continue
            time_s = self._clock.read(stamp)
            index = self._losses.place(stamp, time_s)
            if end_s is not None and time_s >= end_s:
                return
            self._end_s = time_s + float(max((frame.duration or 0) * self._time_base, 1 / self._fps))
            if time_s < start_s:
                continue
            anchor = index if anchor is None else anchor
            self.num_damaged += int(frame.is_corrupt)
            if (index - anchor) % every == 0:
                yield _Image(index, time_s, frame)
        self._reached_end = True

    def _read_frames(self) -> Iterator[Frame]:
        if self._first is None:
            return
        images = chain([self._first], self._images)
        self._first = None
        try:
            for image in images:
                frame = Frame(index=image.index, time_s=image.time_s, image=self._convert(image.frame))
                while self._convert.notes:
                    self._tell(f"{self._shown}: {self._convert.notes.pop(0)}")
                self._watch_size(frame)
                yield frame
        finally:
            self._report()

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Yield all images from here on, in order; a damaged packet loses no other image."""
        held = None
        for packet in self._read_packets():
            if held is not None:
                yield from self._decode_packet(held)
            held = packet
        if held is not None and held.is_corrupt:
            # The last packet of a truncated file. An error while the decoder is flushed would lose
            # the whole images that it still holds.
            self.num_damaged += 1
            self._losses.note_cut_packet()
        elif held is not None:
            yield from self._decode_packet(held)
        yield from self._decode_packet(None)

    def _decode_packet(self, packet: av.Packet[av.VideoStream] | None) -> list[av.VideoFrame]:
        try:
            return self._stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            self._count_fault()
            return []

    def _read_packets(self) -> Iterator[av.Packet[av.VideoStream]]:
        num_errors = 0
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    self._note_data()
                    if packet.size:
                        num_errors = 0
                        self._losses.note_packet(packet)
                        yield packet
                return
            except IndexError:  # PyAV does not know a stream that appears behind the beginning: not ours
                continue
            except av.error.ExitError as error:
                raise Silence(self._shown, NETWORK_TIMEOUT_S).make_error() from error
            except av.FFmpegError as error:
                num_errors += 1
                self._count_fault()
                if num_errors == _MAX_READ_ERRORS:
                    self._warn(f"{self._shown}: reading stopped: {error.strerror}; the rest is left out")
                    return

    def _count_fault(self) -> None:
        self.num_damaged += 1
        self._losses.note_fault()

    def _note_data(self) -> None:
        if self._silence is not None:
            self._silence.end()

    def _explain_nothing(self) -> VideoError:
        """The error for a source of which nothing could be decoded."""
        if can_open_again(self._source):
            refused_wh = find_refused_size(to_url(self._source), self._max_pixels)
            if refused_wh is not None:
                check_pixels(self._shown, refused_wh, self._max_pixels)
        return VideoError(f"{self._shown}: no image could be decoded; the file is damaged or not supported")

    def _describe(self, first: _Image) -> VideoInfo:
        height, width = self._convert(first.frame).shape[:2]
        return VideoInfo(
            source=self._shown,
            name=name_address(self._source) if "://" in self._source else Path(self._source).stem or "stream",
            width=width,
            height=height,
            fps=self._fps,
            time_base=self._time_base,
            num_frames=self._estimate_frames(first),
            has_audio=bool(self._container.streams.audio),
            start_s=self._origin_s,
        )

    def _estimate_frames(self, first: _Image) -> int | None:
        length_s, end_s = self._length_s, self._selection.end_s
        if end_s is not None and (length_s is None or end_s < length_s):
            return self._selection.count(max(1, round((end_s - first.time_s) * self._fps)))
        if self._num_stored:
            return self._selection.count(max(1, self._num_stored - first.index))
        if length_s is None:
            return None
        return self._selection.count(max(1, round((length_s - first.time_s) * self._fps)))

    def _report(self) -> None:
        """Add the warnings once all frames are read."""
        if self.num_damaged:
            self._warn(f"{self._shown}: {self.num_damaged} damaged packets; frames there are missing or marred")
        if self._clock.num_repaired and not self._use_dts:
            self._warn(
                f"{self._shown}: {self._clock.num_repaired} time stamps were missing or out of order; "
                f"repaired from the frame rate ({float(self._fps):.4g})"
            )
        if self._reached_end:
            self._losses.finish(self._end_s, self._length_s, self._num_stored)
        if self.missing:
            cut = "; the file is incomplete" if self._losses.is_cut else ""
            self._warn(f"{self._shown}: {describe_missing(self.missing)}{cut}")

    def _release(self) -> None:
        self._first = None
        # A generator that was not read to its end would keep this object, and it the decoder with its threads,
        # until the garbage collector comes.
        self._images.close()
        self._container.close()
        del self._stream, self._container, self._convert
