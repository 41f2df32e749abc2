"""PoseTrack's evaluation, the plain way: loops over people, joints and frames as parsed from the JSON files.

Written from the description of the reference tool (poseval with py-motmetrics 1.4.0), VOC's all-point average
precision, Bernardin and Stiefelhagen's CLEAR MOT, Luiten's HOTA and PoseTrack21's fragmentation. What is
undefined is None.
"""

import math

JOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    "head_bottom", "nose", "head_top",
)  # fmt: skip
NUM_JOINTS = len(JOINTS)
THRESHOLD = 0.5
ALPHAS = [(i + 1) * 0.05 for i in range(19)]


# --- Files to cleaned people ---


def naive_convert_posetrack18(data):
    """A PoseTrack18 file as the `annolist` of a PoseTrack17 file."""
    names = data["categories"][0]["keypoints"]
    annolist = []
    for image in data["images"]:
        entry = {"image": [{"name": image["file_name"]}], "annorect": []}
        regions = zip(image.get("ignore_regions_x", []), image.get("ignore_regions_y", []), strict=True)
        entry["ignore_regions"] = [
            {"point": [{"x": [x], "y": [y]} for x, y in zip(xs, ys, strict=True)]} for xs, ys in regions
        ]
        for annotation in data["annotations"]:
            if annotation["image_id"] != image["id"]:
                continue
            points = []
            for i, name in enumerate(names):
                x, y, visible = annotation["keypoints"][3 * i : 3 * i + 3]
                if name not in JOINTS or (x == 0 and y == 0 and visible == 0):
                    continue
                point = {"id": [JOINTS.index(name)], "x": [x], "y": [y], "is_visible": [visible]}
                if annotation.get("scores"):
                    point["score"] = [annotation["scores"][i]]
                points.append(point)
            rect = {"annopoints": [{"point": points}]}
            if annotation.get("track_id") is not None:
                rect["track_id"] = [annotation["track_id"]]
            if annotation.get("score"):
                rect["score"] = [annotation["score"]]
            if "bbox_head" in annotation:
                x, y, w, h = annotation["bbox_head"]
                rect.update({"x1": [x], "y1": [y], "x2": [x + w], "y2": [y + h]})
            entry["annorect"].append(rect)
        annolist.append(entry)
    return {"annolist": annolist}


def naive_is_strictly_inside(x, y, corners):
    """Count the edges that a ray to the right crosses; a point on an edge is not inside."""
    is_inside = False
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        if cross == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return False
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            is_inside = not is_inside
    return is_inside


def _read_people(entry, regions, corrected):
    people = []
    for rect in entry.get("annorect", []):
        if not rect.get("annopoints") or "point" not in rect["annopoints"][0]:
            continue
        points, scores = {}, {}
        for point in rect["annopoints"][0]["point"]:
            joint, x, y = point["id"][0], point["x"][0], point["y"][0]
            if joint in points or not 0 <= joint < NUM_JOINTS:
                continue
            if corrected and x == 0 and y == 0:
                continue
            if any(naive_is_strictly_inside(x, y, region) for region in regions):
                continue
            points[joint] = (x, y)
            scores[joint] = point["score"][0] if point.get("score") else -9999.0
        if not points and (regions or corrected):
            continue
        head_size = None
        if "x1" in rect:
            head_size = 0.6 * math.sqrt(
                (rect["x2"][0] - rect["x1"][0]) ** 2 + (rect["y2"][0] - rect["y1"][0]) ** 2
            )
        track = rect["track_id"][0] if rect.get("track_id") else None
        people.append({"track": track, "points": points, "scores": scores, "head_size": head_size})
    return people


def naive_clean(truth, predictions, corrected=False):
    """The frames that count: pairs of true and predicted people."""
    assert len(truth["annolist"]) == len(predictions["annolist"])
    frames = []
    for true, predicted in zip(truth["annolist"], predictions["annolist"], strict=True):
        if not true.get("annorect"):
            continue
        regions = [
            [(corner["x"][0], corner["y"][0]) for corner in region["point"]]
            for region in true.get("ignore_regions", [])
        ]
        frames.append((_read_people(true, regions, corrected), _read_people(predicted, regions, corrected)))
    return frames


def _measure(person, pose, joint):
    """Distance in head sizes; None where one lacks the joint."""
    if joint not in person["points"] or joint not in pose["points"]:
        return None
    (x1, y1), (x2, y2) = person["points"][joint], pose["points"][joint]
    pixels = math.sqrt((x1 - x2) ** 2 + (y1 - y2) ** 2)
    return pixels / person["head_size"] if person["head_size"] else math.inf


def _is_match(person, pose, joint):
    distance = _measure(person, pose, joint)
    return distance is not None and distance <= THRESHOLD


# --- Average precision ---


def naive_assign(people, poses):
    """{index of pose: index of person}."""
    wishes = []
    for pose in poses:
        best, best_fraction = None, 0.0
        for i, person in enumerate(people):
            right = sum(_is_match(person, pose, joint) for joint in range(NUM_JOINTS))
            share = right / len(person["points"]) if person["points"] else 0.0
            if share > best_fraction:
                best, best_fraction = i, share
        wishes.append((best, best_fraction))
    assigned = {}
    for i in range(len(people)):
        winner, winner_fraction = None, 0.0
        for p, (wish, share) in enumerate(wishes):
            if wish == i and share > winner_fraction:
                winner, winner_fraction = p, share
        if winner is not None:
            assigned[winner] = i
    return assigned


def naive_labels(frames, joint):
    """Scores and labels of a joint's predictions, and how many are annotated."""
    scores, labels, num_annotated = [], [], 0
    for people, poses in frames:
        num_annotated += sum(joint in person["points"] for person in people)
        assigned = naive_assign(people, poses)
        for p, pose in enumerate(poses):
            if joint in pose["points"]:
                scores.append(pose["scores"][joint])
                labels.append(p in assigned and _is_match(people[assigned[p]], pose, joint))
    return scores, labels, num_annotated


def naive_average_precision(scores, labels, num_annotated, corrected=False):
    """(AP, precision, recall) from 0 to 1."""
    if not scores:
        if not corrected:
            return 0.0, 0.0, 0.0
        return (0.0, None, 0.0) if num_annotated else (None, None, None)
    if num_annotated == 0:
        return None, 0.0, None
    if corrected or len(set(scores)) == len(scores):
        ranked = sorted(zip(scores, labels, strict=True), key=lambda item: -item[0])
    else:
        # Where scores are equal, the reference's order is whatever numpy's default sort makes of them.
        import numpy as np

        ranked = [(scores[i], labels[i]) for i in np.array(scores, np.float64).argsort()[::-1]]
    curve, found = [], 0
    for rank, (score, label) in enumerate(ranked, start=1):
        found += label
        is_last_of_score = rank == len(ranked) or ranked[rank][0] != score
        if is_last_of_score or not corrected:
            curve.append((found / num_annotated, found / rank))
    ap, previous_recall = 0.0, 0.0
    for i, (recall, _) in enumerate(curve):
        ap += (recall - previous_recall) * max(precision for _, precision in curve[i:])
        previous_recall = recall
    return ap, curve[-1][1], curve[-1][0]


# --- CLEAR MOT ---


def naive_matchings(num_rows, num_columns, allowed):
    """Every set of allowed pairs (row, column) that uses no row and no column twice."""
    if num_rows == 0:
        return [[]]
    row = num_rows - 1
    found = []
    for rest in naive_matchings(row, num_columns, allowed):
        found.append(rest)
        used = {column for _, column in rest}
        found += [[*rest, (row, c)] for c in range(num_columns) if c not in used and (row, c) in allowed]
    return found


class NaiveMot:
    """All events (type, object, hypothesis, distance) of one joint, in the manner of py-motmetrics."""

    def __init__(self):
        self.events = []
        self.hypothesis_of = {}  # The last hypothesis of each object.
        self.object_of = {}  # The last object that each hypothesis was newly paired with.
        self.seen_objects = set()  # Those that ever had a match,
        self.seen_hypotheses = set()  # and these.

    def update(self, objects, hypotheses, distances):
        """One frame; `distances[i, j]` for the pairs that may match."""
        for (i, j), distance in distances.items():
            self.events.append(("RAW", objects[i], hypotheses[j], distance))
        free_objects, free_hypotheses = list(range(len(objects))), list(range(len(hypotheses)))
        for i, name in enumerate(objects):
            if name not in self.hypothesis_of or self.hypothesis_of[name] not in hypotheses:
                continue
            j = hypotheses.index(self.hypothesis_of[name])
            if j in free_hypotheses and (i, j) in distances:
                self._match("MATCH", name, hypotheses[j], distances[i, j])
                free_objects.remove(i)
                free_hypotheses.remove(j)
        open_pairs = {pair for pair in distances if pair[0] in free_objects and pair[1] in free_hypotheses}
        candidates = naive_matchings(len(objects), len(hypotheses), open_pairs)
        best = min(candidates, key=lambda pairs: (-len(pairs), sum(distances[pair] for pair in pairs)))
        for i, j in best:
            self._pair(objects[i], hypotheses[j], distances[i, j])
            free_objects.remove(i)
            free_hypotheses.remove(j)
        self.events += [("MISS", objects[i], None, None) for i in free_objects]
        self.events += [("FP", None, hypotheses[j], None) for j in free_hypotheses]

    def _pair(self, name, hypothesis, distance):
        is_switch = name in self.hypothesis_of and self.hypothesis_of[name] != hypothesis
        if is_switch and hypothesis not in self.seen_hypotheses:
            self.events.append(("ASCEND", name, hypothesis, distance))
        if hypothesis in self.object_of and self.object_of[hypothesis] != name:
            if name not in self.seen_objects:
                self.events.append(("MIGRATE", name, hypothesis, distance))
            self.events.append(("TRANSFER", name, hypothesis, distance))
        self._match("SWITCH" if is_switch else "MATCH", name, hypothesis, distance)
        self.object_of[hypothesis] = name

    def _match(self, kind, name, hypothesis, distance):
        self.events.append((kind, name, hypothesis, distance))
        self.hypothesis_of[name] = hypothesis
        self.seen_objects.add(name)
        self.seen_hypotheses.add(hypothesis)


def naive_mot_events(frames, joint, corrected=False):
    """The events of one joint in one sequence."""
    mot = NaiveMot()
    for people, poses in frames if corrected else frames[:-1]:
        if not corrected and not (people and poses):
            mot.update(["nobody"], ["nothing"], {})
            continue
        objects = [person for person in people if joint in person["points"]]
        hypotheses = [pose for pose in poses if joint in pose["points"]]
        distances = {
            (i, j): _measure(person, pose, joint)
            for i, person in enumerate(objects)
            for j, pose in enumerate(hypotheses)
            if _is_match(person, pose, joint)
        }
        mot.update([person["track"] for person in objects], [pose["track"] for pose in hypotheses], distances)
    return mot.events


def naive_mot(events, corrected=False):
    """The measures of one joint, from the events of all sequences."""
    count = dict.fromkeys(("MATCH", "SWITCH", "MISS", "FP", "RAW", "ASCEND", "TRANSFER", "MIGRATE"), 0)
    for kind, *_ in events:
        count[kind] += 1
    detections = count["MATCH"] + count["SWITCH"]
    objects = detections + count["MISS"]
    pairs = sum(event[3] for event in events if event[0] in ("MATCH", "SWITCH"))
    everything = sum(event[3] for event in events if event[3] is not None)
    undetected = None if corrected else 0.0
    clean = 1 - pairs / detections if detections else undetected
    quirky = 1 - everything / detections if detections else undetected
    return {
        "mota": 1 - (count["MISS"] + count["SWITCH"] + count["FP"]) / objects if objects else None,
        "motp": clean if corrected else quirky,
        "motp_clean": clean,
        "mot_precision": detections / (detections + count["FP"]) if detections + count["FP"] else None,
        "mot_recall": detections / objects if objects else None,
    }


# --- HOTA ---


def naive_hota_matches(frames, joint):
    """(frame, person's track, pose's track, similarity) of one sequence: the greatest total in each frame."""
    matches = []
    for t, (people, poses) in enumerate(frames):
        similarity = {}
        for i, person in enumerate(people):
            for j, pose in enumerate(poses):
                distance = _measure(person, pose, joint)
                if distance is not None and 1 - distance / 0.5001 > 0:
                    similarity[i, j] = 1 - distance / 0.5001
        candidates = naive_matchings(len(people), len(poses), similarity)
        best = max(candidates, key=lambda pairs: sum(similarity[pair] for pair in pairs))
        matches += [(t, people[i]["track"], poses[j]["track"], similarity[i, j]) for i, j in best]
    return matches


def naive_hota(sequences, joint):
    """The measures of one joint over the frames of all sequences."""
    sums = dict.fromkeys(("hota", "deta", "assa", "fraga", "fa_hota"), 0.0)
    all_matches = [naive_hota_matches(frames, joint) for frames in sequences]
    for alpha in ALPHAS:
        tp, missed, invented, association, fragment_sum = 0, 0, 0, 0.0, 0.0
        for frames, matches in zip(sequences, all_matches, strict=True):
            hits = [match for match in matches if match[3] >= alpha]
            objects = [
                person["track"] for people, _ in frames for person in people if joint in person["points"]
            ]
            hypotheses = [pose["track"] for _, poses in frames for pose in poses if joint in pose["points"]]
            tp += len(hits)
            missed += len(objects) - len(hits)
            invented += len(hypotheses) - len(hits)
            for hit in hits:
                _, name, track, _ = hit
                tpa = sum(other[1:3] == (name, track) for other in hits)
                fna = objects.count(name) - tpa
                fpa = hypotheses.count(track) - tpa
                association += tpa / (tpa + fna + fpa)
                fragment_sum += _fragment_length(hit, hits) / (tpa + fna + fpa)
        if tp + missed + invented == 0:
            return dict.fromkeys(sums)
        deta = tp / (tp + missed + invented)
        assa = association / tp if tp else 0.0
        fraga = fragment_sum / tp if tp else 0.0
        sums["deta"] += deta
        sums["assa"] += assa
        sums["fraga"] += fraga
        sums["hota"] += math.sqrt(deta * assa)
        sums["fa_hota"] += math.sqrt(deta * math.sqrt(assa * fraga))
    return {name: value / len(ALPHAS) for name, value in sums.items()}


def _fragment_length(hit, hits):
    """How many hits of the person in a row, this one among them, are of the same predicted track."""
    own = sorted(other for other in hits if other[1] == hit[1])
    position = own.index(hit)
    first = last = position
    while first > 0 and own[first - 1][2] == hit[2]:
        first -= 1
    while last + 1 < len(own) and own[last + 1][2] == hit[2]:
        last += 1
    return last - first + 1


# --- Everything ---


def naive_evaluate(pairs, corrected=False):
    """Every measure in percent: 15 joints, then the mean of those that are defined.

    Args:
        pairs: (truth, predictions) of each sequence, parsed files of either year.
        corrected: Without the quirks.

    Returns:
        {measure: 16 numbers or None}.
    """
    pairs = [[naive_convert_posetrack18(side) if "images" in side else side for side in pair] for pair in pairs]
    sequences = [naive_clean(truth, predictions, corrected) for truth, predictions in pairs]
    is_tracked = all(
        rect.get("track_id") for pair in pairs for side in pair for entry in side["annolist"]
        for rect in entry.get("annorect", [])
    )  # fmt: skip
    rows = []
    for joint in range(NUM_JOINTS):
        labels = [naive_labels(frames, joint) for frames in sequences]
        scores, is_right = [s for part in labels for s in part[0]], [r for part in labels for r in part[1]]
        ap = naive_average_precision(scores, is_right, sum(part[2] for part in labels), corrected)
        row = dict(zip(("ap", "ap_precision", "ap_recall"), ap, strict=True))
        mot = dict.fromkeys(("mota", "motp", "motp_clean", "mot_precision", "mot_recall"))
        hota = dict.fromkeys(("hota", "deta", "assa", "fraga", "fa_hota"))
        if is_tracked:
            events = [event for frames in sequences for event in naive_mot_events(frames, joint, corrected)]
            mot, hota = naive_mot(events, corrected), naive_hota(sequences, joint)
        rows.append({**row, **mot, **hota})
    result = {}
    for name in rows[0]:
        values = [None if row[name] is None else 100 * row[name] for row in rows]
        defined = [value for value in values if value is not None]
        result[name] = [*values, sum(defined) / len(defined) if defined else None]
    return result
