"""The flow estimator of RAFT, for the tracker."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.raft.network import estimate_flow
from posetrack.frame import FloatArray, ImageArray


class RaftFlow:
    """Optical flow by RAFT; a `trackers.flow.FlowEstimator` of colour images.

    Args:
        network: The network with its weights; it is moved to the device.
        device: Where it runs, in single precision.
    """

    takes_color = True

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network.eval().to(device)
        self._device = device

    @torch.inference_mode()
    def __call__(self, previous: ImageArray, image: ImageArray) -> FloatArray:
        """Estimate the motion between two images (h, w, 3) uint8 RGB; returns (h, w, 2) float32."""
        pair = [self._upload(part) for part in (previous, image)]
        flow = estimate_flow(self._network, *pair)[0]
        return np.ascontiguousarray(flow.permute(1, 2, 0).float().cpu().numpy())

    def _upload(self, image: ImageArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(image)).to(self._device).permute(2, 0, 1)[None]
