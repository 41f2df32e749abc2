"""Image files of data sets: their headers, which way up their annotations have them, and their pixels.

Cameras store an image as the sensor has it, with an EXIF orientation that says how to show it. Some tools
annotate what is shown, others the stored pixels; the annotated width and height tell which.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.data.coco_people import read_id
from models.image_size import MAX_PIXELS, open_header, read_image_size
from models.training.errors import DataError

ImageArray = npt.NDArray[np.uint8]

UPRIGHT = 1
"""The EXIF orientation of an image that is stored as it is shown."""

_QUARTER_TURNS = frozenset([5, 6, 7, 8])
# The orientation that undoes another; the six others undo themselves.
_UNDONE_BY = {6: 8, 8: 6}
_THREADS = min(16, 4 * (os.cpu_count() or 1))
_READ_AT_ONCE = 1024
_LONGEST_PATH = 1000

_TIFF_WIDTH, _TIFF_HEIGHT, _ORIENTATION = 256, 257, 274

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageFile:
    """One image of a data set.

    Attributes:
        path: Its file.
        size_wh: The width and height that the annotations give; None if they give none.
        orientation: The EXIF orientation, from 1 to 8, that is applied to the decoded pixels; 1 leaves them.
    """

    path: Path
    size_wh: tuple[int, int] | None = None
    orientation: int = UPRIGHT


@dataclass(frozen=True)
class ImageHeader:
    """What the header of an image file says.

    Attributes:
        stored_wh: Width and height of the stored pixels.
        orientation: The EXIF orientation, from 1 to 8.
        is_decoded_upright: Whether decoding applies the orientation in any case, as for TIFF.
    """

    stored_wh: tuple[int, int]
    orientation: int = UPRIGHT
    is_decoded_upright: bool = False

    @property
    def shown_wh(self) -> tuple[int, int]:
        """Width and height of the upright image."""
        return self.stored_wh[::-1] if self.orientation in _QUARTER_TURNS else self.stored_wh

    def find_turn(self, *, upright: bool) -> int:
        """The orientation to apply to the decoded pixels, for the upright image or the stored one."""
        if upright:
            return UPRIGHT if self.is_decoded_upright else self.orientation
        return _UNDONE_BY.get(self.orientation, self.orientation) if self.is_decoded_upright else UPRIGHT


def list_images(data: Mapping[str, Any], folder: Path, where: str) -> tuple[ImageFile, ...]:
    """List the images of COCO-style annotations, relative to a folder.

    Raises:
        DataError: An entry is not valid.
    """
    return tuple(
        make_image_file(entry, folder, f"{where}: images[{i}]") for i, entry in enumerate(data["images"])
    )


def make_image_file(entry: Mapping[str, Any], folder: Path, where: str) -> ImageFile:
    """Make the file of a COCO-style image entry; a width or height of 0 counts as none.

    Raises:
        DataError: `file_name`, `width` or `height` is not valid.
    """
    name = entry["file_name"]
    if not isinstance(name, str) or not name or "\0" in name:
        raise DataError(f"{where}: file_name: expected the name of a file, found {name!r:.80}")
    sides = [entry.get(side) and read_id(entry[side], f"{where}.{side}") for side in ("width", "height")]
    if any(side and side < 0 for side in sides):
        raise DataError(f"{where}: width and height: expected pixels, found {sides[0]} and {sides[1]}")
    return ImageFile(folder / name, (sides[0], sides[1]) if sides[0] and sides[1] else None)


def read_image(file: ImageFile) -> ImageArray:
    """Read an image as (H, W, 3) uint8 RGB, turned by the file's `orientation`.

    Raises:
        DataError: It is missing, not an image, or has more than `MAX_PIXELS`.
    """
    try:
        with file.path.open("rb") as opened:
            size_wh = read_image_size(opened)
            opened.seek(0)
            data = np.fromfile(opened, np.uint8)
    except (OSError, ValueError) as error:
        raise _make_missing_error(file.path) from error
    if size_wh is None:
        raise DataError(f"{_show(file.path)}: not an image that can be read; is it damaged?")
    _check_pixels(file.path, size_wh)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if data.size else None
    except cv2.error:  # a header that claims an impossible size
        image = None
    if image is None:
        raise DataError(f"{_show(file.path)}: not an image that can be read; is it damaged?")
    return turn_image(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), file.orientation)


def turn_image(image: ImageArray, orientation: int) -> ImageArray:
    """Show stored pixels (H, W, C) as an EXIF orientation from 1 to 8 says."""
    if orientation in _QUARTER_TURNS:
        image = image.transpose(1, 0, 2)
    # By the place of the stored first row and column (Exif 2.3, tag 274).
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def read_header(path: Path) -> ImageHeader:
    """Read the header of an image file, without decoding its pixels where Pillow knows the kind of pixels.

    Raises:
        DataError: It is missing, not an image, or has more than `MAX_PIXELS`.
    """
    if not is_file(path):
        raise _make_missing_error(path)
    try:
        with path.open("rb") as file, open_header(file) as image:
            orientation = image.getexif().get(_ORIENTATION, UPRIGHT)
            stored_wh, is_tiff = image.size, image.format == "TIFF"
            if is_tiff:
                # Pillow gives the size of the upright image from version 12 on.
                tags = image.tag_v2  # type: ignore[attr-defined]
                stored_wh = int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])
    except Exception:  # noqa: BLE001 (a damaged file makes Pillow raise anything; OpenCV knows more formats)
        image_array = read_image(ImageFile(path))
        return ImageHeader((image_array.shape[1], image_array.shape[0]))
    _check_pixels(path, stored_wh)
    is_known = isinstance(orientation, int) and 1 <= orientation <= 8
    return ImageHeader(stored_wh, orientation if is_known else UPRIGHT, is_decoded_upright=is_tiff)


def find_size(file: ImageFile) -> tuple[int, int]:
    """Find the width and height of a checked image as `read_image` gives it, without decoding it.

    Raises:
        DataError: It is missing, not an image, or has more than `MAX_PIXELS`.
    """
    if file.size_wh is not None:
        return file.size_wh
    header = read_header(file.path)
    width, height = header.shown_wh if header.is_decoded_upright else header.stored_wh
    return (height, width) if file.orientation in _QUARTER_TURNS else (width, height)


def read_headers(paths: Iterable[Path], *, decoded: bool = False) -> Iterator[ImageHeader | DataError]:
    """Read headers on threads, and decode the pixels if asked; yields a header or the error for each path."""
    read = partial(_try_header, decoded=decoded)
    with ThreadPoolExecutor(_THREADS) as readers:
        waiting = list(paths)
        # In parts, so that an interruption need not wait for all of them.
        for start in range(0, len(waiting), _READ_AT_ONCE):
            yield from readers.map(read, waiting[start : start + _READ_AT_ONCE])


def _try_header(path: Path, *, decoded: bool) -> ImageHeader | DataError:
    try:
        if decoded:
            read_image(ImageFile(path))
        return read_header(path)
    except DataError as error:
        return error


def agrees(file: ImageFile, header: ImageHeader) -> bool:
    """Whether the image has the annotated size, upright or as it is stored."""
    return file.size_wh is None or file.size_wh in (header.shown_wh, header.stored_wh)


def check_images(
    files: Sequence[ImageFile], where: str, *, upright_if_unknown: bool = True, decoded: bool = False
) -> list[ImageFile]:
    """Check that images can be opened and have the annotated sizes, and find how they were turned.

    An image with an EXIF orientation is turned upright, or left as it is stored, so that it has the annotated
    size. Where both have it, as at half a turn, or none is given, the other images of the data set count;
    where these do not tell either, as `upright_if_unknown` says, with a logged warning.

    Args:
        files: The images.
        where: Name of the annotations in messages.
        upright_if_unknown: Whether images are taken upright where nothing tells.
        decoded: Whether all pixels are decoded, which takes longer than reading headers.

    Returns:
        The same files with the orientation to apply.

    Raises:
        DataError: One is missing, cannot be opened, has another size than its annotation, or some are annotated
            upright and others not.
    """
    headers = []
    for file, header in zip(files, read_headers((file.path for file in files), decoded=decoded), strict=True):
        if isinstance(header, DataError):
            raise header
        if not agrees(file, header):
            raise DataError(describe_mismatch(file, header, where))
        headers.append(header)
    told = [_find_told(file, header) for file, header in zip(files, headers, strict=True)]
    usual = _find_usual(files, headers, told, where, upright_if_unknown=upright_if_unknown)
    return [
        replace(file, orientation=header.find_turn(upright=usual if upright is None else upright))
        for file, header, upright in zip(files, headers, told, strict=True)
    ]


def describe_mismatch(file: ImageFile, header: ImageHeader, where: str) -> str:
    """Say that an image does not have the annotated size."""
    assert file.size_wh is not None
    shown = "{}x{}".format(*header.shown_wh)
    stored = "" if header.shown_wh == header.stored_wh else ", stored as {}x{}".format(*header.stored_wh)
    return (
        f"{_show(file.path)}: the image is {shown}{stored}, but {where} says "
        f"{file.size_wh[0]}x{file.size_wh[1]}; take the images that were annotated, or correct the annotations"
    )


def _find_told(file: ImageFile, header: ImageHeader) -> bool | None:
    """Whether the annotated size says that the image was annotated upright; None where it says nothing."""
    if file.size_wh is None or header.shown_wh == header.stored_wh:
        return None
    return file.size_wh == header.shown_wh


def _find_usual(
    files: Sequence[ImageFile],
    headers: Sequence[ImageHeader],
    told: Sequence[bool | None],
    where: str,
    *,
    upright_if_unknown: bool,
) -> bool:
    """Whether the images whose sizes say nothing are taken upright."""
    unknown = [i for i, header in enumerate(headers) if header.orientation != UPRIGHT and told[i] is None]
    if not unknown:
        return upright_if_unknown
    upright, stored = told.count(True), told.count(False)
    if upright and stored:
        image, orientation = _show(files[unknown[0]].path), headers[unknown[0]].orientation
        raise DataError(
            f"{image}: EXIF orientation {orientation}: by the sizes in {where} {upright} images were annotated "
            f"upright and {stored} as they are stored; turn this image's pixels and remove the tag"
        )
    if upright or stored:
        return bool(upright)
    _log.warning(
        "%s: %d images have an EXIF orientation, and no annotated size says whether it was applied; they are "
        "taken %s: %s",
        *(where, len(unknown)),
        "upright, as viewers show them" if upright_if_unknown else "as they are stored",
        _show(files[unknown[0]].path),
    )
    return upright_if_unknown


def _check_pixels(path: Path, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{_show(path)}: {width}x{height} is {width * height:,} pixels, above the limit of {MAX_PIXELS:,}; "
            "scale it down"
        )


def _make_missing_error(path: Path) -> DataError:
    if is_file(path):
        return DataError(f"{_show(path)}: cannot be read; check its permissions")
    return DataError(f"{_show(path)}: no such image; check the folder of images")


def is_file(path: Path) -> bool:
    """Whether there is a file of this name; a name that the system does not allow is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _show(path: Path) -> str:
    """A path on one line, shortened if no system allows it."""
    text = str(path) if str(path).isprintable() else repr(str(path))
    return text if len(text) <= _LONGEST_PATH else f"{text[:_LONGEST_PATH]}..."
