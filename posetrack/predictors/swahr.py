"""The predictor of HigherHRNet and SWAHR: bottom-up poses from heatmaps and tags."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch

from models.backbones.imagenet import ImageNetwork
from models.swahr.aggregate import predict_maps
from models.swahr.codec import DecodeConfig, decode_people
from models.swahr.images import compute_view_size, map_to_image, plan_views
from models.swahr.network import BottomUpNetwork
from posetrack.compute import Compute
from posetrack.frame import ImageArray, Instances, from_pixel_indices
from posetrack.images.batches import predict_by_size
from posetrack.images.crops import CropCutter
from posetrack.images.on_device import DeviceImages, choose_device_images
from posetrack.predictors.settings import BottomUpSettings
from posetrack.skeleton import Skeleton
from trackers.oks import box_around_keypoints

# An example for the engine; its sides differ, since the network takes any size.
_EXAMPLE = torch.zeros(1, 3, 64, 128, dtype=torch.uint8)
# Factor by which a person's box is larger than the bounding box of the keypoints.
_BOX_PADDING = 1.2


class BottomUpPredictor:
    """A bottom-up detector of people with keypoints, and boxes around these, in whole images.

    Args:
        network: The network, in evaluation mode and with its weights; it is copied.
        settings: Settings of the network and its predictor.
        skeleton: Skeleton of the network's keypoints.
        compute: Device, engine and precision.
        device_images: Uploads images to the device, where they are resized; predictors may share it. If None,
            one is made on a GPU, and on a CPU images are resized by OpenCV.

    Raises:
        PoseTrackError: The engine cannot convert the network.
    """

    def __init__(
        self,
        network: BottomUpNetwork,
        settings: BottomUpSettings,
        skeleton: Skeleton,
        compute: Compute,
        device_images: DeviceImages | None = None,
    ) -> None:
        network = copy.deepcopy(network)
        network.remove_scale_maps()
        self._network = compute.make_engine(ImageNetwork(network), name=settings.network, example=_EXAMPLE)
        self._cut = CropCutter(compute.device, choose_device_images(compute.device, device_images))
        self._settings = settings
        self._skeleton = skeleton

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Detect the people in each image.

        Args:
            images: (H, W, 3) uint8 RGB, of any sizes; consecutive images of one size are one batch.

        Returns:
            Boxes, box scores (the mean height of the keypoints' peaks, 0 where there is none), keypoints and
            their scores of each image, best person first, in its pixels. Heights of peaks may be above 1.
        """
        return predict_by_size(self._predict, images)

    @torch.inference_mode()
    def _predict(self, images: list[ImageArray]) -> list[Instances]:
        settings = self._settings
        image_wh = (images[0].shape[1], images[0].shape[0])
        views = plan_views(image_wh, settings.shorter_side_px, settings.scales)
        input_wh = compute_view_size(image_wh, settings.shorter_side_px, 1.0, min(settings.scales))
        maps = predict_maps(
            lambda batch: list(self._network(batch).values()),
            [self._cut(images, [view.matrix[None]] * len(images), view.size_wh) for view in views],
            [view.scale for view in views],
            num_keypoints=self._skeleton.num_keypoints,
            flip_index=self._skeleton.flip_index if settings.flip_test else None,
            projected_wh=input_wh if settings.projected else None,
            stages=settings.stages,  # type: ignore[arg-type]
        )
        map_wh = (maps.heatmaps.shape[3], maps.heatmaps.shape[2])
        decode = DecodeConfig(min_score=settings.min_peak)
        found = decode_people(maps.heatmaps, maps.tags, self._skeleton.grouping_order, decode)
        people = []
        for decoded in found:
            rows = np.argsort(-decoded.scores, kind="stable")
            rows = rows[decoded.scores[rows] >= settings.score_threshold]
            points = from_pixel_indices(map_to_image(decoded.keypoints_xy[rows], map_wh, image_wh))
            scores = decoded.keypoint_scores[rows]
            people.append(
                Instances(
                    boxes_xyxy=box_around_keypoints(points, scores > 0, padding=_BOX_PADDING),
                    box_scores=decoded.scores[rows],
                    keypoints_xy=points,
                    keypoint_scores=scores,
                )
            )
        return people
