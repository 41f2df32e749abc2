"""Arrays as a source of frames."""

from fractions import Fraction
from itertools import count, islice

import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.video.arrays import ArraySequence
from posetrack.video.base import Selection


def make_images(number: int) -> list[np.ndarray]:
    return [np.full((6, 8, 3), i, np.uint8) for i in range(number)]


def test_arrays_become_frames_at_an_even_rate():
    source = ArraySequence(make_images(3), Selection(), Fraction(30000, 1001))
    assert (source.info.width, source.info.height, source.info.fps) == (8, 6, Fraction(30000, 1001))
    assert source.info.num_frames == 3
    frames = list(source)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 1001 / 30000, 2002 / 30000])
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 1, 2]


def test_a_part_of_them_keeps_its_place():
    part = Selection(start_s=0.2, end_s=0.6, every=3)
    source = ArraySequence(make_images(50), part, Fraction(25))
    # 0.2 s is the fifth image's time at 25 a second, as floats have it, too.
    assert source.info.num_frames == 4
    assert [frame.index for frame in source] == [5, 8, 11, 14]


def test_they_may_come_without_end_and_from_one_buffer():
    buffer = np.zeros((6, 8, 3), np.uint8)

    def grab():
        for i in count():
            buffer[:] = i % 256
            yield buffer

    source = ArraySequence(grab(), Selection(), Fraction(25))
    assert source.info.num_frames is None
    frames = list(islice(source, 4))
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 1, 2, 3]


def test_views_are_taken_too():
    bgr = np.zeros((6, 8, 3), np.uint8)
    bgr[..., 0] = 9
    (frame,) = ArraySequence([bgr[..., ::-1]], Selection(), Fraction(25))
    assert frame.image.flags.c_contiguous
    assert frame.image[0, 0].tolist() == [0, 0, 9]


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (np.zeros((6, 8), np.uint8), r"shape \(6, 8\) of uint8"),
        (np.zeros((6, 8, 4), np.uint8), r"shape \(6, 8, 4\) of uint8"),
        (np.zeros((6, 8, 3), np.float32), r"shape \(6, 8, 3\) of float32"),
        (np.zeros((0, 8, 3), np.uint8), r"shape \(0, 8, 3\) of uint8"),
        ({"image": 1}, "dict"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_image_is_named_with_its_place(wrong, found):
    message = rf"arrays: image 2: expected shape \(H, W, 3\) of uint8, RGB; found {found}"
    with pytest.raises(VideoError, match=message) as caught:
        list(ArraySequence([*make_images(2), wrong], Selection(), Fraction(25)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "fps", "message"),
    [
        ([], 25, "arrays: no frame between 0 s and the end; it is 0 s long"),
        (iter(()), 25, "arrays: no frame between 0 s and the end; choose"),
        (make_images(1), 0, "arrays: 0 images per second; give a rate above 0"),
    ],
)
def test_nothing_to_read_is_one_line(arrays, fps, message):
    with pytest.raises(VideoError, match=message):
        ArraySequence(arrays, Selection(), Fraction(fps))
