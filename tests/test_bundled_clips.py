"""The clips that come with the code, and their truth."""

from pathlib import Path

import av
import numpy as np
import pytest

import posetrack
from posetrack.evaluation.mot.files import read_true_boxes

MEDIA = Path(__file__).parents[1] / "docs" / "media"
CROSSING = MEDIA / "crossing.mp4"
SIZE_WH = (640, 360)
NUM_FRAMES = 200


@pytest.fixture(scope="module")
def truth():
    return read_true_boxes(CROSSING.with_suffix(".gt.txt")).boxes


def test_the_clip_is_small_and_whole():
    assert CROSSING.stat().st_size < 2_000_000
    with av.open(str(CROSSING)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height, stream.average_rate) == (*SIZE_WH, 25)
        assert sum(1 for _ in container.decode(video=0)) == NUM_FRAMES


def test_five_people_are_known_in_every_part_of_it(truth):
    assert set(truth.track_ids.tolist()) == {1, 2, 3, 4, 5}
    assert set(truth.frames.tolist()) == set(range(1, NUM_FRAMES + 1))
    assert np.bincount(truth.frames)[1:].min() >= 3
    assert (truth.boxes_xyxy >= 0).all()
    assert (truth.boxes_xyxy <= [*SIZE_WH, *SIZE_WH]).all()
    assert (truth.boxes_xyxy[:, 2:] > truth.boxes_xyxy[:, :2]).all()


def test_people_cross(truth):
    """Of most pairs, who is left of whom changes."""
    middles = {
        (frame, person): (box[0] + box[2]) / 2
        for frame, person, box in zip(truth.frames, truth.track_ids, truth.boxes_xyxy, strict=True)
    }
    changing = 0
    for one in range(1, 6):
        for other in range(1, one):
            sides = [
                np.sign(middles[frame, one] - middles[frame, other])
                for frame in range(1, NUM_FRAMES + 1)
                if (frame, one) in middles and (frame, other) in middles
            ]
            changing += len(set(sides) - {0}) == 2
    assert changing >= 6


def test_people_are_found_and_keep_their_ids():
    frames = [frame.instances for frame in posetrack.track(CROSSING, recipe="fast", start_s=2.2, end_s=3.2)]
    assert len(frames) == 25
    assert np.mean([len(people) for people in frames]) > 4
    assert len({int(number) for people in frames for number in people.track_ids}) <= 6
