"""Which boxes lie in ignored regions and what they are labelled, one box at a time."""

from __future__ import annotations

import torch

Box = tuple[float, float, float, float]
PEOPLE: list[Box] = [(4.0, 4.0, 30.0, 60.0), (40.0, 10.0, 62.0, 50.0)]
REGIONS: list[Box] = [(0.0, 0.0, 20.0, 64.0), (30.0, 30.0, 64.0, 64.0)]


def make_boxes(rows: list[Box]) -> torch.Tensor:
    return torch.tensor(rows).reshape(-1, 4)


def draw_boxes(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    corners = torch.rand((count, 2), generator=generator) * 50
    return torch.cat([corners, corners + 4 + torch.rand((count, 2), generator=generator) * 40], dim=1)


def compute_area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def compute_shared_area(a: Box, b: Box) -> float:
    return compute_area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def compute_iou(a: Box, b: Box) -> float:
    shared = compute_shared_area(a, b)
    return shared / (compute_area(a) + compute_area(b) - shared)


def is_ignored(box: Box, regions: list[Box]) -> bool:
    return any(compute_shared_area(box, region) > 0.5 * compute_area(box) for region in regions)


def label_box(box: Box, people: list[Box], regions: list[Box], *, low: float, high: float) -> int:
    """1 person, 0 background, -1 neither; without torchvision's rule that keeps each person's best anchor."""
    best = max((compute_iou(box, person) for person in people), default=0.0)
    if best >= high:
        return 1
    if best >= low or is_ignored(box, regions):
        return -1
    return 0
