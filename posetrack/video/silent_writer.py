"""Writing of images as an animated GIF, or as a video with transparency (alpha); without sound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.filter import Graph
from av.video.stream import VideoStream

from posetrack.errors import VideoError
from posetrack.frame import ImageArray
from posetrack.interruption import finishing
from posetrack.outputs import find_remedy, make_part, name_part
from posetrack.video.base import VideoInfo
from posetrack.video.canvas import BT709, LIMITED_RANGE, even_size, fit_image
from posetrack.video.image_writer import ImageWriter

_PLAIN, _ALPHA = "rgb24", "rgba"
# Browsers show an image of a GIF for a tenth of a second if it is to be shown for less than this.
_SHORTEST_GIF_TICKS = 2


@dataclass(frozen=True)
class SilentFormat:
    """A container, and how images get into it.

    Attributes:
        container: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        pixels: Its pixel format.
        time_base: Seconds in one tick.
        least_ticks: Images that follow sooner than this are left out.
        container_options: For FFmpeg.
        options: Of the encoder.
    """

    container: str
    codec: str
    pixels: str
    time_base: Fraction
    least_ticks: int = 1
    container_options: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


FORMATS = {
    ".gif": SilentFormat(
        "gif", "gif", "pal8", Fraction(1, 100), _SHORTEST_GIF_TICKS, container_options={"loop": "0"}
    ),
    ".mov": SilentFormat(
        "mov", "prores_ks", "yuva444p10le", Fraction(1, 90_000), options={"profile": "4444", "vendor": "apl0"}
    ),
    ".webm": SilentFormat(
        "webm",
        "libvpx-vp9",
        "yuva420p",
        Fraction(1, 1000),
        # Alpha allows no hidden frames.
        options={
            "crf": "24",
            "b": "0",
            "auto-alt-ref": "0",
            "deadline": "realtime",
            "cpu-used": "6",
            "row-mt": "1",
        },
    ),
}
"""By the end of the name. GIF has 256 colours an image, and shows a pixel or not; the others hold any alpha."""


class SilentWriter(ImageWriter):
    """Writer of one file, image by image; memory does not grow with their number.

    The file is written under a temporary name in its folder, and renamed by `close`.

    Attributes:
        path: The finished file.
    """

    def __init__(self, path: str | os.PathLike[str], info: VideoInfo) -> None:
        """Create the file.

        Args:
            path: It ends with a key of `FORMATS`; an existing file is replaced when the new one is complete.
            info: Of the source, for its frame rate.

        Raises:
            VideoError: The folder is missing or cannot be written.
        """
        self.path = Path(path)
        self._format = FORMATS[self.path.suffix.lower()]
        self._suffix = f".part{self.path.suffix.lower()}"
        self._part = name_part(self.path.with_suffix(""), self._suffix)
        self._fps = info.fps
        self._container: OutputContainer | None = None
        self._first_s = 0.0
        self._last_pts = -1
        with self._errors_reported():
            make_part(self.path.with_suffix(""), self._suffix)

    def write(self, image: ImageArray, time_s: float) -> None:
        """Append an image.

        Args:
            image: (H, W, 3) uint8 RGB, or (H, W, 4) RGBA with straight alpha; all as the first one. One of
                another size than the first is fitted into that.
            time_s: Its time in seconds; that of the first image becomes 0.

        Raises:
            ValueError: The image has another shape or type, or the writer is closed.
            VideoError: The file cannot be written; it is removed.
        """
        if self._closed:
            raise ValueError(f"{self.path}: the writer is closed")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or not image.size:
            raise ValueError(f"an image is (H, W, 3) or (H, W, 4) uint8, got {image.shape} {image.dtype}")
        with self._errors_reported():
            if self._container is None:
                self._first_s = time_s
                self._container = self._open(image)
                self._has_images = True
            pts = round((Fraction(time_s) - Fraction(self._first_s)) / self._format.time_base)
            if self._last_pts >= 0 and pts - self._last_pts < self._format.least_ticks:
                return
            self._last_pts = pts
            image = fit_image(image, self._size_wh)
            frame = av.VideoFrame.from_ndarray(image, format=self._given_pixels)
            frame.pts, frame.time_base = pts, self._format.time_base
            self._graph.push(frame)
            self._encode_ready(self._container)

    def _finish(self) -> None:
        assert self._container is not None
        with finishing(), self._errors_reported():
            self._graph.push(None)
            self._encode_ready(self._container)
            self._mux(self._container, None)
            self._container.close()
            self._part.replace(self.path)

    def abort(self) -> None:
        """Abort: remove what was written."""
        self._closed = True
        if self._container is not None:
            with suppress(av.FFmpegError, OSError):
                self._container.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)

    def _open(self, image: ImageArray) -> OutputContainer:
        wanted = self._format
        self._size_wh = even_size(image.shape[1], image.shape[0])
        if wanted.container == "gif":  # Its sizes may be odd.
            self._size_wh = image.shape[1], image.shape[0]
        self._given_pixels = _ALPHA if image.shape[2] == 4 else _PLAIN
        container = av.open(
            str(self._part), "w", format=wanted.container, container_options=dict(wanted.container_options)
        )
        try:
            added = container.add_stream(wanted.codec, rate=self._fps, options=dict(wanted.options))
            stream = cast("VideoStream", added)
        except av.codec.codec.UnknownCodecError as error:
            container.close()
            raise VideoError(
                f"{self.path}: this PyAV has no encoder {wanted.codec}; write a folder of PNGs, or install the "
                "wheel with `pip install av`"
            ) from error
        stream.width, stream.height = self._size_wh
        stream.pix_fmt = wanted.pixels
        stream.codec_context.time_base = wanted.time_base
        if wanted.container != "gif":
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = LIMITED_RANGE
        self._stream = stream
        self._graph = self._make_graph()
        return container

    def _make_graph(self) -> Graph:
        """The conversion of pixels."""
        graph = Graph()
        width, height = self._size_wh
        pixels = av.VideoFormat(self._given_pixels)
        given = graph.add_buffer(width=width, height=height, format=pixels, time_base=self._format.time_base)
        end = graph.add("buffersink")
        if self._format.container == "gif":
            # A palette for each image: one for all would need all of them first. The pattern of `bayer` stays
            # in its place, so that what does not move takes no room.
            split, choose = graph.add("split"), graph.add("palettegen", "stats_mode=single")
            apply = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4")
            given.link_to(split)
            split.link_to(choose, 0, 0)
            split.link_to(apply, 1, 0)
            choose.link_to(apply, 0, 1)
            apply.link_to(end)
        else:
            scale = graph.add("scale", "out_color_matrix=bt709:out_range=tv")
            convert = graph.add("format", self._format.pixels)
            given.link_to(scale)
            scale.link_to(convert)
            convert.link_to(end)
        graph.configure()
        return graph

    def _encode_ready(self, container: OutputContainer) -> None:
        """Encode the images that the graph has converted."""
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, av.VideoFrame)
            self._mux(container, frame)

    def _mux(self, container: OutputContainer, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            container.mux(packet)

    @contextmanager
    def _errors_reported(self) -> Iterator[None]:
        """Convert errors of the file to a VideoError of one line, and remove it."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            self.abort()
            reason = error.strerror or str(error)
            raise VideoError(
                f"{self.path}: the images cannot be written: {reason}; {find_remedy(error.errno)}"
            ) from error
