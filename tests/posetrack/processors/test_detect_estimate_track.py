from dataclasses import replace

import numpy as np
import pytest

from posetrack.frame import Frame, Instances
from posetrack.processors.detect import detect
from posetrack.processors.estimate import estimate
from posetrack.processors.track import track
from posetrack.skeleton import COCO_17
from trackers.flow_tracker import FlowTrackerConfig

K = COCO_17.num_keypoints
TEXTURE = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)


def make_frames(counts: list[int]) -> list[Frame]:
    """Frames with so many people each; frame i's people have boxes that begin at x = i."""
    return [
        Frame(i, i / 25, TEXTURE, Instances(boxes_xyxy=np.tile([i, 0, i + 30, 60], (count, 1))))
        for i, count in enumerate(counts)
    ]


@pytest.mark.parametrize("batch_frames", [1, 2, 3, 100])
def test_detection_is_the_same_for_every_batch_size(batch_frames):
    sizes: list[int] = []

    def detector(images):
        sizes.append(len(images))
        return [Instances(box_scores=np.full(2, image[0, 0, 0])) for image in images]

    frames = [Frame(i, 0.0, np.full((2, 2, 3), i, np.uint8)) for i in range(7)]
    out = list(detect(detector, batch_frames=batch_frames)(iter(frames)))
    assert [frame.index for frame in out] == list(range(7))
    assert [frame.instances.box_scores.tolist() for frame in out] == [[i, i] for i in range(7)]
    assert max(sizes) == min(batch_frames, 7)


@pytest.mark.parametrize("every", [1, 2, 3, 10])
@pytest.mark.parametrize("batch_frames", [1, 2, 4])
def test_the_detector_sees_the_chosen_frames_in_batches(batch_frames, every):
    seen: list[int] = []
    taken = 0

    def detector(images):
        assert len(images) <= batch_frames
        seen.extend(int(image[0, 0, 0]) for image in images)
        return [Instances(box_scores=np.ones(1)) for _ in images]

    def feed():
        nonlocal taken
        for i in range(11):
            taken = i
            yield Frame(i, 0.0, np.full((2, 2, 3), i, np.uint8))

    find = detect(detector, batch_frames=batch_frames, start=lambda: lambda frame: frame.index % every == 0)
    for frame in find(feed()):
        assert len(frame.instances) == (frame.index % every == 0)
        assert taken - frame.index <= (batch_frames - 1) * every
    assert seen == list(range(0, 11, every))


@pytest.mark.parametrize(
    ("batch_crops", "batch_frames", "calls"), [(4, 100, 2), (1, 100, 5), (100, 3, 2), (100, 100, 1)]
)
def test_poses_go_to_their_own_boxes_whatever_the_batches(batch_crops, batch_frames, calls):
    called: list[int] = []

    def estimator(images, boxes):
        called.append(len(images))
        assert len(images) == len(boxes)
        return [(np.tile(b[:, None, :2], (1, K, 1)), np.full((len(b), K), 0.5)) for b in boxes]

    process = estimate(estimator, batch_crops=batch_crops, batch_frames=batch_frames)
    out = list(process(iter(make_frames([2, 1, 3, 0, 2, 1]))))
    assert [len(frame.instances) for frame in out] == [2, 1, 3, 0, 2, 1]
    for frame in out:
        assert frame.instances.keypoints_xy.shape == (len(frame.instances), K, 2)
        assert (frame.instances.keypoints_xy[..., 0] == frame.index).all()
    assert len(called) == calls
    assert list(process(iter([]))) == []


SIGN, WALKER = [5, 10, 35, 90], [80, 20, 110, 100]
STRICT = FlowTrackerConfig(new_track_min_score=0.5, propagation_min_score=0.5)


def make_street(num_frames: int) -> list[Frame]:
    """Frames at 25 a second with a sign and a walker."""
    people = Instances(boxes_xyxy=[SIGN, WALKER], box_scores=[0.6, 0.9])
    return [Frame(i, i / 25, TEXTURE, people) for i in range(num_frames)]


class StreetEstimator:
    """Strong poses in every box but a sign's; remembers the boxes of each frame."""

    def __init__(self) -> None:
        self.boxes: list[list[float]] = []

    def __call__(self, images, boxes):
        self.boxes += [box for here in boxes for box in here.tolist()]
        return [
            (
                here[:, None, :2] + np.linspace(0, 1, K)[:, None] * (here[:, None, 2:] - here[:, None, :2]),
                np.repeat(np.where(here[:, :1] < 40, 0.3, 0.9), K, axis=1).reshape(len(here), K),
            )
            for here in boxes
        ]


@pytest.mark.parametrize(("batch_crops", "batch_frames"), [(1, 1), (100, 2), (5, 4), (100, 100)])
def test_weak_poses_are_estimated_now_and_then_whatever_the_batches(batch_crops, batch_frames):
    estimator = StreetEstimator()
    process = estimate(estimator, batch_crops=batch_crops, batch_frames=batch_frames, tracker=STRICT)
    out = list(process(iter(make_street(40))))
    assert [frame.index for frame in out] == list(range(40))
    has_pose = np.array([np.isfinite(frame.instances.keypoints_xy).all(axis=(1, 2)) for frame in out])
    assert has_pose[:, 1].all()
    assert np.flatnonzero(has_pose[:, 0]).tolist() == [0, 1, 2, 12, 32]
    assert len(estimator.boxes) == has_pose.sum()
    unseen = [
        frame.instances.keypoint_scores[0] for frame in out if np.isnan(frame.instances.keypoints_xy[0, 0, 0])
    ]
    assert not np.any(unseen)


def test_without_settings_of_a_tracker_everybody_is_estimated():
    estimator = StreetEstimator()
    out = list(estimate(estimator, batch_crops=8, batch_frames=4)(iter(make_street(20))))
    assert len(estimator.boxes) == 40
    assert all(np.isfinite(frame.instances.keypoints_xy).all() for frame in out)


def test_one_of_two_equal_boxes_is_estimated():
    people = Instances(boxes_xyxy=[WALKER, WALKER, SIGN], box_scores=[0.7, 0.9, 0.8])
    estimator = StreetEstimator()
    process = estimate(estimator, batch_crops=8, batch_frames=4, tracker=STRICT)
    (frame,) = process(iter([Frame(0, 0.0, TEXTURE, people)]))
    assert estimator.boxes == [WALKER, SIGN]
    np.testing.assert_array_equal(frame.instances.box_scores, np.float32([0.9, 0.8]))


def test_tracks_are_those_of_all_poses():
    frames = make_street(40)
    everything, chosen = StreetEstimator(), StreetEstimator()
    before = estimate(everything, batch_crops=8, batch_frames=4)
    after = estimate(chosen, batch_crops=8, batch_frames=4, tracker=STRICT)
    expected = list(track(STRICT, COCO_17, estimator=everything)(before(iter(frames))))
    found = list(track(STRICT, COCO_17, estimator=chosen)(after(iter(frames))))
    for one, other in zip(expected, found, strict=True):
        assert one.instances.track_ids.tolist() == other.instances.track_ids.tolist() == [1]
        np.testing.assert_array_equal(one.instances.keypoints_xy, other.instances.keypoints_xy)
        np.testing.assert_array_equal(one.instances.keypoint_scores, other.instances.keypoint_scores)
    assert len(chosen.boxes) == 45 < len(everything.boxes) == 80


def test_a_track_asks_for_the_pose_of_a_weak_box():
    # The detector is less and less sure of the walker, until nobody would start a track there.
    frames = [
        replace(
            frame, instances=frame.instances.with_columns(box_scores=[0.6, 0.9 if frame.index < 5 else 0.4])
        )
        for frame in make_street(20)
    ]
    estimator = StreetEstimator()
    process = estimate(estimator, batch_crops=8, batch_frames=4, tracker=STRICT)
    out = list(track(STRICT, COCO_17, estimator=estimator)(process(iter(frames))))
    assert all(frame.instances.track_ids.tolist() == [1] for frame in out)
    assert all((frame.instances.keypoint_scores == np.float32(0.9)).all() for frame in out)
    assert [box[0] for box in estimator.boxes].count(80) == 20


def make_person(x: float) -> Instances:
    points = np.stack([np.linspace(x, x + 30, K), np.linspace(20, 100, K)], axis=1)[None]
    return Instances(
        boxes_xyxy=[[x, 20, x + 30, 100]],
        box_scores=[0.9],
        keypoints_xy=points,
        keypoint_scores=np.full((1, K), 0.8),
        masks=np.ones((1, 120, 160), bool),
        dense=(np.ones((3, 3, 3), np.uint8),),
    )


def test_tracking_gives_ids_and_carries_the_other_columns():
    frames = [Frame(i, i / 25, TEXTURE, make_person(40)) for i in range(3)]
    out = list(track(FlowTrackerConfig(), COCO_17)(iter(frames)))
    assert [frame.instances.track_ids.tolist() for frame in out] == [[1], [1], [1]]
    assert all(frame.instances.masks.all() and len(frame.instances.dense) == 1 for frame in out)


def test_a_missed_person_is_propagated_by_the_estimator_with_blank_masks():
    asked: list[np.ndarray] = []

    def estimator(images, boxes):
        asked.append(boxes[0])
        person = make_person(40)
        return [(person.keypoints_xy, person.keypoint_scores)]

    frames = [
        Frame(0, 0.0, TEXTURE, make_person(40)),
        Frame(1, 0.04, TEXTURE, make_person(40)[[]]),
    ]
    out = list(track(FlowTrackerConfig(), COCO_17, estimator=estimator)(iter(frames)))
    propagated = out[1].instances
    assert propagated.track_ids.tolist() == [1]
    assert len(asked) == 1
    assert not propagated.masks.any()
    assert propagated.dense[0].size == 0
    without = list(track(FlowTrackerConfig(), COCO_17)(iter(frames)))
    assert len(without[1].instances) == 0


def test_each_run_starts_afresh():
    process = track(FlowTrackerConfig(), COCO_17)
    for _ in range(2):
        out = list(process(iter([Frame(0, 0.0, TEXTURE, make_person(40))])))
        assert out[0].instances.track_ids.tolist() == [1]


def test_saved_poses_are_followed_without_their_images():
    blank = np.zeros((1, 1, 3), np.uint8)
    frames = [Frame(i, i / 25, blank, make_person(40 + i)) for i in range(4)]
    out = list(track(FlowTrackerConfig(), COCO_17, look_at_images=False)(iter(frames)))
    assert {i for frame in out for i in frame.instances.track_ids.tolist()} == {1}


def test_frames_that_nobody_looked_at():
    frames = [Frame(0, 0.0, TEXTURE)]
    assert len(next(track(FlowTrackerConfig(), COCO_17)(iter(frames))).instances) == 0


def test_people_without_poses_are_tracked_by_their_boxes():
    """Two people pass each other; someone of a low score is left out; nobody gets keypoints."""

    def make_frame(i):
        boxes = [[10 + 6 * i, 20, 40 + 6 * i, 100], [110 - 6 * i, 25, 140 - 6 * i, 105], [70, 2, 75, 12]]
        order = [1, 0, 2] if i % 2 else [0, 1, 2]
        people = Instances(boxes_xyxy=np.array(boxes)[order], box_scores=np.array([0.9, 0.8, 0.1])[order])
        return Frame(i, i / 25, TEXTURE, people)

    for look_at_images in (True, False):
        config = FlowTrackerConfig(new_track_min_score=0.3)
        process = track(config, COCO_17, by_boxes=True, look_at_images=look_at_images)
        out = list(process(make_frame(i) for i in range(16)))
        for frame in out:
            assert frame.instances.keypoints_xy is None
            ids = dict(
                zip(frame.instances.track_ids.tolist(), frame.instances.box_scores.tolist(), strict=True)
            )
            assert ids == pytest.approx({1: 0.9, 2: 0.8})


def test_boxes_of_restored_frames_are_followed():
    def make_frame(i, **columns):
        people = Instances(boxes_xyxy=[[40, 20, 70, 100]], box_scores=[0.9], **columns)
        return Frame(i, i / 25, TEXTURE, people, is_restored=bool(columns))

    frames = [make_frame(0, track_ids=[7]), make_frame(1, track_ids=[7]), make_frame(2)]
    out = list(track(FlowTrackerConfig(), COCO_17, by_boxes=True)(iter(frames)))
    assert [frame.instances.track_ids.tolist() for frame in out] == [[7], [7], [7]]
