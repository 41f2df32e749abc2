"""Losses of the dense head, and the balancing of a network's losses.

Source: Güler et al., "DensePose", CVPR 2018; Neverova et al., "Correlated Uncertainty for Learning Dense
Correspondences from Noisy Labels", NeurIPS 2019, Eq. 1 to 7 (confidences); UV R-CNN, Eq. 1, 2 (Dense Points
loss), 5 and 6 (balanced weighting).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from models.densepose.parts import CHART_TO_MASK
from models.densepose.targets import PersonPoints, PlacedPoints, place_points, resample_masks
from models.densepose.variants import Confidences

CoordinateLoss = Literal["smooth_l1", "dense_points", "absolute"]

_LEAST_VARIANCE = 0.01
_LOG_2PI = math.log(2 * math.pi)
_LOG_2 = math.log(2)


@dataclass(frozen=True)
class DenseLossConfig:
    """How the dense head's losses are computed and weighted; the defaults are those of the papers.

    Attributes:
        coarse_weight: Weight of the coarse parts' loss.
        fine_weight: Weight of the charts' loss.
        coordinate_weight: Weight of the losses of u and v.
        coordinate_loss: `smooth_l1`, `dense_points` of UV R-CNN, or the `absolute` error.
        omega: w of the Dense Points loss.
        limb_weight: Weight of the loss of points whose coarse part alone is known (`models.densepose.limbs`).
        confidences: Without confidences, or those of a network that predicts them: one variance (`isotropic`,
            sigma_2), or a variance and the direction of a larger one (`anisotropic`, with kappa_u and kappa_v).

    Raises:
        ValueError: An option is unknown or out of range.
    """

    coarse_weight: float = 2.0
    fine_weight: float = 0.3
    coordinate_weight: float = 0.1
    coordinate_loss: CoordinateLoss = "smooth_l1"
    omega: float = 0.5
    confidences: Confidences = "none"
    limb_weight: float = 0.0

    def __post_init__(self) -> None:
        known = get_args(CoordinateLoss)
        if self.coordinate_loss not in known:
            raise ValueError(f"coordinate_loss '{self.coordinate_loss}': known: {', '.join(known)}")
        if self.confidences not in ("none", "isotropic", "anisotropic"):
            raise ValueError(f"confidences '{self.confidences}': known: none, isotropic, anisotropic")
        if not 0 < self.omega <= 0.5:
            raise ValueError(f"omega: expected a number above 0, at most 0.5, got {self.omega:g}")
        for name in ("coarse_weight", "fine_weight", "coordinate_weight", "limb_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: expected a number from 0 up, got {getattr(self, name):g}")


def compute_dense_losses(
    outputs: Mapping[str, Tensor],
    people: Sequence[PersonPoints],
    boxes_xyxy: Tensor,
    regions_xyxy: Tensor,
    config: DenseLossConfig,
) -> dict[str, Tensor]:
    """Compute the weighted losses of the dense head.

    The losses of u and v are sums over the annotated points, so they grow with their number; that of the charts
    is a mean over the points, and that of the coarse parts one over regions and cells.

    Args:
        outputs: Of `ChartPredictor` for N regions.
        people: N annotations, of the person of each region.
        boxes_xyxy: (N, 4), their boxes.
        regions_xyxy: (N, 4).
        config: How.

    Returns:
        `coarse`, `fine`, and `u` and `v`, or, with confidences, `uv`; scalars. All are 0 if no point lies in
        its region; `coarse` also if somebody has no mask.
    """
    points = place_points(people, boxes_xyxy, regions_xyxy, outputs["fine"].shape[-1])
    labels = _resample_labels(outputs["coarse"], people, boxes_xyxy, regions_xyxy)
    return compute_losses_at(outputs, points, labels, config)


def compute_losses_at(
    outputs: Mapping[str, Tensor], points: PlacedPoints, labels: Tensor | None, config: DenseLossConfig
) -> dict[str, Tensor]:
    """Compute the weighted losses of outputs at points that are placed on their cells.

    Args:
        outputs: As in `compute_dense_losses`, of N crops or regions (H, W).
        points: The annotated points.
        labels: (N, H, W) int64, the coarse parts; None where somebody has no mask.
        config: How.

    Returns:
        As `compute_dense_losses`.
    """
    names = ("u", "v") if config.confidences == "none" else ("uv",)
    outputs = {name: output.to(_find_precision(output)) for name, output in outputs.items()}
    if len(points) == 0:
        # All parameters stay in the graph, which distributed training needs.
        nothing = torch.stack([output.sum() for output in outputs.values()]).sum() * 0
        return dict.fromkeys(("coarse", "fine", *names), nothing)
    coarse = _compute_coarse_loss(outputs["coarse"], labels)
    fine = functional.cross_entropy(points.sample(outputs["fine"]), points.charts)
    losses = {"coarse": config.coarse_weight * coarse, "fine": config.fine_weight * fine}
    on_body = PlacedPoints(*(column[points.charts > 0] for column in points))
    errors = _list_errors(outputs, on_body)
    if config.confidences == "none":
        for name, error in zip(names, errors, strict=True):
            losses[name] = config.coordinate_weight * _measure_errors(error, config)
    else:
        spread = _measure_with_confidence(outputs, on_body, errors, config.confidences)
        losses["uv"] = config.coordinate_weight * spread
    return losses


def compute_limb_loss(
    outputs: Mapping[str, Tensor],
    people: Sequence[PersonPoints],
    boxes_xyxy: Tensor,
    regions_xyxy: Tensor,
    weight: float,
) -> Tensor:
    """Compute the loss of points whose coarse part alone is known.

    The cross-entropy of the coarse parts, and that of the charts, in which the charts of a coarse part count as
    one: the mean over points of both, added.

    Args:
        outputs: Of `ChartPredictor` for N regions.
        people: N annotations with limbs alone, of the person of each region.
        boxes_xyxy: (N, 4), their boxes.
        regions_xyxy: (N, 4).
        weight: Of the loss.

    Returns:
        A scalar, 0 if no point lies in its region.
    """
    points = place_points(people, boxes_xyxy, regions_xyxy, outputs["fine"].shape[-1])
    return compute_limb_loss_at(outputs, points, weight)


def compute_limb_loss_at(outputs: Mapping[str, Tensor], points: PlacedPoints, weight: float) -> Tensor:
    """Compute `compute_limb_loss` at points that are placed on the cells of the outputs."""
    coarse, fine = (outputs[name].to(_find_precision(outputs[name])) for name in ("coarse", "fine"))
    if len(points) == 0:
        return (coarse.sum() + fine.sum()) * 0
    parts = points.charts.clamp(max=coarse.shape[1] - 1)
    of_coarse = functional.cross_entropy(points.sample(coarse), parts)
    is_own = torch.tensor(CHART_TO_MASK, device=fine.device) == points.charts[:, None]
    logits = points.sample(fine)
    own = logits.masked_fill(~is_own, -math.inf).logsumexp(1)
    return weight * (of_coarse + (logits.logsumexp(1) - own).mean())


def compute_dense_points_loss(errors: Tensor, omega: float = 0.5) -> Tensor:
    """The Dense Points loss of UV R-CNN (Eq. 1), for each error.

    w ln(1 + x^2) for |x| < 1, and w (|x| + ln 2 - 1) beyond; value and derivative are continuous at 1.
    Differs from Eq. 2, which prints w |x| / (1 + x^2) as the derivative within 1: it is 2 w x / (1 + x^2).

    Args:
        errors: x of any shape.
        omega: w.
    """
    sizes = errors.abs()
    return omega * torch.where(sizes < 1, torch.log1p(errors.square()), sizes + (_LOG_2 - 1))


def balance_losses(
    groups: Sequence[Mapping[str, Tensor]], factors: Sequence[float], *, is_detached: bool = True
) -> dict[str, Tensor]:
    """Balanced weighting strategy of UV R-CNN (Eq. 5, 6): in each group, small losses weigh more.

    A loss l_i of a group gets the weight softmax(-l)_i; the weights of a group sum to its factor.

    Args:
        groups: Losses by name, such as those of detection and those of dense poses.
        factors: Factor of each group: 1 for detection, K for dense poses.
        is_detached: Whether the weights are constants. Otherwise gradients pass through them, and those of
            losses that are much larger than the others of their group turn negative.

    Returns:
        All weighted losses by name, whose sum is minimised.
    """
    weighted: dict[str, Tensor] = {}
    for losses, factor in zip(groups, factors, strict=True):
        values = torch.stack(list(losses.values()))
        weights = factor * (-values).softmax(0)
        if is_detached:
            weights = weights.detach()
        weighted |= dict(zip(losses, (values * weights).unbind(), strict=True))
    return weighted


def _find_precision(values: Tensor) -> torch.dtype:
    """The precision that losses of such values are computed in: float32, or more if they have more."""
    return torch.promote_types(values.dtype, torch.float32)


def _resample_labels(
    logits: Tensor, people: Sequence[PersonPoints], boxes_xyxy: Tensor, regions_xyxy: Tensor
) -> Tensor | None:
    """The coarse parts (N, Z, Z) over regions; None if somebody has no mask."""
    masks = [person.mask for person in people if person.mask is not None]
    if not masks or len(masks) < len(people):
        return None
    on_device = torch.stack(masks).to(logits.device)
    boxes, regions = (corners.to(_find_precision(corners)) for corners in (boxes_xyxy, regions_xyxy))
    return resample_masks(on_device, boxes, regions, logits.shape[-1])


def _compute_coarse_loss(logits: Tensor, labels: Tensor | None) -> Tensor:
    if labels is None:
        return logits.sum() * 0
    return functional.cross_entropy(logits, labels.clamp(max=1) if logits.shape[1] == 2 else labels)


def _list_errors(outputs: Mapping[str, Tensor], points: PlacedPoints) -> tuple[Tensor, Tensor]:
    """Estimated minus annotated u and v, (P,) each, in the chart of each point."""
    u, v = (points.sample_charts(outputs[name]) for name in ("u", "v"))
    return u - points.coordinates_uv[:, 0], v - points.coordinates_uv[:, 1]


def _measure_errors(errors: Tensor, config: DenseLossConfig) -> Tensor:
    if config.coordinate_loss == "dense_points":
        return compute_dense_points_loss(errors, config.omega).sum()
    if config.coordinate_loss == "absolute":
        return errors.abs().sum()
    return functional.smooth_l1_loss(errors, torch.zeros_like(errors), reduction="sum")


def _measure_with_confidence(
    outputs: Mapping[str, Tensor], points: PlacedPoints, errors: tuple[Tensor, Tensor], confidences: Confidences
) -> Tensor:
    """Negative log-likelihood of the errors, the sum over points."""
    du, dv = errors
    variance = functional.softplus(points.sample_charts(outputs["sigma_2"])) + _LEAST_VARIANCE
    squares = (du.square() + dv.square()) / variance
    if confidences == "isotropic":
        return 0.5 * (_LOG_2PI + 2 * variance.log() + squares).sum()
    ru, rv = (points.sample_charts(outputs[name]) for name in ("kappa_u", "kappa_v"))
    determinant = variance * (variance + ru.square() + rv.square())
    along = (du * ru + dv * rv).square() / determinant
    return 0.5 * (_LOG_2PI + determinant.log() + squares - along).sum()
