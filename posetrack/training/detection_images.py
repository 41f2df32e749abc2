"""Sample images of a detector's training: who is in them and whom the network finds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.data.crop import ImageArray, read_image
from models.data.instances import InstanceSamples
from models.data.letterbox import fit_image, make_canvas, paste_image, place_boxes
from models.data.samples import FloatArray, IntArray
from models.rcnn.train import FoundPeople
from posetrack.errors import ResultsError

_COLUMNS = 4
_TILE_WH = (384, 384)
_PERSON, _IGNORED, _FOUND = (40, 200, 60), (150, 150, 150), (255, 138, 20)
_MIN_SCORE = 0.3


def write_detection_images(samples: InstanceSamples, found: FoundPeople, images: IntArray, path: Path) -> None:
    """Draw images with boxes: people green, regions to ignore grey, whom the network finds orange.

    Args:
        samples: Images, and who is in them.
        found: People of all these images; those of a score below 0.3 are not drawn.
        images: (P,) which to draw, positions in the samples.
        path: A JPEG or PNG file; its folder is made.

    Raises:
        ResultsError: The file cannot be written.
    """
    tiles = [_draw(samples, found, image_index) for image_index in images.tolist()]
    tiles += [make_canvas(_TILE_WH)] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)):
        raise ResultsError(f"{path}: cannot be written; is the disk full?")


def _draw(samples: InstanceSamples, found: FoundPeople, image_index: int) -> ImageArray:
    image = read_image(samples.image_paths[image_index])
    placement = fit_image((image.shape[1], image.shape[0]), _TILE_WH)
    tile = make_canvas(_TILE_WH)
    paste_image(tile, image, placement, (0, 0, *_TILE_WH))
    rows = samples.find_rows(image_index)
    is_ignored = samples.is_ignored[rows]
    boxes = place_boxes(samples.boxes_xyxy[rows], placement)
    _draw_boxes(tile, boxes[is_ignored], _IGNORED)
    _draw_boxes(tile, boxes[~is_ignored], _PERSON)
    shown = (found.image_index == image_index) & (found.scores >= _MIN_SCORE)
    boxes = place_boxes(found.boxes_xyxy[shown], placement)
    _draw_boxes(tile, boxes, _FOUND)
    for (x, y), score in zip(boxes[:, :2].astype(int).tolist(), found.scores[shown].tolist(), strict=True):
        cv2.putText(tile, f"{score:.2f}", (x + 2, y + 10), cv2.FONT_HERSHEY_SIMPLEX, 0.35, _FOUND)
    return tile


def _draw_boxes(tile: ImageArray, boxes_xyxy: FloatArray, color: tuple[int, int, int]) -> None:
    for left, top, right, bottom in boxes_xyxy.round().astype(int).tolist():
        cv2.rectangle(tile, (left, top), (right, bottom), color)
