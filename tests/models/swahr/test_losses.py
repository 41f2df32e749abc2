import numpy as np
import pytest
import torch
from reference import swahr_losses as naive

from models.swahr.losses import (
    SwahrLossConfig,
    compute_pixel_weights,
    compute_stage_losses,
    compute_swahr_losses,
    compute_tag_losses,
    scale_targets,
)
from models.swahr.network import StageMaps

B, K, H, W, M = 2, 3, 8, 6, 5


@pytest.fixture
def stage():
    """Targets as of Gaussians cut off (many are 0), predictions beyond 0 and 1, a mask with holes."""
    rng = np.random.default_rng(0)
    targets = rng.random((B, K, H, W)) ** 3
    targets[rng.random(targets.shape) < 0.5] = 0
    targets[0, 0, 0, 0] = 1
    targets[0, 0, 1, 1] = 0.011
    heatmaps = rng.normal(0.3, 0.5, targets.shape)
    alpha = rng.normal(0, 0.5, targets.shape)
    mask = (rng.random((B, H, W)) < 0.8).astype(float)
    return [array.astype(np.float32) for array in (heatmaps, targets, mask, alpha)]


def to_maps(heatmaps, alpha=None):
    return StageMaps(None if alpha is None else torch.from_numpy(alpha), torch.from_numpy(heatmaps), None)


OPTIONS = [
    {},
    {"target_scaling": "power"},
    {"weight_target": "scaled"},
    {"reduction": "sum"},
    {"scale_branch": "scale"},
    {"gamma": 0.5},
    {"target_scaling": "power", "weight_target": "scaled", "reduction": "sum", "scale_branch": "scale"},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("adaptive_weight", [False, True])
@pytest.mark.parametrize("adaptive_scale", [False, True])
def test_stage_losses_are_those_of_the_loops(stage, adaptive_scale, adaptive_weight, options):
    heatmaps, targets, mask, alpha = stage
    config = SwahrLossConfig(adaptive_scale=adaptive_scale, adaptive_weight=adaptive_weight, **options)
    expected = naive.stage_losses(
        heatmaps,
        targets,
        mask,
        alpha if adaptive_scale else None,
        config.gamma if adaptive_weight else None,
        scaling=config.target_scaling,
        weight_target=config.weight_target,
        reduction=config.reduction,
        scale_branch=config.scale_branch,
    )
    found = compute_stage_losses(to_maps(heatmaps, alpha), *map(torch.from_numpy, (targets, mask)), config)
    assert found[0].item() == pytest.approx(expected[0], rel=1e-6)
    if adaptive_scale:
        assert found[1].item() == pytest.approx(expected[1], rel=1e-6)
    else:
        assert found[1] is None


def test_every_option_changes_the_loss(stage):
    heatmaps, targets, mask, alpha = stage
    configs = [SwahrLossConfig(**options) for options in OPTIONS]
    configs += [SwahrLossConfig(adaptive_scale=False), SwahrLossConfig(adaptive_weight=False)]
    configs += [SwahrLossConfig(adaptive_scale=False, adaptive_weight=False)]
    tensors = [torch.from_numpy(array) for array in (targets, mask)]
    losses = [compute_stage_losses(to_maps(heatmaps, alpha), *tensors, config)[0].item() for config in configs]
    assert len({round(loss, 6) for loss in losses}) == len(losses)


@pytest.fixture
def people():
    rng = np.random.default_rng(1)
    tags = rng.normal(0, 2, (B + 2, K, H, W)).astype(np.float32)
    xy = np.stack([rng.integers(0, W, (B + 2, M, K)), rng.integers(0, H, (B + 2, M, K))], axis=-1)
    is_visible = rng.random((B + 2, M, K)) < 0.6
    is_visible[0, 1] = False
    is_visible[2] = False  # an image with nobody
    is_visible[3, 1:] = False  # and with one person
    is_visible[3, 0] = True
    return tags, xy, is_visible


def test_tag_losses_are_those_of_the_loops(people):
    push, pull = compute_tag_losses(*map(torch.from_numpy, people))
    expected = naive.tag_losses(*people)
    assert min(expected) > 0.05
    assert push.item() == pytest.approx(expected[0], rel=1e-6)
    assert pull.item() == pytest.approx(expected[1], rel=1e-6)


def test_padding_changes_nothing(people):
    tags, xy, is_visible = map(torch.from_numpy, people)
    expected = compute_tag_losses(tags, xy, is_visible)
    xy = torch.cat([xy, torch.full((len(tags), 4, K, 2), -1)], dim=1)
    is_visible = torch.cat([is_visible, torch.zeros(len(tags), 4, K, dtype=torch.bool)], dim=1)
    padded = compute_tag_losses(tags, xy, is_visible)
    torch.testing.assert_close(padded, expected)


@pytest.mark.parametrize("count", [0, 3])
def test_nobody_costs_nothing_and_gives_a_gradient_of_zero(count):
    tags = torch.randn(2, K, H, W, requires_grad=True)
    push, pull = compute_tag_losses(
        tags, torch.zeros(2, count, K, 2, dtype=torch.long), torch.zeros(2, count, K, dtype=torch.bool)
    )
    (push + pull).backward()
    assert (push.item(), pull.item()) == (0, 0)
    assert not tags.grad.any()


def test_two_people_known_by_hand():
    tags = torch.zeros(1, 2, 1, 4)
    tags[0, 0, 0] = torch.tensor([1.0, 0, 0, 3])
    tags[0, 1, 0] = torch.tensor([0.0, 2, 0, 3])
    xy = torch.tensor([[[[0, 0], [1, 0]], [[3, 0], [3, 0]]]])
    push, pull = compute_tag_losses(tags, xy, torch.ones(1, 2, 2, dtype=torch.bool))
    assert push.item() == pytest.approx(0.5 * np.exp(-(1.5**2)), rel=1e-6)
    assert pull.item() == pytest.approx((0.25 + 0) / 2)


@pytest.fixture
def batch(stage, people):
    rng = np.random.default_rng(2)
    heatmaps, targets, mask, alpha = stage
    tags, xy, is_visible = people
    fine_targets = np.repeat(np.repeat(targets, 2, axis=2), 2, axis=3)
    fine_mask = np.repeat(np.repeat(mask, 2, axis=1), 2, axis=2)
    outputs = [
        np.concatenate([alpha, heatmaps, tags[:B]], axis=1),
        rng.normal(0.2, 0.4, (B, 2 * K, 2 * H, 2 * W)).astype(np.float32),
    ]
    return outputs, [targets, fine_targets], [mask, fine_mask], xy[:B], is_visible[:B]


def compute(batch, **options):
    outputs, targets, masks = ([torch.from_numpy(array) for array in arrays] for arrays in batch[:3])
    tag_xy, is_visible = map(torch.from_numpy, batch[3:])
    return compute_swahr_losses(
        outputs, targets, masks, tag_xy=tag_xy, tag_is_visible=is_visible, config=SwahrLossConfig(**options)
    )


def test_all_losses_are_those_of_the_loops(batch):
    outputs, targets, masks, tag_xy, is_visible = batch
    expected = {}
    for name, maps, target, mask in zip(("quarter", "half"), outputs, targets, masks, strict=True):
        expected[f"heatmap_{name}"], expected[f"scale_{name}"] = naive.stage_losses(
            maps[:, K : 2 * K], target, mask, maps[:, :K], 0.01
        )
    push, pull = naive.tag_losses(outputs[0][:, 2 * K :], tag_xy, is_visible)
    expected |= {"push": 0.001 * push, "pull": 0.001 * pull}
    found = compute(batch)
    assert found.keys() == expected.keys()
    for name, loss in found.items():
        assert loss.shape == ()
        assert loss.item() == pytest.approx(expected[name], rel=1e-6), name


def test_weights_multiply_the_losses_by_name(batch):
    plain = compute(batch)
    weighted = compute(
        batch, heatmap_weights=(2.0, 3.0), regularizer_weight=0.5, push_weight=1.0, pull_weight=0.1
    )
    factors = {"heatmap_quarter": 2, "heatmap_half": 3, "scale_quarter": 0.5, "scale_half": 0.5}
    factors |= {"push": 1000, "pull": 100}
    assert weighted.keys() == factors.keys()
    for name, factor in factors.items():
        assert weighted[name].item() == pytest.approx(factor * plain[name].item(), rel=1e-6)


def test_without_adaptive_scale_the_scale_maps_are_ignored_or_absent(batch):
    expected = compute(batch, adaptive_scale=False)
    outputs, *rest = batch
    without = compute(([maps[:, K:] for maps in outputs], *rest), adaptive_scale=False)
    assert without.keys() == expected.keys() == {"heatmap_quarter", "heatmap_half", "push", "pull"}
    torch.testing.assert_close(without, expected)
    with pytest.raises(ValueError, match=r"adaptive_scale: the network has no scale maps"):
        compute(([maps[:, K:] for maps in outputs], *rest))


@pytest.mark.parametrize("options", OPTIONS)
def test_nothing_flows_from_where_the_image_does_not_count(batch, options):
    outputs, targets, masks, tag_xy, is_visible = batch
    outputs = [torch.from_numpy(maps).requires_grad_() for maps in outputs]
    losses = compute_swahr_losses(
        outputs,
        [torch.from_numpy(target) for target in targets],
        [torch.from_numpy(mask).bool() for mask in masks],
        tag_xy=torch.from_numpy(tag_xy),
        tag_is_visible=torch.from_numpy(is_visible),
        config=SwahrLossConfig(**options),
    )
    (sum(losses.values()) - losses["push"] - losses["pull"]).backward()
    for maps, target, mask in zip(outputs, targets, masks, strict=True):
        alpha, heatmaps = maps.grad[:, :K], maps.grad[:, K : 2 * K]
        is_counted = torch.from_numpy(mask).bool()[:, None].expand_as(heatmaps)
        assert maps.grad.isfinite().all()
        assert heatmaps[is_counted].all()
        assert not heatmaps[~is_counted].any()
        has_scale = is_counted & torch.from_numpy(target > 0)
        assert alpha[has_scale].count_nonzero() > 0.9 * has_scale.sum()
        assert not alpha[~has_scale].any()


def test_the_losses_are_float32_whatever_the_network_computes_in(batch):
    outputs, *rest = batch
    expected = compute(batch)
    found = compute_swahr_losses(
        [torch.from_numpy(maps).bfloat16() for maps in outputs],
        *([torch.from_numpy(array) for array in arrays] for arrays in rest[:2]),
        tag_xy=torch.from_numpy(rest[2]),
        tag_is_visible=torch.from_numpy(rest[3]),
    )
    for name, loss in found.items():
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(expected[name].item(), rel=0.02)


def test_targets_scaled_by_one_are_the_targets():
    targets = torch.tensor([0.0, 1e-6, 0.011, 0.5, 1.0])
    for kind in ("expansion", "power"):
        torch.testing.assert_close(scale_targets(targets, torch.zeros(5), kind), targets)
    # Narrower where alpha is above 0, wider where it is below; the middle and the background stay.
    narrower = scale_targets(targets, torch.full((5,), 0.2))
    wider = scale_targets(targets, torch.full((5,), -0.2))
    assert narrower[3] < targets[3] < wider[3]
    assert narrower[[0, 4]].tolist() == wider[[0, 4]].tolist() == [0, 1]


def test_the_expansion_is_near_the_power_for_small_alpha():
    targets = torch.linspace(0.05, 1, 20)
    for alpha in (-0.1, 0.1):
        alphas = torch.full((20,), alpha)
        expansion, power = (scale_targets(targets, alphas, kind) for kind in ("expansion", "power"))
        # What is left out is at most |alpha ln H|^3 / 6 of H.
        assert ((expansion - power).abs() <= targets * (alpha * targets.log()).abs() ** 3 / 5 + 1e-7).all()


def test_pixels_that_are_right_weigh_nothing():
    heatmaps = torch.tensor([1.0, 0.0, 0.0, 1.0])
    targets = torch.tensor([1.0, 0.0, 1.0, 0.0])
    torch.testing.assert_close(compute_pixel_weights(heatmaps, targets, 0.01), torch.tensor([0.0, 0, 1, 1]))
    # At the soft border 2^(-1 / gamma) both sides count alike.
    border = torch.tensor(2.0**-10)
    assert compute_pixel_weights(torch.tensor(0.9), border, 0.1).item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_scaling": "exp"}, "target_scaling: unknown 'exp'"),
        ({"weight_target": "both"}, "weight_target: unknown 'both'"),
        ({"reduction": "none"}, "reduction: unknown 'none'"),
        ({"scale_branch": "beta"}, "scale_branch: unknown 'beta'"),
        ({"gamma": 0.0}, "gamma: expected a number from"),
        ({"push_weight": -1.0}, "push_weight: expected a number from 0"),
        ({"heatmap_weights": (1.0, -1.0)}, "heatmap_weights: expected no number below 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SwahrLossConfig(**options)


def test_unknown_words_are_refused_where_the_maths_is():
    with pytest.raises(ValueError, match="target_scaling 'exp'"):
        scale_targets(torch.ones(1), torch.ones(1), "exp")
