"""The tests of HRNet's and HigherHRNet's public codes, image by image and person by person.

A network is a function from (1, 3, H, W) uint8 to arrays; it normalises by itself.
"""

import cv2
import numpy as np
import torch
from reference import swahr_grouping

IN_VISIBLE, MAX_OKS = 0.2, 0.9


def make_affine(centre, shown_wh, size_wh, *, is_inverse=False):
    """The map of a region to a crop by three points: the centre, one above it, and one beside it."""
    (x, y), (w, h) = centre, size_wh
    above, wanted = shown_wh[0] * 0.5, w * 0.5
    source = np.array([[x, y], [x, y - above], [x - above, y - above]], np.float32)
    target = np.array([[w * 0.5, h * 0.5], [w * 0.5, h * 0.5 - wanted], [0, h * 0.5 - wanted]], np.float32)
    return cv2.getAffineTransform(target, source) if is_inverse else cv2.getAffineTransform(source, target)


def cut(image, matrix, size_wh):
    crop = cv2.warpAffine(image, matrix, size_wh, flags=cv2.INTER_LINEAR)
    return torch.from_numpy(crop).permute(2, 0, 1)[None]


def run_top_down(network, image, boxes_xywh, size_wh, flip_index, padding=1.25):
    """Keypoints (N, K, 2), their scores (N, K), and the areas (N,) of the regions."""
    found = []
    for x, y, w, h in boxes_xywh:
        centre, aspect = (x + w * 0.5, y + h * 0.5), size_wh[0] / size_wh[1]
        if w > aspect * h:
            h = w / aspect
        elif w < aspect * h:
            w = h * aspect
        shown = (w * padding, h * padding)
        crop = cut(image, make_affine(centre, shown, size_wh), size_wh)
        heatmaps = network(crop)[0]
        mirrored = network(crop.flip(3))[0][flip_index, :, ::-1].copy()
        mirrored[:, :, 1:] = mirrored[:, :, :-1].copy()
        heatmaps = (heatmaps + mirrored) * 0.5
        K, H, W = heatmaps.shape
        cells, scores = np.zeros((K, 2)), np.zeros(K)
        for k, heatmap in enumerate(heatmaps):
            row, column = divmod(int(heatmap.argmax()), W)
            scores[k] = heatmap[row, column]
            if scores[k] <= 0:
                continue
            cells[k] = column, row
            if 1 < column < W - 1 and 1 < row < H - 1:
                dx = heatmap[row, column + 1] - heatmap[row, column - 1]
                dy = heatmap[row + 1, column] - heatmap[row - 1, column]
                cells[k] += 0.25 * np.sign([dx, dy])
        back = make_affine(centre, shown, (W, H), is_inverse=True)
        found.append((cells @ back[:, :2].T + back[:, 2], scores, shown[0] * shown[1]))
    return [np.array(column) for column in zip(*found, strict=True)]


def rescore(scores, box_scores):
    """A person's score: the box's times the mean of the keypoints' above 0.2."""
    means = [row[row > IN_VISIBLE].mean() if (row > IN_VISIBLE).any() else 0 for row in scores]
    return np.array(means) * box_scores


def keep_unlike(keypoints, scores, areas, sigmas):
    """Rows of those who are not too much like a higher-scoring person, best first."""
    order, kept = list(np.argsort(-scores)), []
    variances = (2 * np.array(sigmas)) ** 2
    while order:
        first = order.pop(0)
        kept.append(first)
        squares = ((keypoints[order] - keypoints[first]) ** 2).sum(axis=-1)
        size = (areas[first] + areas[order]) / 2
        oks = np.exp(-squares / variances / size[:, None] / 2).mean(axis=1) if order else []
        order = [row for row, value in zip(order, oks, strict=True) if value <= MAX_OKS]
    return kept


def choose_size(image, input_px, scale, smallest):
    """Size of the input, centre of the image, and the size of what is shown."""
    h, w = image.shape[:2]
    centre = (int(w / 2.0 + 0.5), int(h / 2.0 + 0.5))
    least = int((smallest * input_px + 63) // 64 * 64)
    longest = int((least / min(w, h) * max(w, h) + 63) // 64 * 64)
    if w < h:
        size = int(least * scale / smallest), int(longest * scale / smallest)
        shown = w, size[1] / size[0] * w
    else:
        size = int(longest * scale / smallest), int(least * scale / smallest)
        shown = size[0] / size[1] * h, h
    return size, centre, shown


def run_bottom_up(network, image, input_px, scales, order, flip_index, min_score, *, projected=True):
    """People (N, K, 3) in the image, x, y, score, and their scores (N,)."""
    K = len(order)
    base, centre, shown = choose_size(image, input_px, 1.0, min(scales))
    total, kept_tags = None, None
    for scale in sorted(scales, reverse=True):
        size, centre, shown = choose_size(image, input_px, scale, min(scales))
        crop = cut(image, make_affine(centre, shown, size), size)
        heatmaps, tags = [], []
        for is_mirrored in (False, True):
            first, second = network(crop.flip(3) if is_mirrored else crop)
            if is_mirrored:
                first, second = first[..., ::-1].copy(), second[..., ::-1].copy()
            larger = resize(first, second.shape[:0:-1])
            heat, tag = (larger[:K] + second[:K]) / 2, larger[K:]
            if is_mirrored:
                heat, tag = heat[flip_index], tag[flip_index]
            heatmaps.append(heat)
            tags.append(tag)
        if projected:
            heatmaps, tags = ([resize(maps, base) for maps in each] for each in (heatmaps, tags))
        average = (heatmaps[0] + heatmaps[1]) / 2
        if total is None:
            total = average
        else:
            total = total + (average if projected else resize(average, total.shape[:0:-1]))
        if scale == 1 or len(scales) == 1:
            kept_tags = tags if projected else [resize(tag, total.shape[:0:-1]) for tag in tags]
    total = total / len(scales)
    people, scores = swahr_grouping.decode(total, np.stack(kept_tags, axis=-1), order, min_score)
    back = make_affine(centre, shown, total.shape[:0:-1], is_inverse=True)
    people[..., :2] = people[..., :2] @ back[:, :2].T + back[:, 2]
    return people, scores


def resize(maps, size_wh):
    W, H = size_wh
    tensor = torch.from_numpy(np.ascontiguousarray(maps))[None]
    return torch.nn.functional.interpolate(tensor, size=(H, W), mode="bilinear", align_corners=False)[0].numpy()
