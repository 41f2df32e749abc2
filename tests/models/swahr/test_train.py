"""Training of bottom-up pose: it learns, goes on after a stop, and starts from bodies."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from reference.swahr_seer import Seer, paint, place_keypoints
from safetensors.torch import save_file
from torch.utils.data import default_collate

from models.backbones.variants import MOVENET_MULTIPOSE, HRNetConfig
from models.data.people_crops import read_image_samples
from models.hrnet.network import ClassificationHRNet, PoseHRNet
from models.movenet.network import MoveNet
from models.swahr.dataset import CrowdDataset
from models.swahr.losses import SWAHR_LOSS, SwahrLossConfig
from models.swahr.network import HigherHRNet, make_swahr_network
from models.swahr.recipe import TargetRecipe
from models.swahr.train import load_body, make_bottom_up_losses
from models.swahr.variants import NETWORKS
from models.training.config import LoopConfig
from models.training.distributed import World
from models.training.errors import TrainingError
from models.training.freeze import freeze_movenet
from models.training.loop import Trainer
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.task import Task

K = 3
SIDES = ("middle", "left", "right")
FLIP_INDEX = (0, 2, 1)
SIZE_WH = (72, 64)
PEOPLE = [((31.3, 12.7), (19.8, 14.1), False), ((50.2, 33.6), (39.9, 47.2), True)]
TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)
TARGET = TargetRecipe(64)
CPU = World(0, 1, torch.device("cpu"))


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def samples(tmp_path):
    """Two images of painted people; of one person of the second a keypoint is unknown."""
    images, annotations = [], []
    for i, people in enumerate((PEOPLE, PEOPLE[1:])):
        cv2.imwrite(str(tmp_path / f"{i}.png"), paint(SIZE_WH, people, sigma=1.8)[..., ::-1])
        images.append({"id": i, "file_name": f"{i}.png", "width": SIZE_WH[0], "height": SIZE_WH[1]})
        for points in place_keypoints(people, SIDES) - 0.5:
            low, high = points.min(axis=0) - 4, points.max(axis=0) + 4
            visible = [0 if i == 1 and k == 2 else 2 for k in range(K)]
            keypoints = [v for (x, y), seen in zip(points.tolist(), visible, strict=True) for v in (x, y, seen)]
            annotations.append({"image_id": i, "bbox": [*low, *(high - low)], "keypoints": keypoints})
    path = tmp_path / "people.json"
    names = [f"point{k}" for k in range(K)]
    categories = [{"id": 1, "keypoints": names}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content, default=float))
    return read_image_samples(path, tmp_path, names)


def make_batch(samples, size_px=64):
    dataset = CrowdDataset(samples, size_px=size_px, flip_index=FLIP_INDEX)
    return default_collate([dataset[(0, i)] for i in range(len(samples))])


def make_trainer(samples, folder, epochs=40, precision="f32", target=TARGET, loss=SWAHR_LOSS):
    torch.manual_seed(0)
    network = HigherHRNet(TINY, K, has_scale_maps=loss.adaptive_scale)
    # A batch of two images gives batch norm little to go by.
    losses = []
    task = Task(
        network,
        CrowdDataset(samples, size_px=64, flip_index=FLIP_INDEX),
        len(samples),
        make_bottom_up_losses(target, loss),
    )
    trainer = Trainer(
        task,
        loop=LoopConfig(epochs=epochs, batch_size=2, num_workers=0, precision=precision, ema_decay=0.9),
        optimizer=OptimizerConfig("adam", 1e-2),
        schedule=ScheduleConfig("linear"),
        world=CPU,
        folder=folder,
        report=lambda step: losses.append(dict(step.losses)),
    )
    return trainer, losses


@pytest.mark.parametrize(
    ("precision", "target", "adaptive"),
    [
        ("f32", TargetRecipe(64), True),
        ("bf16", TargetRecipe(64, unknown_keypoints="masked"), True),
        ("f32", TargetRecipe(64, sigma_cells=2.5), False),
    ],
)
def test_a_batch_is_learned(samples, precision, target, adaptive):
    loss = SwahrLossConfig(adaptive_scale=adaptive, adaptive_weight=adaptive)
    trainer, losses = make_trainer(samples, None, precision=precision, target=target, loss=loss)
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    trainer.run()
    names = {"heatmap_quarter", "heatmap_half", "push", "pull"}
    assert set(losses[0]) == names | ({"scale_quarter", "scale_half"} if adaptive else set())
    totals = [step["heatmap_quarter"] + step["heatmap_half"] for step in losses]
    assert np.mean(totals[-3:]) < 0.5 * totals[0]
    still = [name for name, value in trainer.network.named_parameters() if torch.equal(value, before[name])]
    assert still == []


def test_a_run_that_was_stopped_goes_on(samples, tmp_path):
    whole, expected = make_trainer(samples, tmp_path / "a", epochs=4)
    whole.run()
    first, losses = make_trainer(samples, tmp_path / "b", epochs=4)
    first.run(max_steps=2)
    state = first.state()
    second, rest = make_trainer(samples, tmp_path / "b", epochs=4)
    second.resume(state)
    second.run()
    assert [*losses, *rest] == expected
    for name, value in second.evaluated_network.state_dict().items():
        assert torch.equal(value, whole.evaluated_network.state_dict()[name]), name


def test_losses_are_those_of_float32_under_autocast(samples):
    """Heatmaps are drawn and compared in float32, whatever the network computes in."""
    batch = make_batch(samples)
    compute = make_bottom_up_losses(TargetRecipe(64, unknown_keypoints="masked"), SwahrLossConfig())
    network = Seer(SIDES)

    def scaled(images):
        return tuple(torch.cat([torch.full_like(maps[:, :K], 0.1), maps], dim=1) for maps in network(images))

    plain = compute(scaled, batch)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = compute(scaled, batch)
    for name, value in plain.items():
        assert mixed[name].dtype == torch.float32
        torch.testing.assert_close(mixed[name], value, rtol=1e-5, atol=1e-8)


def test_unknown_keypoints_cost_nothing_when_masked(samples):
    """Keypoint 2 of the second image is unknown: what is put out there counts only as background."""
    batch = make_batch(samples)
    x, y = (batch["keypoints_xy"][1, 0, 1] / 2).long().tolist()

    def answer(height):
        half = torch.zeros(2, K, 32, 32)
        half[1, 2, y, x] = height
        return lambda images: (torch.zeros(2, 2 * K, 16, 16), half)

    loss = SwahrLossConfig(adaptive_scale=False, adaptive_weight=False)
    for unknown, is_free in (("masked", True), ("background", False)):
        compute = make_bottom_up_losses(TargetRecipe(64, unknown_keypoints=unknown), loss)
        low, high = (compute(answer(height), batch)["heatmap_half"] for height in (0.0, 1.0))
        assert (low == high) == is_free


@pytest.mark.parametrize(
    "body",
    [ClassificationHRNet(TINY, 7), PoseHRNet(TINY, 5), HigherHRNet(TINY, 5, has_scale_maps=True)],
    ids=["imagenet", "top-down", "bottom-up"],
)
def test_everything_but_the_heads_comes_from_a_body(tmp_path, body):
    state = {name: torch.full_like(value, 3) for name, value in body.state_dict().items()}
    save_file(state, tmp_path / "a.safetensors")
    network = HigherHRNet(TINY, K, has_scale_maps=True)
    load_body(network, tmp_path / "a.safetensors")
    heads = ("final_layers.", "deconv_layers.", "conv_scale_layers.")
    for name, value in network.state_dict().items():
        assert bool((value == 3).all()) != name.startswith(heads), name


def test_a_network_on_movenet_starts_from_it_and_its_first_blocks_stay(tmp_path, samples):
    torch.manual_seed(0)
    movenet = MoveNet(replace(MOVENET_MULTIPOSE, num_keypoints=K))
    save_file({name: value.half() for name, value in movenet.state_dict().items()}, tmp_path / "m.safetensors")
    network = make_swahr_network(NETWORKS["swahr-movenet"], K)
    own = network.neck[0].weight.clone()
    load_body(network, tmp_path / "m.safetensors")
    theirs = movenet.half().float().state_dict()
    taken = [name for name in theirs if name in network.state_dict()]
    assert all(torch.equal(network.state_dict()[name], theirs[name]) for name in taken)
    assert torch.equal(network.neck[0].weight, own)
    freeze_movenet(network, stages=3)
    dataset = CrowdDataset(samples, size_px=64, flip_index=FLIP_INDEX)
    losses = make_bottom_up_losses(TARGET, SWAHR_LOSS)
    sum(losses(network.train(), default_collate([dataset[(0, i)] for i in (0, 1)])).values()).backward()
    stays = {name for name, p in network.named_parameters() if p.grad is None}
    first = ("backbone.stem.", "backbone.blocks.0.", "backbone.blocks.1.")
    assert stays == {name for name, _ in network.named_parameters() if name.startswith(first)}


def test_another_body_is_refused(tmp_path):
    save_file(PoseHRNet(replace(TINY, width=8), K).state_dict(), tmp_path / "b.safetensors")
    with pytest.raises(TrainingError, match=r"b\.safetensors: does not fit the network's body"):
        load_body(HigherHRNet(TINY, K), tmp_path / "b.safetensors")
