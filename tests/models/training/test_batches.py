import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.batches import BatchPlan, BatchSampler, count_batch
from models.training.errors import TrainingError


@given(num=st.integers(4, 60), batch_size=st.integers(4, 20), world=st.integers(1, 2), epochs=st.integers(1, 3))
def test_every_process_together_give_every_sample_once_an_epoch(num, batch_size, world, epochs):
    plan = BatchPlan(num, batch_size, epochs, seed=5)
    fractions = [list(BatchSampler(plan, 0, plan.num_steps, rank=r, world_size=world)) for r in range(world)]
    for epoch in range(epochs):
        steps = slice(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
        keys = [key for share in fractions for batch in share[steps] for key in batch]
        assert sorted(keys) == [(epoch, i) for i in range(num)]
    for step, parts in enumerate(zip(*fractions, strict=True)):
        sizes = [len(part) for part in parts]
        assert sum(sizes) == count_batch(plan, step) <= batch_size
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 1


def test_steps_take_the_place_of_epochs():
    plan = BatchPlan(11, 3, 4, seed=1, steps=6)
    assert (plan.num_steps, plan.steps_per_epoch) == (6, 4)
    whole = BatchPlan(11, 3, 4, seed=1)
    assert list(BatchSampler(plan, 0, 6)) == list(BatchSampler(whole, 0, whole.num_steps))[:6]


def test_batches_from_the_middle_are_those_of_the_whole():
    plan = BatchPlan(11, 3, 4, seed=1)
    whole = list(BatchSampler(plan, 0, plan.num_steps))
    assert list(BatchSampler(plan, 6, 13)) == whole[6:13]


def test_two_epochs_differ_in_order():
    batches = list(BatchSampler(BatchPlan(30, 30, 2), 0, 2))
    assert [index for _, index in batches[0]] != [index for _, index in batches[1]]


def test_fewer_samples_than_processes_are_refused():
    with pytest.raises(TrainingError, match="do not give each of 4 processes one"):
        BatchSampler(BatchPlan(3, 8, 1), 0, 1, world_size=4)
    with pytest.raises(TrainingError, match="no samples"):
        BatchPlan(0, 8, 1)
