"""Images resized and crops cut on the device that computes: what `posetrack.geometry` does by OpenCV.

On a GPU images go up once, as bytes; on a CPU OpenCV is faster. Area averages and bilinear crops are the same
step here: along each axis a result is a weighted sum of a few neighbouring pixels (its taps). Pixels are
gathered from one flat list, so that crops of images of different sizes share a call, and bytes become floats
only where they are used; `grid_sample` would want all images of one size, as floats, and one a crop.

Measured on frames of docs/media/street.mp4 against OpenCV 5.0: crops differ by 0.006 grey levels in the mean,
reduced images by nothing, except that OpenCV rounds halves up when it halves both sides exactly (0.12), and
enlarged ones by 0.07; never by more than 1. OpenCV 4.9 places crops to 1/32 pixel only: 0.05 in the mean, 4 at
most, on the same frames.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor

from posetrack.frame import FloatArray, ImageArray, IntArray
from posetrack.geometry import fit_to_multiple, plan_crops
from trackers.shrink import count_halvings

FloatTable = npt.NDArray[np.float64]


@dataclass(frozen=True)
class UploadedImages:
    """Images on a device.

    Attributes:
        pixels: (P, 3) uint8, those of all images one after the other, row by row.
        sizes_wh: Width and height of each image in pixels.
    """

    pixels: Tensor
    sizes_wh: tuple[tuple[int, int], ...]


class DeviceImages:
    """Takes images to a device, and need not take one twice that several networks look at.

    Args:
        device: Where to; on `cpu` this is a copy, for tests.
        remembered: How many of the last images stay on the device for the next who asks. Whoever wants any
            promises that images do not change once they were seen: an image is known by the array that it
            is, not by what is in it.
    """

    def __init__(self, device: torch.device, *, remembered: int = 0) -> None:
        self.device = device
        self._recent: deque[tuple[weakref.ref[ImageArray], Tensor]] = deque(maxlen=remembered)

    def upload(self, images: Sequence[ImageArray]) -> UploadedImages:
        """Start copying images, on the current stream; what is queued there later finds them.

        Args:
            images: (H, W, 3) uint8, of any sizes.
        """
        pixels = [self._upload(image) for image in images]
        sizes_wh = tuple((image.shape[1], image.shape[0]) for image in images)
        if not pixels:
            return UploadedImages(torch.zeros(0, 3, dtype=torch.uint8, device=self.device), ())
        return UploadedImages(pixels[0] if len(pixels) == 1 else torch.cat(pixels), sizes_wh)

    def _upload(self, image: ImageArray) -> Tensor:
        """(H, W, 3) -> (H * W, 3) on the device."""
        # A tuple, because another thread may upload meanwhile.
        for known, pixels in tuple(self._recent):
            if known() is image:
                return pixels
        # torch does not hand a pinned block out again before the copy from it is done.
        host = torch.empty(image.size // 3, 3, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        np.copyto(host.numpy(), image.reshape(-1, 3))
        pixels = host.to(self.device, non_blocking=True)
        self._recent.append((weakref.ref(image), pixels))
        return pixels


def take_images(device: torch.device, shared: DeviceImages | None) -> DeviceImages | None:
    """The images that predictors share; else, on a GPU, some of one's own, and none on a CPU."""
    return shared or (DeviceImages(device) if device.type == "cuda" else None)


@torch.inference_mode()
def resize_images(
    uploaded: UploadedImages, longest_side_px: int, multiple_px: int, *, fill: int = 0
) -> tuple[Tensor, tuple[float, float]]:
    """Scale images of one size to a longest side and pad them right and below.

    As `posetrack.geometry.resize_to_multiple` does.

    Args:
        uploaded: B images, B > 0, all of one size.
        longest_side_px: Longest side of the result, a multiple of `multiple_px`.
        multiple_px: Both sides of the result are multiples of it.
        fill: Grey level of the padding; 0 is black.

    Returns:
        (B, 3, H, W) uint8, channels last in memory; and the width and height in pixels inside the padding.

    Raises:
        ValueError: The images differ in size.
    """
    if len(set(uploaded.sizes_wh)) != 1:
        raise ValueError(f"images of one size are resized together; got {set(uploaded.sizes_wh)}")
    width, height = uploaded.sizes_wh[0]
    B = len(uploaded.sizes_wh)
    new_wh, padded_wh = fit_to_multiple((width, height), longest_side_px, multiple_px)
    if longest_side_px < max(width, height):
        images = uploaded.pixels.view(B, height, width, 3)
        for _ in range(count_halvings((width, height), new_wh)):
            images = _halve(images)
        whole = _stack(images, np.tile([float(side) for side in images.shape[2:0:-1]], (B, 1)))
        resized = _round(_average(whole, np.tile([float(side) for side in new_wh], (B, 1))))
    else:
        images = uploaded.pixels.view(B, height, width, 3).permute(0, 3, 1, 2).float()
        enlarged = F.interpolate(images, new_wh[::-1], mode="bilinear", align_corners=False)
        resized = _round(enlarged).permute(0, 2, 3, 1)
    pad_right, pad_below = padded_wh[0] - new_wh[0], padded_wh[1] - new_wh[1]
    padded = F.pad(resized, (0, 0, 0, pad_right, 0, pad_below), value=fill).contiguous()
    return padded.permute(0, 3, 1, 2), (float(new_wh[0]), float(new_wh[1]))


@torch.inference_mode()
def cut_crops(
    uploaded: UploadedImages, boxes_xyxy: Sequence[FloatArray], size_wh: tuple[int, int], *, batch_crops: int
) -> Iterator[Tensor]:
    """Cut boxes out of images, each resampled to one size; black outside the image.

    As `posetrack.geometry.crop_boxes` does, for boxes of several images at once.

    Args:
        uploaded: The images, of any sizes.
        boxes_xyxy: For each image its boxes (N, 4), pixels.
        size_wh: Width and height of the crops in pixels.
        batch_crops: Most crops at once.

    Yields:
        (B, 3, height, width) uint8, channels last in memory, B from 1 to `batch_crops`: all boxes of the first
        image, then those of the second and so on.
    """
    first_pixels = np.cumsum([0, *(width * height for width, height in uploaded.sizes_wh)])[:-1]
    rows = [np.zeros((0, _PLAN_COLUMNS))]
    for image_wh, first_pixel, boxes in zip(uploaded.sizes_wh, first_pixels, boxes_xyxy, strict=True):
        plan = plan_crops(image_wh, boxes, size_wh)
        starts = first_pixel + plan.parts_xyxy[:, 1] * image_wh[0] + plan.parts_xyxy[:, 0]
        part_wh = plan.parts_xyxy[:, 2:] - plan.parts_xyxy[:, :2]
        strides = np.full(len(starts), image_wh[0])
        columns = (plan.factors, starts, strides, part_wh, plan.reduced_wh, plan.zoom_xy, plan.shift_xy)
        rows.append(np.column_stack(columns))
    plans = np.concatenate(rows)
    for first in range(0, len(plans), batch_crops):
        yield _cut(uploaded.pixels, plans[first : first + batch_crops], size_wh)


_PLAN_COLUMNS = 11
"""A row of a plan: factor, start, stride, part_wh, reduced_wh, zoom_xy, shift_xy. Whole numbers below 2**53."""


@dataclass(frozen=True)
class _Windows:
    """Rectangles in a flat list of pixels.

    Attributes:
        pixels: (P, 3), on the device.
        starts: (B,), each rectangle's first pixel.
        strides: (B,), pixels from one row to the next.
        wh: (B, 2), width and height in pixels, at least 1.
    """

    pixels: Tensor
    starts: FloatTable
    strides: FloatTable
    wh: FloatTable


@dataclass(frozen=True)
class _Taps:
    """What is summed up along one axis.

    Attributes:
        cells: (B, count, T) int64, positions in the source, all of them inside.
        weights: (B, count, T) float32.
    """

    cells: Tensor
    weights: Tensor


def _cut(pixels: Tensor, plans: FloatTable, size_wh: tuple[int, int]) -> Tensor:
    """(P, 3) uint8 and (B, columns) -> (B, 3, height, width) uint8."""
    device = pixels.device
    crops = torch.zeros(len(plans), size_wh[1], size_wh[0], 3, dtype=torch.uint8, device=device)
    factors, is_inside = plans[:, 0], (plans[:, 3:5] > 0).all(axis=1)
    # Crops reduced by one factor have like numbers of taps.
    for factor in np.unique(factors[is_inside]):
        rows = np.flatnonzero(is_inside & (factors == factor))
        _, starts, strides = plans[rows, :3].T
        part_wh, reduced_wh, zoom_xy, shift_xy = np.split(plans[rows, 3:], 4, axis=1)
        windows = _Windows(pixels, starts, strides, part_wh)
        if factor > 1:
            windows = _stack(_round(_average(windows, reduced_wh)), reduced_wh)
        taps_x, taps_y = (
            _make_linear_taps(zoom_xy[:, i], shift_xy[:, i], windows.wh[:, i], size_wh[i], device)
            for i in (0, 1)
        )
        crops[_send(rows, device)] = _round(_sum_taps(windows, taps_x, taps_y))
    return crops.permute(0, 3, 1, 2)


def _stack(images: Tensor, wh: FloatTable) -> _Windows:
    """(B, H, W, 3), of which only the first wh (B, 2) count, as rectangles in their own pixels."""
    B, H, W, _ = images.shape
    return _Windows(images.reshape(-1, 3), np.arange(B, dtype=np.float64) * (H * W), np.full(B, float(W)), wh)


def _halve(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 of even sides -> (B, H / 2, W / 2, 3) uint8."""
    B, H, W, _ = images.shape
    sums = images.view(B, H // 2, 2, W // 2, 2, 3).sum(dim=(2, 4), dtype=torch.int16)
    # Halves up, as OpenCV rounds here.
    return ((sums + 2) >> 2).to(torch.uint8)


def _average(windows: _Windows, new_wh: FloatTable) -> Tensor:
    """Area averages: (B, H, W, 3) float32, of which only the first `new_wh` (B, 2) pixels count."""
    device = windows.pixels.device
    taps_x, taps_y = (_make_area_taps(windows.wh[:, i], new_wh[:, i], device) for i in (0, 1))
    return _sum_taps(windows, taps_x, taps_y)


def _make_area_taps(sizes: FloatTable, new_sizes: FloatTable, device: torch.device) -> _Taps:
    """Each of `new_sizes` cells covers size / new_size of the old ones, and weighs them by what it covers."""
    ratios = sizes / new_sizes
    num_taps = int(np.ceil(ratios.max())) + 1
    size, ratio = _send(np.stack([sizes, ratios]), device)[:, :, None, None]
    left = torch.arange(int(new_sizes.max()), device=device)[:, None] * ratio
    right = left + ratio
    cells = left.floor() + torch.arange(num_taps, device=device)
    covered = torch.minimum(cells + 1, right) - torch.maximum(cells, left)
    inside = torch.minimum(cells, size - 1)
    return _Taps(inside.long(), (covered.clamp_(min=0) / ratio).float())


def _make_linear_taps(
    zooms: FloatTable, shifts: FloatTable, sizes: FloatTable, count: int, device: torch.device
) -> _Taps:
    """Cell i of the result lies at (i - shift) / zoom between two of the old ones; those outside are black."""
    zoom, shift, size = _send(np.stack([zooms, shifts, sizes]), device)[:, :, None, None]
    place = (torch.arange(count, device=device)[:, None] - shift) / zoom
    cells = place.floor() + torch.arange(2, device=device)
    inside = torch.minimum(cells.clamp(min=0), size - 1)
    return _Taps(inside.long(), ((1 - (place - cells).abs()) * (inside == cells)).float())


def _sum_taps(windows: _Windows, taps_x: _Taps, taps_y: _Taps) -> Tensor:
    """Weigh and sum along x, then along y: (B, H, W, 3) float32."""
    device = windows.pixels.device
    starts, strides, heights = _send(
        np.stack([windows.starts, windows.strides, windows.wh[:, 1]]).astype(np.int64), device
    )
    B, H = len(starts), int(windows.wh[:, 1].max())
    rows = torch.minimum(torch.arange(H, device=device), heights[:, None] - 1)
    row_starts = starts[:, None] + rows * strides[:, None]
    narrow = _weigh(windows.pixels, row_starts[:, :, None], taps_x, axis=2)
    rows_of_all = narrow.reshape(B * H, -1)
    first_rows = torch.arange(B, device=device)[:, None] * H
    summed = _weigh(rows_of_all, first_rows, taps_y, axis=1)
    return summed.view(B, summed.shape[1], -1, 3)


def _weigh(source: Tensor, offsets: Tensor, taps: _Taps, *, axis: int) -> Tensor:
    """Sum of source[offset + cell] * weight over the taps; cells run along `axis` of the result."""
    cells, weights = taps.cells, taps.weights
    if axis == 2:
        cells, weights = cells[:, None], weights[:, None]
    total = source[offsets + cells[..., 0]] * weights[..., 0, None]
    for tap in range(1, cells.shape[-1]):
        total += source[offsets + cells[..., tap]] * weights[..., tap, None]
    return total


def _round(values: Tensor) -> Tensor:
    return values.round_().to(torch.uint8)


def _send(values: FloatTable | IntArray, device: torch.device) -> Tensor:
    host = torch.from_numpy(values)
    return (host.pin_memory() if device.type == "cuda" else host).to(device, non_blocking=True)
