"""Textures of the body's surface: one image with a tile for each of its 24 charts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from models.densepose.parts import NUM_CHARTS
from models.image_size import MAX_PIXELS, open_header
from posetrack.errors import PoseTrackError
from posetrack.frame import ImageArray

_ROWS, _COLUMNS = 6, 4
_SHAPE = f"{_ROWS} x {_COLUMNS} square tiles (6N x 4N pixels, height x width, N at least 2)"
_FORMATS = ("PNG", "JPEG")
# JPEG does not keep black exactly.
_JPEG_BLACK = 7


@dataclass(frozen=True, eq=False)
class TextureAtlas:
    """A texture of the body's surface, as DensePose's tools use it.

    The tile of chart p, of N x N pixels, is at column (p - 1) // 6 and row (p - 1) % 6. In it, the surface's
    point (u, v) has the colour of column int(u (N - 1)) and row int((1 - v) (N - 1)).

    Attributes:
        rgba: (6N, 4N, 4) uint8; opacity 0 shows the image below. RGB, (6N, 4N, 3), is taken too: its black
            pixels are transparent.

    Raises:
        PoseTrackError: The array is not 6 x 4 tiles of RGB or RGBA.
    """

    rgba: ImageArray

    def __post_init__(self) -> None:
        fault = _find_fault(self.rgba)
        if fault is not None:
            raise PoseTrackError(f"texture: {fault}")
        rgba = self.rgba if self.rgba.shape[2] == 4 else _add_opacity(self.rgba, black=0)
        object.__setattr__(self, "rgba", np.ascontiguousarray(rgba))

    @property
    def side_px(self) -> int:
        """N, the width and height of a tile."""
        return int(self.rgba.shape[1]) // _COLUMNS

    def look_up(self, dense: ImageArray) -> ImageArray:
        """Find the colours of a dense pose.

        Args:
            dense: (h, w, 3) uint8: chart, 255 u and 255 v.

        Returns:
            (h, w, 4) uint8 RGBA; those of the first chart where there is none.
        """
        side, width = self.side_px, self.rgba.shape[1]
        tiles = np.clip(np.arange(256) - 1, 0, NUM_CHARTS - 1)
        corners = (tiles % _ROWS) * side * width + (tiles // _ROWS) * side
        # In whole numbers: 3 / 255 * 255 may be less than 3.
        steps = np.arange(256) * (side - 1) // 255
        charts, u, v = np.ascontiguousarray(dense.transpose(2, 0, 1))
        places = corners[charts] + steps[u] + (steps[::-1] * width)[v]
        # Four bytes at once.
        colors: ImageArray = self.rgba.reshape(-1).view(np.uint32)[places].view(np.uint8)
        return colors.reshape(*places.shape, 4)


def read_texture(path: str | Path) -> TextureAtlas:
    """Read a texture from a PNG or JPEG file of 6 x 4 tiles.

    Opacity is that of the file. Where it has none, black is transparent; in JPEG, nearly black.

    Raises:
        PoseTrackError: There is no such file, or it is not an RGB or RGBA image of 6 x 4 square tiles.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            colors, format_name = _decode(file, path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PoseTrackError(
            f"{path}: the texture cannot be read ({reason}); check its name and permissions"
        ) from error
    fault = _find_fault(colors)
    if fault is not None:
        raise PoseTrackError(f"{path}: {fault}")
    return TextureAtlas(_add_opacity(colors, black=_JPEG_BLACK) if format_name == "JPEG" else colors)


def _decode(file: BinaryIO, path: Path) -> tuple[ImageArray, str]:
    """The pixels of a PNG or JPEG file, RGB or RGBA unless it is of another kind, and which of the two it is.

    Differs from OpenCV, which returns what there is of a file that was cut off.
    """
    try:
        image = open_header(file)
        if image.format in _FORMATS and image.width * image.height <= MAX_PIXELS:
            # Of a palette, and of a single colour that is transparent.
            has_opacity = "transparency" in image.info
            is_listed = image.mode == "P" or (image.mode == "RGB" and has_opacity)
            image = image.convert("RGBA" if has_opacity else "RGB") if is_listed else image
            return np.asarray(image), str(image.format or _FORMATS[0])
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes Pillow raise anything
        raise PoseTrackError(f"{path}: no image, or a damaged one; give a texture of {_SHAPE}") from error
    if image.format in _FORMATS:
        raise PoseTrackError(
            f"{path}: {image.height} x {image.width} pixels are too many for a texture; scale it down"
        )
    raise PoseTrackError(f"{path}: {image.format}, and a texture is PNG or JPEG; convert it")


def _find_fault(image: npt.NDArray[Any]) -> str | None:
    """What is wrong with an atlas, and what to do; None if nothing is."""
    if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.uint8:
        channels = 1 if image.ndim < 3 else image.shape[2]
        return (
            f"{channels} channels of {8 * image.dtype.itemsize} bits; a texture is RGB or RGBA of 8 bits; "
            "convert it"
        )
    height, width = image.shape[:2]
    if height % _ROWS or width % _COLUMNS or height // _ROWS != width // _COLUMNS or height // _ROWS < 2:
        return f"{height} x {width} pixels; a texture has {_SHAPE}; scale or crop it"
    return None


def _add_opacity(rgb: ImageArray, *, black: int) -> ImageArray:
    """RGBA from RGB: transparent where no channel is above `black`."""
    opacity = np.where(rgb.max(axis=2) > black, 255, 0).astype(np.uint8)
    return np.dstack([rgb, opacity])
