"""A source whose images change their size: the size is told where it changes, in the file and in exports."""

import json
from dataclasses import replace

import numpy as np
import pytest

from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.results.convert import convert
from posetrack.results.export import FORMATS
from posetrack.results.jsonl import JsonlWriter, read_jsonl
from posetrack.results.poses import read_poses

WIDE_WH = (1280, 720)


@pytest.fixture
def saved(tmp_path, header, people):
    """Three frames: of the header's size, larger, and of the header's size again."""
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, header) as writer:
        for i, size_wh in enumerate([header.size_wh, WIDE_WH, None]):
            writer.write(i, i / 25, people, size_wh)
    return path


def test_a_line_tells_its_size_where_it_is_not_that_of_the_header(saved, header):
    lines = [json.loads(line) for line in saved.read_text().splitlines()]
    assert [line.get("size") for line in lines[1:]] == [None, [1280, 720], None]
    assert list(lines[2]) == ["frame", "time", "size", "people"]
    assert [record.get_size_wh(header) for record in read_jsonl(saved)[1]] == [(640, 360), WIDE_WH, (640, 360)]
    assert [frame.size_wh for frame in read_poses(saved)] == [(640, 360), WIDE_WH, (640, 360)]


def test_a_resumed_file_tells_sizes_likewise(saved, header):
    with JsonlWriter(saved, header, is_resumed=True) as writer:
        writer.write(3, 0.12, Instances.empty(17), WIDE_WH)
        writer.write(4, 0.16, Instances.empty(17), header.size_wh)
    sizes = [json.loads(line).get("size") for line in saved.read_text().splitlines()[4:]]
    assert sizes == [[1280, 720], None]


def test_coco_images_have_their_own_size(saved, tmp_path):
    images = json.loads(convert(saved, "coco", tmp_path / "out").read_text())["images"]
    assert [(image["width"], image["height"]) for image in images] == [(640, 360), WIDE_WH, (640, 360)]


@pytest.mark.parametrize("format_name", [name for name in FORMATS if name != "coco"])
def test_formats_without_sizes_say_that_they_change(saved, tmp_path, format_name, caplog):
    convert(saved, format_name, tmp_path / "out")
    assert [record.getMessage() for record in caplog.records if record.name.endswith("export")] == [
        f"format {format_name}: has no image sizes, and the size changes at frame 1, from 640x360 to 1280x720; "
        "positions are in pixels of each frame's own image"
    ]


def test_masks_have_the_size_of_their_image(tmp_path, header, people):
    masks = np.zeros((2, 720, 1280), np.bool_)
    masks[0, 700, 1270] = True
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        writer.write(0, 0.0, replace(people, masks=masks), WIDE_WH)
    (record,) = read_jsonl(tmp_path / "poses.jsonl")[1]
    np.testing.assert_array_equal(record.instances.masks, masks)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("[640]", "line 3: size: expected a width and a height, found "),
        ("[640, 0]", r"line 3: size\[1\]: expected a whole number from 1, found 0"),
        ('["640", 360]', r"line 3: size\[0\]: expected a whole number from 1, found "),
        ("640", "line 3: size: expected a list, found 640"),
        ("[9000000000000, 360]", r"line 3: size\[0\]: expected at most 1,073,741,824 pixels, found "),
    ],
)
def test_a_wrong_size_is_named(saved, size, message):
    saved.write_text(saved.read_text().replace("[1280, 720]", size))
    with pytest.raises(ResultsError, match=message):
        list(read_poses(saved))
