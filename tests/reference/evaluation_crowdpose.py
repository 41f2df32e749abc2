"""CrowdPose's AP and AR from its definition: one threshold, one image, one person at a time."""

import math

SIGMAS = (*[0.079] * 2, *[0.072] * 2, *[0.062] * 2, *[0.107] * 2, *[0.087] * 2, *[0.089] * 2, *[0.079] * 2)
THRESHOLDS = [0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95]


def naive_oks(person, keypoints) -> float:
    """OKS with s^2 = 0.53 w h; a person without any visible keypoint is a region: the box, doubled each way."""
    x, y, w, h = person["bbox"]
    s_squared = 0.53 * w * h
    triples = [person["keypoints"][3 * k : 3 * k + 3] for k in range(14)]
    has_visible = any(v > 0 for _, _, v in triples)
    terms = []
    for k, (true_x, true_y, v) in enumerate(triples):
        px, py = keypoints[3 * k], keypoints[3 * k + 1]
        if has_visible and v == 0:
            continue
        if has_visible:
            dx, dy = px - true_x, py - true_y
        else:
            dx = max(0, x - w - px) + max(0, px - (x + 2 * w))
            dy = max(0, y - h - py) + max(0, py - (y + 2 * h))
        terms.append(math.exp(-(dx * dx + dy * dy) / (2 * s_squared * (2 * SIGMAS[k]) ** 2)))
    return sum(terms) / len(terms)


def match_image(people, results, threshold) -> list[tuple[float, str]]:
    """Score and fate (right, wrong, ignored) of an image's 20 best results."""
    free = list(range(len(people)))
    fates = []
    for result in sorted(results, key=lambda each: -each["score"])[:20]:
        best = {False: (threshold, None), True: (threshold, None)}
        for j in free:
            is_ignored = bool(people[j]["iscrowd"] or people[j]["num_keypoints"] == 0)
            oks = naive_oks(people[j], result["keypoints"])
            if oks >= best[is_ignored][0]:
                best[is_ignored] = (oks, j)
        if best[False][1] is not None:
            free.remove(best[False][1])
            fates.append((result["score"], "right"))
        elif best[True][1] is not None:
            if not people[best[True][1]]["iscrowd"]:
                free.remove(best[True][1])
            fates.append((result["score"], "ignored"))
        else:
            fates.append((result["score"], "wrong"))
    return fates


def naive_ap_ar(annotations, results, image_ids, threshold) -> tuple[float, float] | None:
    """AP over 101 recalls and the largest recall at one OKS threshold; None when there is nobody to find."""
    fates, num_people = [], 0
    for image_id in sorted(image_ids):
        people = [person for person in annotations if person["image_id"] == image_id]
        num_people += sum(1 for person in people if not person["iscrowd"] and person["num_keypoints"] > 0)
        fates += match_image(people, [r for r in results if r["image_id"] == image_id], threshold)
    if num_people == 0:
        return None
    right = wrong = 0
    points = [(0.0, 0.0)]
    for _, fate in sorted(fates, key=lambda each: -each[0]):
        right += fate == "right"
        wrong += fate == "wrong"
        if right + wrong:
            points.append((right / num_people, right / (right + wrong)))
    precisions = [max((p for r, p in points if r >= i / 100 - 1e-12), default=0.0) for i in range(101)]
    return sum(precisions) / 101, right / num_people


def naive_crowdpose(annotations, results) -> dict[str, float | None]:
    images = {image["id"]: image["crowdIndex"] for image in annotations["images"]}
    people = annotations["annotations"]
    found = {t: naive_ap_ar(people, results, images, t) for t in THRESHOLDS}
    metrics: dict[str, float | None] = {}
    for position, name in enumerate(("AP", "AR")):
        values = {t: None if pair is None else pair[position] for t, pair in found.items()}
        metrics |= {name: _mean(values.values()), f"{name}50": values[0.5], f"{name}75": values[0.75]}
    levels = {
        "easy": [i for i, crowdedness in images.items() if crowdedness < 0.2],
        "medium": [i for i, crowdedness in images.items() if 0.2 <= crowdedness < 0.8],
        "hard": [i for i, crowdedness in images.items() if crowdedness >= 0.8],
    }
    for level, ids in levels.items():
        pairs = [naive_ap_ar(people, results, ids, t) for t in THRESHOLDS]
        metrics[f"AP_{level}"] = _mean([None if pair is None else pair[0] for pair in pairs])
    return metrics


def _mean(values) -> float | None:
    values = list(values)
    return None if None in values else sum(values) / len(values)
