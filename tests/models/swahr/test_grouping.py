from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import swahr_grouping as naive

from models.swahr.assignment import assign_rows
from models.swahr.codec import DecodeConfig, decode_people
from models.swahr.grouping import group_peaks
from models.swahr.peaks import Peaks, find_peaks

K = 5
ORDER = (0, 1, 3, 4, 2)


def draw_maps(seed, people=6, size_wh=(48, 40), num_tags=2, missing=0.25, noise=0.1, spread=5.0):
    """Heatmaps and tags of people at random places; some keypoints have no peak, some stand by themselves."""
    rng = np.random.default_rng(seed)
    W, H = size_wh
    heatmaps = np.abs(rng.normal(0, 0.01, (K, H, W))).astype(np.float32)
    tags = rng.normal(0, 1, (num_tags, K, H, W)).astype(np.float32)
    y, x = np.mgrid[:H, :W]
    for tag in rng.uniform(-spread, spread, people):
        for k in range(K):
            cx, cy = rng.integers(0, (W, H))
            height = rng.uniform(0.02, 0.08) if rng.random() < missing else rng.uniform(0.2, 1)
            squares = (x - cx) ** 2 + (y - cy) ** 2
            heatmaps[k] = np.maximum(heatmaps[k], height * np.exp(-squares / 8))
            is_near = squares <= 9
            tags[:, k, is_near] = tag + rng.normal(0, noise, (num_tags, is_near.sum()))
    return heatmaps, tags


def decode(heatmaps, tags, config=None):
    maps = [torch.from_numpy(maps)[None] for maps in (heatmaps, *tags)]
    return decode_people(maps[0], maps[1:], ORDER, config)[0]


def assert_same(found, expected, scores):
    assert len(found.scores) == len(expected)
    np.testing.assert_array_equal(found.keypoints_xy, expected[..., :2].reshape(found.keypoints_xy.shape))
    np.testing.assert_array_equal(found.keypoint_scores, expected[..., 2])
    np.testing.assert_allclose(found.scores, scores, rtol=1e-6)


@pytest.mark.parametrize("num_tags", [1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_people_are_those_of_the_loops(seed, num_tags):
    heatmaps, tags = draw_maps(seed, people=3 + 2 * seed, num_tags=num_tags, noise=0.02 + 0.06 * (seed % 4))
    expected, scores = naive.decode(heatmaps, np.moveaxis(tags, 0, -1), ORDER)
    found = decode(heatmaps, tags)
    assert_same(found, expected, scores)
    assert len(found.scores) > 2
    plain = decode(heatmaps, tags, DecodeConfig(fills_missing=False))
    assert (found.keypoint_scores > 0).sum() > (plain.keypoint_scores > 0).sum()
    np.testing.assert_array_equal(found.scores, plain.scores)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("config", [DecodeConfig(max_people=4), DecodeConfig(min_score=0.5, window_cells=3)])
def test_people_of_noise_are_those_of_the_loops(seed, config):
    rng = np.random.default_rng(seed)
    heatmaps = rng.normal(0, 1, (K, 24, 20)).astype(np.float32)
    tags = rng.normal(0, 2, (2, K, 24, 20)).astype(np.float32)
    expected, scores = naive.decode(
        heatmaps,
        np.moveaxis(tags, 0, -1),
        ORDER,
        min_score=config.min_score,
        max_people=config.max_people,
        window=config.window_cells,
    )
    assert_same(decode(heatmaps, tags, config), expected, scores)
    assert len(scores) > 4


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_assignment_is_munkres_ties_included(N, M, values, seed):
    rng = np.random.default_rng(seed)
    costs = rng.integers(0, values, (N, M)) * 100.0 - rng.random((N, 1)).astype(np.float32)
    columns = assign_rows(costs)
    assert columns.tolist() == naive.assign(costs)
    given_columns = columns[columns >= 0]
    assert len(given_columns) == len(set(given_columns.tolist())) == min(N, M)


def test_assignment_of_nothing():
    assert assign_rows(np.zeros((0, 3))).tolist() == []
    assert assign_rows(np.zeros((2, 0))).tolist() == [-1, -1]


def test_nobody():
    heatmaps, tags = draw_maps(0, people=0)
    found = decode(heatmaps, tags)
    assert found.keypoints_xy.shape == (0, K, 2)
    assert found.keypoint_scores.shape == (0, K)
    assert found.scores.shape == (0,)


def test_one_person():
    heatmaps, tags = draw_maps(0, people=1, missing=0)
    found = decode(heatmaps, tags)
    assert found.keypoints_xy.shape == (1, K, 2)
    assert (found.keypoint_scores > 0.2).all()
    assert found.scores[0] == pytest.approx(found.keypoint_scores.mean())


def test_a_batch_is_decoded_like_its_images():
    pairs = [draw_maps(seed, people=4 * seed) for seed in range(3)]
    heatmaps = torch.from_numpy(np.stack([pair[0] for pair in pairs]))
    tags = [torch.from_numpy(np.stack([pair[1][t] for pair in pairs])) for t in (0, 1)]
    for together, (one_heatmaps, one_tags) in zip(decode_people(heatmaps, tags, ORDER), pairs, strict=True):
        alone = decode(one_heatmaps, one_tags)
        np.testing.assert_array_equal(together.keypoints_xy, alone.keypoints_xy)
        np.testing.assert_array_equal(together.scores, alone.scores)


def make_peaks(tags, scores):
    """A person each row of tags (N, K), seen at (n, k)."""
    N, num_keypoints = tags.shape
    order = np.argsort(-scores, axis=0, kind="stable")
    columns = np.arange(num_keypoints)[None]
    points = np.stack([order, np.broadcast_to(columns, order.shape)], axis=2)
    return Peaks(
        starts=np.arange(num_keypoints + 1) * N,
        points_xy=points.transpose(1, 0, 2).reshape(-1, 2).astype(np.float32),
        scores=scores[order, columns].T.ravel().astype(np.float32),
        tags=tags[order, columns].T.reshape(-1, 1).astype(np.float32),
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_who_comes_first_changes_nothing_but_the_order(N, seed, random):
    rng = np.random.default_rng(seed)
    tags = np.arange(N)[:, None] * 3.0 + rng.uniform(-0.4, 0.4, (N, K))
    scores = rng.permutation(N * K).reshape(N, K) / (N * K) * 0.8 + 0.2
    turned = random.sample(range(N), N)
    groups = []
    for rows in (range(N), turned):
        rows = list(rows)
        peaks = make_peaks(tags[rows], scores[rows])
        members = group_peaks(peaks, ORDER)
        people = np.array(rows)[peaks.points_xy[members][..., 0].astype(int)]
        assert (people == people[:, :1]).all(), "each is one person"
        groups.append(people[:, 0].tolist())
    assert groups[0] == groups[1], "people are ordered by their scores alone"
    assert sorted(groups[0]) == list(range(N))


def test_people_beyond_the_most_get_no_more_keypoints():
    tags = np.arange(4)[:, None] * np.full((1, K), 5.0)
    members = group_peaks(make_peaks(tags, np.linspace(0.9, 0.3, 4 * K).reshape(4, K)), ORDER, max_people=3)
    assert (members[:3] >= 0).all()
    assert ((members[3:] >= 0).sum(axis=1) == 1).all()
    assert len(members) == 3 + K


def test_same_tags_are_two_people():
    peaks = make_peaks(np.zeros((2, 1)), np.array([[0.9], [0.8]]))
    assert group_peaks(peaks, (0,)).tolist() == [[0], [1]]


def test_peaks_of_the_same_height_go_by_row():
    heatmaps = np.zeros((1, 20, 20), np.float32)
    for y, x in ((12, 3), (2, 15), (12, 15)):
        heatmaps[0, y, x] = 0.5
    peaks = find_peaks(heatmaps, [heatmaps], min_score=0.1, max_peaks=2)
    assert peaks.points_xy.tolist() == [[15.25, 2.25], [3.25, 12.25]]
    assert peaks.starts.tolist() == [0, 2]


def test_wrong_arguments_are_refused():
    maps = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match="keypoint_order: expected each of 0 to 2 once"):
        decode_people(maps, [maps], (0, 1, 1))
    with pytest.raises(ValueError, match=r"tags: expected one or more maps of \(1, 3, 8, 8\), got \[\]"):
        decode_people(maps, [], (0, 1, 2))
    with pytest.raises(ValueError, match="window_cells: expected an odd number, got 4"):
        replace(DecodeConfig(), window_cells=4)
    with pytest.raises(ValueError, match="min_score"):
        DecodeConfig(min_score=-1)
