"""Networks over a data set's images: given boxes, order, batches, reading ahead."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.data.image_files import ImageFile
from models.training.errors import DataError
from posetrack.errors import ResultsError
from posetrack.evaluation.pictures import (
    collect_boxes,
    collect_results,
    encode_results,
    group_by_size,
    predict_images,
)
from posetrack.frame import Instances
from posetrack.predictors.networks import Networks
from posetrack.skeleton import COCO_17


@pytest.fixture
def images(tmp_path):
    """Twenty images, each as grey as its number."""
    for i in range(20):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((8, 8, 3), i, np.uint8))
    return {100 + i: ImageFile(tmp_path / f"{i}.png") for i in range(20)}


def find_one(images):
    """Whoever is there has the image's grey for the left of the box."""
    return [
        Instances(
            boxes_xyxy=np.array([[image[0, 0, 0], 0, 50, 50]], np.float32), box_scores=np.ones(1, np.float32)
        )
        for image in images
    ]


def estimate_same(images, boxes):
    """The same pose for everyone."""
    points = [np.tile(np.arange(34, dtype=np.float32).reshape(1, 17, 2), (len(rows), 1, 1)) for rows in boxes]
    return [(xy, np.full(xy.shape[:2], 0.5, np.float32)) for xy in points]


@pytest.mark.parametrize("batch", [1, 3, 8, 32])
def test_images_keep_their_order_and_numbers(images, batch):
    done = []
    networks = Networks(find_one, None, COCO_17)
    predicted = list(predict_images(images, networks, batch=batch, report=done.append))
    assert [number for number, _ in predicted] == list(images)
    assert [people.boxes_xyxy[0, 0] for _, people in predicted] == list(range(20))
    assert done[-1] == 20
    assert len(done) == -(-20 // batch)


def test_alike_poses_stay_where_people_are_compared_one_by_one(images):
    networks = Networks(find_one, estimate_same, COCO_17)
    two = Instances(boxes_xyxy=np.array([[0, 0, 50, 50]] * 2, np.float32), box_scores=np.ones(2, np.float32))
    boxes = {101: two}
    few = dict(list(images.items())[:3])
    counts = {
        keeps: [len(people) for _, people in predict_images(few, networks, boxes=boxes, keeps_alike=keeps)]
        for keeps in (False, True)
    }
    assert counts == {False: [0, 1, 0], True: [0, 2, 0]}
    with pytest.raises(ResultsError, match=r"no \[estimator\]"):
        next(predict_images(few, Networks(find_one, None, COCO_17), boxes=boxes))


def test_an_image_that_cannot_be_read_is_named(images):
    images[115].path.write_bytes(b"no image")
    read = []
    with pytest.raises(DataError, match=r"15\.png"):
        read.extend(predict_images(images, Networks(find_one, None, COCO_17), batch=4))
    images[100].path.unlink()
    with pytest.raises(DataError, match=r"0\.png"):
        next(predict_images(images, Networks(find_one, None, COCO_17)))


def test_images_of_one_size_stand_together(images):
    few = dict(list(images.items())[:4])
    assert list(group_by_size(few)) == [100, 101, 102, 103]
    sized = {number: replace(image, size_wh=((64, 32)[number % 2], 48)) for number, image in few.items()}
    assert list(group_by_size(sized)) == [101, 103, 100, 102]


def test_boxes_are_those_of_people(images):
    person = {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [5, 5, 2] + [0] * 48}
    entries = [
        person,
        {**person, "score": 0.25},
        {**person, "iscrowd": 1},
        {**person, "ignore": 1},
        {**person, "category_id": 3},
        {**person, "bbox": [1, 2, 0, 4]},
        {**person, "keypoints": [5, 5, 0] * 17},
        {"image_id": 8, "bbox": [5, 5, 5, 5], "score": 0.5},
    ]
    boxes = collect_boxes(entries, "some.json")
    assert boxes[7].boxes_xyxy.tolist() == [[1, 2, 4, 6]] * 2
    assert boxes[7].box_scores.tolist() == [1.0, 0.25]
    assert boxes[8].boxes_xyxy.tolist() == [[5, 5, 10, 10]]
    assert boxes.keys() == {7, 8}
    for wrong in ({"image_id": 7}, {**person, "bbox": [1, 2]}, "person"):
        with pytest.raises(ResultsError, match=r"some\.json: an entry without image_id or bbox"):
            collect_boxes([wrong], "some.json")


def test_results_are_of_what_was_computed():
    boxes = Instances(boxes_xyxy=np.array([[1, 2, 4, 8]], np.float32), box_scores=np.array([0.5], np.float32))
    assert encode_results(3, boxes) == {
        "bbox": [{"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 6], "score": 0.5}]
    }
    posed = boxes.with_columns(
        keypoints_xy=np.full((1, 2, 2), 5, np.float32), keypoint_scores=np.array([[0.5, 0.1]], np.float32)
    )
    (result,) = encode_results(3, posed)["keypoints"]
    # As COCO counts; the score is the box's times the mean of the keypoints' above 0.2.
    assert result["keypoints"] == pytest.approx([4.5, 4.5, 0.5, 4.5, 4.5, 0.1])
    assert result["score"] == pytest.approx(0.25)
    (result,) = encode_results(3, posed, by_detector=True)["keypoints"]
    assert result["score"] == pytest.approx(0.5)
    masked = boxes.with_columns(masks=np.ones((1, 4, 6), bool))
    together = collect_results([(3, posed), (4, masked), (5, Instances.empty(2))])
    assert {kind: len(entries) for kind, entries in together.items()} == {"bbox": 2, "keypoints": 1, "segm": 1}
    assert collect_results([(5, Instances.empty(2))]) == {"bbox": [], "keypoints": []}
