"""The sound of a source, carried over to the video that is written from its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import av
from av.container import OutputContainer

from posetrack.video.container import open_container

# Codecs that MP4 carries and players play from it; others become AAC.
_COPIED_CODECS = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
_AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
_AAC_BITS_PER_CHANNEL = 80_000
_DEFAULT_RATE = 48_000
# Sound from before the first picture that its decoder needs to begin cleanly; the edit list hides it.
_PREROLL_S = Fraction(1, 10)

AudioMode = Literal["copy", "encode"]


class AudioTrack:
    """The first sound stream of a source, packet by packet, on the clock of the written video.

    Packets are copied where MP4 can carry them, and encoded to AAC where it cannot. Only what is due is
    read, so that memory does not grow with the length.
    """

    def __init__(self, source: str, *, zero_s: float, mode: AudioMode) -> None:
        """Open the source a second time, for its sound alone.

        Args:
            source: A path or URL.
            zero_s: What time on the container's clock becomes 0 in the written video.
            mode: `copy` where possible, or `encode` at all events.

        Raises:
            VideoError: The source cannot be opened.
            av.FFmpegError: Its sound cannot be reached.
            LookupError: It has no sound, or sound that nothing here decodes.
        """
        self._zero_s = Fraction(zero_s)
        self._container = open_container(source)
        try:
            self._stream = next(s for s in self._container.streams.audio if s.codec_context is not None)
        except StopIteration:
            self._container.close()
            raise LookupError(f"{source}: no sound that can be decoded") from None
        self._time_base = self._stream.time_base or Fraction(1, _DEFAULT_RATE)
        codec = self._stream.codec_context.codec.canonical_name
        self.mode: AudioMode = "copy" if mode == "copy" and codec in _COPIED_CODECS else "encode"
        self._due: tuple[Fraction, av.Packet[av.AudioStream]] | None = None

    def add_to(self, container: OutputContainer) -> None:
        """Add the stream to a container whose header is not yet written.

        Raises:
            av.FFmpegError: The container does not take it.
            ValueError: The same.
        """
        if self.mode == "copy":
            self._out = container.add_stream_from_template(self._stream)
        else:
            context = self._stream.codec_context
            rate = context.sample_rate if context.sample_rate in _AAC_RATES else _DEFAULT_RATE
            channels = min(max(context.channels, 1), 2)
            self._out = container.add_stream("aac", rate=rate)
            self._out.codec_context.layout = "mono" if channels == 1 else "stereo"
            self._out.codec_context.bit_rate = _AAC_BITS_PER_CHANNEL * channels
        self._packets = self._convert()

    def read_until(self, time_s: Fraction) -> Iterator[av.Packet[av.AudioStream]]:
        """The packets that begin before a time of the written video, ready to be muxed.

        Raises:
            av.FFmpegError: The sound is damaged beyond what can be skipped.
            ValueError: Its format changes on the way.
        """
        while True:
            if self._due is None:
                self._due = next(self._packets, None)
            if self._due is None or self._due[0] >= time_s:
                return
            packet, self._due = self._due[1], None
            yield packet

    def close(self) -> None:
        """Release the source."""
        self._container.close()
