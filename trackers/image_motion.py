"""What moves between two images of a video: optical flow, and whether it is the same scene at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trackers.config import FlowTrackerConfig
from trackers.flow import FLOWS, FlowEstimator, estimate_flow_after_pan, reduce_image, reduce_to_gray
from trackers.scene_cut import compute_scene_similarity, is_blank

FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]

_DOUBTFUL_SIMILARITY = 0.6
"""Flow that makes images no more alike than this may have missed a fast pan, and is estimated again."""


@dataclass(frozen=True, eq=False)
class ImageChange:
    """What is known of the motion from one image to the next.

    Attributes:
        ratio_xy: New size over old size, where it changes.
        flow: (h, w, 2), pixels of the downscaled image; `None` where it is not known.
        scale_xy: Downscaled width over full width, and the same for heights.
        is_cut: Whether the new image shows another scene.
    """

    ratio_xy: tuple[float, float] | None = None
    flow: FloatArray | None = None
    scale_xy: tuple[float, float] = (1.0, 1.0)
    is_cut: bool = False


@dataclass(frozen=True, eq=False)
class _Reduced:
    """A downscaled image: in gray, (h, w), and as the estimator takes it, (h, w) or (h, w, 3)."""

    gray: ImageArray
    shown: ImageArray


class ImageMotion:
    """Compares each image with the last one that showed something.

    Args:
        config: Settings of flow and scene cuts.
        estimate_flow: Estimates the flow; None for that of `config.flow`.

    Raises:
        ValueError: That is a network, which has to be given.
    """

    def __init__(self, config: FlowTrackerConfig, estimate_flow: FlowEstimator | None = None) -> None:
        self._config = config
        if estimate_flow is None:
            if config.flow not in FLOWS:
                raise ValueError(f"flow: {config.flow} is a network, and none was given")
            estimate_flow = FLOWS[config.flow]()
        self._estimate_flow = estimate_flow
        self._previous: _Reduced | None = None
        self._size_wh: tuple[int, int] | None = None

    def follow(self, image: ImageArray | None, size_wh: tuple[int, int] | None) -> ImageChange:
        """Compare the next image.

        Args:
            image: (H, W, 3) uint8 RGB, or `None`.
            size_wh: Width and height of the frame, used without an image.
        """
        size_wh = size_wh if image is None else (image.shape[1], image.shape[0])
        ratio_xy = None
        if self._size_wh is not None and size_wh is not None and size_wh != self._size_wh:
            ratio_xy = (size_wh[0] / self._size_wh[0], size_wh[1] / self._size_wh[1])
            self._previous = None
        self._size_wh = size_wh
        if image is None or size_wh is None:
            self._previous = None
            return ImageChange(ratio_xy)
        gray = reduce_to_gray(image, self._config.flow_longest_side_px)
        # A flash or a black frame shows nothing: the next image is compared with the one before it.
        if is_blank(gray):
            return ImageChange(ratio_xy)
        shown = gray
        if self._estimate_flow.takes_color:
            shown = reduce_image(image, self._config.flow_longest_side_px)
        reduced = _Reduced(gray, shown)
        previous, self._previous = self._previous, reduced
        if previous is None:
            return ImageChange(ratio_xy)
        flow = self._find_flow(previous, reduced)
        scale_xy = (gray.shape[1] / size_wh[0], gray.shape[0] / size_wh[1])
        return ImageChange(ratio_xy, flow, scale_xy, is_cut=flow is None)

    def _find_flow(self, previous: _Reduced, image: _Reduced) -> FloatArray | None:
        """Flow between two images, (h, w, 2); `None` across a cut."""
        flow = self._estimate_flow(previous.shown, image.shown)
        similarity = compute_scene_similarity(previous.gray, image.gray, flow)
        if similarity < _DOUBTFUL_SIMILARITY:
            shown = (previous.shown, image.shown)
            flow_after_pan = estimate_flow_after_pan(self._estimate_flow, previous.gray, image.gray, shown)
            similarity_after_pan = compute_scene_similarity(previous.gray, image.gray, flow_after_pan)
            if similarity_after_pan > similarity:
                flow, similarity = flow_after_pan, similarity_after_pan
        return flow if similarity >= self._config.scene_cut_similarity else None
