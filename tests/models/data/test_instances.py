import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as mask_api

from models.data.coco_people import unify_people
from models.data.instances import (
    decode_coco_instances,
    draw_mask,
    keep_peopled,
    read_coco_instances,
    select_images,
)
from models.data.letterbox import Placement
from models.training.errors import DataError

K = 2
NAMES = ("left_eye", "right_eye")


def person(image_id, box, **fields):
    return {"image_id": image_id, "category_id": 1, "bbox": box, "iscrowd": 0, **fields}


@pytest.fixture
def data():
    return {
        "images": [{"id": 70 + i, "file_name": f"{i}.png"} for i in range(3)],
        "categories": [
            {"id": 1, "name": "person", "keypoints": list(NAMES)},
            {"id": 2, "name": "bicycle"},
        ],
        "annotations": [
            person(72, [1, 2, 3, 4], iscrowd=1),
            person(71, [5, 5, 10, 20], score=0.4),
            person(70, [0, 0, 8, 8], keypoints=[1, 2, 2, 3, 4, 0], keypoint_scores=[0.7, 0.9]),
            person(70, [0, 0, 0, 8]),
            {**person(70, [0, 0, 8, 8]), "category_id": 2},
            person(71, [6, 6, 2, 2], segmentation=[[6, 6, 8, 6, 8, 8]]),
        ],
    }


def decode(data, min_box_score=0.5):
    content = unify_people(data, NAMES, "f.json", needs_keypoints=False).content
    return decode_coco_instances(content, Path("images"), K, min_box_score, "f.json")


def test_people_are_read_in_the_order_of_images(data):
    samples = decode(data)
    assert samples.image_index.tolist() == [0, 1, 1, 2]
    np.testing.assert_array_equal(samples.boxes_xyxy[0], [0, 0, 8, 8])
    np.testing.assert_array_equal(samples.boxes_xyxy[1], [5, 5, 15, 25])
    # Crowds, and boxes that are not sure, are to be ignored.
    assert samples.is_ignored.tolist() == [False, True, False, True]
    assert decode(data, min_box_score=0.3).is_ignored.tolist() == [False, False, False, True]
    np.testing.assert_allclose(samples.keypoints_xyw[0], [[1, 2, 0.7], [3, 4, 0]])
    assert (samples.keypoints_xyw[1:, :, 2] == 0).all()
    assert [outline is None for outline in samples.outlines] == [True, True, False, True]
    assert samples.find_rows(1) == slice(1, 3)


def test_a_file_of_one_category_is_all_people(data, tmp_path):
    data["categories"] = [{"id": 5, "name": "pedestrian", "keypoints": list(NAMES)}]
    for entry in data["annotations"]:
        entry["category_id"] = 5
    path = tmp_path / "people.json"
    path.write_text(json.dumps(data))
    assert len(read_coco_instances(path, tmp_path, NAMES)) == 5


def test_images_of_nobody_are_left_out(data):
    peopled = keep_peopled(decode(data))
    assert peopled.image_ids.tolist() == [70, 71]
    assert peopled.image_index.tolist() == [0, 1, 1]
    one = select_images(peopled, np.array([1]))
    assert one.images[0].path.name == "1.png"
    assert one.image_index.tolist() == [0, 0]
    assert len(one.outlines) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotations": None}, "no list `annotations`"),
        ({"annotations": [person(99, [0, 0, 1, 1])]}, "image_id: no image 99 in the file"),
        ({"annotations": [person(70, [0, 0, 1, 1], keypoints=[1, 2, 2])]}, "1 keypoints, but"),
        ({"annotations": [person(70, [0, 0, float("nan"), 1])]}, "bbox: expected 4 finite numbers"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data, change, message):
    with pytest.raises(DataError, match=message):
        decode(data | change)


def make_run_lengths(mask, is_plain):
    packed = mask_api.encode(np.asfortranarray(mask))
    if not is_plain:
        return packed
    flat = mask.ravel(order="F").tolist()
    counts, value = [0], 0
    for pixel in flat:
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}


@pytest.mark.parametrize("is_flipped", [False, True])
@pytest.mark.parametrize("kind", ["polygon", "packed", "plain"])
def test_masks_lie_where_boxes_do(kind, is_flipped):
    mask = np.zeros((20, 30), np.uint8)
    mask[4:10, 5:15] = 1
    polygon = [[5, 4, 15, 4, 15, 10, 5, 10]]
    outline = polygon if kind == "polygon" else make_run_lengths(mask, kind == "plain")
    placement = Placement((30, 20), (60, 60), (-4, 3), is_flipped)
    drawn = draw_mask(outline, placement, (50, 64))
    wanted = np.zeros((64, 50), bool)
    left, right = (60 - 30 - 4, 60 - 10 - 4) if is_flipped else (6, 26)
    wanted[15:33, left:right] = True
    both = (drawn & wanted).sum() / (drawn | wanted).sum()
    assert both > 0.9


def test_outlines_of_other_images_are_refused():
    outline = mask_api.encode(np.asfortranarray(np.ones((4, 4), np.uint8)))
    with pytest.raises(DataError, match="segmentation"):
        draw_mask(outline, Placement((30, 20), (30, 20), (0, 0)), (32, 32))
    with pytest.raises(DataError, match="segmentation"):
        draw_mask([[1, 2, 3]], Placement((30, 20), (30, 20), (0, 0)), (32, 32))
