"""Sizes of images from the headers of their files, before any pixel is decoded."""

from __future__ import annotations

from typing import BinaryIO

MAX_PIXELS = 200_000_000
"""The most pixels that an image may have where nothing else is said.

8K video has 33 million, the largest cameras have 150 to 200 million. A file of 100 kB can claim a thousand
million, which take gigabytes when they are decoded.
"""

_PREFIX_BYTES = 16
_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BIG_TIFF = 43
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_MOST_PAGES = 100_000


def read_image_size(file: BinaryIO) -> tuple[int, int] | None:
    """Read the size of an image as it is stored; of a file with several images, that of the largest.

    Args:
        file: A JPEG, PNG, TIFF, WebP, BMP or PNM file, at its beginning; the position changes.

    Returns:
        Width and height in pixels; None if it is of another kind, or its header is damaged.
    """
    # Pillow comes with torchvision. Its own `Image.open` has a bound of its own, one for the whole process.
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin, PpmImagePlugin, WebPImagePlugin

    prefix = file.read(_PREFIX_BYTES)
    file.seek(0)
    try:
        if prefix.startswith(b"\x89PNG\r\n\x1a\n"):
            return PngImagePlugin.PngImageFile(file).size
        if prefix.startswith(b"\xff\xd8\xff"):
            return JpegImagePlugin.JpegImageFile(file).size
        if prefix.startswith(_TIFF_MAGICS):
            return _read_tiff_size(file, prefix)
        if prefix.startswith(b"RIFF") and prefix[8:12] == b"WEBP":
            return WebPImagePlugin.WebPImageFile(file).size
        if prefix.startswith(b"BM"):
            return BmpImagePlugin.BmpImageFile(file).size
        if prefix[:1] == b"P" and prefix[1:2] in b"123456":
            return PpmImagePlugin.PpmImageFile(file).size
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 (a damaged header makes Pillow raise anything)
        return None
    return None


def _read_tiff_size(file: BinaryIO, prefix: bytes) -> tuple[int, int] | None:
    """Read the directories of a TIFF file only: Pillow's images know fewer kinds of pixels than OpenCV."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    is_big = _BIG_TIFF in prefix[2:4]
    directory = ImageFileDirectory_v2(prefix[: 16 if is_big else 8])
    largest: tuple[int, int] | None = None
    seen: set[int] = set()
    while directory.next and directory.next not in seen and len(seen) < _MOST_PAGES:
        seen.add(directory.next)
        file.seek(directory.next)
        directory.load(file)
        size = int(directory[_TIFF_WIDTH]), int(directory[_TIFF_HEIGHT])
        largest = size if largest is None else max(largest, size, key=lambda wh: wh[0] * wh[1])
    return largest
