"""Optical flow on a downscaled image, and propagation of points by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from trackers.shrink import shrink_image

FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]

_SMALLEST_SIDE_PX = 16
"""Smaller images contain less than two of the 8-pixel patches that DIS matches."""


_GRID_PX = 8
_FEWEST_POINTS = 12
_LEAST_BACKGROUND = 0.1
_LEAST_INLIERS = 0.25
_BACKGROUND_ERROR_PX = 0.75
"""Flow that differs less than this from the background's, in pixels of the downscaled image, belongs to it."""


class FlowEstimator(Protocol):
    """An optical flow method."""

    takes_color: bool
    """Whether it takes images (h, w, 3), RGB, in place of gray ones."""

    def __call__(self, previous_gray: ImageArray, gray: ImageArray, /) -> FloatArray:
        """Estimate the motion between two images of one size.

        Args:
            previous_gray: (h, w) uint8; or (h, w, 3), see `takes_color`.
            gray: Likewise.

        Returns:
            (h, w, 2) float32 as (x, y), pixels of these images: pixel p of `previous_gray` is at p + flow[p] in
            `gray`.
        """
        ...


class DisFlow:
    """Dense inverse search (Kroeger et al., ECCV 2016) of OpenCV; not thread-safe, since it keeps buffers.

    OpenCV's "fast" preset: flow at a quarter of the image's resolution, with variational refinement.
    """

    takes_color = False

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, previous_gray: ImageArray, gray: ImageArray) -> FloatArray:
        """Estimate the motion; see `FlowEstimator`. The flow of images under 16 pixels high or wide is 0."""
        if min(gray.shape) < _SMALLEST_SIDE_PX:
            return np.zeros((*gray.shape, 2), np.float32)
        # Initialised by zeros, because OpenCV would use the content of an uninitialised array.
        start = np.zeros((*gray.shape, 2), np.float32)
        return np.asarray(self._dis.calc(previous_gray, gray, start), np.float32)


class FarnebackFlow:
    """Polynomial expansion (Farnebäck, SCIA 2003) of OpenCV, from the shift of the whole image on.

    By itself it loses motion of more than 10 to 20 pixels. It starts from the shift that phase correlation
    finds, where that makes the images more alike.
    """

    takes_color = False

    def __call__(self, previous_gray: ImageArray, gray: ImageArray) -> FloatArray:
        """Estimate the motion; see `FlowEstimator`. The flow of images under 16 pixels high or wide is 0."""
        start = np.zeros((*gray.shape, 2), np.float32)
        if min(gray.shape) < _SMALLEST_SIDE_PX:
            return start
        shift_xy = find_shift(previous_gray, gray)
        if _compare_shifted(previous_gray, gray, shift_xy) < _compare_shifted(previous_gray, gray, start[0, 0]):
            start += shift_xy
        flow = cv2.calcOpticalFlowFarneback(
            previous_gray,
            gray,
            start,
            pyr_scale=0.5,
            levels=5,
            winsize=15,
            iterations=3,
            poly_n=7,
            poly_sigma=1.5,
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        )
        return np.asarray(flow, np.float32)


FLOWS: dict[str, Callable[[], FlowEstimator]] = {"dis": DisFlow, "farneback": FarnebackFlow}
GIVEN_FLOWS = ("raft",)
"""Flow of networks, whose estimator a tracker is given."""


def reduce_to_gray(image: ImageArray, longest_side_px: int) -> ImageArray:
    """Make the gray, downscaled image for the estimation of flow; small images keep their size.

    Args:
        image: (H, W, 3) uint8, RGB.
        longest_side_px: Longest side of the result.

    Returns:
        (h, w) uint8, by area averaging, without aliasing.
    """
    return reduce_image(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8), longest_side_px)


def reduce_image(image: ImageArray, longest_side_px: int) -> ImageArray:
    """Scale an image (H, W) or (H, W, 3) down as `reduce_to_gray` does; small ones keep their size."""
    height, width = image.shape[:2]
    scale = longest_side_px / max(height, width)
    if scale >= 1:
        return image
    return shrink_image(image, (max(round(width * scale), 1), max(round(height * scale), 1)))


def find_shift(previous_gray: ImageArray, gray: ImageArray) -> FloatArray:
    """Find the shift of a whole image by phase correlation, in whole pixels.

    Args:
        previous_gray: (h, w) uint8.
        gray: (h, w) uint8.

    Returns:
        (2,) float32, x and y; zeros where it is more than half of the image.
    """
    height, width = gray.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    shift_xy, _ = cv2.phaseCorrelate(previous_gray.astype(np.float64), gray.astype(np.float64), window)
    whole_xy = np.round(shift_xy).astype(np.float32)
    if (np.abs(whole_xy) > np.array([width, height]) / 2).any():
        return np.zeros(2, np.float32)
    return whole_xy


def _compare_shifted(previous_gray: ImageArray, gray: ImageArray, shift_xy: FloatArray) -> float:
    """Mean difference of an image and the next one, where they overlap once the shift is undone."""
    (height, width), (x, y) = gray.shape, shift_xy.astype(int).tolist()
    before = previous_gray[max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)]
    after = gray[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]
    return float(cv2.absdiff(before, after).mean())


def estimate_flow_after_pan(
    estimate_flow: FlowEstimator,
    previous_gray: ImageArray,
    gray: ImageArray,
    colors: tuple[ImageArray, ImageArray] | None = None,
) -> FloatArray:
    """Estimate flow under large camera motion.

    The shift of the whole image is found by phase correlation and compensated before the estimation. Shifts by
    more than half of the image are rejected.

    Args:
        estimate_flow: Any flow estimator.
        previous_gray: (h, w) uint8.
        gray: (h, w) uint8.
        colors: The same two images (h, w, 3), for an estimator that takes these.

    Returns:
        (h, w, 2) float32, as in `FlowEstimator`.
    """
    height, width = gray.shape
    whole_xy = find_shift(previous_gray, gray)
    back = np.array([[1, 0, -whole_xy[0]], [0, 1, -whole_xy[1]]], np.float32)
    before, after = (previous_gray, gray) if colors is None else colors
    shifted = cv2.warpAffine(
        after, back, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    return estimate_flow(before, np.asarray(shifted, np.uint8)) + whole_xy


def estimate_background_motion(
    flow: FloatArray, scale_xy: tuple[float, float], people_boxes_xyxy: FloatArray
) -> FloatArray:
    """Estimate how the camera's motion moves the background: an affine map of the full image's pixels.

    A similarity (rotation, scale and shift) is fitted by RANSAC to the flow at the points of a grid, without
    those in people's boxes, as long as enough are left. Where it explains too few of them, the camera's motion
    is unknown, and taken for none.

    Args:
        flow: (h, w, 2), pixels of the downscaled image.
        scale_xy: Downscaled width over full width, and the same for heights.
        people_boxes_xyxy: (N, 4), people of the previous image, pixels of the full image.

    Returns:
        (2, 3) float32: point p of the previous image is at m[:, :2] @ p + m[:, 2] in the current one.
    """
    height, width = flow.shape[:2]
    still = np.eye(2, 3, dtype=np.float32)
    first = _GRID_PX // 2
    y, x = np.mgrid[first:height:_GRID_PX, first:width:_GRID_PX].reshape(2, -1)
    if len(x) < _FEWEST_POINTS:
        return still
    scale = np.asarray(scale_xy, np.float32)
    starts = (np.stack([x, y], axis=1) + np.float32(0.5)) / scale
    boxes = people_boxes_xyxy[:, None]
    is_person = ((starts >= boxes[..., :2]) & (starts <= boxes[..., 2:])).all(axis=2).any(axis=0)
    if (~is_person).sum() >= max(_FEWEST_POINTS, _LEAST_BACKGROUND * len(x)):
        x, y, starts = x[~is_person], y[~is_person], starts[~is_person]
    ends = starts + flow[y, x] / scale
    affine, inliers = cv2.estimateAffinePartial2D(
        starts, ends, method=cv2.RANSAC, ransacReprojThreshold=_BACKGROUND_ERROR_PX / float(scale.min())
    )
    if affine is None or inliers.mean() < _LEAST_INLIERS:
        return still
    return np.asarray(affine, np.float32)


def move_points(points_xy: FloatArray, flow: FloatArray, scale_xy: tuple[float, float]) -> FloatArray:
    """Move points of the full image by flow estimated on the downscaled one.

    The flow is sampled bilinearly between pixel centres; points outside the image take the flow of the nearest
    border pixel. NaN points stay NaN.

    Args:
        points_xy: (..., 2), continuous pixels of the full image ((0.5, 0.5) is its first pixel's centre).
        flow: (h, w, 2), pixels of the downscaled image.
        scale_xy: Downscaled width over full width, and the same for heights.

    Returns:
        (..., 2) float32, pixels of the full image.
    """
    height, width = flow.shape[:2]
    points = np.asarray(points_xy, np.float32)
    scale = np.asarray(scale_xy, np.float32)
    last_pixel = np.array([width - 1, height - 1], np.float32)
    # Index of a pixel = its centre's coordinate - 0.5.
    grid_xy = np.clip(np.nan_to_num(points * scale - np.float32(0.5)), 0, last_pixel)
    corner = np.minimum(grid_xy.astype(np.int32), np.maximum(last_pixel - 1, 0).astype(np.int32))
    right, below = np.moveaxis(grid_xy - corner, -1, 0)[..., None]
    x, y = corner[..., 0], corner[..., 1]
    x_next, y_next = np.minimum(x + 1, width - 1), np.minimum(y + 1, height - 1)
    above = flow[y, x] * (1 - right) + flow[y, x_next] * right
    under = flow[y_next, x] * (1 - right) + flow[y_next, x_next] * right
    moved: FloatArray = (points + (above * (1 - below) + under * below) / scale).astype(np.float32)
    return moved
