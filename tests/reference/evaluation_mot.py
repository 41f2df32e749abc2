"""Made cases of tracked boxes, and HOTA of boxes by naive loops from the paper."""

from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment


def write_random_case(folder: Path, seed: int, num_frames: int = 60, num_people: int = 6) -> None:
    """Write `gt/NAME/gt/gt.txt` and `pred/NAME.txt`.

    People walk, the last two of other classes; results are noisy, with missed boxes and ids that change, and
    there are none in frame 7.
    """
    rng = np.random.default_rng(seed)
    truth, results = [], []
    xy, velocity = rng.uniform(0, 300, (num_people, 2)), rng.normal(0, 3, (num_people, 2))
    classes = [1] * (num_people - 2) + [8, 3]
    tracks = np.arange(1, num_people + 1)
    for frame in range(1, num_frames + 1):
        xy = xy + velocity
        used = set()
        for n, (x, y) in enumerate(xy):
            if rng.random() < 0.9:
                truth.append(f"{frame},{n + 1},{x:.2f},{y:.2f},60,120,{int(classes[n] == 1)},{classes[n]},1")
            if rng.random() >= 0.8 or frame == 7:
                continue
            if rng.random() < 0.06:
                tracks[n] = rng.integers(1, 14)
            if tracks[n] not in used:
                used.add(tracks[n])
                dx, dy, dw, dh = rng.normal(0, 8, 4)
                box = f"{x + dx:.2f},{y + dy:.2f},{60 + dw:.2f},{120 + dh:.2f}"
                results.append(f"{frame},{tracks[n]},{box},0.9,-1,-1,-1")
    write_lines(folder / "gt" / f"S{seed}" / "gt" / "gt.txt", truth)
    write_lines(folder / "pred" / f"S{seed}.txt", results)


def write_lines(path: Path, lines) -> Path:
    """Write a text file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def naive_iou(a, b) -> float:
    """IoU of two boxes (left, top, width, height)."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def naive_hota(truth, results) -> dict[str, float]:
    """HOTA, DetA and AssA of one sequence.

    Args:
        truth: {frame: {id: (left, top, width, height)}}.
        results: Likewise.
    """
    frames = sorted(truth.keys() | results.keys())
    true_frames = count_frames(truth)
    frames_of = count_frames(results)
    together = {}
    for frame in frames:
        iou = {
            (i, j): naive_iou(a, b)
            for i, a in truth.get(frame, {}).items()
            for j, b in results.get(frame, {}).items()
        }
        for (i, j), value in iou.items():
            rivals = sum(v for (k, m), v in iou.items() if k == i or m == j)
            if value > 0:
                together[i, j] = together.get((i, j), 0) + value / rivals
    fit = {(i, j): n / (true_frames[i] + frames_of[j] - n) for (i, j), n in together.items()}
    matches = []
    for frame in frames:
        people, boxes = list(truth.get(frame, {}).items()), list(results.get(frame, {}).items())
        iou = np.array([[naive_iou(a, b) for _, b in boxes] for _, a in people]).reshape(
            len(people), len(boxes)
        )
        fits = np.array([[fit.get((i, j), 0) for j, _ in boxes] for i, _ in people]).reshape(iou.shape)
        rows, cols = linear_sum_assignment(-iou * fits)
        matches += [(people[r][0], boxes[c][0], iou[r, c]) for r, c in zip(rows, cols, strict=True)]
    values = {"hota": [], "deta": [], "assa": []}
    for alpha in np.arange(1, 20) * 0.05:
        found = [(i, j) for i, j, iou in matches if iou >= alpha - 1e-12]
        deta = len(found) / (sum(true_frames.values()) + sum(frames_of.values()) - len(found))
        overlaps = [
            found.count((i, j)) / (true_frames[i] + frames_of[j] - found.count((i, j))) for i, j in found
        ]
        assa = sum(overlaps) / max(len(found), 1)
        for name, value in (("hota", (deta * assa) ** 0.5), ("deta", deta), ("assa", assa)):
            values[name].append(value)
    return {name: float(np.mean(value)) for name, value in values.items()}


def count_frames(boxes) -> dict[int, int]:
    """In how many frames each id is."""
    ids = [track_id for people in boxes.values() for track_id in people]
    return {track_id: ids.count(track_id) for track_id in set(ids)}
