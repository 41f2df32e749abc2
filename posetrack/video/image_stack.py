"""One image file with several images as a source of frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain
from pathlib import Path

from posetrack.errors import VideoError
from posetrack.frame import Frame
from posetrack.video.base import Selection, VideoInfo, VideoSource
from posetrack.video.depth import EightBits
from posetrack.video.image_pages import ImagePages, find_pages
from posetrack.video.limits import MAX_PIXELS
from posetrack.video.missing import MissingImages, describe_missing


class ImageStack(VideoSource):
    """The images of one file, one frame each: at an even rate, or at the file's own times.

    An image that cannot be read is skipped with a warning; the frames after it keep their index and time.
    """

    def __init__(self, path: str, selection: Selection, fps: Fraction, *, max_pixels: int = MAX_PIXELS) -> None:
        """Select the part and read its first image.

        Args:
            path: A file that holds several images, see `find_pages`.
            selection: The part to read.
            fps: Images per second where the file has no times of its own.
            max_pixels: The most pixels that an image may have.

        Raises:
            VideoError: `fps` is not positive, the part is empty, or no image can be read.
        """
        super().__init__()
        if fps <= 0:
            raise VideoError(f"{path}: {fps} images per second; give a rate above 0")
        self._path, self._selection, self._fps, self._max_pixels = path, selection, fps, max_pixels
        self._to_eight_bits = EightBits()
        pages = find_pages(path, fps, max_pixels, self._to_eight_bits)
        if pages is None:
            raise VideoError(f"{path}: not a file with several images; open it as an image")
        self._pages = pages
        end_s = float("inf") if selection.end_s is None else selection.end_s
        inside = [i for i, time_s in enumerate(pages.times_s) if selection.start_s <= time_s < end_s]
        self._wanted = inside[:: selection.every]
        if not self._wanted:
            raise VideoError(selection.describe_empty(path, len(pages.times_s) / float(pages.fps)))
        self._frames = self._read()
        self._first = next(self._frames, None)
        if self._first is None:
            raise VideoError(f"{path}: no image could be read; the file is damaged")
        width, height = self._first.size_wh
        self.info = VideoInfo(
            source=path,
            name=Path(path).stem,
            width=width,
            height=height,
            fps=pages.fps,
            time_base=1 / fps if pages.fps == fps else Fraction(1, 1000),
            num_frames=len(self._wanted),
            kind="images",
        )

    def list_files(self) -> tuple[Path, ...]:
        """The file."""
        return (Path(self._path),)

    def _open_again(self) -> ImageStack:
        return ImageStack(self._path, self._selection, self._fps, max_pixels=self._max_pixels)

    def _read(self) -> Iterator[Frame]:
        times_s = self._pages.times_s
        with closing(self._pages.read(self._wanted)) as images:
            for index, image in zip(self._wanted, images, strict=True):
                if image is None:
                    self.num_damaged += 1
                    continue
                yield Frame(index=index, time_s=times_s[index], image=image)

    def _read_frames(self) -> Iterator[Frame]:
        if self._first is None:
            return
        frames = chain([self._first], self._frames)
        self._first = None
        try:
            for frame in frames:
                while self._to_eight_bits.notes:
                    self._tell(f"{self._path}: {self._to_eight_bits.notes.pop(0)}")
                self._watch_size(frame)
                yield frame
        finally:
            self._report()

    def _report(self) -> None:
        if self.num_damaged:
            self._warn(
                f"{self._path}: {self.num_damaged} of {len(self._wanted)} images could not be read "
                "and were left out"
            )
        if not self._pages.is_whole and self._selection.end_s is None:
            self.missing.append(MissingImages(len(self._pages.times_s) / float(self._pages.fps), None, None))
            self._warn(f"{self._path}: {describe_missing(self.missing)}; the file is incomplete")

    def _release(self) -> None:
        self._frames = iter(())
        self._first = None


def open_stack(path: str, selection: Selection, fps: Fraction, max_pixels: int) -> ImageStack | None:
    """Open an image file that holds several images; None if it holds one."""
    pages: ImagePages | None = find_pages(path, fps, max_pixels, EightBits()) if fps > 0 else None
    return None if pages is None else ImageStack(path, selection, fps, max_pixels=max_pixels)
