"""Training of bottom-up pose from a recipe: what it reads, how it is evaluated, how it goes on."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from reference.swahr_seer import Seer, paint, place_keypoints

from models.backbones.variants import HRNetConfig
from models.swahr import variants
from models.swahr.recipe import read_bottom_up_recipe
from models.training.distributed import World
from models.training.errors import TrainingError
from posetrack.skeleton import COCO_17, CROWDPOSE_14
from posetrack.training.bottom_up import make_bottom_up_task
from posetrack.training.bottom_up_evaluation import make_bottom_up_evaluation
from posetrack.training.run import TrainingRun, make_trainer

TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)
PEOPLE = [((31.3, 12.7), (19.8, 14.1), False), ((50.2, 33.6), (39.9, 47.2), True)]
RECIPE = """
[network]
name = "swahr-w18"

[data]
skeleton = "{skeleton}"
train = "people.json"
train_images = "."
dev = "people.json"
dev_images = "."
{more}

[target]
size_px = 64

[evaluation]
shorter_side_px = 256

[schedule]
name = "linear"

[loop]
epochs = 2
batch_size = 2
num_workers = 0
"""


@pytest.fixture(autouse=True)
def one_thread():
    """A network this small is slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def list_sides(skeleton):
    return [skeleton.side_of(name) for name in skeleton.names]


def write_data(folder, skeleton):
    """Three images: two people, one person, nobody."""
    images, annotations = [], []
    for i, people in enumerate((PEOPLE, PEOPLE[1:], [])):
        cv2.imwrite(str(folder / f"{i}.png"), paint((72, 64), people, sigma=1.8)[..., ::-1])
        images.append({"id": i + 5, "file_name": f"{i}.png", "width": 72, "height": 64, "crowdIndex": 0.1})
        for points in place_keypoints(people, list_sides(skeleton)) if people else ():
            # COCO counts pixels from the middle of the first.
            keypoints = [[x - 0.5, y - 0.5, 2.0] for x, y in points.tolist()]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i + 5,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [10, 5, 60, 60],
                    "area": 3600,
                    "keypoints": [number for row in keypoints for number in row],
                    "num_keypoints": len(keypoints),
                }
            )
    categories = [{"id": 1, "name": "person", "keypoints": list(skeleton.names)}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "people.json").write_text(json.dumps(content))


def read_recipe(folder, skeleton=COCO_17, more=""):
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(skeleton=skeleton.name, more=more))
    return read_bottom_up_recipe(path)


def make_run(folder, out="out"):
    return TrainingRun("", folder, folder / out, World(0, 1, torch.device("cpu")))


@pytest.mark.parametrize("skeleton", [COCO_17, CROWDPOSE_14], ids=lambda skeleton: skeleton.name)
def test_a_network_that_sees_everyone_is_perfect(tmp_path, skeleton):
    write_data(tmp_path, skeleton)
    recipe = read_recipe(tmp_path, skeleton)
    evaluate = make_bottom_up_evaluation(recipe, make_run(tmp_path))
    numbers = evaluate(Seer(list_sides(skeleton)).eval(), 3)
    assert next(iter(numbers)) == "AP"
    assert numbers["AP"] == pytest.approx(1)
    drawn = cv2.imread(str(tmp_path / "out" / "samples" / "epoch-003.jpg"))
    # Three images, each beside itself, two in a row.
    assert drawn.shape == (2 * 384, 4 * 384, 3)
    bright = [(part > 200).sum() for part in np.split(drawn[:384], 4, axis=1)]
    assert min(bright) > 50


def test_mistakes_in_empty_images_count(tmp_path):
    write_data(tmp_path, COCO_17)
    # Somebody is painted into the image of nobody, brighter than all who are true.
    cv2.imwrite(str(tmp_path / "2.png"), paint((72, 64), PEOPLE, sigma=2.5)[..., ::-1])
    recipe = read_recipe(tmp_path)
    numbers = make_bottom_up_evaluation(recipe, make_run(tmp_path))(Seer(list_sides(COCO_17)), 0)
    assert numbers["AP"] < 0.9
    few = read_recipe(tmp_path, more="max_dev_images = 1")
    numbers = make_bottom_up_evaluation(few, make_run(tmp_path))(Seer(list_sides(COCO_17)), 0)
    assert numbers["AP"] == pytest.approx(1)


def test_a_recipe_is_trained_evaluated_and_resumed(tmp_path, monkeypatch):
    write_data(tmp_path, COCO_17)
    monkeypatch.setitem(variants.NETWORKS, "swahr-w18", variants.SwahrConfig(TINY))
    recipe = read_recipe(tmp_path)
    whole = make_trainer(recipe, make_run(tmp_path, "whole"), make_bottom_up_task, make_bottom_up_evaluation)
    # The image of nobody teaches nothing.
    assert whole.plan.num_samples == 2
    whole.run()
    rows = (tmp_path / "whole" / "evaluation.csv").read_text().splitlines()
    assert "AP_medium" in rows[0]
    assert len(rows) >= 2
    part = make_trainer(recipe, make_run(tmp_path, "part"), make_bottom_up_task, make_bottom_up_evaluation)
    part.run(max_steps=1)
    again = make_trainer(recipe, make_run(tmp_path, "part"), make_bottom_up_task, make_bottom_up_evaluation)
    again.resume(part.state())
    again.run()
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, whole.network.state_dict()[name]), name


def test_what_is_missing_is_named(tmp_path):
    write_data(tmp_path, COCO_17)
    recipe = read_recipe(tmp_path)
    with pytest.raises(TrainingError, match="no such folder; give the data's with --data"):
        make_trainer(recipe, make_run(Path("nowhere")), make_bottom_up_task, make_bottom_up_evaluation)
    run = make_run(tmp_path)
    absent = TrainingRun("", run.data_folder, run.out_folder, run.world, weights=tmp_path / "no.safetensors")
    with pytest.raises(TrainingError, match=r"no\.safetensors: no such weights"):
        make_trainer(recipe, absent, make_bottom_up_task, make_bottom_up_evaluation)
