import os

import pytest
import torch
from torch import multiprocessing, nn

from models.backbones.mobile import MobileBody
from models.backbones.variants import MobileConfig
from models.training.config import LoopConfig
from models.training.distributed import join_world, synchronize_norms
from models.training.errors import TrainingError
from models.training.freeze import freeze_body
from models.training.loop import Trainer
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.task import Task

STEPS = 6


class Lines(torch.utils.data.Dataset):
    def __len__(self):
        return 21

    def __getitem__(self, key):
        epoch, index = key
        x = torch.sin(torch.arange(4.0) * (index + 1) + epoch)
        return {"x": x, "y": x.sum(0, keepdim=True)}


def compute_losses(network, batch):
    return {"square": (network(batch["x"]) - batch["y"]).square().mean()}


def train(folder):
    torch.set_num_threads(1)
    # Other first weights in each process: that of rank 0 counts.
    torch.manual_seed(3 + int(os.environ.get("RANK", "0")))
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    with join_world(torch.device("cpu")) as world:
        trainer = Trainer(
            Task(network, Lines(), 21, compute_losses),
            # 21 samples in 3 batches of 7: fractions of 4 and 3.
            loop=LoopConfig(epochs=2, batch_size=8, num_workers=0, log_every_steps=1),
            optimizer=OptimizerConfig("sgd", 0.1),
            schedule=ScheduleConfig("constant"),
            world=world,
            folder=folder,
        )
        trainer.run()
        assert trainer.step == STEPS
        torch.save(trainer.network.state_dict(), folder / f"rank{world.rank}.pt")
        if world.size > 1:
            assert trainer.state()["rng"][0].keys() == {"python", "numpy", "torch"}


def start(rank, folder, port):
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    train(folder)


def test_two_processes_give_the_weights_of_one_with_the_whole_batch(tmp_path, find_port):
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    train(alone)
    multiprocessing.spawn(start, (together, find_port), nprocs=2)
    expected = torch.load(alone / "rank0.pt", weights_only=True)
    for rank in (0, 1):
        state = torch.load(together / f"rank{rank}.pt", weights_only=True)
        for name, value in expected.items():
            torch.testing.assert_close(state[name], value, rtol=1e-5, atol=1e-6)
    logs = [(folder / "train.csv").read_text().splitlines() for folder in (alone, together)]
    assert len(logs[0]) == len(logs[1]) == 1 + STEPS
    assert (together / "checkpoint-00000006.pt").is_file()


@pytest.fixture
def find_port():
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_half_an_environment_is_named(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(TrainingError, match="RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT not set"),
        join_world(torch.device("cpu")),
    ):
        pass


def test_synchronised_norms_keep_activations_and_leave_frozen_ones():
    torch.manual_seed(0)
    body = MobileBody(MobileConfig("tf_mobilenetv3_small_minimal_100", "first_stage"))
    network = nn.Sequential(body, nn.BatchNorm2d(3))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = body.eval()(images)
    body.train()
    frozen = freeze_body(body, stages=1)
    synchronize_norms(network)
    norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert [part for part in norms if not isinstance(part, nn.SyncBatchNorm)] == list(frozen)
    assert isinstance(network[1], nn.SyncBatchNorm)
    with torch.no_grad():
        for found, level in zip(body.eval()(images), expected, strict=True):
            torch.testing.assert_close(found, level)
