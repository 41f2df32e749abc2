"""The predictor of dense poses top-down: the dense pose of one person in each box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from models.backbones.imagenet import ImageNetwork
from models.data.crop import DoubleArray
from models.densepose.codec import to_bytes
from models.densepose.crops.codec import decode_crop
from models.densepose.crops.network import OUTPUT_CHANNELS
from models.densepose.pixel_box import find_pixels
from models.densepose.symmetry import MadeSymmetry
from posetrack.compute import Compute
from posetrack.frame import FloatArray, ImageArray
from posetrack.images.crops import BoxCrops, CropCutter
from posetrack.images.on_device import DeviceImages, choose_device_images
from posetrack.predictors.settings import DenseCropSettings


class DenseCropPredictor:
    """Estimates dense poses in crops of boxes.

    Args:
        network: Maps crops to charts, in evaluation mode and with its weights; it is copied.
        settings: Settings of the network and its predictor.
        compute: Device, engine and precision.
        device_images: As for `posetrack.predictors.hrnet.HRNetPredictor`.

    Raises:
        PoseTrackError: The engine cannot convert the network.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: DenseCropSettings,
        compute: Compute,
        device_images: DeviceImages | None = None,
    ) -> None:
        self._crops = BoxCrops(
            (settings.width_px, settings.height_px),
            padding=settings.padding,
            batch_crops=settings.batch_crops,
        )
        example = torch.zeros(1, 3, settings.height_px, settings.width_px, dtype=torch.uint8)
        self._network = compute.make_engine(ImageNetwork(network), name=settings.network, example=example)
        self._flip_test = settings.flip_test
        self._cut = CropCutter(compute.device, choose_device_images(compute.device, device_images))

    def estimate_dense(
        self, images: Sequence[ImageArray], boxes_xyxy: Sequence[FloatArray]
    ) -> list[tuple[ImageArray, ...]]:
        """Estimate the dense poses of people in given boxes; crops of all images share batches.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes.
            boxes_xyxy: For each image (N, 4), in its pixels.

        Returns:
            For each image N arrays (h, w, 3) uint8, see `Instances.dense`.
        """
        matrices = [self._crops.make_matrices(boxes) for boxes in boxes_xyxy]
        cut_out = self._cut(images, matrices, self._crops.size_wh)
        boxes = np.concatenate([np.zeros((0, 4), np.float32), *boxes_xyxy])
        maps = np.concatenate([np.zeros((0, 2, 3)), *matrices])
        size = self._crops.batch_crops
        poses: list[ImageArray] = []
        for start in range(0, len(cut_out), size):
            batch = slice(start, start + size)
            poses += self._estimate(cut_out[batch], boxes[batch], maps[batch])
        waiting = iter(poses)
        return [tuple(islice(waiting, len(each))) for each in matrices]

    @torch.inference_mode()
    def _estimate(self, crops: Tensor, boxes_xyxy: FloatArray, matrices: DoubleArray) -> list[ImageArray]:
        outputs = self._network(crops)
        if self._flip_test:
            outputs = _average(outputs, MadeSymmetry().mirror_outputs(self._network(crops.flip(-1))))
        return [
            _decode({name: outputs[name][i] for name in OUTPUT_CHANNELS}, box, matrix)
            for i, (box, matrix) in enumerate(zip(boxes_xyxy, matrices, strict=True))
        ]


def _average(outputs: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mean of two outputs; coordinates are limited to 0..1 first, as those of mirrored crops are."""
    return {
        name: (outputs[name].clamp(0, 1) if name in ("u", "v") else outputs[name]).lerp(others[name], 0.5)
        for name in OUTPUT_CHANNELS
    }


def _decode(outputs: dict[str, Tensor], box_xyxy: FloatArray, matrix: DoubleArray) -> ImageArray:
    pose = to_bytes(*decode_crop(outputs, matrix, find_pixels(box_xyxy)))
    return np.ascontiguousarray(pose.permute(1, 2, 0).cpu().numpy())
