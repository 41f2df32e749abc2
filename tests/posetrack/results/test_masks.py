"""Masks in results: run lengths there and back, in the lines of frames, in COCO's files."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as mask_api

from models.data.run_lengths import decode_run_lengths
from posetrack.errors import ResultsError
from posetrack.results.coco import write_coco
from posetrack.results.jsonl import JsonlWriter, read_jsonl
from posetrack.results.masks import decode_masks, encode_masks
from posetrack.results.people import KEEP_ALL
from posetrack.results.record import Record


@pytest.fixture
def masked(people):
    """Person 0 covers 30 x 40 px, person 1 nothing, as a propagated person."""
    masks = np.zeros((2, 360, 640), bool)
    masks[0, 195:235, 95:125] = True
    return replace(people, masks=masks)


@settings(deadline=None)
@given(arrays(bool, st.tuples(st.integers(0, 3), st.integers(1, 20), st.integers(1, 30))))
def test_there_and_back(masks):
    size_wh = (masks.shape[2], masks.shape[1])
    encoded = encode_masks(masks)
    assert json.loads(json.dumps(encoded)) == encoded
    np.testing.assert_array_equal(decode_masks(encoded, size_wh, ""), masks)


def test_run_lengths_are_those_of_pycocotools(masked):
    first, second = encode_masks(masked.masks)
    assert mask_api.area(first) == 1200
    assert mask_api.toBbox(first).tolist() == [95, 195, 30, 40]
    assert mask_api.area(second) == 0


def test_lines_hold_masks(tmp_path, header, masked):
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, header) as writer:
        writer.write(0, 0.0, masked)
        writer.write(1, 0.5, replace(masked, masks=None))
        writer.write(2, 1.0, masked[:0])
    _, records = read_jsonl(path)
    first, second, third = (record.instances for record in records)
    np.testing.assert_array_equal(first.masks, masked.masks)
    assert second.masks is None
    assert third.masks is None


@pytest.mark.parametrize(
    "mask", [None, "text", {"size": [3, 4], "counts": "12"}, {"size": [360, 640], "counts": "~~~"}]
)
def test_what_is_no_mask_is_named(tmp_path, header, masked, mask):
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, header) as writer:
        writer.write(0, 0.0, masked)
    lines = path.read_text().splitlines()
    fields = json.loads(lines[1])
    fields["people"][1]["mask"] = mask
    path.write_text(f"{lines[0]}\n{json.dumps(fields)}\n")
    with pytest.raises(ResultsError, match=r"line 2: people\[1\]\.mask"):
        list(read_jsonl(path)[1])


def test_coco_has_segmentations_and_their_areas(tmp_path, header, masked):
    path = write_coco([Record(0, 0.0, masked)], header, tmp_path, KEEP_ALL)
    first, second = json.loads(path.read_text())["annotations"]
    np.testing.assert_array_equal(decode_run_lengths(first["segmentation"]), masked.masks[0])
    assert (first["area"], second["area"]) == (1200, 0)
    bare = write_coco([Record(0, 0.0, replace(masked, masks=None))], header, tmp_path / "bare", KEEP_ALL)
    assert all("segmentation" not in person for person in json.loads(bare.read_text())["annotations"])
