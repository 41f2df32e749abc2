"""Made sequences for the PoseTrack evaluation, and how to write them as PoseTrack17 and PoseTrack18 files.

A side of a sequence is a list of frames:

    {"regions": [[(x, y), ...], ...], "people": [
      {"track": 3, "head": (x1, y1, x2, y2), "points": {joint: (x, y, score or None, is_visible)}}]}

`track` and `head` may be None; `points` None is a person without a list of points.
"""

import json
import random

from reference.evaluation_posetrack import JOINTS, NUM_JOINTS

ORDER_18 = (
    "nose", "head_bottom", "head_top", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
HEAD = (0, 0, 30, 40)
"""A head of size 0.6 * 50 = 30 pixels: 15 pixels are exactly the threshold."""


def make_person(track, points, head=HEAD):
    """Points as {joint: (x, y)} or {joint: (x, y, score)}."""
    full = {joint: (*point, *(0.5, 1)[len(point) - 2 :]) for joint, point in points.items()}
    return {"track": track, "head": head, "points": full}


def make_frame(*people, regions=()):
    return {"regions": list(regions), "people": list(people)}


def to_posetrack17(frames, name="000001_mpii_test"):
    annolist = []
    for index, frame in enumerate(frames):
        entry = {"image": [{"name": f"images/{name}/{index:06d}.jpg"}], "imgnum": [index + 1], "annorect": []}
        entry["is_labeled"] = [int(bool(frame["people"]))]
        if frame["regions"]:
            entry["ignore_regions"] = [
                {"point": [{"x": [x], "y": [y]} for x, y in region]} for region in frame["regions"]
            ]
        for person in frame["people"]:
            rect = {}
            if person["track"] is not None:
                rect["track_id"] = [person["track"]]
            if person["head"] is not None:
                rect.update(
                    {key: [value] for key, value in zip(("x1", "y1", "x2", "y2"), person["head"], strict=True)}
                )
            if person["points"] is not None:
                points = []
                for joint, (x, y, score, is_visible) in person["points"].items():
                    point = {"id": [joint], "x": [x], "y": [y], "is_visible": [is_visible]}
                    if score is not None:
                        point["score"] = [score]
                    points.append(point)
                rect["annopoints"] = [{"point": points}]
            entry["annorect"].append(rect)
        annolist.append(entry)
    return {"annolist": annolist}


def to_posetrack18(frames, name="000001_mpii_test"):
    images, annotations = [], []
    for index, frame in enumerate(frames):
        image = {
            "id": 10001000 + index,
            "frame_id": 10001000 + index,
            "file_name": f"images/{name}/{index:06d}.jpg",
        }
        image.update({"vid_id": "000001", "nframes": len(frames), "is_labeled": bool(frame["people"])})
        if frame["regions"]:
            image["ignore_regions_x"] = [[x for x, _ in region] for region in frame["regions"]]
            image["ignore_regions_y"] = [[y for _, y in region] for region in frame["regions"]]
        images.append(image)
        for person in frame["people"]:
            points = person["points"] or {}
            keypoints, scores = [], []
            for joint in ORDER_18:
                point = points.get(JOINTS.index(joint)) if joint in JOINTS else None
                x, y, score, is_visible = point or (0, 0, 0, 0)
                keypoints += [x, y, is_visible]
                scores.append(score)
            annotation = {
                "image_id": image["id"],
                "id": len(annotations),
                "category_id": 1,
                "keypoints": keypoints,
            }
            # A file has all scores of a person or none.
            annotation["scores"] = [] if None in scores else scores
            if person["track"] is not None:
                annotation["track_id"] = person["track"]
            if person["head"] is not None:
                x1, y1, x2, y2 = person["head"]
                annotation["bbox_head"] = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(annotation)
    # Files list people in any order; only that within a frame matters.
    annotations.sort(key=lambda annotation: -annotation["image_id"])
    categories = [{"supercategory": "person", "id": 1, "name": "person", "keypoints": list(ORDER_18)}]
    return {"images": images, "annotations": annotations, "categories": categories}


WRITERS = {17: to_posetrack17, 18: to_posetrack18}


def write_case(folder, sequences, truth_format=17, predictions_format=17):
    """Write {name: (truth, predictions)} to `folder/gt` and `folder/pred`; returns the two."""
    for side, year in enumerate((truth_format, predictions_format)):
        (folder / ("gt", "pred")[side]).mkdir(parents=True, exist_ok=True)
        for name, frames in sequences.items():
            path = folder / ("gt", "pred")[side] / f"{name}.json"
            path.write_text(json.dumps(WRITERS[year](frames[side], name)))
    return folder / "gt", folder / "pred"


def read_case(gt, pred, names):
    """The parsed files of both sides of each sequence."""
    return [tuple(json.loads((folder / f"{name}.json").read_text()) for folder in (gt, pred)) for name in names]


def make_random_case(seed, *, has_tracks=True, has_ties=True):
    """One to three sequences with all that can go wrong; {name: (truth, predictions)}."""
    rng = random.Random(seed)
    names = [f"{i:06d}_mpii_test" for i in range(rng.choice((1, 2, 2, 3)))]
    absent = rng.sample(range(NUM_JOINTS), rng.choice((0, 1, 3)))
    return {name: _make_sequence(rng, absent, has_tracks, has_ties) for name in names}


def _make_sequence(rng, absent, has_tracks, has_ties):
    num_frames, num_people = rng.choice((1, 2, 5, 6, 7, 9)), rng.choice((1, 2, 3, 4))
    spread = rng.choice((40, 150, 600))  # In a crowd many joints are near many people.
    jitter_px = rng.choice((2, 8, 20))
    heads = [rng.choice(((30, 40), (15, 20), (60, 80), (31.7, 22.3))) for _ in range(num_people)]
    places = [(rng.uniform(0, spread), rng.uniform(0, spread)) for _ in range(num_people)]
    shape = [(rng.uniform(0, 80), rng.uniform(0, 150)) for _ in range(NUM_JOINTS)]
    tracker = {i: 100 + i for i in range(num_people)}
    truth, predictions = [], []
    for _ in range(num_frames):
        if rng.random() < 0.15:
            tracker[rng.randrange(num_people)] = rng.randrange(100, 100 + 2 * num_people)
        if num_people > 1 and rng.random() < 0.15:
            a, b = rng.sample(range(num_people), 2)
            tracker[a], tracker[b] = tracker[b], tracker[a]
        people = []
        for i, (x, y) in enumerate(places):
            if rng.random() < 0.15:
                continue
            points = {
                k: (round(x + dx + rng.random(), 2), round(y + dy + rng.random(), 2), None, rng.choice((0, 1)))
                for k, (dx, dy) in enumerate(shape)
                if k not in absent and rng.random() < 0.9
            }
            people.append(_person(rng, i + 1, heads[i], points))
        truth.append({"regions": _make_regions(rng, spread), "people": [] if rng.random() < 0.1 else people})
        poses = _predict(rng, people, tracker, jitter_px, has_ties)
        predictions.append({"regions": [], "people": [] if rng.random() < 0.1 else poses})
    if not has_tracks:
        for frame in (*truth, *predictions):
            for person in frame["people"]:
                person["track"] = None
    return truth, predictions


def _person(rng, track, head, points):
    fate = rng.random()
    points = None if fate < 0.03 else {} if fate < 0.06 else points
    x, y = rng.randrange(50), rng.randrange(50)
    return {"track": track, "head": (x, y, x + head[0], y + head[1]), "points": points}


def _make_regions(rng, spread):
    if rng.random() < 0.6:
        return []
    regions = []
    for _ in range(rng.choice((1, 2))):
        x, y, w = rng.randrange(spread), rng.randrange(spread), rng.choice((10, 60))
        square = [(x, y), (x + w, y), (x + w, y + w), (x, y + w)]
        dented = [(x, y), (x + w, y), (x + w // 2, y + w // 2), (x + w, y + w), (x, y + w)]
        regions.append(rng.choice((square, square[:3], dented)))
    return regions


def _predict(rng, people, tracker, jitter_px, has_ties):
    poses, used = [], set()

    def draw_score():
        return rng.choice((0.0, 0.25, 0.5, 0.75)) if has_ties else rng.random()

    def pose(track, points):
        while track in used:
            track += 50
        used.add(track)
        is_scored = not has_ties or rng.random() < 0.9
        scored = {k: (x, y, draw_score() if is_scored else None, 1) for k, (x, y) in points.items()}
        poses.append({"track": track, "head": None, "points": scored})

    for person in people:
        true = person["points"] or {}
        if rng.random() < 0.15:
            continue
        size = (
            0.6
            * ((person["head"][2] - person["head"][0]) ** 2 + (person["head"][3] - person["head"][1]) ** 2)
            ** 0.5
        )
        points = {
            k: (x + rng.gauss(0, jitter_px), y + rng.gauss(0, jitter_px)) for k, (x, y, *_) in true.items()
        }
        if size in (15, 30, 60):
            # Exactly on the threshold, by a triangle of 3, 4 and 5; the true point is moved to whole pixels.
            for k in [k for k in true if rng.random() < 0.1]:
                x, y = int(true[k][0]), int(true[k][1])
                true[k] = (x, y, *true[k][2:])
                points[k] = (x + 0.3 * size, y - 0.4 * size)
        points = {k: point for k, point in points.items() if rng.random() < 0.9}
        for k in range(NUM_JOINTS):
            if k not in true and rng.random() < 0.3:
                points[k] = (rng.uniform(0, 300), rng.uniform(0, 300))
        pose(tracker[person["track"] - 1], points)
        if rng.random() < 0.2:
            pose(
                rng.randrange(200, 205),
                {k: (x + rng.gauss(0, 9), y + rng.gauss(0, 9)) for k, (x, y, *_) in true.items()},
            )
    if rng.random() < 0.2:
        pose(300, {k: (rng.uniform(0, 300), rng.uniform(0, 300)) for k in range(NUM_JOINTS)})
    if rng.random() < 0.1:
        pose(301, {0: (0, 0)})
    rng.shuffle(poses)
    return poses
