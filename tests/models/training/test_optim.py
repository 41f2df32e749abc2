import pytest
import torch
from torch import nn

from models.training.errors import TrainingError
from models.training.optim import (
    OptimizerConfig,
    ScheduleConfig,
    compute_linear_factor,
    compute_multi_step_factor,
    compute_schedule_factor,
    compute_warmup_factor,
    make_optimizer,
    set_learning_rate,
)


@pytest.mark.parametrize(
    ("base", "milestones", "epochs", "expected"),
    [
        # HRNet, section 4.1: 1e-3, at the 170th and 200th epochs 1e-4 and 1e-5, 210 in all.
        (1e-3, (170, 200), 210, {0: 1e-3, 169: 1e-3, 170: 1e-4, 199: 1e-4, 200: 1e-5, 209: 1e-5}),
        # Section 4.3, PoseTrack: 1e-4, at the 10th 1e-5, at the 15th 1e-6, 20 in all.
        (1e-4, (10, 15), 20, {0: 1e-4, 9: 1e-4, 10: 1e-5, 14: 1e-5, 15: 1e-6, 19: 1e-6}),
        # Appendix, ImageNet: 0.1, divided by 10 at 30, 60 and 90, 100 in all.
        (0.1, (30, 60, 90), 100, {0: 0.1, 29: 0.1, 30: 0.01, 60: 1e-3, 89: 1e-3, 90: 1e-4, 99: 1e-4}),
    ],
)
def test_learning_rates_are_those_of_the_paper(base, milestones, epochs, expected):
    schedule = ScheduleConfig("multi_step", milestones)
    for epoch, rate in expected.items():
        for step in (7 * epoch, 7 * epoch + 6):
            assert base * compute_schedule_factor(
                schedule, step=step, epoch=epoch, fraction=step / (7 * epochs)
            ) == pytest.approx(rate)


def test_multi_step_drops_at_the_milestone_itself():
    assert [compute_multi_step_factor(step, [2, 4], 0.5) for step in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_linear_falls_to_zero():
    assert [compute_linear_factor(step / 4) for step in range(6)] == [1, 0.75, 0.5, 0.25, 0, 0]


def test_milestones_may_be_steps():
    schedule = ScheduleConfig(milestones_epochs=(1, 2), milestones_steps=(60, 80))
    factors = [
        compute_schedule_factor(schedule, step=step, epoch=step // 5, fraction=step / 90)
        for step in (0, 59, 60, 79, 80)
    ]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_warmup_rises_to_one():
    assert [compute_warmup_factor(step, 4, 0.2) for step in range(6)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 1]
    )
    assert compute_warmup_factor(0, 0, 0.2) == 1


def test_warmup_multiplies_the_schedule():
    schedule = ScheduleConfig("linear", warmup_steps=2, warmup_factor=0.5)
    factors = [compute_schedule_factor(schedule, step=step, epoch=step, fraction=step / 4) for step in range(4)]
    assert factors == [0.5, 0.75 * 0.75, 0.5, 0.25]


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)])
def test_only_matrices_decay(name, kind):
    optimizer = make_optimizer(nn.Linear(2, 2), OptimizerConfig(name, weight_decay=0.1))
    assert isinstance(optimizer, kind)
    assert [(g["params"][0].ndim, g["weight_decay"]) for g in optimizer.param_groups] == [(2, 0.1), (1, 0.0)]


def test_a_body_learns_at_its_own_rate():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimizer = make_optimizer(network, OptimizerConfig(learning_rate=0.5, body_factor=0.1), body=("0.",))
    set_learning_rate(optimizer, 0.25)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert [rates[id(p)] for p in network.parameters()] == [0.025, 0.025, 0.25, 0.25]
    with pytest.raises(TrainingError, match="body_factor: this network has no pretrained part"):
        make_optimizer(network, OptimizerConfig(body_factor=0.1))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_steps_are_those_of_torchs_plain_loop(name, kind, memory_format):
    def make():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
        return network.to(memory_format=memory_format)

    ours, plain = make(), make()
    config = OptimizerConfig(name, 0.01, weight_decay=0.1, momentum=0.9, is_nesterov=True)
    extra = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    groups = [
        {"params": [p for p in plain.parameters() if (p.ndim > 1) == decays], "weight_decay": 0.1 * decays}
        for decays in (True, False)
    ]
    optimizers = make_optimizer(ours, config), kind(groups, lr=0.01, foreach=False, **extra)
    for _ in range(3):
        for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OptimizerConfig("adm"), "name: unknown 'adm'; did you mean 'adam'"),
        (lambda: ScheduleConfig(milestones_epochs=(20, 10)), "milestones_epochs: expected ascending"),
        (lambda: ScheduleConfig(milestones_steps=(20, 20)), "milestones_steps: expected ascending"),
        (lambda: ScheduleConfig(warmup_steps=-1), "warmup_steps"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
