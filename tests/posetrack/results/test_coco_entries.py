import numpy as np

from posetrack.results.coco_entries import encode_entries

HEAD = {"image_id": 7, "category_id": 1}


def test_entries_have_the_fields_that_were_given():
    scores = np.array([0.5, 0.25])
    boxes = encode_entries(7, scores, boxes_xywh=np.array([[10.0, 5, 30, 60], [0, 0, 4, 2]]))
    assert boxes == [
        {**HEAD, "bbox": [10, 5, 30, 60], "score": 0.5},
        {**HEAD, "bbox": [0, 0, 4, 2], "score": 0.25},
    ]
    poses = encode_entries(7, scores, keypoints=[[9.5, 19.5, 2], [0, 0, 0]])
    assert [entry["keypoints"] for entry in poses] == [[9.5, 19.5, 2], [0, 0, 0]]
    assert poses[0].keys() == {*HEAD, "score", "keypoints"}
    masks = encode_entries(7, scores, masks=np.eye(2, dtype=bool)[:, None])
    assert [entry["segmentation"]["size"] for entry in masks] == [[1, 2], [1, 2]]
    assert masks[0]["segmentation"] != masks[1]["segmentation"]


def test_nobody_has_no_entries():
    nobody = np.zeros((0, 4))
    assert (
        encode_entries(7, np.zeros(0), boxes_xywh=nobody, keypoints=[], masks=np.zeros((0, 2, 2), bool)) == []
    )
