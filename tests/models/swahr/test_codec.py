import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import swahr_codec as naive

from models.data.crop import make_crop_matrices, transform_points
from models.swahr.aggregate import merge_stages, predict_maps
from models.swahr.codec import (
    SIGMA_CELLS,
    compute_box_sigmas,
    decode_people,
    encode_cells,
    encode_heatmaps,
    encode_keypoint_masks,
)
from models.swahr.images import compute_view_size, map_to_image, plan_views

K = 4
ORDER = (1, 0, 2, 3)
MAP_WH = (30, 26)


def draw_people(seed, B=2, M=5, stride=4):
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(-8, np.array(MAP_WH) * stride + 8, (B, M, K, 2)).astype(np.float32)
    return keypoints, rng.random((B, M, K)) < 0.7


@pytest.mark.parametrize("stride", [4, 2])
@pytest.mark.parametrize("is_scaled", [False, True])
def test_targets_are_those_of_the_loops(stride, is_scaled):
    keypoints, is_known = draw_people(0, stride=stride)
    sigmas = np.full(keypoints.shape[:2], 2.0)
    if is_scaled:
        sigmas = np.random.default_rng(1).uniform(0.5, 4, sigmas.shape)
    found = encode_heatmaps(
        torch.from_numpy(keypoints),
        torch.from_numpy(is_known),
        MAP_WH,
        stride,
        torch.from_numpy(sigmas) if is_scaled else 2.0,
    )
    for b, heatmaps in enumerate(found.numpy()):
        expected = naive.encode(keypoints[b], is_known[b], MAP_WH, stride, sigmas[b])
        np.testing.assert_allclose(heatmaps, expected, atol=1e-6)
        cells, visible = encode_cells(
            torch.from_numpy(keypoints[b]), torch.from_numpy(is_known[b]), MAP_WH, stride
        )
        for m, k in np.ndindex(is_known.shape[1:]):
            cell = naive.find_cell(keypoints[b, m, k], is_known[b, m, k], MAP_WH, stride)
            assert visible[m, k] == (cell is not None)
            assert tuple(cells[m, k].tolist()) == (cell or (0, 0))


def test_the_greater_value_counts_where_people_overlap():
    points = torch.tensor([[[[20.0, 40.0]], [[32.0, 40.0]]]])
    both = encode_heatmaps(points, torch.ones(1, 2, 1, dtype=torch.bool), MAP_WH, 4)
    alone = [encode_heatmaps(points[:, i : i + 1], torch.ones(1, 1, 1) > 0, MAP_WH, 4) for i in (0, 1)]
    torch.testing.assert_close(both, torch.maximum(*alone))
    assert both[0, 0, 10, 5] == both[0, 0, 10, 8] == 1
    assert (both > 0).sum() < sum((one > 0).sum() for one in alone)


def test_windows_end_a_cell_behind_three_sigma():
    heatmap = encode_heatmaps(torch.tensor([[[[60.0, 52.0]]]]), torch.ones(1, 1, 1) > 0, MAP_WH, 4)[0, 0]
    assert (heatmap > 0).sum() == 15 * 15
    assert heatmap[13, 8] > 0
    assert heatmap[13, 7] == 0


def test_what_is_not_known_may_be_anything():
    points = torch.full((1, 2, K, 2), float("nan"))
    is_known = torch.zeros(1, 2, K, dtype=torch.bool)
    assert not encode_heatmaps(points, is_known, MAP_WH, 4).any()
    cells, visible = encode_cells(points, is_known, MAP_WH, 4)
    assert not cells.any()
    assert not visible.any()


def test_nobody_gives_empty_maps():
    heatmaps = encode_heatmaps(torch.zeros(2, 0, K, 2), torch.zeros(2, 0, K, dtype=torch.bool), MAP_WH, 4)
    assert heatmaps.shape == (2, K, 26, 30)
    assert not heatmaps.any()


def test_box_widths_are_sigmas():
    assert compute_box_sigmas(torch.tensor([[256.0, 128.0, 0.0]])).tolist() == [[SIGMA_CELLS, 1.0, 0.5]]


def test_masks_of_unknown_keypoints_are_those_of_the_loops():
    rng = np.random.default_rng(2)
    keypoints, is_known = draw_people(3)
    heatmaps = encode_heatmaps(torch.from_numpy(keypoints), torch.from_numpy(is_known), MAP_WH, 4)
    masks = (rng.random((2, 26, 30)) < 0.9).astype(np.float32)
    corners = rng.uniform(0, 90, (2, 5, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (2, 5, 2))], axis=2).astype(np.float32)
    boxes[:, 4] = 0
    matrices = make_crop_matrices([[50, 50], [60, 40]], [120, 90], (120, 104), rotations_deg=[0, 25])
    found = encode_keypoint_masks(
        torch.from_numpy(masks),
        heatmaps,
        torch.from_numpy(boxes),
        torch.from_numpy(~is_known),
        torch.from_numpy(matrices)[:, None].expand(-1, 5, -1, -1),
        4,
    )
    for b in (0, 1):
        expected = naive.keypoint_masks(masks[b], heatmaps[b], boxes[b], ~is_known[b], matrices[b], 4)
        np.testing.assert_array_equal(found[b], expected)
    assert 0 < found.sum() < masks.sum() * K


def select_all(mask):
    return tuple(place.flatten() for place in torch.meshgrid(*map(torch.arange, mask.shape), indexing="ij"))


def test_targets_and_masks_are_the_same_without_a_selection_and_in_parts(monkeypatch):
    """On a GPU nothing is selected, as the number of what is set would have to be waited for."""
    keypoints, is_known = map(torch.from_numpy, draw_people(5, B=3, M=6))
    is_known[1] = False
    boxes = torch.tensor(
        [[0, 0, 60, 50], [30, 20, 90, 104], [10, 50, 10, 60], [0, 0, 0, 0], [70, 0, 120, 104.0]]
    )
    boxes = torch.cat([boxes, boxes[:1] + 20])[None].expand(3, -1, -1)
    matrices = torch.tensor([[0.9, 0.2, 3], [-0.2, 0.9, 8]]).expand(3, 6, -1, -1)
    masks = torch.ones(3, 26, 30)

    def encode():
        heatmaps = encode_heatmaps(keypoints, is_known, MAP_WH, 4)
        return heatmaps, encode_keypoint_masks(masks, heatmaps, boxes, ~is_known, matrices, 4)

    expected = encode()
    assert 0 < expected[1][0].sum() < 26 * 30 * K
    monkeypatch.setattr("models.swahr.codec.select_set", select_all)
    for ours, theirs in zip(encode(), expected, strict=True):
        assert torch.equal(ours, theirs)
    monkeypatch.setattr("models.swahr.codec._CELLS_AT_ONCE", 200)
    assert torch.equal(encode()[1], expected[1])


def make_tags(cells, visible, size_wh=MAP_WH):
    """Tags as a perfect network would give them: person m has tag 3 m in the cell of each keypoint."""
    tags = torch.full((1, K, size_wh[1], size_wh[0]), -20.0)
    for m, k in visible.nonzero().tolist():
        x, y = cells[m, k].tolist()
        tags[0, k, y, x] = 3.0 * m
    return tags


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)), min_size=K, max_size=K),
        min_size=1,
        max_size=3,
    )
)
def test_round_trip(people):
    stride = 4
    points = torch.tensor(people, dtype=torch.float32) * torch.tensor(MAP_WH) * stride
    is_known = torch.ones(points.shape[:2], dtype=torch.bool)
    cells, visible = encode_cells(points, is_known, MAP_WH, stride)
    gaps = (cells[:, None] - cells[None]).abs().amax(dim=-1)
    gaps[range(len(people)), range(len(people))] = 100
    if (gaps < 8).any():
        return
    heatmaps = encode_heatmaps(points[None], is_known[None], MAP_WH, stride)
    found = decode_people(heatmaps, [make_tags(cells, visible)], ORDER)[0]
    assert len(found.scores) == len(people)
    assert (found.keypoint_scores == 1).all()
    back = torch.from_numpy(found.keypoints_xy)
    order = [(back[:, 0] - point[0] / stride).abs().sum(dim=1).argmin().item() for point in points]
    assert sorted(order) == list(range(len(people)))
    assert ((back[order] - points / stride).abs() <= 0.75 + 1e-4).all()


def test_corners_come_back():
    last = (torch.tensor(MAP_WH) * 4 - 1).float()
    points = torch.tensor([[[0, 0], [1, 0], [0, 1], [1, 1]]]) * last
    is_known = torch.ones(1, K, dtype=torch.bool)
    heatmaps = encode_heatmaps(points[None], is_known[None], MAP_WH, 4)
    found = decode_people(heatmaps, [make_tags(*encode_cells(points, is_known, MAP_WH, 4))], ORDER)[0]
    assert np.abs(found.keypoints_xy - points.numpy() / 4).max() <= 0.75


class Painter:
    """Stands in for the network: the image's channels, the second stage finer than the first."""

    def __init__(self, has_scale_maps):
        self.has_scale_maps = has_scale_maps

    def __call__(self, images):
        outputs = []
        for stride, tags in ((4, True), (2, False)):
            maps = torch.nn.functional.avg_pool2d(images[:, :2], stride)
            alpha = [maps * 0 - 7] if self.has_scale_maps else []
            outputs.append(torch.cat([*alpha, maps, *([10 * maps] if tags else [])], dim=1))
        return outputs


def enlarge(maps, H, W):
    """Linear between the middles of cells, as a loop."""
    h, w = maps.shape[-2:]
    out = np.zeros((*maps.shape[:-2], H, W))
    for y in range(H):
        for x in range(W):
            sy = min(max((y + 0.5) * h / H - 0.5, 0), h - 1)
            sx = min(max((x + 0.5) * w / W - 0.5, 0), w - 1)
            y0, x0 = int(sy), int(sx)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            fy, fx = sy - y0, sx - x0
            top = maps[..., y0, x0] * (1 - fx) + maps[..., y0, x1] * fx
            bottom = maps[..., y1, x0] * (1 - fx) + maps[..., y1, x1] * fx
            out[..., y, x] = top * (1 - fy) + bottom * fy
    return out


@pytest.mark.parametrize("has_scale_maps", [False, True])
def test_stages_are_averaged_at_the_finer(has_scale_maps):
    image = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    outputs = Painter(has_scale_maps)(image)
    heatmaps, tags = merge_stages(outputs, 2)
    first = torch.nn.functional.avg_pool2d(image[:, :2], 4).numpy()
    second = torch.nn.functional.avg_pool2d(image[:, :2], 2).numpy()
    np.testing.assert_allclose(heatmaps, (enlarge(first, 8, 12) + second) / 2, atol=1e-6)
    np.testing.assert_allclose(tags, enlarge(10 * first, 8, 12), atol=1e-5)
    half, same_tags = merge_stages(outputs, 2, "half")
    np.testing.assert_allclose(half, second, atol=1e-6)
    np.testing.assert_array_equal(same_tags, tags)


def test_the_mirror_is_turned_back_and_its_keypoints_swapped():
    image = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(1))
    plain = predict_maps(Painter(True), [image], [1.0], num_keypoints=2)
    found = predict_maps(Painter(True), [image], [1.0], num_keypoints=2, flip_index=(1, 0))
    # The painter sees the same in the mirror, so only the swap shows.
    torch.testing.assert_close(found.heatmaps, (plain.heatmaps + plain.heatmaps.flip(1)) / 2)
    assert len(plain.tags) == 1
    torch.testing.assert_close(found.tags[0], plain.tags[0])
    torch.testing.assert_close(found.tags[1], plain.tags[0].flip(1))


@pytest.mark.parametrize("projected_wh", [None, (24, 16)])
def test_scales_are_averaged_and_tags_are_those_of_scale_one(projected_wh):
    rng = torch.Generator().manual_seed(2)
    images = [torch.rand(1, 3, h, w, generator=rng) for h, w in ((24, 36), (16, 24), (8, 12))]
    found = predict_maps(Painter(False), images, (1.5, 1, 0.5), num_keypoints=2, projected_wh=projected_wh)
    single = [predict_maps(Painter(False), [image], [1], num_keypoints=2) for image in images]
    W, H = projected_wh or (18, 12)
    expected = sum(enlarge(maps.heatmaps.numpy(), H, W) for maps in single) / 3
    np.testing.assert_allclose(found.heatmaps, expected, atol=1e-6)
    np.testing.assert_allclose(found.tags[0], enlarge(single[1].tags[0].numpy(), H, W), atol=1e-5)
    with pytest.raises(ValueError, match="expected 1 among"):
        predict_maps(Painter(False), images[:2], (1.5, 0.5), num_keypoints=2)
    with pytest.raises(ValueError, match="from large to small"):
        predict_maps(Painter(False), images[:2], (0.5, 1), num_keypoints=2)


@pytest.mark.parametrize(
    ("image_wh", "size_wh"), [((640, 480), (704, 512)), ((480, 640), (512, 704)), ((500, 500), (512, 512))]
)
def test_sizes_are_those_of_the_public_code(image_wh, size_wh):
    assert compute_view_size(image_wh, 512) == size_wh
    views = plan_views(image_wh, 512, (0.5, 1.0, 1.5))
    assert [view.scale for view in views] == [1.5, 1.0, 0.5]
    assert views[1].size_wh == compute_view_size(image_wh, 512, 1.0, 0.5)
    assert all(size % 64 == 0 for size in views[2].size_wh)
    assert views[0].size_wh == tuple(3 * size for size in views[2].size_wh)


@settings(max_examples=40, deadline=None)
@given(st.integers(50, 900), st.integers(50, 900), st.sampled_from([1, 2, 4]))
def test_points_come_back_to_the_image(w, h, stride):
    view = plan_views((w, h), 256)[0]
    points = np.random.default_rng(0).uniform(0, 1, (3, K, 2)) * (w, h)
    seen = transform_points(points, view.matrix[None].repeat(3, axis=0)) / stride
    map_wh = (view.size_wh[0] // stride, view.size_wh[1] // stride)
    back = map_to_image(seen, map_wh, (w, h))
    np.testing.assert_allclose(back, points, atol=2e-3 * max(w, h) / 100)
