"""Sample images of a bottom-up training: everyone who is true in them, and whom the network finds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.data.crop import read_image
from models.data.letterbox import fit_image, make_canvas, paste_image
from models.data.samples import FloatArray, IntArray, PoseSamples
from models.swahr.train import FoundPeople
from posetrack.errors import ResultsError
from posetrack.frame import Frame, ImageArray, Instances
from posetrack.render import Renderer, RenderStyle
from posetrack.skeleton import Skeleton

_COLUMNS = 2
_TILE_WH = (384, 384)
_STYLE = RenderStyle(boxes=False, ids=False, trails=False, min_keypoint_score=0.1)


def write_people_images(
    truth: PoseSamples, found: FoundPeople, images: IntArray, skeleton: Skeleton, path: Path
) -> None:
    """Draw images side by side: on the left of each pair the true people, on the right the found ones.

    Args:
        truth: Images, and who is in them.
        found: People of all these images; keypoints of a score below 0.1 are not drawn.
        images: (P,) which to draw, positions in the samples.
        skeleton: What to draw.
        path: A JPEG or PNG file; its folder is made.

    Raises:
        ResultsError: The file cannot be written.
    """
    render = Renderer(skeleton, _STYLE)
    pairs = []
    for image_index in images.tolist():
        image = read_image(truth.image_paths[image_index])
        true, seen = truth.image_index == image_index, found.image_index == image_index
        pairs.append(
            np.hstack(
                [
                    _draw(render, image, truth.keypoints_xy[true], truth.weights[true]),
                    _draw(render, image, found.keypoints_xy[seen], found.keypoint_scores[seen]),
                ]
            )
        )
    pairs += [np.zeros_like(pairs[0])] * (-len(pairs) % _COLUMNS)
    rows = [np.hstack(pairs[i : i + _COLUMNS]) for i in range(0, len(pairs), _COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)):
        raise ResultsError(f"{path}: cannot be written; is the disk full?")


def _draw(render: Renderer, image: ImageArray, keypoints_xy: FloatArray, scores: FloatArray) -> ImageArray:
    # Annotations count from the middle of the first pixel, frames from its corner.
    people = Instances(
        boxes_xyxy=np.zeros((len(scores), 4), np.float32),
        box_scores=np.ones(len(scores), np.float32),
        keypoints_xy=keypoints_xy + np.float32(0.5),
        keypoint_scores=np.clip(scores, 0, 1),
    )
    drawn = render(Frame(0, 0.0, image, people))
    tile = make_canvas(_TILE_WH)
    paste_image(tile, drawn, fit_image((image.shape[1], image.shape[0]), _TILE_WH), (0, 0, *_TILE_WH))
    return tile
