"""Nothing in a step makes the host wait for the device."""

import cv2
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from models.backbones.variants import HRNetConfig
from models.data.image_files import ImageFile
from models.data.stored_images import StoredImages
from models.detection.device_dataset import ImageDrawer
from models.hrnet.codec import HeatmapCoding
from models.hrnet.device_dataset import CropDrawer
from models.hrnet.network import make_pose_network
from models.hrnet.train import make_pose_losses
from models.swahr.device_dataset import CrowdDrawer
from models.swahr.losses import SwahrLossConfig
from models.swahr.network import SwahrConfig, make_swahr_network
from models.swahr.recipe import TargetRecipe
from models.swahr.train import make_bottom_up_losses
from models.training.config import LoopConfig
from models.training.distributed import move_batch
from models.training.ema import Ema
from models.training.optim import OptimizerConfig, make_optimizer
from models.training.step import StepTaker

BODY = HRNetConfig(width=8, modules=(1, 1, 1), blocks=1, stem_channels=16, bottlenecks=1)
WAITS = (
    "aten._local_scalar_dense",
    "aten.nonzero",
    "aten.masked_select",
    "aten.equal",
    "aten._unique2",
    "aten.unique_dim",
    "aten.repeat_interleave.Tensor",
    "aten.lift_fresh",
)
"""What waits on a GPU: the reading of numbers, sizes that depend on them, and tensors made of Python's numbers.
The last are harmless where they are copied as `models.hrnet.codec` does, asynchronously, from the CPU."""


class CountWaits(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        is_mask = str(func).startswith("aten.index") and any(
            index is not None and index.dtype in (torch.bool, torch.uint8)
            for index in (args[1] if isinstance(args[1], list | tuple) else [])
        )
        if str(func).startswith(WAITS) or is_mask:
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def select_all(mask):
    return tuple(place.flatten() for place in torch.meshgrid(*map(torch.arange, mask.shape), indexing="ij"))


def make_top_down(loss="mse"):
    network = make_pose_network(BODY, 9, 0)
    losses = make_pose_losses(HeatmapCoding(input_wh=(32, 64), sigma_cells=2.0, kind="dark"), loss)
    batch = {
        "image": torch.randint(0, 256, (3, 64, 32, 3), dtype=torch.uint8),
        "keypoints_xy": torch.rand(3, 9, 2) * 40,
        "weights": torch.rand(3, 9).round(),
    }
    return network, losses, batch


def make_bottom_up(unknown="masked", sigma_cells=2.0):
    network = make_swahr_network(SwahrConfig(BODY), 5)
    target = TargetRecipe(size_px=64, unknown_keypoints=unknown, sigma_cells=sigma_cells)
    people = torch.rand(2, 4, 2) * 30
    batch = {
        "image": torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8),
        "keypoints_xy": torch.rand(2, 4, 5, 2) * 64,
        "is_known": torch.rand(2, 4, 5) < 0.6,
        "boxes_xyxy": torch.cat([people, people + 25], dim=2),
        "box_widths_px": torch.full((2, 4), 25.0),
        "matrices": torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(2, 4, 2, 3),
        "masks": [torch.ones(2, 16, 16), torch.ones(2, 32, 32)],
        "tag_xy": torch.zeros(2, 4, 5, 2, dtype=torch.int64),
        "tag_is_visible": torch.rand(2, 4, 5) < 0.5,
    }
    return network, make_bottom_up_losses(target, SwahrLossConfig()), batch


CASES = {
    "top-down": make_top_down,
    "hard keypoints": lambda: make_top_down("ohkm"),
    "bottom-up": make_bottom_up,
    "sigma": lambda: make_bottom_up("background", 3.0),
}


def make_steps(network, device, name="adamw"):
    loop = LoopConfig(max_grad_norm=1.0, precision="bf16")
    optimizer = make_optimizer(network, OptimizerConfig(name=name))
    return StepTaker(network, network, optimizer, Ema(network, 0.9), loop, device)


@pytest.mark.parametrize("name", CASES)
def test_a_step_waits_for_nothing(name, monkeypatch):
    monkeypatch.setattr("models.swahr.codec.select_set", select_all)
    network, compute_losses, batch = CASES[name]()
    steps = make_steps(network.train(), torch.device("cpu"))
    prepared = compute_losses.prepare(batch)
    with CountWaits() as waits:
        compute_losses.compute(network, prepared)
    # Not even constants are copied in what a graph is recorded of.
    assert waits.found == []
    with CountWaits() as waits:
        losses = steps.take(batch, compute_losses, step=0, scale=1.0)
    # Constants of the normalisation and of the coding, which are copied asynchronously.
    constants = 2 + 2 * (name in ("top-down", "hard keypoints"))
    assert waits.found == ["aten.lift_fresh.default"] * constants
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_the_drawing_of_crops_waits_for_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(StoredImages, "remap", StoredImages.interpolate)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((40, 40, 3), 90, np.uint8))
    stored = StoredImages([ImageFile(tmp_path / "a.png")], [0], torch.device("cpu"))
    batch = {
        "image_index": torch.zeros(2, dtype=torch.int64),
        "to_image": torch.tensor([[1.0, 0, 3], [0, 1, 2]]).expand(2, 2, 3),
        "is_grey": torch.tensor([True, False]),
        "color_table": torch.zeros(2, 256, 3, dtype=torch.uint8),
        "erased_xyxy": torch.zeros(2, 4, dtype=torch.int64),
        "erased_color": torch.zeros(2, 3, dtype=torch.uint8),
        "keypoints_xy": torch.zeros(2, 9, 2),
        "weights": torch.zeros(2, 9),
    }
    with CountWaits() as waits:
        CropDrawer(stored, (32, 24))(batch)
    assert waits.found == []


def test_the_drawing_of_crowds_waits_for_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(StoredImages, "remap", StoredImages.interpolate)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((40, 40, 3), 90, np.uint8))
    mask = np.full((40, 40), 255, np.uint8)
    stored = StoredImages([ImageFile(tmp_path / "a.png")], [0], torch.device("cpu"), lambda i: mask)
    batch = {
        "image_index": torch.zeros(2, 4, dtype=torch.int64),
        "to_image": torch.tensor([[1.0, 0, 3], [0, 1, 2]]).expand(2, 4, 2, 3),
        "centres_xy": torch.tensor([[20, 12], [5, 3], [10, 6]]).expand(2, 3, 2),
        "left_out": torch.tensor([[[0.0, 3, 3, 8, 8]], [[-1, -1, -1, -1, -1]]]),
    }
    with CountWaits() as waits:
        CrowdDrawer(stored, 32)(batch)
    assert waits.found == []


def test_waits_are_counted():
    with CountWaits() as waits:
        numbers = torch.ones(3)
        numbers.sum().item()
        numbers[numbers > 2]
        numbers.nonzero()
        numbers.new_tensor(3.0)
        numbers[torch.arange(2)]
    assert waits.found == [
        "aten._local_scalar_dense.default",
        "aten.index.Tensor",
        "aten.nonzero.default",
        "aten.lift_fresh.default",
    ]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", CASES)
def test_a_step_on_a_gpu_waits_for_nothing(name):
    device = torch.device("cuda")
    network, compute_losses, batch = CASES[name]()
    steps = make_steps(network.to(device).train(), device)
    batch = move_batch(batch, device)
    steps.take(batch, compute_losses, step=0, scale=1.0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in (1, 2):
            losses = steps.take(batch, compute_losses, step=step, scale=1.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(np.isfinite(loss.item()) for loss in losses.values())


def test_the_drawing_of_whole_images_waits_for_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(StoredImages, "remap", StoredImages.interpolate)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((40, 40, 3), 90, np.uint8))
    stored = StoredImages([ImageFile(tmp_path / "a.png")], [0], torch.device("cpu"))
    halves = torch.tensor([[0, 0, 20, 32], [20, 0, 64, 32]])
    batch = {
        "image_index": torch.zeros(2, 2, dtype=torch.int64),
        "to_image": torch.tensor([[1.0, 0, 3], [0, 1, 2]]).expand(2, 2, 2, 3),
        "sizes_wh": torch.full((2, 2, 2), 40.0),
        "windows_xyxy": halves.expand(2, 2, 4),
        "spread": torch.ones(2, 2),
        "is_grey": torch.tensor([[True, False], [False, True]]),
        "color_table": torch.zeros(2, 2, 256, 3, dtype=torch.uint8),
        "canvas_wh": (64, 32),
        "points": 2,
        "targets": [{}, {}],
    }
    with CountWaits() as waits:
        ImageDrawer(stored)(batch)
    assert waits.found == []
