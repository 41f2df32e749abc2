"""Sizes of images from the headers of their files, before any pixel is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 200_000_000
"""The most pixels that an image may have where nothing else is said.

8K video has 33 million, the largest cameras have 150 to 200 million. A file of 100 kB can claim a thousand
million, which take gigabytes when they are decoded.
"""

_PREFIX_BYTES = 16
_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BIG_TIFF = 43
_TIFF_KIND, _TIFF_WIDTH, _TIFF_HEIGHT = 254, 256, 257
_TIFF_ASIDE = 0b101
_MOST_PAGES = 100_000


def read_image_size(file: BinaryIO) -> tuple[int, int] | None:
    """Read the size of an image as it is stored; of a file with several images, that of the largest.

    Args:
        file: An image file, at its beginning; the position changes.

    Returns:
        Width and height in pixels; None if it is of an unknown kind, or its header is damaged.
    """
    prefix = file.read(_PREFIX_BYTES)
    file.seek(0)
    try:
        # Pillow's images know fewer kinds of pixels than OpenCV: of TIFF only the directories are read.
        return _read_tiff_size(file, prefix) if prefix.startswith(_TIFF_MAGICS) else open_header(file).size
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 (a damaged header makes Pillow raise anything)
        return None


def open_header(file: BinaryIO) -> Image:
    """Open an image with Pillow, which reads its header only.

    Differs from `PIL.Image.open`, which has a bound of its own, one for the whole process: it warns of images
    above it, and refuses those above its double.

    Args:
        file: An image file, at its beginning.

    Raises:
        Exception: Whatever Pillow raises for an unknown kind or a damaged header.
    """
    # Pillow comes with torchvision.
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin, PpmImagePlugin, WebPImagePlugin
    from PIL.Image import open as open_any
    from PIL.TiffImagePlugin import TiffImageFile

    prefix = file.read(_PREFIX_BYTES)
    file.seek(0)
    if prefix.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImagePlugin.PngImageFile(file)
    if prefix.startswith(b"\xff\xd8\xff"):
        return JpegImagePlugin.JpegImageFile(file)
    if prefix.startswith(_TIFF_MAGICS):
        return TiffImageFile(file)
    if prefix.startswith(b"RIFF") and prefix[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile(file)
    if prefix.startswith(b"BM"):
        return BmpImagePlugin.BmpImageFile(file)
    if prefix[:1] == b"P" and prefix[1:2] in b"123456":
        return PpmImagePlugin.PpmImageFile(file)
    return open_any(file)


def _read_tiff_size(file: BinaryIO, prefix: bytes) -> tuple[int, int] | None:
    """The size of the largest page of a TIFF file."""
    sizes_wh = [page.size_wh for page in _walk_tiff(file, prefix)]
    return max(sizes_wh, key=lambda wh: wh[0] * wh[1], default=None)


class TiffPage(NamedTuple):
    """A page of a TIFF file: where its directory begins, in bytes, and its width and height in pixels."""

    offset: int
    size_wh: tuple[int, int]
    is_aside: bool
    """Whether it is a smaller copy of another page, or a mask for one."""


def read_tiff_pages(file: BinaryIO) -> tuple[list[TiffPage], bool]:
    """Read the directories of a TIFF file.

    Args:
        file: The file, at its beginning; the position changes.

    Returns:
        The pages, and whether their chain is whole; none if it is not a TIFF file.
    """
    prefix = file.read(_PREFIX_BYTES)
    pages: list[TiffPage] = []
    if not prefix.startswith(_TIFF_MAGICS):
        return pages, True
    try:
        pages.extend(_walk_tiff(file, prefix))  # those before a damaged one stay
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 (a damaged directory makes Pillow raise anything)
        return pages, False
    # Pillow takes what there is of a directory that was cut off.
    is_whole = not pages or _is_directory_whole(file, prefix, pages[-1].offset)
    return (pages if is_whole else pages[:-1]), is_whole


def _is_directory_whole(file: BinaryIO, prefix: bytes, offset: int) -> bool:
    count_bytes, entry_bytes, next_bytes = (8, 20, 8) if _BIG_TIFF in prefix[2:4] else (2, 12, 4)
    file.seek(offset)
    count = int.from_bytes(file.read(count_bytes), "little" if prefix.startswith(b"II") else "big")
    num_bytes = count * entry_bytes + next_bytes
    return file.seek(0, 2) >= offset + count_bytes + num_bytes


def _walk_tiff(file: BinaryIO, prefix: bytes) -> Iterator[TiffPage]:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    is_big = _BIG_TIFF in prefix[2:4]
    directory = ImageFileDirectory_v2(prefix[: 16 if is_big else 8])
    seen: set[int] = set()
    while directory.next and directory.next not in seen and len(seen) < _MOST_PAGES:
        offset = directory.next
        seen.add(offset)
        file.seek(offset)
        directory.load(file)
        size_wh = int(directory[_TIFF_WIDTH]), int(directory[_TIFF_HEIGHT])
        yield TiffPage(offset, size_wh, bool(int(directory.get(_TIFF_KIND, 0)) & _TIFF_ASIDE))
