"""GIFs and videos with alpha: what is read back from them."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from posetrack.errors import VideoError
from posetrack.video.base import VideoInfo
from posetrack.video.silent_writer import SilentWriter


def make_info(fps=Fraction(25)):
    return VideoInfo("clip.mp4", "clip", 65, 49, fps, Fraction(1, 90_000), None)


def make_image(index, channels=3):
    image = np.zeros((49, 65, channels), np.uint8)
    image[10:30, 5 * index : 5 * index + 20] = (255, 128, 20, 255)[:channels]
    return image


def write(path, times_s, channels=3):
    writer = SilentWriter(path, make_info())
    for index, time_s in enumerate(times_s):
        writer.write(make_image(index, channels), time_s)
    writer.close()


def read_gif(path):
    with Image.open(path) as image:
        frames = []
        for i in range(image.n_frames):
            image.seek(i)
            frames.append((image.info["duration"], np.array(image.convert("RGBA"))))
        return frames, image.info.get("loop")


def test_a_gif_shows_each_image_for_its_time_and_again(tmp_path):
    times_s = 3 + np.array([0, 1, 2, 4, 5, 6]) / 30  # one image is missing
    write(tmp_path / "a.gif", times_s.tolist())
    frames, loop = read_gif(tmp_path / "a.gif")
    assert [ms for ms, _ in frames[:-1]] == [30, 40, 60, 40, 30]
    assert loop == 0
    assert frames[0][1].shape == (49, 65, 4)
    for index, (_, image) in enumerate(frames):
        assert np.abs(image[..., :3].astype(int) - make_image(index)).max() <= 8
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_a_gif_shows_no_image_for_less_than_browsers_do(tmp_path):
    write(tmp_path / "a.gif", [i / 120 for i in range(9)])
    frames, _ = read_gif(tmp_path / "a.gif")
    assert min(ms for ms, _ in frames) >= 20
    assert sum(ms for ms, _ in frames[:-1]) <= 80


def test_a_transparent_gif_leaves_nothing_behind(tmp_path):
    write(tmp_path / "a.gif", [i / 25 for i in range(5)], channels=4)
    frames, _ = read_gif(tmp_path / "a.gif")
    assert len(frames) == 5
    for index, (_, image) in enumerate(frames):
        np.testing.assert_array_equal(image[..., 3], make_image(index, 4)[..., 3])


@pytest.mark.parametrize(("name", "decoder"), [("a.mov", "prores"), ("a.webm", "libvpx-vp9")])
def test_videos_hold_alpha_and_times(tmp_path, name, decoder):
    write(tmp_path / name, [7.0, 7.04, 7.08, 7.2], channels=4)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        codec = av.codec.CodecContext.create(decoder, "r")
        frames = [frame for packet in container.demux(stream) for frame in codec.decode(packet)]
        times_s = [round(float(frame.pts * stream.time_base), 3) for frame in frames]
    assert times_s == [0, 0.04, 0.08, 0.2]
    for index, frame in enumerate(frames):
        image = frame.to_ndarray(format="rgba")
        assert image.shape == (50, 66, 4)  # codecs need even sides
        expected = make_image(index, 4)
        assert image[20, 5 * index + 10].tolist() == pytest.approx([255, 128, 20, 255], abs=8)
        assert np.abs(image[:49, :65, 3].astype(int) - expected[..., 3]).mean() < 4


def test_nothing_has_its_name_before_the_end(tmp_path):
    writer = SilentWriter(tmp_path / "a.gif", make_info())
    writer.write(make_image(0), 0.0)
    assert not (tmp_path / "a.gif").exists()
    writer.abort()
    SilentWriter(tmp_path / "b.gif", make_info()).close()  # no image
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="closed"):
        writer.write(make_image(0), 0.0)


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(
        VideoError, match=r"no/a\.gif: the images cannot be written: No such file.*make the output"
    ):
        SilentWriter(tmp_path / "no" / "a.gif", make_info())


def test_an_image_of_another_size_is_fitted(tmp_path):
    writer = SilentWriter(tmp_path / "a.mov", make_info())
    writer.write(np.full((20, 40, 4), 255, np.uint8), 0.0)
    writer.write(np.full((40, 40, 4), 255, np.uint8), 0.04)
    writer.close()
    with av.open(str(tmp_path / "a.mov")) as container:
        first, second = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    assert first.shape == second.shape == (20, 40, 4)
    assert second[10, [2, 20, 37], 3].tolist() == pytest.approx([0, 255, 0], abs=8)
