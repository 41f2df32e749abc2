"""Data sets as they come, in every family: trained as in the usual form, or refused before the first step."""

import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from models.backbones.hrnet import HRNetConfig
from models.hrnet import recipe as hrnet_recipe
from models.training.loop import Trainer
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError
from posetrack.skeleton import COCO_17

RECIPE = """
[network]
name = "{network}"

[data]
train = "people.json"
train_images = "images"
dev = "people.json"
dev_images = "images"
{data}

{tables}

[schedule]
name = "constant"

[loop]
epochs = 1
batch_size = 4
num_workers = 0
log_every_steps = 1
"""
FAMILIES = {
    "top-down": ("tiny", "[crop]\nwidth_px = 64\nheight_px = 64"),
    "bottom-up": ("swahr-movenet", "[target]\nsize_px = 64\n[evaluation]\nshorter_side_px = 64"),
    "detection": (
        "movenet-person",
        "[canvas]\nwidth_px = 64\nheight_px = 64\n[evaluation]\nlongest_side_px = 64",
    ),
}
BOX = [20, 10, 40, 50]


@pytest.fixture(autouse=True)
def small_and_single(monkeypatch):
    config = HRNetConfig(width=8, modules=(1, 1, 1), blocks=1, stem_channels=16, bottlenecks=1)
    monkeypatch.setitem(hrnet_recipe.NETWORKS, "tiny", config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_content():
    """Four images of 90 x 70 with one person each, in COCO's usual form."""
    rng = np.random.default_rng(0)
    left, top, width, height = BOX
    outline = [[left, top, left + width, top, left + width, top + height, left, top + height]]
    people = []
    for i in range(4):
        points = rng.uniform([left, top], [left + width, top + height], (17, 2)).round()
        keypoints = np.column_stack([points, np.full(17, 2)]).ravel().tolist()
        people.append(
            {
                "id": i + 1,
                "image_id": i + 1,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": BOX,
                "area": width * height,
                "num_keypoints": 17,
                "keypoints": keypoints,
                "segmentation": outline,
            }
        )
    return {
        "images": [{"id": i + 1, "file_name": f"{i}.png", "width": 90, "height": 70} for i in range(4)],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}],
    }


def write_data(folder, content):
    (folder / "images").mkdir(parents=True)
    for i in range(4):
        rng = np.random.default_rng(i)
        image = cv2.resize(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), (90, 70))
        cv2.imwrite(str(folder / "images" / f"{i}.png"), image)
    (folder / "people.json").write_text(json.dumps(content))


def train(folder, family, data=""):
    network, tables = FAMILIES[family]
    (folder / "recipe.toml").write_text(RECIPE.format(network=network, tables=tables, data=data))
    command = ["train", str(folder / "recipe.toml"), "--data", str(folder), "--out", str(folder / "out")]
    result = CliRunner().invoke(app, [*command, "--device", "cpu"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0


def read_numbers(folder):
    losses = (folder / "out" / "train.csv").read_text().splitlines()
    # Without the speed, which is last.
    return [line.rpartition(",")[0] for line in losses], (folder / "out" / "evaluation.csv").read_text()


def make_odd(content):
    """The same data with all habits at once."""
    categories = content["categories"]
    categories[0]["id"] = "7"
    categories[0]["keypoints"] = [name.upper() for name in reversed(categories[0]["keypoints"])]
    categories.append({"id": 1, "name": "horse"})
    for entry in content["images"]:
        entry["id"] = str(entry["id"])
        entry["width"], entry["height"] = float(entry["width"]), str(entry["height"])
    for entry in content["annotations"]:
        entry["image_id"] = float(entry["image_id"])
        entry["category_id"] = 7
        entry["keypoints"] = np.reshape(entry["keypoints"], (17, 3))[::-1].ravel().tolist()
        del entry["area"]
    content["annotations"].append({"id": 8, "image_id": "1", "category_id": 1, "bbox": [1, 2, 30, 30]})


def turn_images(folder):
    """Store images as cameras do that are held another way."""
    for i, turn in enumerate(
        (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    ):
        path = folder / "images" / f"{i}.png"
        exif = Image.Exif()
        exif[274] = (6, 3, 8)[i]
        Image.open(path).transpose(turn).save(path, exif=exif)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_habits_at_once_train_as_the_usual_form(tmp_path, family):
    usual, odd = tmp_path / "usual", tmp_path / "odd"
    write_data(usual, make_content())
    content = make_content()
    make_odd(content)
    write_data(odd, content)
    turn_images(odd)
    train(usual, family)
    train(odd, family)
    (losses, metrics), (odd_losses, odd_metrics) = read_numbers(usual), read_numbers(odd)
    assert len(losses) == 2
    assert losses == odd_losses
    assert metrics == odd_metrics
    assert metrics.startswith("step,epoch,AP,")


def no_box(content):
    del content["annotations"][1]["bbox"]


def text_ids(content):
    content["images"][0]["id"] = "im1"


def twice(content):
    content["images"].append(content["images"][0])


def unknown_image(content):
    content["annotations"][1]["image_id"] = 99


def unknown_category(content):
    content["annotations"][1]["category_id"] = 9


def odd_name(content):
    content["categories"][0]["keypoints"][3] = "left_antenna"


def short(content):
    content["annotations"][2]["keypoints"].pop()


def not_finite(content):
    content["annotations"][2]["bbox"] = [1, 2, float("nan"), 4]


def other_size(content):
    content["images"][2]["width"] = 180


def missing_image(content):
    content["images"][2]["file_name"] = "none.png"


def wrong_area(content):
    content["annotations"][0]["area"] = "large"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("act", "message"),
    [
        (no_box, "bbox"),
        (text_ids, r"images\[0\]\.id: expected a whole number, found 'im1'"),
        (twice, r"images\[4\]\.id: image 1 stands twice"),
        (unknown_image, "image 99"),
        (unknown_category, r"annotations\[1\]\.category_id: no category 9"),
        (odd_name, "'left_ear' is missing"),
        (short, "keypoints"),
        (not_finite, "NaN|finite"),
        (other_size, r"2\.png: the image is 90x70, but .*people\.json says 180x70"),
        (missing_image, r"none\.png: no such image"),
        (wrong_area, r"annotations\[0\]\.area: expected"),
    ],
)
def test_faults_end_it_before_the_first_step(tmp_path, monkeypatch, family, act, message):
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("a step was taken"))
    content = make_content()
    act(content)
    write_data(tmp_path, content)
    with pytest.raises(PoseTrackError, match=message) as caught:
        train(tmp_path, family)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("family", FAMILIES)
def test_faults_of_the_dev_set_and_of_outputs_too(tmp_path, monkeypatch, family):
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("a step was taken"))
    content = make_content()
    write_data(tmp_path, content)
    # An image with a whole header and no more.
    path = tmp_path / "images" / "3.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:60])
    with pytest.raises(PoseTrackError, match=r"3\.png: not an image that can be read"):
        train(tmp_path, family)
    path.write_bytes(whole)
    for name, is_folder in (("samples", False), ("evaluation.csv", True), ("weights.safetensors", True)):
        output = tmp_path / "out" / name
        output.parent.mkdir(exist_ok=True)
        output.mkdir() if is_folder else output.touch()
        with pytest.raises(PoseTrackError, match=rf"out/{name}: is a f"):
            train(tmp_path, family)
        output.rmdir() if is_folder else output.unlink()


@pytest.mark.parametrize("family", ["bottom-up", "detection"])
@pytest.mark.parametrize(
    ("outline", "message"),
    [
        ({"size": [90, 70], "counts": [6300]}, "the mask is 70x90, but its image 90x70"),
        ({"size": [70, 90], "counts": [63]}, "expected run lengths"),
        ({"size": [70, 90]}, "expected run lengths"),
        ([[1, 2, 3]], "expected polygons"),
        ([["a", "b"]], "expected polygons"),
        (7, "expected polygons"),
    ],
)
def test_masks_that_are_used_must_be_valid(tmp_path, family, outline, message):
    content = make_content()
    content["annotations"][1] |= {"segmentation": outline, "iscrowd": 1}
    write_data(tmp_path, content)
    with pytest.raises(PoseTrackError, match=message):
        train(tmp_path, family)


def test_detections_are_of_the_files_category(tmp_path, monkeypatch):
    content = make_content()
    make_odd(content)
    write_data(tmp_path, content)
    boxes = [{"image_id": str(i + 1), "category_id": 7.0, "bbox": BOX, "score": 0.5} for i in range(4)]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    train(tmp_path, "top-down", 'dev_detections = "boxes.json"')
    assert (tmp_path / "out" / "evaluation.csv").read_text().count("\n") == 2
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("a step was taken"))
    for entry, message in (
        ({"image_id": 1.5}, "image_id: expected a whole number"),
        ({"bbox": [1, 2, float("inf"), 4]}, "boxes.json"),
        ({"bbox": "here"}, "boxes.json"),
    ):
        (tmp_path / "boxes.json").write_text(json.dumps([boxes[0] | entry]))
        with pytest.raises(PoseTrackError, match=message):
            train(tmp_path, "top-down", 'dev_detections = "boxes.json"')
