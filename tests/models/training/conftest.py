import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from models.training.config import LoopConfig
from models.training.distributed import World
from models.training.loop import Trainer
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.task import Task


class Points(Dataset):
    """Noisy samples of a line, other noise in each epoch."""

    def __len__(self):
        return 22

    def __getitem__(self, key):
        epoch, index = key
        noise = np.random.default_rng((epoch, index)).normal(size=4)
        x = np.sin(np.arange(4) * (index + 1)) + 0.1 * noise
        return {"x": torch.tensor(x, dtype=torch.float32), "y": torch.tensor([x.sum()], dtype=torch.float32)}


def compute_losses(network, batch):
    return {
        "square": (network(batch["x"]) - batch["y"]).square().mean(),
        "absolute": 0.1 * (network(batch["x"]) - batch["y"]).abs().mean(),
    }


def make_network(*, dropout=0.0):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))


@pytest.fixture
def make_trainer(tmp_path):
    def make(
        network=None,
        folder="out",
        report=None,
        evaluate=None,
        recipe="recipe",
        schedule=None,
        losses=None,
        **loop,
    ):
        loop = {"epochs": 3, "batch_size": 5, "num_workers": 0, "log_every_steps": 2, "ema_decay": 0.9} | loop
        return Trainer(
            Task(
                network or make_network(dropout=0.2), Points(), 22, losses or compute_losses, evaluate, recipe
            ),
            loop=LoopConfig(**loop),
            optimizer=OptimizerConfig(learning_rate=0.01),
            schedule=schedule or ScheduleConfig("multi_step", (1, 2)),
            world=World(0, 1, torch.device("cpu")),
            folder=None if folder is None else tmp_path / folder,
            report=report,
        )

    return make
