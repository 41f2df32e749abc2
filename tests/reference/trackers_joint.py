"""SimpleBaseline's tracking (ECCV 2018, section 3), person by person, over images that do not move."""

import numpy as np
from reference.trackers_matching import naive_greedy
from reference.trackers_nms import naive_iou, naive_nms
from reference.trackers_oks import naive_oks

from trackers.oks import compute_pose_areas


class NaiveJointTracker:
    """Tracks; `estimate(box)` gives keypoints (K, 2) and scores (K,)."""

    def __init__(self, sigmas, config, estimate, size_wh):
        self.sigmas, self.config, self.estimate, self.size_wh = sigmas, config, estimate, size_wh
        self.queue = []
        """Of each of the last frames a list of (id, person)."""
        self.next_id = 1

    def update(self, detections):
        """Detections are pairs of a box and its score; returns (id, box, keypoints, is from flow)."""
        config = self.config
        boxes = [(*detection, False) for detection in detections]
        for _, person in self.queue[-1] if self.queue else []:
            box = self.box_around(person)
            if 0 <= (box[0] + box[2]) / 2 <= self.size_wh[0] and 0 <= (box[1] + box[3]) / 2 <= self.size_wh[1]:
                boxes.append((box, person["score"], True))
        iou = [[naive_iou(a[0], b[0]) for b in boxes] for a in boxes]
        kept = sorted(naive_nms(iou, [box[1] for box in boxes], config.nms_iou))
        people = [self.make_person(*boxes[i]) for i in kept]
        people = [p for p in people if not p["from_flow"] or p["scores"].mean() >= config.propagation_min_score]
        oks = self.compare(people, people)
        people = [people[i] for i in sorted(naive_nms(oks, [p["score"] for p in people], config.nms_oks))]
        ids = self.associate(people)
        self.queue = [*self.queue, list(zip(ids, people, strict=True))][-(config.queue_frames + 1) :]
        return [(number, p["box"], p["points"], p["from_flow"]) for number, p in zip(ids, people, strict=True)]

    def make_person(self, box, score, from_flow):
        points, scores = self.estimate(np.asarray(box, np.float32))
        seen = scores >= self.config.min_keypoint_score
        good = [s for s in scores if s > 0.2]
        return {
            "box": np.asarray(box, np.float32),
            "score": score * (sum(good) / len(good) if good else 0),
            "points": points,
            "scores": scores,
            "seen": seen,
            "from_flow": from_flow,
        }

    def box_around(self, person):
        points = person["points"][person["seen"]]
        low, high = points.min(axis=0), points.max(axis=0)
        grow = (high - low) * (self.config.propagation_padding - 1) / 2
        return (*(low - grow), *(high + grow))

    def compare(self, people, others):
        if not people or not others:
            return [[0.0] * len(others) for _ in people]
        columns = []
        for group in (people, others):
            points = np.stack([np.where(p["seen"][:, None], p["points"], np.nan) for p in group])
            seen = np.stack([p["seen"] for p in group])
            boxes = np.stack([p["box"] for p in group])
            columns.append((points, seen, compute_pose_areas(boxes, points.astype(np.float32), seen)))
        (a, a_seen, a_areas), (b, b_seen, b_areas) = columns
        return naive_oks(a, a_seen, b, b_seen, a_areas, b_areas, self.sigmas)

    def associate(self, people):
        tracks = {}
        for frame in self.queue:
            for number, person in frame:
                tracks.setdefault(number, []).append(person)
        numbers = sorted(tracks)
        similarity = [
            [
                max(row) if row else 0.0
                for row in ([*self.compare([p], tracks[number])[0]] for number in numbers)
            ]
            for p in people
        ]
        ids = [0] * len(people)
        for row, column in naive_greedy(similarity, self.config.min_oks) if people and numbers else []:
            ids[row] = numbers[column]
        for row in sorted(range(len(people)), key=lambda i: (-people[i]["score"], i)):
            if ids[row] == 0:
                ids[row], self.next_id = self.next_id, self.next_id + 1
        return ids
