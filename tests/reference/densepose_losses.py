"""The losses of DensePose as loops over regions, points and cells, in float64."""

import math

import torch


def find_cell(value, start, span, cells):
    """The two cells about a place and the weight of the second; None outside of the region."""
    if not 0 <= value - start < span:
        return None
    place = (value - start) * cells / span
    low = min(max(math.floor(place), 0), cells - 1)
    high = min(low + 1, cells - 1)
    return low, high, min(place, high) - low


def interpolate(plane, x, y):
    """Bilinear value of a plane (Z, Z) at the cells of both axes."""
    total = 0
    for row, weight_y in ((y[0], 1 - y[2]), (y[1], y[2])):
        for column, weight_x in ((x[0], 1 - x[2]), (x[1], x[2])):
            total = total + plane[row, column] * (weight_y * weight_x)
    return total


def list_points(people, boxes, regions, cells):
    """Every annotated point in its region: region, point, cells of x and y."""
    placed = []
    for n, (person, box, region) in enumerate(zip(people, boxes.tolist(), regions.tolist(), strict=True)):
        for p, (px, py) in enumerate(person.points_xy.tolist()):
            x = find_cell(box[0] + px * (box[2] - box[0]) / 256, region[0], region[2] - region[0], cells)
            y = find_cell(box[1] + py * (box[3] - box[1]) / 256, region[1], region[3] - region[1], cells)
            if x is not None and y is not None:
                placed.append((n, p, x, y))
    return placed


def resample_mask(mask, box, region, cells):
    """The nearest pixel of a mask (256, 256) over a box for each cell of a region."""
    labels = torch.zeros(cells, cells, dtype=torch.int64)
    for row in range(cells):
        for column in range(cells):
            places = []
            for axis, i in ((0, column), (1, row)):
                place = region[axis] + i / cells * (region[axis + 2] - region[axis])
                places.append((place - box[axis]) / (box[axis + 2] - box[axis]) * 255)
            x, y = (round(place) for place in places)
            if 0 <= x <= 255 and 0 <= y <= 255:
                labels[row, column] = mask[y, x]
    return labels


def measure_error(error, loss, omega):
    """Smooth L1 with beta 1, or the Dense Points loss."""
    size = abs(error)
    if loss == "smooth_l1":
        return 0.5 * error**2 if size < 1 else size - 0.5
    return omega * torch.log(1 + error**2) if size < 1 else omega * (size + math.log(2) - 1)


def measure_spread(errors, variance, direction):
    """Negative log-likelihood of the errors of u and v; without a direction the variance is the same in all."""
    squares = (errors[0] ** 2 + errors[1] ** 2) / variance
    if direction is None:
        return 0.5 * (math.log(2 * math.pi) + 2 * torch.log(variance) + squares)
    determinant = variance * (variance + direction[0] ** 2 + direction[1] ** 2)
    along = (errors[0] * direction[0] + errors[1] * direction[1]) ** 2 / determinant
    return 0.5 * (math.log(2 * math.pi) + torch.log(determinant) + squares - along)


def compute_naive_losses(outputs, people, boxes, regions, config):
    """The losses by name; outputs in float64."""
    cells = outputs["fine"].shape[-1]
    placed = list_points(people, boxes, regions, cells)
    names = ("u", "v") if config.confidences == "none" else ("uv",)
    losses = dict.fromkeys(("coarse", "fine", *names), torch.zeros((), dtype=torch.float64))
    if not placed:
        return losses
    fine = 0
    for n, p, x, y in placed:
        scores = torch.stack([interpolate(plane, x, y) for plane in outputs["fine"][n]])
        fine = fine + torch.logsumexp(scores, 0) - scores[int(people[n].charts[p])]
    losses["fine"] = config.fine_weight * fine / len(placed)
    if all(person.mask is not None for person in people):
        total = 0
        for n, person in enumerate(people):
            labels = resample_mask(person.mask, boxes[n].tolist(), regions[n].tolist(), cells)
            if len(outputs["coarse"][n]) == 2:
                labels = (labels > 0).long()
            for row in range(cells):
                for column in range(cells):
                    scores = outputs["coarse"][n, :, row, column]
                    total = total + torch.logsumexp(scores, 0) - scores[labels[row, column]]
        losses["coarse"] = config.coarse_weight * total / (len(people) * cells * cells)
    for n, p, x, y in placed:
        chart = int(people[n].charts[p])
        if chart == 0:
            continue
        values = {
            name: interpolate(planes[n, chart], x, y)
            for name, planes in outputs.items()
            if planes.shape[1] == 25
        }
        errors = [values[name] - people[n].coordinates_uv[p, i] for i, name in enumerate(("u", "v"))]
        if config.confidences == "none":
            for name, error in zip(names, errors, strict=True):
                found = measure_error(error, config.coordinate_loss, config.omega)
                losses[name] = losses[name] + config.coordinate_weight * found
        else:
            variance = torch.nn.functional.softplus(values["sigma_2"]) + 0.01
            direction = None if config.confidences == "isotropic" else (values["kappa_u"], values["kappa_v"])
            losses["uv"] = losses["uv"] + config.coordinate_weight * measure_spread(errors, variance, direction)
    return losses


def balance_naive(groups, factors, *, is_detached):
    """Weighted losses of groups {name: value}, and the derivative of their sum by each loss."""
    weighted, slopes = {}, {}
    for losses, factor in zip(groups, factors, strict=True):
        total = 0.0
        for loss in losses.values():
            total += math.exp(-loss)
        mean = 0.0
        for loss in losses.values():
            mean += loss * math.exp(-loss) / total
        for name, loss in losses.items():
            weight = math.exp(-loss) / total
            weighted[name] = factor * loss * weight
            slopes[name] = factor * weight * (1 if is_detached else 1 - loss + mean)
    return weighted, slopes
