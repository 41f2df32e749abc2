"""Conversion of a stream's decoded images to RGB as they are shown: upright, with square pixels."""

from __future__ import annotations

from fractions import Fraction

import av

from posetrack.errors import VideoError
from posetrack.frame import ImageArray
from posetrack.video.depth import EightBits
from posetrack.video.limits import check_pixels
from posetrack.video.pixels import has_plain_16_bits, read_display_matrix, to_upright_rgb, turn_upright

_MOST_ANAMORPHIC = Fraction(10)
# A stretch of less than this is an encoder's rounding of the aspect ratio, and not worth resampling for.
_LEAST_STRETCH = Fraction(1, 200)


class ImageConverter:
    """Converts the decoded images of one stream, in order.

    Pixels that are not square (DVD, DV, HDV, SVCD, anamorphic film) are made so: the image keeps its height,
    and gets the width at which players show it. The container's sample aspect ratio counts, else that of the
    images, which may change with them; what no image can have is ignored. Values of 16 bits are scaled by
    the bits that are in use.

    Attributes:
        notes: One line for each kind of pixels that was made square, or ignored, and for each scale of 16-bit
            values; the reader empties it.
    """

    def __init__(self, source: str, stream: av.VideoStream, max_pixels: int) -> None:
        """Start with a stream.

        Args:
            source: Its name for messages.
            stream: The stream.
            max_pixels: The most pixels that an image may have, as it is stored and as it is shown.
        """
        self.notes: list[str] = []
        self._source = source
        self._stream = stream
        self._max_pixels = max_pixels
        self._shape: tuple[int, int, int] | None = None  # rotation, width and height of _matrix
        self._overriding: Fraction | None = None
        self._noted: set[Fraction] = set()
        self._to_eight_bits = EightBits()

    def __call__(self, frame: av.VideoFrame) -> ImageArray:
        """Convert an image that the stream's decoder has just given.

        Args:
            frame: The image.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            VideoError: It has too many pixels, or pixels that cannot be converted.
        """
        check_pixels(self._source, (frame.width, frame.height), self._max_pixels)
        width = self._find_width(frame)
        check_pixels(self._source, (width, frame.height), self._max_pixels)
        shape = (frame.rotation, frame.width, frame.height)
        if shape != self._shape:
            self._shape, self._matrix = shape, read_display_matrix(frame)
        try:
            if not has_plain_16_bits(frame):
                return to_upright_rgb(frame, self._matrix, width)
            image = self._to_eight_bits(frame.to_ndarray(format="rgb48le", width=width, height=frame.height))
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(
                f"{self._source}: has pixels that cannot be converted ({frame.format.name}); "
                "convert the video to H.264"
            ) from error
        self.notes += self._to_eight_bits.notes
        self._to_eight_bits.notes.clear()
        return turn_upright(image, self._matrix)

    def _find_width(self, frame: av.VideoFrame) -> int:
        """The width in square pixels."""
        ratio = self._read_ratio()
        width = round(frame.width * ratio)
        if abs(ratio - 1) < _LEAST_STRETCH or width < 1:
            return frame.width
        self._note(ratio, f"are made square: {frame.width}x{frame.height} becomes {width}x{frame.height}")
        return width

    def _read_ratio(self) -> Fraction:
        """Width of a pixel over its height, 1 if unknown."""
        of_images = self._stream.codec_context.sample_aspect_ratio or Fraction(1)
        if self._shape is None:
            # PyAV tells the container's ratio, or else that of the first images.
            of_stream = self._stream.sample_aspect_ratio
            self._overriding = of_stream if of_stream and of_stream != of_images else None
        for ratio in (self._overriding, of_images):
            if ratio is not None:
                if 1 / _MOST_ANAMORPHIC <= ratio <= _MOST_ANAMORPHIC:
                    return ratio
                self._note(ratio, "cannot be right, and are ignored")
        return Fraction(1)

    def _note(self, ratio: Fraction, what: str) -> None:
        if ratio not in self._noted:
            self._noted.add(ratio)
            self.notes.append(f"pixels of {ratio.numerator}:{ratio.denominator} (width:height) {what}")
