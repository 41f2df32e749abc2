"""Processors of the user's own: what they may do, and what is refused in one line."""

from dataclasses import replace

import numpy as np
import pytest

from posetrack.errors import PoseTrackError
from posetrack.frame import Frame, Instances
from posetrack.processors.own import OwnProcessors
from posetrack.skeleton import COCO_17

IMAGE = np.zeros((4, 6, 3), np.uint8)


def make_frames(restored=0):
    people = Instances(boxes_xyxy=[[0, 0, 2, 2], [2, 0, 4, 2]], track_ids=[1, 2])
    return [Frame(i, i / 25, IMAGE, people, COCO_17, is_restored=i < restored) for i in range(6)]


def keep_first(frames):
    for frame in frames:
        yield replace(frame, instances=frame.instances[:1])


def whiten(frames):
    for frame in frames:
        yield replace(frame, image=frame.image + 255)


def hold_back(frames):
    yield from list(frames)


class Doubler:
    def __call__(self, frames):
        for frame in frames:
            yield replace(frame, instances=Instances.concatenate([frame.instances] * 2))


def test_they_are_applied_in_turn_and_noted():
    own = OwnProcessors([hold_back, keep_first, Doubler()])
    assert own.names == ("hold_back", "keep_first", "Doubler")
    assert [frame.instances.track_ids.tolist() for frame in own(iter(make_frames()))] == [[1, 1]] * 6
    assert own.removes_people
    assert not own.changes_images


def test_what_they_leave_alone_is_noted_too():
    own = OwnProcessors([whiten])
    assert all((frame.image == 255).all() for frame in own(iter(make_frames())))
    assert own.changes_images
    assert not own.removes_people


def test_restored_frames_keep_their_people_and_take_the_image():
    frames = list(OwnProcessors([keep_first, whiten])(iter(make_frames(restored=4))))
    assert [len(frame.instances) for frame in frames] == [2] * 4 + [1] * 2
    assert all(frame.image.all() for frame in frames)
    own = OwnProcessors([keep_first])
    list(own(iter(make_frames(restored=6))))
    assert not own.removes_people


def skip_third(frames):
    return (frame for frame in frames if frame.index != 2)


def stop_early(frames):
    for frame in frames:
        if frame.index < 4:
            yield frame


def repeat(frames):
    for frame in frames:
        yield frame
        yield frame


def turn_round(frames):
    yield from reversed(list(frames))


def give_images(frames):
    for frame in frames:
        yield frame.image


def forget_to_yield(frames):
    for frame in frames:
        keep_first([frame])


def halve(frames):
    for frame in frames:
        yield replace(frame, image=frame.image[::2])


def add_keypoints(frames):
    for frame in frames:
        yield replace(frame, instances=replace(frame.instances, keypoints_xy=np.zeros((2, 15, 2))))


@pytest.mark.parametrize(
    ("process", "message"),
    [
        (skip_third, "skip_third: gave frame 3, not frame 2; yield every frame once, in order"),
        (stop_early, "stop_early: left out frame 4"),
        (repeat, "repeat: gave frame 0, not no more frames"),
        (turn_round, "turn_round: gave frame 5, not frame 0"),
        (give_images, "give_images: gave ndarray, not frame 0"),
        (forget_to_yield, "forget_to_yield: gave NoneType; a processor yields frames"),
        (halve, r"halve: frame 0: the image became \(2, 6, 3\) uint8; keep its size \(4, 6, 3\), uint8"),
        (add_keypoints, "add_keypoints: frame 0: 15 keypoints a person; keep the skeleton's 17"),
    ],
)
def test_other_frames_than_it_should_are_refused(process, message):
    with pytest.raises(PoseTrackError, match=message):
        list(OwnProcessors([process])(iter(make_frames())))
