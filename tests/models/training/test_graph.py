import logging

import pytest
import torch
from torch import nn

from models.training.config import LoopConfig
from models.training.distributed import World
from models.training.graph import GraphedPass, copy_tensors, list_tensors, make_graphed
from models.training.optim import OptimizerConfig, make_optimizer
from models.training.step import StepTaker
from models.training.task import SplitLosses

CPU = torch.device("cpu")
LOOP = LoopConfig(max_grad_norm=1.0)


class Rerun:
    """Stands for a graph on a CPU: it does again what was recorded, and writes its results where they were."""

    def __init__(self, parameters, work):
        self.parameters, self.work = parameters, work
        self.count = 0
        work()
        self.gradients = [parameter.grad for parameter in parameters]
        # Recording computes nothing.
        for gradient in self.gradients:
            gradient.fill_(float("nan"))

    def replay(self):
        self.count += 1
        before = [parameter.grad for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        self.work()
        for own, parameter in zip(self.gradients, self.parameters, strict=True):
            own.copy_(parameter.grad)
        for parameter, gradient in zip(self.parameters, before, strict=True):
            parameter.grad = gradient


def make_losses():
    return SplitLosses(
        lambda batch: {"x": batch["x"] * 2, "more": [batch["y"]]},
        lambda network, prepared: {"square": (network(prepared["x"]) - prepared["more"][0]).square().mean()},
    )


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))


def make_batches(count):
    generator = torch.Generator().manual_seed(1)
    sizes = [5 if i % 4 == 3 else 6 for i in range(count)]
    return [
        {"x": torch.randn(n, 4, generator=generator), "y": torch.randn(n, 1, generator=generator)}
        for n in sizes
    ]


def train(record, count=20, change_at=None):
    """Weights and losses after some steps, with passes that are recorded or not."""
    network, compute_losses, found = make_network(), make_losses(), []
    steps = StepTaker(network, network, make_optimizer(network, OptimizerConfig()), None, LOOP, CPU)
    recordings = []
    if record is not None:

        def keep(work):
            recordings.append(record(list(network.parameters()), work))
            return recordings[-1]

        steps.graphed = GraphedPass(network, keep)
    for step, batch in enumerate(make_batches(count)):
        if step == change_at:
            compute_losses = make_losses()
        losses = steps.take(batch, compute_losses, step=step, scale=1.0)
        found.append(losses["square"].item())
    return found, network.state_dict(), recordings


@pytest.mark.parametrize("change_at", [None, 12])
def test_recorded_steps_are_those_that_are_not(change_at):
    expected, weights, _ = train(None, change_at=change_at)
    found, ours, recordings = train(Rerun, change_at=change_at)
    # Each of the two sizes is recorded at its fourth batch, and again after a change of the losses.
    assert [recording.count for recording in recordings] == ([12, 2] if change_at is None else [6, 3])
    assert found == expected
    assert all(torch.equal(ours[name], weights[name]) for name in weights)


def test_what_cannot_be_recorded_is_said_once_and_taken_as_usual(caplog):
    def fail(parameters, work):
        work()
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    expected, weights, _ = train(None)
    with caplog.at_level(logging.WARNING):
        found, ours, _ = train(fail)
    assert [record.getMessage() for record in caplog.records] == [
        "loop.cuda_graph: recording failed, steps are taken as usual: operation not permitted when stream is "
        "capturing"
    ]
    assert found == expected
    assert all(torch.equal(ours[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    ("world", "losses", "reason"),
    [
        (World(0, 1, CPU), make_losses(), "it is for GPUs, and this training is on cpu"),
        (World(0, 2, torch.device("cuda", 0)), make_losses(), "it is for a single process"),
        (
            World(0, 1, torch.device("cuda", 0)),
            lambda network, batch: {},
            "the shapes of this network's training",
        ),
    ],
)
def test_where_there_is_none_one_line_says_why(caplog, world, losses, reason):
    with caplog.at_level(logging.WARNING):
        assert make_graphed(make_network(), LoopConfig(cuda_graph=True), world, losses) is None
        assert make_graphed(make_network(), LoopConfig(), world, losses) is None
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().startswith(f"loop.cuda_graph: {reason}")


def test_copies_share_nothing():
    batch = {"a": torch.zeros(2), "b": [torch.ones(1), torch.ones(3)]}
    copied = copy_tensors(batch)
    for own, other in zip(list_tensors(copied), list_tensors(batch), strict=True):
        assert torch.equal(own, other)
        assert own.data_ptr() != other.data_ptr()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_graphs_of_a_gpu_take_the_same_steps():
    device = torch.device("cuda")
    results = []
    for is_graphed in (False, True):
        network, compute_losses = make_network().to(device), make_losses()
        steps = StepTaker(network, network, make_optimizer(network, OptimizerConfig()), None, LOOP, device)
        if is_graphed:
            steps.graphed = GraphedPass(network)
        batches = [{name: value.to(device) for name, value in batch.items()} for batch in make_batches(20)]
        losses = [
            steps.take(batch, compute_losses, step=step, scale=1.0)["square"].item()
            for step, batch in enumerate(batches)
        ]
        assert not is_graphed or len(steps.graphed._recorded) == 2
        results.append(losses)
    assert results[0] == pytest.approx(results[1], rel=1e-4)
