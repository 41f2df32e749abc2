"""What frames, people and results look like in a notebook."""

from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np

from posetrack.frame import Frame, Instances
from posetrack.notebook import encode_png
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.poses import read_poses
from posetrack.results.record import Header
from posetrack.run.report import RunReport
from posetrack.skeleton import COCO_17


def make_people(number=1):
    return Instances(
        boxes_xyxy=[[10, 20, 50, 90]] * number,
        box_scores=[0.9] * number,
        keypoints_xy=np.full((number, 17, 2), 40.0),
        keypoint_scores=np.linspace(0, 1, 17 * number).reshape(number, 17),
        track_ids=range(1, number + 1),
    )


def parse(html):
    """As XML, which what is made here is as well."""
    return ElementTree.fromstring(f"<div>{html}</div>")


def test_the_png_is_read_by_others():
    image = np.random.default_rng(0).integers(0, 255, (7, 5, 3), np.uint8)
    read = cv2.imdecode(np.frombuffer(encode_png(image), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(read[..., ::-1], image)


def test_a_frame_shows_a_small_image_with_its_people():
    image = np.zeros((1080, 1920, 3), np.uint8)
    page = parse(Frame(3, 0.12, image, make_people(2), COCO_17)._repr_html_())
    svg = page[0]
    names = [element.tag.rpartition("}")[2] for element in svg.iter()]
    assert svg.get("viewBox") == "0 0 1920 1080"
    assert (names.count("image"), names.count("rect"), names.count("text")) == (1, 2, 2)
    assert names.count("line") > 10
    assert page[1].text.startswith("Frame(3 at 0.120 s, 1920x1080, Instances(2 people")
    assert len(Frame(3, 0.12, image, make_people(2), COCO_17)._repr_html_()) < 20_000


def test_frames_with_nobody_or_without_a_skeleton():
    image = np.zeros((10, 12, 3), np.uint8)
    assert "<image" in Frame(0, 0, image)._repr_html_()
    boxes = Instances(boxes_xyxy=[[1, 2, 3, 4]])
    assert Frame(0, 0, image, boxes)._repr_html_().count("<rect") == 1
    poses = Instances(keypoints_xy=np.ones((1, 17, 2)))
    assert Frame(0, 0, image, poses, COCO_17)._repr_html_().count("<line") == len(COCO_17.edges)


def test_people_are_a_table():
    table = parse(make_people()._repr_html_()).find("table")
    assert [cell.text for cell in table.iter("th")] == ["track_id", "box_xyxy", "box_score", "keypoints"]
    assert [cell.text for cell in table.iter("td")] == ["1", "10, 20, 50, 90", "0.90", "12 of 17 seen"]
    assert "30 more" in make_people(50)._repr_html_()
    assert Instances()._repr_html_() == "<p>Instances(0 people: no columns)</p>"


def test_poses_and_reports_say_what_they_are(tmp_path):
    header = Header("<b>.mp4", 99, 60, Fraction(25), COCO_17, "fast")
    JsonlWriter(tmp_path / "poses.jsonl", header).close()
    html = read_poses(tmp_path / "poses.jsonl")._repr_html_()
    assert "&lt;b&gt;.mp4" in html
    assert "coco17, 17 keypoints" in "".join(parse(html).itertext())
    report = RunReport("street", 10, 25, 3, 5.0, 0, (Path("poses.jsonl"),))
    assert "people a frame2.5" in "".join(parse(report._repr_html_()).itertext())
