"""Boxes of an image chosen by their scores, against loops."""

import numpy as np
import pytest
import torch
from reference.rcnn_ignore import compute_iou

from models.detection.boxes import choose_boxes
from models.detection.config import BoxChoice


def test_chosen_boxes_are_those_of_the_loop():
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(30, 3, 2, generator=generator) * 40 - 4
    boxes = torch.cat([corners, corners + torch.rand(30, 3, 2, generator=generator) * 30], dim=2)
    scores = torch.randn(30, 3, generator=generator).softmax(dim=1)
    found = choose_boxes(boxes, scores, (32, 48), BoxChoice(0.2, 0.4), max_boxes=12)
    clipped = boxes.clamp(min=0).minimum(torch.tensor([48.0, 32.0, 48.0, 32.0])).tolist()
    candidates = [
        (scores[i, label].item(), label, tuple(clipped[i][label]))
        for i in range(30)
        for label in (1, 2)
        if scores[i, label] > 0.2
    ]
    kept = []
    for score, label, box in sorted(candidates, reverse=True):
        is_seen = box[2] - box[0] > 0.01 and box[3] - box[1] > 0.01
        if is_seen and not any(label == other and compute_iou(box, rival) > 0.4 for _, other, rival in kept):
            kept.append((score, label, box))
    assert len(kept) > 12
    assert len(candidates) > len(kept)
    assert found["labels"].tolist() == [label for _, label, _ in kept[:12]]
    torch.testing.assert_close(found["scores"], torch.tensor([score for score, _, _ in kept[:12]]))
    torch.testing.assert_close(found["boxes"], torch.tensor([box for _, _, box in kept[:12]]))


@pytest.mark.parametrize(("is_soft", "vote"), [(False, 1), (True, 0.7)])
def test_nobody_is_chosen_from_no_regions(is_soft, vote):
    found = choose_boxes(
        torch.zeros(0, 2, 4), torch.zeros(0, 2), (32, 48), BoxChoice(0.0, is_nms_soft=is_soft, vote_iou=vote), 9
    )
    assert {name: tuple(column.shape) for name, column in found.items()} == {
        "boxes": (0, 4),
        "labels": (0,),
        "scores": (0,),
    }


def make_crowd(number, people, seed):
    """Boxes of two classes around people, and scores, as a box head gives them."""
    generator = torch.Generator().manual_seed(seed)
    middles = torch.rand(people, 1, 2, generator=generator) * 90 + 5
    corners = middles + torch.tensor([[-9.0, -14.0], [9.0, 14.0]])
    boxes = corners[torch.randint(people, (number,), generator=generator)].flatten(1)[:, None]
    boxes = boxes + torch.randn(number, 3, 4, generator=generator) * 2
    return boxes, torch.randn(number, 3, generator=generator).softmax(dim=1)


def lower_step_by_step(boxes, scores, choice):
    """Soft non-maximum suppression of one class, by its definition."""
    left, chosen = list(zip(scores, boxes, strict=True)), []
    while left:
        score, box = left.pop(max(range(len(left)), key=lambda i: left[i][0]))
        if score <= choice.score_threshold:
            break
        chosen.append((score, box))
        overlaps = [compute_iou(box, other) for _, other in left]
        left = [
            (own * (1 - iou) if iou > choice.nms_iou else own, other)
            for (own, other), iou in zip(left, overlaps, strict=True)
        ]
    return chosen


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("vote_iou", [0.6, 1.0])
def test_soft_suppression_and_votes_are_those_of_the_loop(seed, vote_iou):
    boxes, scores = make_crowd(60, 5, seed)
    choice = BoxChoice(0.2, 0.4, is_nms_soft=True, vote_iou=vote_iou)
    found = choose_boxes(boxes, scores, (100, 100), choice, 200)
    clipped = boxes.clamp(0, 100)
    expected = []
    for label in (1, 2):
        own = [
            (s, tuple(b)) for s, b in zip(scores[:, label].tolist(), clipped[:, label].tolist(), strict=True)
        ]
        likely = [(s, b) for s, b in own if s > 0.2 and min(b[2] - b[0], b[3] - b[1]) > 0.01]
        chosen = lower_step_by_step([b for _, b in likely], [s for s, _ in likely], choice)
        for score, box in chosen:
            votes = [(s, np.array(b)) for s, b in own if s > 0.05 and compute_iou(box, b) >= vote_iou]
            if vote_iou < 1:
                box = sum(s * b for s, b in votes) / sum(s for s, _ in votes)
            expected.append((score, label, *map(float, box)))
    expected.sort(reverse=True)
    assert len(expected) > len(choose_boxes(boxes, scores, (100, 100), BoxChoice(0.2, 0.4), 200)["scores"])
    rows = torch.cat([found["scores"][:, None], found["labels"][:, None], found["boxes"]], dim=1)
    torch.testing.assert_close(rows, torch.tensor(expected), rtol=1e-5, atol=1e-4)
    few = choose_boxes(boxes, scores, (100, 100), choice, 3)
    assert all(torch.equal(few[name], column[:3]) for name, column in found.items())


@pytest.mark.parametrize("seed", range(4))
def test_of_high_scores_soft_suppression_keeps_the_same_boxes(seed):
    boxes, scores = make_crowd(60, 5, seed)
    soft, hard = (
        choose_boxes(boxes, scores, (100, 100), BoxChoice(0.5, is_nms_soft=is_soft), 200)
        for is_soft in (True, False)
    )
    assert len(hard["scores"]) > 3
    assert all(torch.equal(soft[name], column) for name, column in hard.items())
