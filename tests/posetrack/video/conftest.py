"""Small videos and images, made with PyAV and numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

MakeVideo = Callable[..., Path]


def shade_of(index: int) -> int:
    """The grey level of the frame at an index, so that a frame tells which one it is."""
    return 20 + 6 * (index % 36)


def make_pixels(index: int, size_wh: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A grey image with a red corner at the top left: shows its index and which way is up."""
    image = np.full((size_wh[1], size_wh[0], 3), shade_of(index), np.uint8)
    image[: size_wh[1] // 4, : size_wh[0] // 4] = (230, 20, 20)
    return image


@pytest.fixture
def shade() -> Callable[[np.ndarray], int]:
    """Reads the index back from a frame's image (its middle)."""

    def read(image: np.ndarray) -> int:
        height, width = image.shape[:2]
        return round((float(image[height // 2, width // 2].mean()) - 20) / 6)

    return read


@pytest.fixture
def make_image() -> Callable[..., np.ndarray]:
    return make_pixels


def _tone(rate: int, seconds: float) -> np.ndarray:
    """Silence with a tone from 0.4 s to 0.5 s."""
    time = np.arange(round(rate * seconds)) / rate
    return np.where((time >= 0.4) & (time < 0.5), np.sin(2 * np.pi * 1000 * time), 0).astype(np.float32)


def _add_sound(container: Any, stream: Any, seconds: float, rate: int) -> None:
    samples = _tone(rate, seconds)
    for start in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Makes a video of `image(0)`, `image(1)`, ... and returns its path."""

    def make(
        name: str,
        *,
        num_frames: int = 20,
        size_wh: tuple[int, int] = (64, 48),
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        pts: Sequence[int] | None = None,
        time_base: Fraction = Fraction(1, 25),
        fps: Fraction = Fraction(25),
        rotation: int = 0,
        hflip: bool = False,
        pixel_ratio: Fraction | None = None,
        sound: str | None = None,
        options: dict[str, str] | None = None,
        container_options: dict[str, str] | None = None,
        colorspace: int | None = None,
        noise: bool = False,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", container_options=container_options or {}) as container:
            if codec == "libx264" and options is None:
                options = {"preset": "ultrafast", "crf": "8"}
            stream = container.add_stream(codec, rate=fps, options=options or {})
            stream.width, stream.height = size_wh
            stream.pix_fmt = pix_fmt
            stream.codec_context.time_base = time_base
            if colorspace is not None:
                stream.codec_context.colorspace = colorspace
            if pixel_ratio is not None:
                stream.codec_context.sample_aspect_ratio = pixel_ratio
            if rotation or hflip:
                stream.set_display_rotation(rotation, hflip=hflip)
            audio = container.add_stream(sound, rate=48000, layout="mono") if sound else None
            for index in range(num_frames):
                pixels = make_pixels(index, size_wh)
                if noise:  # so that all images take about as many bytes
                    pixels += np.random.default_rng(index).integers(0, 16, pixels.shape, np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame = frame.reformat(format=pix_fmt, dst_colorspace=colorspace or 5)
                frame.pts, frame.time_base = (pts[index] if pts else index), time_base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if audio is not None:
                last = pts[num_frames - 1] if pts else num_frames
                _add_sound(container, audio, float(last * time_base), 48000)
        return path

    return make


@pytest.fixture
def make_images(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of images of the given names; the n-th name gets `image(n)`."""

    def make(folder: str, names: Sequence[str], size_wh: tuple[int, int] = (64, 48)) -> Path:
        (tmp_path / folder).mkdir()
        for index, name in enumerate(names):
            image = cv2.cvtColor(make_pixels(index, size_wh), cv2.COLOR_RGB2BGR)
            assert cv2.imwrite(str(tmp_path / folder / name), image)
        return tmp_path / folder

    return make


@pytest.fixture
def damage_packet() -> Callable[[Path, int], None]:
    """Overwrites one packet of a video with rubbish."""

    def damage(path: Path, index: int) -> None:
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
            position, size = packets[index].pos, packets[index].size
        data = bytearray(path.read_bytes())
        where = data.find(bytes(packets[index]), position)
        data[where : where + size] = b"\xff" * size
        path.write_bytes(data)

    return damage


@pytest.fixture
def packet_times() -> Callable[[Path], list[Fraction]]:
    """The presentation times of a video's packets, in order."""

    def read(path: Path) -> list[Fraction]:
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
            return sorted(packet.pts * packet.time_base for packet in packets)

    return read
