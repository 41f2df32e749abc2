import csv
import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from typer.testing import CliRunner

from models.backbones.variants import HRNetConfig
from models.hrnet import recipe as hrnet_recipe
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError
from posetrack.skeleton import COCO_17, MPII_16, POSETRACK_15
from posetrack.training import top_down

RECIPE = """
[network]
name = "tiny"

[data]
format = "{format}"
skeleton = "{skeleton}"
train = "{train}"
train_images = "."
dev = "{train}"
dev_images = "."
boxes = "{boxes}"

[crop]
width_px = 64
height_px = 64
sigma_cells = 1.5

[augment]
rotation_deg = 10.0
scale_range = [0.9, 1.1]
flip_fraction = 0.0
half_body_fraction = 0.0

[evaluation]
flip_test = false

[optimizer]
learning_rate = {rate}

[schedule]
name = "constant"

[loop]
epochs = {epochs}
batch_size = 4
num_workers = 0
evaluate_every_epochs = {every}
save_every_steps = 3
log_every_steps = 1
"""
# A standing figure in an image of 100 x 100 by the names of joints that skeletons share; sides mirror.
PLACES = {
    "nose": (50, 20),
    "eye": (47, 18),
    "ear": (44, 20),
    "shoulder": (40, 32),
    "elbow": (34, 45),
    "wrist": (30, 58),
    "hip": (44, 58),
    "knee": (43, 75),
    "ankle": (42, 92),
    "head_top": (50, 10),
    "neck": (50, 28),
    "upper_neck": (50, 26),
    "thorax": (50, 33),
    "pelvis": (50, 58),
}


@pytest.fixture(autouse=True)
def tiny_network(monkeypatch):
    config = HRNetConfig(width=8, modules=(1, 1, 1), blocks=1, stem_channels=16, bottlenecks=1)
    monkeypatch.setitem(hrnet_recipe.NETWORKS, "tiny", config)


@pytest.fixture
def stand_in(monkeypatch):
    """A network that learns in seconds, with a heatmap cell for each 4 px as HRNet."""

    def make(recipe, num_keypoints):
        return nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(3, 24, 5, stride=2, padding=2),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.Conv2d(24, 32, 7, padding=3),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, num_keypoints, 7, padding=3),
        )

    monkeypatch.setattr(top_down, "make_network", make)
    # So small a network is slower on several threads.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def draw_figure(skeleton, seed):
    rng = np.random.default_rng(seed)
    points = []
    for name in skeleton.names:
        x, y = PLACES[name.removeprefix("left_").removeprefix("right_")]
        points.append((100 - x if name.startswith("left_") else x, y))
    points = np.array(points) + rng.integers(-4, 5, (skeleton.num_keypoints, 2))
    image = np.full((100, 100, 3), 30, np.uint8)
    for a, b in skeleton.edge_index:
        cv2.line(image, points[a].tolist(), points[b].tolist(), (200, 200, 200), 2)
    for i, point in enumerate(points.tolist()):
        color = np.array([37 * i % 256, 91 * i % 256, 255 - 15 * i], int).tolist()
        cv2.circle(image, point, 3, color, -1)
    return image, points


def write_coco(folder, count=6):
    images, people = [], []
    for i in range(count):
        image, points = draw_figure(COCO_17, i)
        cv2.imwrite(str(folder / f"{i}.png"), image)
        images.append({"id": i, "file_name": f"{i}.png", "width": 100, "height": 100})
        people.append(
            {
                "id": i + 1,
                "image_id": i,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [20, 5, 60, 92],
                "area": 60 * 92 * 0.5,
                "num_keypoints": 17,
                "keypoints": [n for x, y in points.tolist() for n in (x, y, 2)],
            }
        )
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}]
    (folder / "train.json").write_text(
        json.dumps({"images": images, "annotations": people, "categories": categories})
    )


def write_mpii(folder):
    people = []
    for i in range(6):
        image, points = draw_figure(MPII_16, i)
        cv2.imwrite(str(folder / f"{i}.png"), image)
        top = points[MPII_16.names.index("head_top")].tolist()
        people.append(
            {
                "image": f"{i}.png",
                "center": [50.0, 48.0],
                "scale": 0.45,
                "joints": (points + 1.0).tolist(),
                "joints_vis": [1] * 16,
                "headbox": [top[0] - 12, top[1], top[0] + 12, top[1] + 24],
            }
        )
    (folder / "train.json").write_text(json.dumps(people))


def write_posetrack(folder):
    (folder / "labels").mkdir()
    order = ["nose", "head_bottom", "head_top", "left_ear", "right_ear"]
    order += COCO_17.names[5:]
    for video in range(2):
        images, people = [], []
        for i in range(3):
            image, points = draw_figure(POSETRACK_15, 10 * video + i)
            cv2.imwrite(str(folder / f"{video}_{i}.png"), image)
            number = 1000 * (video + 1) + i
            images.append(
                {"id": number, "frame_id": number, "file_name": f"{video}_{i}.png", "is_labeled": True}
            )
            place = dict(zip(POSETRACK_15.names, points.tolist(), strict=True))
            place["head_bottom"] = place["neck"]
            keypoints = [n for name in order for n in ((*place[name], 1) if name in place else (0, 0, 0))]
            people.append(
                {
                    "id": number * 100,
                    "image_id": number,
                    "track_id": 0,
                    "category_id": 1,
                    "bbox_head": [40, 8, 20, 20],
                    "keypoints": keypoints,
                }
            )
        categories = [{"id": 1, "name": "person", "keypoints": order}]
        content = {"images": images, "annotations": people, "categories": categories}
        (folder / "labels" / f"video{video}.json").write_text(json.dumps(content))


def write_recipe(folder, **values):
    defaults = {
        "format": "coco",
        "skeleton": "coco17",
        "train": "train.json",
        "boxes": "annotated",
        "epochs": 3,
        "every": 3,
        "rate": 2e-3,
    }
    path = folder / "tiny.toml"
    path.write_text(RECIPE.format(**(defaults | values)))
    return path


def train(folder, *options, out="out", recipe="tiny.toml"):
    command = [
        "train",
        str(folder / recipe),
        "--data",
        str(folder),
        "--out",
        str(folder / out),
        "--device",
        "cpu",
    ]
    result = CliRunner().invoke(app, [*command, *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.output


def read_column(path, name):
    with path.open(newline="") as file:
        return [float(row[name] or "nan") for row in csv.DictReader(file)]


def test_stick_figures_are_learnt(tmp_path, stand_in):
    write_coco(tmp_path)
    write_recipe(tmp_path, epochs=50, every=50, rate=1e-2)
    output = train(tmp_path)
    losses = read_column(tmp_path / "out" / "train.csv", "loss")
    assert len(losses) == 100
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    (ap,) = read_column(tmp_path / "out" / "evaluation.csv", "AP")
    assert ap > 0.2
    image = cv2.imread(str(tmp_path / "out" / "samples" / "epoch-050.jpg"))
    assert image.shape == (3 * 384, 4 * 384, 3)
    weights = load_file(tmp_path / "out" / "weights.safetensors")
    assert all(value.isfinite().all() for value in weights.values())
    assert f"best score {ap:.4f}" in output
    assert (tmp_path / "out" / "recipe.toml").read_text() == (tmp_path / "tiny.toml").read_text()


def test_stopped_and_resumed_is_as_not_stopped(tmp_path, one_thread):
    write_coco(tmp_path)
    write_recipe(tmp_path, epochs=2, every=2)
    train(tmp_path, out="straight")
    train(tmp_path, "--steps", "3", out="stopped")
    train(tmp_path, "--resume", out="stopped")
    for name in ("loss", "learning_rate"):
        a, b = (read_column(tmp_path / out / "train.csv", name) for out in ("straight", "stopped"))
        assert a == b
    a, b = (load_file(tmp_path / out / "weights.safetensors") for out in ("straight", "stopped"))
    assert all(torch.equal(a[name], b[name]) for name in a)


# A training that stands still in its eighth step: the second of its third epoch of three steps.
STANDS_STILL = """
import sys
import torch
torch.set_num_threads(1)
from models.backbones.hrnet import HRNetConfig
from models.hrnet import recipe
from models.training.loop import Trainer
recipe.NETWORKS["tiny"] = HRNetConfig(width=8, modules=(1, 1, 1), blocks=1, stem_channels=16, bottlenecks=1)
take_step = Trainer._take_step
def stand_still(self, batch, stage):
    if self.step == 7:
        print("standing", flush=True)
        sys.stdin.readline()
    take_step(self, batch, stage)
Trainer._take_step = stand_still
from posetrack.cli.entry import main
main()
"""


@pytest.fixture
def one_thread():
    """Sums on other numbers of threads may differ in their last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@contextmanager
def start_and_stand(path, out):
    """A process that trains until its eighth step, and stands still in it."""
    command = ["train", str(path), "--data", str(path.parent), "--out", str(out), "--device", "cpu"]
    child = subprocess.Popen(
        [sys.executable, "-c", STANDS_STILL, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert any(line == "standing\n" for line in child.stdout)
        yield child
    finally:
        child.kill()
        child.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_leaves_a_checkpoint_of_the_last_step(tmp_path, number):
    write_coco(tmp_path)
    path = write_recipe(tmp_path, epochs=4, every=4)
    with start_and_stand(path, tmp_path / "stopped") as child:
        child.send_signal(number)
        child.stdin.write("\n")
        child.stdin.flush()
        output = child.stdout.read()
        assert child.wait(60) == 130
    newest = tmp_path / "stopped" / "checkpoint-00000008.pt"
    assert newest.is_file()
    assert f"{newest}: continue from it with --resume" in output


def test_killed_in_mid_epoch_and_resumed_is_as_not_killed(tmp_path, one_thread):
    write_coco(tmp_path)
    path = write_recipe(tmp_path, epochs=4, every=4)
    text = path.read_text().replace("batch_size = 4", "batch_size = 2\nema_decay = 0.9")
    path.write_text(
        text.replace("save_every_steps = 3", "save_every_steps = 5").replace(
            "log_every_steps = 1", "log_every_steps = 2"
        )
    )
    train(tmp_path, out="straight")

    with start_and_stand(path, tmp_path / "killed") as child:
        child.kill()
        assert child.wait() == -signal.SIGKILL
    # Of the middle of the second epoch; what came after it is lost.
    assert [p.name for p in (tmp_path / "killed").glob("*.pt")] == ["checkpoint-00000005.pt"]
    assert read_column(tmp_path / "killed" / "train.csv", "step") == [2, 4, 5, 6]

    train(tmp_path, "--resume", out="killed")
    for name in ("step", "loss", "learning_rate"):
        a, b = (read_column(tmp_path / out / "train.csv", name) for out in ("straight", "killed"))
        assert a == b
    assert a[-1] == 2e-3
    a, b = (load_file(tmp_path / out / "weights.safetensors") for out in ("straight", "killed"))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(("key", "is_whole"), [("weights", True), ("body", False), (None, False)])
def test_recipe_says_what_weights_start(tmp_path, one_thread, key, is_whole):
    write_coco(tmp_path)
    path = write_recipe(tmp_path, epochs=1, every=0)
    train(tmp_path)
    text = path.read_text().replace("learning_rate = 0.002", "learning_rate = 0.0")
    assert "learning_rate = 0.0\n" in text
    text = text.replace("[loop]", "[loop]\nseed = 1")
    # Another input size, which is what whole networks go on for.
    text = text.replace("width_px = 64", "width_px = 96")
    weights = tmp_path / "out" / "weights.safetensors"
    if key is not None:
        text = text.replace('name = "tiny"', f'name = "tiny"\n{key} = "out/weights.safetensors"')
    path.write_text(text)
    train(tmp_path, *(["--weights", str(weights)] if key is None else []), out="next")
    old, new = load_file(weights), load_file(tmp_path / "next" / "weights.safetensors")
    assert torch.equal(old["stage4.0.branches.0.0.conv1.weight"], new["stage4.0.branches.0.0.conv1.weight"])
    assert torch.equal(old["final_layer.weight"], new["final_layer.weight"]) == is_whole
    if is_whole:
        # The command line's file stands for the recipe's, and starts the whole network as that does.
        (tmp_path / "out").rename(tmp_path / "moved")
        train(tmp_path, "--weights", str(tmp_path / "moved" / "weights.safetensors"), out="third")
        third = load_file(tmp_path / "third" / "weights.safetensors")
        assert torch.equal(old["final_layer.weight"], third["final_layer.weight"])


@pytest.mark.parametrize(
    ("write", "values", "column"),
    [
        (write_mpii, {"format": "mpii", "skeleton": "mpii16"}, "Mean"),
        (
            write_posetrack,
            {"format": "posetrack", "skeleton": "posetrack15", "train": "labels", "boxes": "keypoints"},
            "AP",
        ),
    ],
)
def test_other_formats_are_learnt_and_the_numbers_move(stand_in, tmp_path, write, values, column):
    write(tmp_path)
    write_recipe(tmp_path, epochs=30, every=15, rate=5e-3, **values)
    train(tmp_path)
    losses = read_column(tmp_path / "out" / "train.csv", "loss")
    assert np.mean(losses[-4:]) < 0.6 * np.mean(losses[:4])
    first, last = read_column(tmp_path / "out" / "evaluation.csv", column)
    assert last > first
    assert last > 0.3


def test_errors_are_one_line(tmp_path):
    write_coco(tmp_path)
    write_recipe(tmp_path)
    train(tmp_path, "--steps", "1")
    cases = [
        (lambda: train(tmp_path), "has a training already; continue it with --resume"),
        (lambda: train(tmp_path, "--resume", out="none"), "no checkpoint to resume from"),
        (lambda: train(tmp_path / "no"), "no such training recipe"),
        (lambda: train(tmp_path, "--data", str(tmp_path / "no"), out="a"), "no such folder; give the data's"),
        (lambda: train(tmp_path, "--weights", str(tmp_path / "w"), out="a"), "no such weights"),
    ]
    text = (tmp_path / "tiny.toml").read_text()
    for name, changed, message in (
        (
            "key.toml",
            text.replace("width_px", "widht_px"),
            "key.toml: crop: unknown key 'widht_px'; did you mean",
        ),
        (
            "net.toml",
            text.replace('"tiny"', '"hrnet-w33"'),
            "net.toml: network.name: unknown 'hrnet-w33'; did you",
        ),
        ("skeleton.toml", text.replace("coco17", "coco18"), "data.skeleton: unknown 'coco18'; did you mean"),
        ("data.toml", text.replace("train.json", "no.json"), "no.json: no such file"),
    ):
        (tmp_path / name).write_text(changed)
        cases.append((lambda name=name: train(tmp_path, recipe=name, out="a"), message))
    for call, message in cases:
        with pytest.raises(PoseTrackError) as caught:
            call()
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "tiny.toml").write_text(text.replace("epochs = 3", "epochs = 4"))
    with pytest.raises(PoseTrackError, match="made with another recipe"):
        train(tmp_path, "--resume")
