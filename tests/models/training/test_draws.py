from collections import Counter

import pytest

from models.training.draws import DrawnDataset, TrainingSet, count_draws, draw_samples


class Keys:
    """A data set whose samples are their keys."""

    def __getitem__(self, key):
        return key


SETS = [TrainingSet("a", ".", 2), TrainingSet("b", ".", 0.5), TrainingSet("c", ".")]
COUNTS = [3, 4, 2]


def draw(epoch):
    dataset = draw_samples(Keys(), COUNTS, SETS, seed=5)
    assert count_draws(COUNTS, SETS) == len(dataset) == 10
    return [dataset[(epoch, place)] for place in range(10)]


def test_samples_are_drawn_as_often_as_their_set_says():
    counts = Counter(index for epoch in range(4) for _, index in draw(epoch))
    assert counts == {**dict.fromkeys(range(3), 8), **dict.fromkeys(range(3, 7), 2), 7: 4, 8: 4}
    # Half of the second set in each epoch, the other half in the next.
    halves = [{index for _, index in draw(epoch) if 3 <= index < 7} for epoch in (0, 1)]
    assert len(halves[0]) == len(halves[1]) == 2
    assert halves[0] | halves[1] == {3, 4, 5, 6}


def test_a_sample_is_never_drawn_with_the_same_augmentation():
    keys = [key for epoch in range(6) for key in draw(epoch)]
    assert len(set(keys)) == len(keys)
    assert {visit for visit, index in keys if index == 0} == set(range(12))


def test_order_depends_on_the_seed_alone():
    assert draw(3) == draw(3)
    orders = [DrawnDataset(Keys(), [50], [0.5], seed)[(0, 0)] for seed in range(8)]
    assert len(set(orders)) > 1


def test_once_is_the_data_set_itself():
    dataset = Keys()
    sets = [TrainingSet("a", "."), TrainingSet("b", ".")]
    assert draw_samples(dataset, [3, 4], sets, 0) is dataset
    assert count_draws([3, 4], sets) == 7


@pytest.mark.parametrize("times", [0, -1, 1000, float("nan")])
def test_times_out_of_range(times):
    with pytest.raises(ValueError, match=r"^times: expected a number from 0.01 to 100"):
        TrainingSet("a", ".", times)
