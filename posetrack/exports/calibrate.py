"""Calibration: the inputs that each part of a network gets when its predictor finds people in real images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.engines.engine import Engine
from models.engines.exported import find_part
from models.engines.make import make_engine
from posetrack.compute import Compute
from posetrack.errors import PoseTrackError, VideoError
from posetrack.exports.parts import PartedNetwork, read_network
from posetrack.frame import ImageArray
from posetrack.predictors.networks import DenseDetector
from posetrack.predictors.settings import DetectorSettings
from posetrack.results.people import complete_boxes
from posetrack.video.images import find_images
from posetrack.video.source import open_video

_log = logging.getLogger(__name__)

Inputs = dict[str, list[npt.NDArray[np.generic]]]
"""For each part arrays (B, C, H, W)."""

_FINDER = "movenet-person"
# Of the regions of one image, which may be a thousand.
_MOST_ROWS = 8


def collect_inputs(
    network: PartedNetwork, source: Path, num_images: int, report: Callable[[int], None] | None = None
) -> Inputs:
    """Run a network's predictor on images, and keep what its parts get.

    One that takes boxes gets those of `movenet-person`.

    Args:
        network: The network.
        source: A folder of images, or a video.
        num_images: So many are taken, evenly spread.
        report: Called after each image with the number of images so far.

    Raises:
        VideoError: There are no images, or none can be read.
        PoseTrackError: A part got nothing: no people were found.
    """
    inputs: Inputs = {name: [] for name in network.parts}

    def make(module: nn.Module, name: str, example: Tensor, compute: Compute) -> Engine:
        engine = make_engine(
            module, name=name, example=example, device=compute.device, engine=compute.engine, precision="f32"
        )
        return _Recorder(engine, inputs[find_part(name, network.settings.network)])

    compute = Compute(torch.device("cpu"), "auto", "f32")
    look = _make_look(network, network.make_predictor(compute, make), compute)
    for number, image in enumerate(_read_spread(source, num_images), 1):
        look(image)
        if report is not None:
            report(number)
    for name, arrays in inputs.items():
        if not arrays:
            raise PoseTrackError(
                f"{source}: nobody was found in its images, so that the network's part '{name}' cannot be "
                "calibrated; give images with people"
            )
    return inputs


def _make_look(network: PartedNetwork, predictor: Any, compute: Compute) -> Callable[[ImageArray], object]:
    """Make the function that runs a network's predictor on an image."""
    if issubclass(network.role.settings, DetectorSettings):
        return lambda image: predictor([image])
    detect = read_network(_FINDER).make_predictor(compute)
    estimate = predictor.estimate_dense if isinstance(predictor, DenseDetector) else predictor
    return lambda image: estimate([image], [complete_boxes(people) for people in detect([image])])


def _read_spread(source: Path, count: int) -> Iterator[ImageArray]:
    """Read so many images of a folder, of any sizes, or frames of a video, evenly spread."""
    if source.is_dir():
        yield from _read_folder(source, count)
        return
    with open_video(source) as video:
        total = video.info.num_frames or count
    with open_video(source, every=max(total // count, 1)) as video:
        for number, frame in enumerate(video):
            if number == count:
                return
            yield frame.image


def _read_folder(folder: Path, count: int) -> Iterator[ImageArray]:
    paths = find_images(str(folder))
    is_any = False
    for place in np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int):
        try:
            with open_video(paths[place]) as opened:
                image = next(iter(opened)).image
        except VideoError as error:
            _log.warning("%s; it is left out", error)
            continue
        is_any = True
        yield image
    if not is_any:
        raise VideoError(f"{folder}: no image could be read; give images with people")


class _Recorder:
    """An engine that keeps what it gets, of many regions some."""

    def __init__(self, engine: Engine, inputs: list[npt.NDArray[np.generic]]) -> None:
        self.device = engine.device
        self._engine = engine
        self._inputs = inputs

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        if len(images):
            # Evenly spread, because regions come by falling score.
            rows = np.linspace(0, len(images) - 1, min(len(images), _MOST_ROWS)).round().astype(int)
            self._inputs.append(images[torch.from_numpy(rows)].cpu().numpy().copy())
        return self._engine(images)
