"""Where given and detected boxes are cut out of a data set's images."""

import cv2
import numpy as np
import pytest

from models.data.image_files import ImageFile
from posetrack.errors import ResultsError
from posetrack.evaluation.pictures import collect_boxes, predict_images
from posetrack.frame import Instances
from posetrack.predictors.networks import Networks
from posetrack.skeleton import COCO_17

BOX = (10.0, 5.0, 40.0, 65.0)


@pytest.fixture
def images(tmp_path):
    for number in (3, 4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((80, 60, 3), number, np.uint8))
    return {number: ImageFile(tmp_path / f"{number}.png") for number in (3, 4)}


@pytest.fixture
def asked():
    """The boxes that the estimator was asked about, image by image."""
    return []


@pytest.fixture
def networks(asked):
    def detector(images):
        return [Instances(boxes_xyxy=[BOX], box_scores=[0.5])] * len(images)

    def estimator(images, boxes):
        asked.extend(rows.tolist() for rows in boxes)
        return [(np.zeros((len(rows), 17, 2), np.float32), np.ones((len(rows), 17))) for rows in boxes]

    return Networks(detector, estimator, COCO_17)


def test_detected_boxes_are_cut_out_where_they_are(images, networks, asked):
    found = dict(predict_images(images, networks))
    assert asked == [[list(BOX)], [list(BOX)]]
    assert found[4].boxes_xyxy.tolist() == [list(BOX)]


def test_given_boxes_are_cut_out_as_the_public_code_does_and_stay_as_they_are(images, networks, asked):
    boxes = collect_boxes(
        [
            {"image_id": 4, "bbox": [10, 5, 30, 60], "score": 0.25},
            {"image_id": 4, "bbox": [0, 0, 9, 9], "iscrowd": 1},
            {"image_id": 4, "bbox": [0, 0, 9, 9], "category_id": 2},
        ],
        "boxes.json",
    )
    assert boxes[4].boxes_xyxy.tolist() == [list(BOX)]
    found = dict(predict_images(images, networks, boxes=boxes))
    # Continuous pixels of the box whose numbers are taken for indices of pixels.
    assert asked == [[], [[10.5, 5.5, 40.5, 65.5]]]
    assert found[4].boxes_xyxy.tolist() == [list(BOX)]
    assert (len(found[3]), found[4].box_scores.tolist()) == (0, [0.25])


def test_given_boxes_need_an_estimator(images, networks):
    with pytest.raises(ResultsError, match=r"no \[estimator\]"):
        next(predict_images(images, Networks(networks.detector, None, COCO_17), boxes={}))
