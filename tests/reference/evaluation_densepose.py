"""DensePose's GPS, GPSm and IoU from their definition: one pair, one point, one threshold at a time.

Takes the meshes as arrays and the people and results as the JSON files have them. No part of it is shared with
the package: masks and the mean of the exponentials are computed with plain loops over numpy arrays.
"""

import base64
import math
import warnings

import cv2
import numpy as np
from pycocotools import mask as mask_api
from scipy.ndimage import zoom

GROUPS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8)
SCALES = (0, 0.351, 0.107, 0.126, 0.237, 0.173, 0.142, 0.128, 0.150)
THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = {"all": (0, 1e10), "m": (32**2, 96**2), "l": (96**2, 1e10)}


def decode_mask(lengths):
    """(H, W) 0 and 1."""
    with warnings.catch_warnings():
        # numpy 2 warns about a keyword that pycocotools' arrays lack.
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.asarray(mask_api.decode(lengths))


def decode_result(result):
    """(3, h, w): I, U, V as bytes."""
    data = np.frombuffer(base64.b64decode(result["uv_data"]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1].transpose(2, 0, 1)


def find_vertex(mesh, chart, u, v):
    """The vertex of the coarse mesh, from 0, that is closest in a chart; the first of equals."""
    best, found = math.inf, -1
    for row, (part, row_u, row_v) in enumerate(zip(mesh["part"], mesh["u"], mesh["v"], strict=True)):
        if part == chart:
            distance = math.sqrt((row_u - u) * (row_u - u) + (row_v - v) * (row_v - v))
            if distance < best:
                best, found = distance, row
    return int(mesh["index"][found]) - 1


def measure_distance(mesh, a, b):
    """Between two vertices of the coarse mesh."""
    i, j = max(a, b), min(a, b)
    return 0.0 if i == j else float(mesh["distances"][i * (i - 1) // 2 + j])


def naive_gps(person, result, mesh, iuv=None):
    """Geodesic point similarity of one pair."""
    if "dp_x" not in person:
        return 0.0
    iuv = decode_result(result) if iuv is None else iuv
    gx, gy, gw, gh = person["bbox"]
    x, y, w, h = result["bbox"]
    terms, any_inside = [], False
    for n in range(len(person["dp_x"])):
        column = int(person["dp_x"][n] * gw / 255.0 + gx - x)
        row = int(person["dp_y"][n] * gh / 255.0 + gy - y)
        inside = 0 <= column < int(w) and 0 <= row < int(h)
        any_inside = any_inside or inside
        true_chart = int(person["dp_I"][n])
        if true_chart == 0:
            continue
        chart, u, v = (int(value) for value in iuv[:, row, column]) if inside else (0, 0, 0)
        if chart == 0:
            terms.append(0.0)
            continue
        truth = find_vertex(mesh, true_chart, person["dp_U"][n], person["dp_V"][n])
        distance = measure_distance(mesh, truth, find_vertex(mesh, chart, u / 255.0, v / 255.0))
        scale = SCALES[GROUPS[true_chart]]
        terms.append(math.exp(-(distance**2) / (2 * scale**2)))
    return sum(terms) / len(terms) if any_inside and terms else 0.0


def paste(mask, box, image):
    """The mask of a box on its image."""
    whole = np.zeros((image["height"], image["width"]), bool)
    left, top = int(box[0]), int(box[1])
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            y, x = top + row, left + column
            is_inside = 0 <= y < min(int(box[1] + box[3]), image["height"])
            if is_inside and 0 <= x < min(int(box[0] + box[2]), image["width"]):
                whole[y, x] = mask[row, column]
    return whole


def draw_truth(person, image):
    """The annotated mask on its image."""
    masks = person.get("dp_masks")
    if masks is not None:
        union = np.zeros((256, 256))
        for each in [masks] if isinstance(masks, dict) else masks:
            if each:
                union = np.maximum(union, decode_mask(each))
        _, _, w, h = person["bbox"]
        sized = zoom(union, (max(h, 1) / 256, max(w, 1) / 256), order=1, prefilter=False) > 0.5
        return paste(sized, person["bbox"], image)
    outline = person.get("segmentation")
    if isinstance(outline, dict):
        return decode_mask(outline).astype(bool)
    if not outline:
        return np.zeros((image["height"], image["width"]), bool)
    return decode_mask(mask_api.merge(mask_api.frPyObjects(outline, image["height"], image["width"]))).astype(
        bool
    )


def naive_mask_iou(truth, found, is_crowd):
    both = np.count_nonzero(truth & found)
    whole = np.count_nonzero(found) if is_crowd else np.count_nonzero(truth | found)
    return both / whole if both else 0.0


def naive_box_iou(truth, found, is_crowd):
    (ax, ay, aw, ah), (bx, by, bw, bh) = truth, found
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (bw * bh if is_crowd else aw * ah + bw * bh - both)


def is_kept(entry, image, mask=None):
    """Whether a person (or, with a mask, a result) is not in an ignore region."""
    regions = [
        [v for xy in zip(x, y, strict=True) for v in xy]
        for x, y in zip(image.get("ignore_regions_x") or [], image.get("ignore_regions_y") or [], strict=True)
    ]
    if not regions:
        return True
    region = decode_mask(mask_api.merge(mask_api.frPyObjects(regions, image["height"], image["width"])))
    x, y, w, h = (int(value) for value in entry["bbox"])
    if w * h == 0:
        return False
    crop = region[y : min(y + h, image["height"]), x : min(x + w, image["width"])]
    if crop.sum() == 0:
        return True
    if mask is None:
        return crop.sum() / w / h < 0.7
    if mask.shape != crop.shape:
        return True
    return np.count_nonzero(mask & (crop > 0)) / max(np.count_nonzero(mask), 1) < 0.9


def match_image(people, results, similarity, box_iou, area):
    """For each result and threshold (matched, ignored), and for each person whether it is ignored."""
    low, high = AREAS[area]
    ignored = ["dp_x" not in p or not low <= p["area"] <= high for p in people]
    order = [j for j in range(len(people)) if not ignored[j]] + [j for j in range(len(people)) if ignored[j]]
    crowd = [bool(p.get("iscrowd")) for p in people]
    D, T = len(results), len(THRESHOLDS)
    fate = [[(False, all(ignored)) for _ in range(T)] for _ in range(D)]
    taken = [[False] * len(people) for _ in range(T)]
    for t, threshold in enumerate(THRESHOLDS):
        for d in range(D):
            best, found = min(threshold, 1 - 1e-10), None
            for j in order:
                if taken[t][j] and not crowd[j]:
                    continue
                if found is not None and not ignored[found] and ignored[j]:
                    break
                if similarity[d][j] < best or similarity[d][j] == 0:
                    continue
                best, found = similarity[d][j], j
            if found is not None:
                fate[d][t] = (True, ignored[found])
                taken[t][found] = True
    last = T - 1
    for d in range(D):
        if fate[d][last][0]:
            continue
        best, found = 0.8, None
        for j in order:
            if (taken[last][j] and not crowd[j]) or box_iou[d][j] < best:
                continue
            best, found = box_iou[d][j], j
        if found is not None:
            fate[d] = [(matched, ignored[found]) for matched, _ in fate[d]]
            if ignored[found]:
                fate[d][last] = (True, True)
                taken[last][found] = True
    for d in range(D):
        _, _, w, h = results[d]["bbox"]
        if not low <= w * h <= high:
            fate[d] = [(matched, is_ignored or not matched) for matched, is_ignored in fate[d]]
    return fate, ignored


def naive_ap(scored, num_people):
    """AP and recall at one threshold of (score, matched, ignored), in the order of images and results."""
    if num_people == 0:
        return -1.0, -1.0
    counted = [each for each in sorted(scored, key=lambda each: -each[0]) if not each[2]]
    right, points = 0, []
    for n, (_, matched, _) in enumerate(counted, 1):
        right += matched
        points.append((right / num_people, right / n))
    total = 0.0
    for wanted in np.linspace(0, 1, 101):
        total += max((precision for recall, precision in points if recall >= wanted), default=0.0)
    return total / 101, right / num_people


def naive_evaluate(people_file, results_file, mesh):
    """All metrics of all similarities: ({name: {metric: percent}}, {name: {image: matrix}})."""
    images = sorted(people_file["images"], key=lambda image: image["id"])
    matched = {(name, area): [] for name in ("GPS", "GPSM", "IOU") for area in AREAS}
    totals = dict.fromkeys(AREAS, 0)
    matrices = {"gps": {}, "box_iou": {}, "mask_iou": {}}
    for image in images:
        everyone = [p for p in people_file["annotations"] if p["image_id"] == image["id"]]
        people = [p for p in everyone if is_kept(p, image)]
        results = [r for r in results_file if r["image_id"] == image["id"]]
        if everyone:
            results = [r for r in results if is_kept(r, image, decode_result(r)[0] > 0)]
        results = sorted(results, key=lambda r: -r["score"])[:20]
        gps = [[naive_gps(p, r, mesh) for p in people] for r in results]
        crowd = [p.get("iscrowd") for p in people]
        boxes = [
            [naive_box_iou(p["bbox"], r["bbox"], c) for p, c in zip(people, crowd, strict=True)]
            for r in results
        ]
        drawn = [draw_truth(p, image) for p in people]
        masks = []
        for r in results:
            mask = paste(decode_result(r)[0] > 0, r["bbox"], image)
            masks.append([naive_mask_iou(t, mask, c) for t, c in zip(drawn, crowd, strict=True)])
        both = [[math.sqrt(a * b) for a, b in zip(x, y, strict=True)] for x, y in zip(gps, masks, strict=True)]
        for name, matrix in (("gps", gps), ("box_iou", boxes), ("mask_iou", masks)):
            matrices[name][image["id"]] = matrix if people else []
        for area in AREAS:
            for name, matrix in (("GPS", gps), ("GPSM", both), ("IOU", masks)):
                fate, ignored = match_image(people, results, matrix, boxes, area)
                matched[name, area] += [(r["score"], f) for r, f in zip(results, fate, strict=True)]
            totals[area] += ignored.count(False)
    return {name: summarize(matched, name, totals) for name in ("GPS", "GPSM", "IOU")}, matrices


def summarize(matched, name, totals):
    curves = {}
    for area in AREAS:
        curves[area] = np.array(
            [
                naive_ap([(score, *fate[t]) for score, fate in matched[name, area]], totals[area])
                for t in range(len(THRESHOLDS))
            ]
        )
    numbers = {}
    for column, kind in enumerate(("AP", "AR")):
        numbers[kind] = curves["all"][:, column].mean()
        numbers[f"{kind}50"], numbers[f"{kind}75"] = curves["all"][0, column], curves["all"][5, column]
        numbers[f"{kind}m"], numbers[f"{kind}l"] = curves["m"][:, column].mean(), curves["l"][:, column].mean()
    numbers = {key: 100 * value if value >= 0 else -1.0 for key, value in numbers.items()}
    for column, kind in enumerate(("AP", "AR")):
        numbers[f"{kind}_by_threshold"] = curves["all"][:, column].tolist()
    return numbers
