"""Evaluation during training, for all families: the family's predictor on the images of the dev set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from models.data.image_files import ImageFile, check_images
from models.data.samples import IntArray, PoseSamples, list_rows
from posetrack.compute import Compute
from posetrack.evaluation.pictures import predict_images
from posetrack.frame import Instances, from_pixel_indices
from posetrack.predictors.networks import Networks
from posetrack.training.sample_images import SampleImage, write_sample_images

Metrics = dict[str, float | None]
"""Metrics by name, the most important first; None if undefined."""


@dataclass(frozen=True, eq=False)
class DevImages:
    """The images of the evaluation.

    Attributes:
        images: Image number -> file, as `check_images` returns it.
        shown: The annotated people of the images to draw, by image number.
        min_shown_score: Predicted people with a lower box score are not drawn.
    """

    images: Mapping[int, ImageFile]
    shown: Mapping[int, Instances]
    min_shown_score: float = 0.0


def check_dev_images(dev: DevImages, where: str, *, upright_if_unknown: bool = True) -> DevImages:
    """Check the images before a training that would end at its first evaluation, and how they are turned.

    Raises:
        DataError: One is missing, cannot be opened, or is of another size than its annotation.
    """
    checked = check_images(
        list(dev.images.values()), where, upright_if_unknown=upright_if_unknown, decoded=True
    )
    return replace(dev, images=dict(zip(dev.images, checked, strict=True)))


def spread_positions(count: int, most: int) -> IntArray:
    """Choose at most this many ascending positions of `count`, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def find_compute(network: nn.Module, precision: str) -> Compute:
    """Choose torch on the device of a network in training.

    Args:
        network: The network, on one device.
        precision: Precision of the training, `f32` or `bf16`.

    Raises:
        PoseTrackError: The device does not have this precision.
    """
    return Compute(next(network.parameters()).device, "torch", precision)


def predict_dev_images(
    dev: DevImages,
    networks: Networks,
    samples_path: Path,
    *,
    boxes: Mapping[int, Instances] | None = None,
    keeps_alike: bool = False,
    batch: int = 8,
) -> Iterator[tuple[int, Instances]]:
    """Predict the people in all images, then draw some of the images.

    Args:
        dev: The images.
        networks: The network in training as its family's predictor.
        samples_path: JPEG file for the drawn images.
        boxes: As for `posetrack.evaluation.pictures.predict_images`, like the following ones.
        keeps_alike: Likewise.
        batch: Likewise.

    Yields:
        The number of each image and its people.

    Raises:
        DataError: An image cannot be read.
        ResultsError: The drawn images cannot be written.
    """
    predicted = {}
    for number, people in predict_images(
        dev.images, networks, boxes=boxes, keeps_alike=keeps_alike, batch=batch
    ):
        if number in dev.shown:
            predicted[number] = people
        yield number, people
    samples = []
    for number, annotated in dev.shown.items():
        people = predicted[number]
        if people.box_scores is not None:
            people = people[people.box_scores >= dev.min_shown_score]
        samples.append(SampleImage(dev.images[number], annotated, people))
    if samples:
        write_sample_images(samples, networks.skeleton, samples_path)


def list_sample_images(samples: PoseSamples) -> dict[int, ImageFile]:
    """List the images of samples: number -> file."""
    return dict(zip(samples.image_ids.tolist(), samples.images, strict=True))


def collect_annotated(samples: PoseSamples, numbers: IntArray) -> dict[int, Instances]:
    """Collect the annotated people of some images, by image number.

    Args:
        samples: N people.
        numbers: The image numbers.

    Returns:
        Boxes and keypoints in continuous pixels; scores of unknown keypoints are 0.
    """
    rows_by_image = list_rows(samples)
    annotated = {}
    for number in numbers.tolist():
        rows = rows_by_image[number]
        annotated[number] = Instances(
            boxes_xyxy=samples.boxes_xyxy[rows],
            box_scores=samples.scores[rows],
            keypoints_xy=from_pixel_indices(samples.keypoints_xy[rows]),
            keypoint_scores=np.clip(samples.weights[rows], 0, 1),
        )
    return annotated
