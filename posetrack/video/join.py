"""Joining of videos that were encoded in parts into one, without decoding, with the sound of their source."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer

from posetrack.errors import VideoError
from posetrack.video.container import to_url
from posetrack.video.writer import VideoWriter


class VideoJoiner(VideoWriter):
    """Writer of one video from parts that `VideoWriter` has written with the same size; a context manager.

    Packets are copied; the sound is read once, from the source. Otherwise as `VideoWriter`.
    """

    def append(self, part: Path, time_s: float) -> None:
        """Append a part.

        Args:
            part: The video.
            time_s: Time of its first image in the source, in seconds, as in `Frame.time_s`.

        Raises:
            VideoError: It cannot be read, was encoded otherwise than the first one, or the file cannot be
                written; it is removed.
        """
        with self._errors_reported(), av.open(to_url(str(part))) as source:
            stream = source.streams.video[0]
            context = stream.codec_context
            if self._container is None:
                self._template, self._first_s = stream, time_s
                self._extradata = context.extradata
                self._container = self._start((context.width, context.height))
                self._has_images = True
            if context.extradata != self._extradata:
                self.abort()
                raise VideoError(
                    f"{part}: was encoded otherwise than the part before it; remove it, and run again"
                )
            offset_s = Fraction(time_s) - Fraction(self._first_s)
            for packet in source.demux(stream):
                if packet.size and packet.pts is not None and packet.time_base is not None:
                    self._copy(self._container, packet, packet.pts * packet.time_base + offset_s)

    def _copy(self, container: OutputContainer, packet: av.Packet[av.VideoStream], time_s: Fraction) -> None:
        pts = round(time_s / self._time_base)
        if self._last_pts >= 0:
            pts = max(pts, self._last_pts + 1)
            self._gaps.append(pts - self._last_pts)
        self._last_pts = pts
        packet.time_base = self._time_base
        packet.pts = packet.dts = pts
        packet.duration = self._usual_gap()
        packet.stream = self._stream
        container.mux(packet)
        self._mux_audio(container, time_s)

    def _add_stream(self, container: OutputContainer, size_wh: tuple[int, int]) -> av.VideoStream:
        stream = container.add_stream_from_template(self._template)
        stream.time_base = self._time_base
        return stream

    def _flush(self, container: OutputContainer) -> None:
        pass
