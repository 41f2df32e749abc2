import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.trackers_matching import best_sum, naive_greedy

from trackers.matching import MATCHERS, match_greedy, match_hungarian

sizes = st.tuples(st.integers(0, 5), st.integers(0, 5))
# Few distinct values, so that there are ties.
tables = sizes.flatmap(
    lambda shape: hnp.arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 1.0]))
)
minima = st.sampled_from([0.01, 0.25, 0.6])


@given(tables, minima)
def test_greedy_is_the_plain_loop(similarity, minimum):
    rows, cols = match_greedy(similarity, minimum)
    assert list(zip(rows.tolist(), cols.tolist(), strict=True)) == naive_greedy(similarity, minimum)


@given(tables, minima)
def test_hungarian_reaches_the_best_sum(similarity, minimum):
    rows, cols = match_hungarian(similarity, minimum)
    assert similarity[rows, cols].sum() == pytest.approx(best_sum(similarity, minimum))


@pytest.mark.parametrize("name", MATCHERS)
@given(similarity=tables, minimum=minima)
def test_matching_is_one_to_one_and_above_the_minimum(name, similarity, minimum):
    rows, cols = MATCHERS[name](similarity, minimum)
    assert len(set(rows.tolist())) == len(rows) == len(set(cols.tolist())) == len(cols)
    assert (similarity[rows, cols] >= minimum).all()
    assert rows.dtype == cols.dtype == np.int64


def test_greedy_takes_the_globally_best_pair_where_order_would_not():
    # In row order, row 0 would take column 0 and row 1 would be left with nothing.
    similarity = np.array([[0.8, 0.6], [0.9, 0.1]], np.float32)
    rows, cols = match_greedy(similarity, 0.2)
    assert rows.tolist() == [1, 0]
    assert cols.tolist() == [0, 1]


def test_hungarian_never_lets_a_pair_under_the_minimum_steal():
    # 0.9 + 0.0 < 0.48 + 0.48, but neither 0.48 is allowed.
    similarity = np.array([[0.9, 0.48], [0.48, 0.0]], np.float32)
    rows, cols = match_hungarian(similarity, 0.5)
    assert (rows.tolist(), cols.tolist()) == ([0], [0])


@pytest.mark.parametrize("name", MATCHERS)
def test_nan_never_matches(name):
    similarity = np.array([[np.nan, 0.7], [np.nan, np.nan]], np.float32)
    rows, cols = MATCHERS[name](similarity, 0.2)
    assert (rows.tolist(), cols.tolist()) == ([0], [1])
