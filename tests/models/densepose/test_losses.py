import math
from dataclasses import replace

import pytest
import torch
from reference.densepose_losses import balance_naive, compute_naive_losses
from reference.densepose_scene import make_outputs, make_person

from models.densepose.losses import (
    DenseLossConfig,
    balance_losses,
    compute_dense_losses,
    compute_dense_points_loss,
)

BOXES = torch.tensor([[10.0, 20.0, 90.0, 140.0], [30.25, 4.5, 70.0, 60.0], [10.0, 20.0, 90.0, 140.0]])
REGIONS = torch.tensor([[14.0, 18.5, 95.0, 133.0], [30.0, 2.0, 66.5, 61.0], [40.0, 20.0, 90.0, 100.0]])
PEOPLE = [make_person(1), make_person(2, 7), make_person(3)]
CONFIDENCES = {"none": (), "isotropic": ("sigma_2",), "anisotropic": ("sigma_2", "kappa_u", "kappa_v")}


def double(person):
    """The same person in float64."""
    return replace(person, points_xy=person.points_xy.double(), coordinates_uv=person.coordinates_uv.double())


def compare(outputs, people, config, boxes=BOXES, regions=REGIONS):
    """Losses and gradients beside the loop, in float64 and in float32; returns the losses."""
    people, boxes, regions = [double(person) for person in people], boxes.double(), regions.double()
    wanted = {name: output.clone().requires_grad_() for name, output in outputs.items()}
    naive = compute_naive_losses(wanted, people, boxes, regions, config)
    if any(loss.requires_grad for loss in naive.values()):
        sum(naive.values()).backward()
    for dtype, precision in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        found = {name: output.to(dtype, copy=True).requires_grad_() for name, output in outputs.items()}
        losses = compute_dense_losses(found, people, boxes.to(dtype), regions.to(dtype), config)
        assert losses.keys() == naive.keys()
        for name, loss in losses.items():
            assert loss.dtype == dtype
            assert loss.item() == pytest.approx(naive[name].item(), rel=precision, abs=0.01 * precision)
        sum(losses.values()).backward()
        for name, output in found.items():
            gradient = wanted[name].grad
            gradient = torch.zeros_like(output) if gradient is None else gradient.to(dtype)
            atol = precision * max(0.1, gradient.abs().max())
            torch.testing.assert_close(output.grad, gradient, rtol=precision, atol=atol)
    return losses


@pytest.mark.parametrize("num_coarse", [2, 15])
@pytest.mark.parametrize("loss", ["smooth_l1", "dense_points"])
def test_losses_are_those_of_the_loop(num_coarse, loss):
    config = DenseLossConfig(1.5, 0.7, 0.3, loss, 0.25)
    losses = compare(make_outputs(3, num_coarse=num_coarse), PEOPLE, config)
    assert min(loss.item() for loss in losses.values()) > 0


@pytest.mark.parametrize("kind", ["isotropic", "anisotropic"])
def test_losses_with_confidences_are_those_of_the_loop(kind):
    outputs = make_outputs(3, confidences=CONFIDENCES[kind], seed=4)
    assert compare(outputs, PEOPLE, DenseLossConfig(confidences=kind)).keys() == {"coarse", "fine", "uv"}


def test_confidences_without_a_direction_are_alike():
    outputs = make_outputs(3, confidences=("sigma_2", "kappa_u", "kappa_v"))
    outputs |= {name: torch.zeros_like(outputs[name]) for name in ("kappa_u", "kappa_v")}
    found = [
        compute_dense_losses(outputs, PEOPLE, BOXES, REGIONS, DenseLossConfig(confidences=kind))["uv"].item()
        for kind in ("isotropic", "anisotropic")
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_sums_grow_with_the_points_and_means_do_not():
    outputs = make_outputs(1)
    person = PEOPLE[0]
    twice = replace(
        person,
        **{name: torch.cat([getattr(person, name)] * 2) for name in ("points_xy", "charts", "coordinates_uv")},
    )
    once, doubled = (
        compute_dense_losses(outputs, [each], BOXES[:1], REGIONS[:1], DenseLossConfig())
        for each in (person, twice)
    )
    assert doubled["u"].item() == pytest.approx(2 * once["u"].item(), rel=1e-5)
    assert doubled["fine"].item() == pytest.approx(once["fine"].item(), rel=1e-5)
    assert doubled["coarse"].item() == once["coarse"].item()


def check_all_zero(outputs, people, boxes, regions, **options):
    outputs = {name: output.float().requires_grad_() for name, output in outputs.items()}
    losses = compute_dense_losses(outputs, people, boxes, regions, DenseLossConfig(**options))
    assert [loss.item() for loss in losses.values()] == [0.0] * len(losses)
    sum(losses.values()).backward()
    for output in outputs.values():
        assert output.grad is not None
        assert not output.grad.any()


def test_without_points_every_loss_is_zero_and_in_the_graph():
    far = REGIONS[:1] + 1000
    check_all_zero(make_outputs(1), PEOPLE[:1], BOXES[:1], far)
    check_all_zero(make_outputs(1), [make_person(5, 0)], BOXES[:1], REGIONS[:1])
    nobody = torch.zeros(0, 4)
    check_all_zero(make_outputs(0), [], nobody, nobody)
    check_all_zero(make_outputs(0, confidences=("sigma_2",)), [], nobody, nobody, confidences="isotropic")


def test_a_region_without_points_beside_one_with_them():
    regions = torch.stack([REGIONS[0], REGIONS[1] + 500])
    compare(make_outputs(2), PEOPLE[:2], DenseLossConfig(), BOXES[:2], regions)


def test_a_single_point_and_points_on_the_border():
    compare(make_outputs(1), [make_person(6, 1)], DenseLossConfig(), BOXES[:1], BOXES[:1])
    edges = torch.tensor([[0.0, 0.0], [256.0, 256.0], [0.0, 255.999], [128.0, 0.0], [255.999, 255.999]])
    person = replace(make_person(7, 5), points_xy=edges, charts=torch.tensor([1, 2, 3, 4, 24]))
    losses = compare(make_outputs(1), [person], DenseLossConfig(), BOXES[:1], BOXES[:1])
    assert all(loss.isfinite() for loss in losses.values())


def test_points_of_the_background_have_no_coordinates():
    person = replace(make_person(8, 4), charts=torch.zeros(4, dtype=torch.int64))
    losses = compare(make_outputs(1), [person], DenseLossConfig(), BOXES[:1], REGIONS[:1])
    assert losses["fine"] > 0
    assert losses["u"].item() == losses["v"].item() == 0


def test_if_somebody_has_no_mask_coarse_parts_are_not_learned():
    people = [make_person(1), make_person(2, has_mask=False), make_person(3)]
    losses = compare(make_outputs(3), people, DenseLossConfig())
    assert losses["coarse"].item() == 0
    assert losses["fine"] > 0


@pytest.mark.parametrize("omega", [0.5, 0.25])
def test_the_gradient_of_the_dense_points_loss_is_not_that_of_equation_2(omega):
    errors = torch.tensor([-3.0, -1.0, -0.6, 0.0, 0.3, 0.999999, 1.0, 1.000001, 5.0], dtype=torch.float64)
    errors.requires_grad_()
    loss = compute_dense_points_loss(errors, omega)
    loss.sum().backward()
    x = errors.detach()
    inside = 2 * omega * x / (1 + x**2)
    torch.testing.assert_close(errors.grad, torch.where(x.abs() < 1, inside, omega * x.sign()))
    # Both pieces meet at 1, with one value and one slope; the printed Eq. 2 is half of it there.
    assert loss[6].item() == pytest.approx(omega * math.log(2))
    assert errors.grad[5].item() == pytest.approx(errors.grad[7].item(), abs=1e-6)
    printed = omega * x.abs() / (1 + x**2)
    assert errors.grad[4].item() == pytest.approx(2 * printed[4].item())
    smooth = torch.nn.functional.smooth_l1_loss(x, torch.zeros_like(x), reduction="none")
    assert (loss.detach() <= smooth + 1e-12).all()


@pytest.mark.parametrize("is_detached", [True, False])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_balanced_losses_are_those_of_the_loop(factor, is_detached):
    values = ({"a": 0.5, "b": 2.0, "e": 0.0, "f": 3.5}, {"c": 1.0, "d": 40.0})
    groups = [
        {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in group.items()}
        for group in values
    ]
    expected, slopes = balance_naive(values, (1.0, factor), is_detached=is_detached)
    weighted = balance_losses(groups, (1.0, factor), is_detached=is_detached)
    sum(weighted.values()).backward()
    for name, loss in (groups[0] | groups[1]).items():
        assert weighted[name].item() == pytest.approx(expected[name], rel=1e-12)
        assert loss.grad.item() == pytest.approx(slopes[name], rel=1e-12)
    # Through the weights, a loss much larger than the others of its group would be raised.
    assert (groups[0]["f"].grad < 0) == (not is_detached)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coordinate_loss": "l3"}, "coordinate_loss 'l3'"),
        ({"confidences": "some"}, "confidences 'some'"),
        ({"omega": 0.6}, "omega"),
        ({"omega": 0.0}, "omega"),
        ({"fine_weight": -1.0}, "fine_weight"),
        ({"coordinate_weight": math.nan}, "coordinate_weight"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DenseLossConfig(**options)
