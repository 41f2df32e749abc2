"""Sample images of a training, with the annotated and the predicted people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.data.image_files import ImageFile, read_image
from models.data.letterbox import fit_image, make_canvas, paste_image
from posetrack.errors import ResultsError
from posetrack.frame import Frame, ImageArray, Instances
from posetrack.render import Renderer, RenderStyle
from posetrack.skeleton import Skeleton

_COLUMNS = 2
_TILE_WH = (384, 384)
_STYLE = RenderStyle(ids=False, trails=False, min_keypoint_score=0.1)


@dataclass(frozen=True, eq=False)
class SampleImage:
    """One sample image.

    Attributes:
        image: Its file.
        annotated: The annotated people.
        predicted: The predicted people.
    """

    image: ImageFile
    annotated: Instances
    predicted: Instances


def write_sample_images(samples: Sequence[SampleImage], skeleton: Skeleton, path: Path) -> None:
    """Draw pairs of images: the annotated people on the left, the predicted ones on the right.

    Keypoints with a score below 0.1 are not drawn.

    Args:
        samples: One or more samples.
        skeleton: Skeleton of the keypoints.
        path: A JPEG or PNG file; its folder is created.

    Raises:
        DataError: An image cannot be read.
        ResultsError: The file cannot be written.
    """
    render = Renderer(skeleton, _STYLE)
    pairs = []
    for sample in samples:
        image = read_image(sample.image)
        pairs.append(
            np.hstack([_draw(render, image, people) for people in (sample.annotated, sample.predicted)])
        )
    pairs += [np.zeros_like(pairs[0])] * (-len(pairs) % _COLUMNS)
    rows = [np.hstack(pairs[i : i + _COLUMNS]) for i in range(0, len(pairs), _COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)):
        raise ResultsError(f"{path}: cannot be written; is the disk full?")


def _draw(render: Renderer, image: ImageArray, people: Instances) -> ImageArray:
    drawn = render(Frame(0, 0.0, image, people))
    tile = make_canvas(_TILE_WH)
    paste_image(tile, drawn, fit_image((image.shape[1], image.shape[0]), _TILE_WH), (0, 0, *_TILE_WH))
    return tile
