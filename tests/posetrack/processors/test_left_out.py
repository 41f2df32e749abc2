"""Heads of people who are left out between two places of a pipeline."""

from dataclasses import replace

import numpy as np
from made_drawings import WALL, make_person, two_people

from posetrack.frame import Frame, Instances
from posetrack.processors.left_out import LeftOutFaces
from posetrack.skeleton import COCO_17


def make_frames(number=6, people_of=two_people, **columns):
    return [Frame(i, i / 25, WALL, people_of(i), COCO_17, **columns) for i in range(number)]


def add_faces(frames, keep):
    """Leave out those whom `keep` does not, and hold frames back as a batch does."""
    faces = LeftOutFaces(COCO_17)
    kept = [replace(frame, instances=keep(frame.instances)) for frame in faces.remember(iter(frames))]
    return list(faces.add(iter(kept)))


def covers(faces, x, y=30):
    return bool(((faces[:, :2] < (x, y)) & (faces[:, 2:] > (x, y))).all(axis=1).any())


def test_heads_of_those_who_are_left_out_are_found():
    for frame in add_faces(make_frames(), lambda people: people[people.track_ids != 5]):
        assert frame.instances.track_ids.tolist() == [1]
        assert covers(frame.faces_xyxy, 110)
        assert not covers(frame.faces_xyxy, 40)


def test_where_nobody_is_left_out_there_are_none():
    assert [len(frame.faces_xyxy) for frame in add_faces(make_frames(), lambda people: people)] == [0] * 6


def test_without_ids_everybody_may_be_left_out():
    def untracked(i):
        return replace(two_people(i), track_ids=None)

    for frame in add_faces(make_frames(people_of=untracked), lambda people: people[:1]):
        assert covers(frame.faces_xyxy, 40)
        assert covers(frame.faces_xyxy, 110)


def test_a_face_that_is_lost_stays_for_a_moment():
    def lost(i):
        return two_people(i) if i < 3 else make_person(30, 1)

    frames = add_faces(make_frames(people_of=lost), lambda people: people[people.track_ids != 5])
    assert [covers(frame.faces_xyxy, 110) for frame in frames] == [True] * 6


def test_restored_frames_keep_their_faces_which_are_held():
    face = np.float32([[100, 20, 120, 40]])
    restored = make_frames(3, lambda i: make_person(30, 1), faces_xyxy=face, is_restored=True)
    later = make_frames(6, lambda i: Instances())[3:]
    frames = add_faces([*restored, *later], lambda people: people)
    assert all(frame.faces_xyxy is face for frame in frames[:3])
    assert [covers(frame.faces_xyxy, 110) for frame in frames] == [True] * 6
