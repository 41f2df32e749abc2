"""Our files fit the schema that ships with them."""

import json
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from posetrack import read_poses
from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.jsonl_header import encode_header
from posetrack.results.provenance import Provenance
from posetrack.results.record import Header
from posetrack.skeleton import SKELETONS, Skeleton

SCHEMA = json.loads((files("posetrack") / "results" / "poses.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def make_people(skeleton, num_people=2):
    N, K = num_people, skeleton.num_keypoints
    masks = np.zeros((N, 48, 64), bool)
    masks[:, 3:9, 4:20] = True
    return Instances(
        boxes_xyxy=np.tile(np.float32([1, 2, 30, 40]), (N, 1)),
        box_scores=np.full(N, 0.5, np.float32),
        keypoints_xy=np.full((N, K, 2), 7.25, np.float32),
        keypoint_scores=np.full((N, K), 0.75, np.float32),
        smoothed_xy=np.full((N, K, 2), 7.5, np.float32),
        track_ids=np.array([1, -1])[:N],
        is_interpolated=np.array([True, False])[:N],
        masks=masks,
        dense_rows=np.array([0, -1])[:N],
    )


OWN = Skeleton("own2", ("left_tip", "right_tip"), (("left_tip", "right_tip"),), (), (0.1, 0.05))
OWN_FIELDS = {"pairs", "limbs", "sigmas"}


@pytest.mark.parametrize("skeleton", [*SKELETONS.values(), OWN], ids=[*SKELETONS, "own2"])
def test_a_file_with_every_field_fits(tmp_path, skeleton):
    run = Provenance({"detector": "ab"}, {"detector": "cd"}, "torch", "f32", end_s=2.0, source="ef")
    header = Header(
        "a.mp4",
        64,
        48,
        Fraction(30000, 1001),
        skeleton,
        "fast",
        run,
        tmp_path / "a.npz",
        has_blurred_faces=True,
    )
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, header) as writer:
        writer.write(0, 0.0, Instances.empty(skeleton.num_keypoints))
        writer.write(3, 0.1001, make_people(skeleton))
        others = make_people(skeleton).with_columns(masks=None)
        writer.write(4, 0.1335, others, (32, 24), np.float32([[1, 2.25, 9, 10]]))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        VALIDATOR.validate(line)
    seen = {*lines[0], *lines[3], *(key for line in lines[1:] for person in line["people"] for key in person)}
    known = SCHEMA["$defs"]
    # No field of the schema is one that we do not write.
    expected = {key for part in ("header", "frame", "person") for key in known[part]["properties"]}
    assert seen == (expected if skeleton is OWN else expected - OWN_FIELDS)
    assert read_poses(path).header.skeleton == skeleton


def test_boxes_alone_fit(tmp_path):
    boxes = Instances(
        boxes_xyxy=np.float32([[1, 2, 3, 4]]), box_scores=np.float32([1]), track_ids=np.array([2])
    )
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, Header("", 64, 48, Fraction(25), SKELETONS["coco17"], "mine")) as writer:
        writer.write(0, 0.0, boxes)
    for line in path.read_text().splitlines():
        VALIDATOR.validate(json.loads(line))


@pytest.mark.parametrize(
    "change",
    [
        {"frame": -1},
        {"time": None},
        {"people": [{"track_id": 1}]},
        {"people": [{"track_id": 1, "box": [1, 2, 3], "score": 1, "keypoints": []}]},
        {"colour": "red"},
    ],
)
def test_another_line_does_not_fit(change):
    line = {"frame": 0, "time": 0.0, "people": []}
    VALIDATOR.validate(line)
    with pytest.raises(ValidationError):
        VALIDATOR.validate({**line, **change})


def test_a_header_of_another_version_does_not_fit():
    fields = encode_header(Header("a.mp4", 64, 48, Fraction(25), SKELETONS["coco17"], "fast"))
    fields["keypoints"] = list(fields["keypoints"])
    VALIDATOR.validate(fields)
    with pytest.raises(ValidationError):
        VALIDATOR.validate({**fields, "schema": "posetrack/2"})


def test_the_page_of_formats_has_every_field():
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
    known = SCHEMA["$defs"]
    names = {name for part in ("header", "frame", "person") for name in known[part]["properties"]}
    assert [name for name in sorted(names) if f"| `{name}` |" not in page] == []
