"""The audio of a source, copied or transcoded into the video that is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Literal, cast

import av
from av.container import OutputContainer

from posetrack.addresses import show_address
from posetrack.video.adts import read_config, strip_header
from posetrack.video.container import open_container

# Codecs that players support in MP4; others are transcoded to AAC.
_COPIED_CODECS = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
_AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
_AAC_BITS_PER_CHANNEL = 80_000
_DEFAULT_RATE = 48_000
# Audio before the first image that the decoder needs to start cleanly; the edit list hides it.
_PREROLL_S = Fraction(1, 10)
_GAP_S = Fraction(1, 20)
_SEEK_FROM_S = 5.0
_SEEK_MARGIN_S = 2.0

AudioMode = Literal["copy", "encode"]


class AudioTrack:
    """The first audio stream of a source, packet by packet, on the clock of the written video.

    Packets are copied if MP4 supports their codec, and transcoded to AAC otherwise. Only packets that are due
    are read, so memory does not grow with the length.
    """

    def __init__(self, source: str, *, zero_s: float, mode: AudioMode) -> None:
        """Open the source a second time, for its audio only.

        Args:
            source: A path or URL.
            zero_s: The time on the container's clock that becomes 0 in the written video.
            mode: `copy` where possible, or always `encode`.

        Raises:
            VideoError: The source cannot be opened.
            av.FFmpegError: Its audio cannot be read.
            LookupError: It has no audio.
        """
        self._zero_s = Fraction(zero_s)
        self._container = open_container(source)
        try:
            self._stream = next(s for s in self._container.streams.audio if s.codec_context is not None)
        except StopIteration:
            self._container.close()
            raise LookupError(f"{show_address(source)}: no sound") from None
        self._time_base = self._stream.time_base or Fraction(1, _DEFAULT_RATE)
        codec = self._stream.codec_context.codec.canonical_name
        self.mode: AudioMode = "copy" if mode == "copy" and codec in _COPIED_CODECS else "encode"
        # FFmpeg's muxer converts ADTS by itself, but not in a fragmented file.
        self._is_adts = self.mode == "copy" and codec == "aac" and not self._stream.codec_context.extradata
        self._waiting: tuple[Fraction, av.Packet[av.AudioStream]] | None = None
        self._last_dts: int | None = None
        self._next_s: Fraction | None = None
        self._kind: tuple[str, str, int] | None = None
        self._packets = self._read_packets()
        if zero_s > _SEEK_FROM_S:
            # A source that cannot seek is read from the beginning.
            with suppress(av.FFmpegError):
                self._container.seek(round((zero_s - _SEEK_MARGIN_S) * av.time_base))

    def add_to(self, container: OutputContainer) -> None:
        """Add the stream to a container whose header is not yet written.

        Raises:
            av.FFmpegError: The container does not take it.
            ValueError: Likewise.
        """
        if self.mode == "copy":
            self._out = container.add_stream_from_template(self._stream)
            if self._is_adts:
                self._waiting = next(self._packets, None)
                if self._waiting is None:
                    raise ValueError("no packets")
                self._out.codec_context.extradata = read_config(bytes(self._waiting[1]))
        else:
            context = self._stream.codec_context
            rate = context.sample_rate if context.sample_rate in _AAC_RATES else _DEFAULT_RATE
            channels = min(max(context.channels, 1), 2)
            self._out = container.add_stream("aac", rate=rate)
            self._out.codec_context.layout = "mono" if channels == 1 else "stereo"
            self._out.codec_context.bit_rate = _AAC_BITS_PER_CHANNEL * channels

    def read_until(self, time_s: Fraction, *, last: bool = False) -> Iterator[av.Packet[av.AudioStream]]:
        """Yield the packets that begin before a time of the written video, ready to be muxed.

        Args:
            time_s: Seconds from the first image that was written.
            last: Whether this is the last call.

        Raises:
            av.FFmpegError: The audio is damaged and cannot be skipped.
            ValueError: The audio cannot be converted.
        """
        while True:
            if self._waiting is None:
                self._waiting = next(self._packets, None)
            if self._waiting is None or self._waiting[0] >= time_s:
                break
            packet = self._waiting[1]
            self._waiting = None
            yield from self._shift(packet) if self.mode == "copy" else self._encode(self._decode(packet))
        if last and self.mode == "encode":
            yield from self._encode(self._decode(None))
            yield from self._out.encode(None)

    def close(self) -> None:
        """Release the source."""
        self._container.close()

    def _read_packets(self) -> Iterator[tuple[Fraction, av.Packet[av.AudioStream]]]:
        """Yield packets with their times, from the first that is heard or that its decoder needs."""
        for packet in self._container.demux(self._stream):
            if not packet.size or packet.pts is None:
                continue
            time_s = packet.pts * self._time_base - self._zero_s
            if time_s + (packet.duration or 0) * self._time_base > -_PREROLL_S:
                yield time_s, packet

    def _shift(self, packet: av.Packet[av.AudioStream]) -> Iterator[av.Packet[av.AudioStream]]:
        """The packet itself, on the clock of the written video."""
        shift = round(self._zero_s / self._time_base)
        pts = packet.pts or 0
        dts = (pts if packet.dts is None else packet.dts) - shift
        if self._last_dts is not None and dts <= self._last_dts:
            return
        self._last_dts = dts
        if self._is_adts:
            packet = _strip(packet)
        packet.pts, packet.dts, packet.stream = max(pts - shift, dts), dts, self._out
        yield packet

    def _decode(self, packet: av.Packet[av.AudioStream] | None) -> Iterator[av.AudioFrame]:
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.error.InvalidDataError:  # one damaged packet is a click, not the end of the sound
            return
        for frame in frames:
            start_s = self._next_s if frame.pts is None else frame.pts * self._time_base - self._zero_s
            # Time stamps in milliseconds are off by some samples each; only audible gaps are filled.
            if start_s is not None and (self._next_s is None or start_s - self._next_s > _GAP_S):
                self._next_s = start_s
            begin_s = self._next_s or Fraction(0)
            frame.pts, frame.time_base = round(begin_s * frame.sample_rate), Fraction(1, frame.sample_rate)
            self._next_s = begin_s + Fraction(frame.samples, frame.sample_rate)
            yield frame

    def _encode(self, frames: Iterator[av.AudioFrame]) -> Iterator[av.Packet[av.AudioStream]]:
        for frame in frames:
            # Broadcasts switch between stereo and 5.1, and damaged data can look like another format.
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            if kind != self._kind:
                context = self._out.codec_context
                self._kind = kind
                self._resampler = av.AudioResampler(context.format, context.layout, context.sample_rate)
            for converted in self._resampler.resample(frame):
                yield from self._out.encode(converted)


def _strip(packet: av.Packet[av.AudioStream]) -> av.Packet[av.AudioStream]:
    """An ADTS packet without its header, still without time stamps; a damaged one stays as it is."""
    with suppress(ValueError):
        content = cast("av.Packet[av.AudioStream]", av.Packet(strip_header(bytes(packet))))
        content.duration, content.time_base, content.is_keyframe = packet.duration, packet.time_base, True
        return content
    return packet
