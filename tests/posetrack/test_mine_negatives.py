"""False detections, and what is cut out around them (scripts/mine_negatives.py)."""

import json
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from made_scripts import load_script

from models.data.instances import read_coco_instances

mine_negatives = load_script("mine_negatives")

# A person on the left, and a region to ignore above on the right.
ANNOTATIONS = [
    {"id": 1, "image_id": 5, "category_id": 1, "bbox": [10, 20, 60, 150], "iscrowd": 0},
    {"id": 2, "image_id": 5, "category_id": 1, "bbox": [200, 0, 100, 30], "iscrowd": 1},
]
PERSON, IGNORED, LAMP = [12, 25, 68, 165], [210, 2, 280, 28], [150, 60, 190, 190]


@dataclass
class Found:
    boxes_xyxy: np.ndarray
    box_scores: np.ndarray


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of one image, in which a detector finds a person, an ignored one and a lamp."""
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "a.png"), rng.integers(0, 256, (200, 300, 3)).astype(np.uint8))
    entry = {"id": 5, "file_name": "a.png", "width": 300, "height": 200, "source": "gym"}
    entry["things"] = [{"name": "Lamp", "bbox": [148, 58, 44, 130]}, {"name": "Sofa", "bbox": [0, 0, 9, 9]}]
    category = {"id": 1, "name": "person", "keypoints": [], "skeleton": []}
    content = {"images": [entry], "annotations": ANNOTATIONS, "categories": [category]}
    (tmp_path / "gt.json").write_text(json.dumps(content))

    def detect(images):
        boxes = np.array([PERSON, IGNORED, LAMP, LAMP], np.float32)
        return [Found(boxes, np.array([0.9, 0.8, 0.7, 0.2], np.float32)) for _ in images]

    class Networks:
        detector = staticmethod(detect)

    monkeypatch.setattr(mine_negatives, "build_networks", lambda *_, **__: Networks)
    return tmp_path


def run(data, monkeypatch, *options):
    given = ["mine_negatives.py", "--gt", str(data / "gt.json"), "--images", str(data), *options]
    monkeypatch.setattr("sys.argv", given)
    mine_negatives.main()


def test_false_detections_are_counted_by_source_and_thing(data, monkeypatch, capsys):
    run(data, monkeypatch)
    assert capsys.readouterr().out.splitlines() == [
        "1 false detections from a score of 0.5",
        "       1 in gym",
        "       1 of 1 Lamp",
    ]
    run(data, monkeypatch, "--min-score", "0.1")
    assert "2 false detections from a score of 0.1" in capsys.readouterr().out
    assert sorted(path.name for path in data.iterdir()) == ["a.png", "gt.json"]


def test_what_is_cut_out_shows_nobody_and_can_be_trained_on(data, monkeypatch, capsys):
    out = data / "out"
    run(data, monkeypatch, "--out", str(out))
    assert capsys.readouterr().out.splitlines()[-1] == f"{out / 'people.json'}: 1 images without people"
    samples = read_coco_instances(out / "people.json", out, ()).check_images("out")
    assert (samples.num_images, len(samples)) == (1, 0)
    cut = cv2.imread(str(samples.images[0].path))
    whole = cv2.imread(str(data / "a.png"))
    # From the person's right edge to the image's, below the region to ignore.
    assert np.array_equal(cut, whole[30:200, 70:300])
    with pytest.raises(SystemExit, match=r"^error: .*out: not empty; use another --out"):
        run(data, monkeypatch, "--out", str(out))


def test_a_part_keeps_clear_of_people():
    people = np.array([[0, 0, 50, 100], [150, 0, 200, 100]], float)
    assert mine_negatives.find_part(np.array([80, 20, 120, 90.0]), people, (200, 100)) == (50, 0, 150, 100)
    # One that touches somebody a little is shrunk first; one that touches more, or stays small, is none.
    assert mine_negatives.find_part(np.array([47, 20, 120, 90.0]), people, (200, 100)) is not None
    assert mine_negatives.find_part(np.array([30, 20, 120, 90.0]), people, (200, 100)) is None
    near = np.array([[0, 0, 50, 100], [100, 0, 200, 100]], float)
    assert mine_negatives.find_part(np.array([60, 20, 90, 90.0]), near, (200, 100)) is None


def test_what_is_wrong_is_said_in_a_line(data, monkeypatch):
    (data / "a.png").write_bytes(b"no image")
    with pytest.raises(SystemExit, match=r"^error: .*a\.png"):
        run(data, monkeypatch)
