"""Videos that were encoded in parts are joined without decoding them."""

import av
import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.video.join import VideoJoiner
from posetrack.video.source import open_video
from posetrack.video.writer import VideoWriter


def write_parts(source, folder, borders_s):
    """Encode parts of a video apart; returns each with the time of its first image."""
    parts = []
    for i, (start_s, end_s) in enumerate(zip(borders_s, [*borders_s[1:], None], strict=True)):
        path = folder / f"{i}.mp4"
        with open_video(source, start_s=start_s, end_s=end_s) as video, VideoWriter(path, video.info) as writer:
            frames = list(video)
            for frame in frames:
                writer.write(frame.image, frame.time_s)
        parts.append((path, frames[0].time_s))
    return parts


def read_packets(path, kind):
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(packet.pts, bytes(packet)) for packet in container.demux(stream) if packet.size]


def read_images(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.time for frame in frames], [frame.to_ndarray(format="rgb24") for frame in frames]


def join(source, parts, out):
    with open_video(source) as video, VideoJoiner(out, video.info, audio_from=video.audio_address) as joiner:
        for path, time_s in parts:
            joiner.append(path, time_s)


def test_joined_parts_have_the_images_times_and_sound_of_the_whole(make_video, tmp_path, shade):
    source = make_video("clip.mp4", num_frames=30, sound="aac")
    parts = write_parts(source, tmp_path, [0.0, 0.4, 0.8])
    whole, out = tmp_path / "whole.mp4", tmp_path / "joined.mp4"
    with open_video(source) as video, VideoWriter(whole, video.info, audio_from=video.audio_address) as writer:
        for frame in video:
            writer.write(frame.image, frame.time_s)
    join(source, parts, out)
    (times_s, images), (whole_s, whole_images) = read_images(out), read_images(whole)
    assert times_s == whole_s
    assert [shade(image) for image in images] == list(range(30))
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(images, whole_images, strict=True)) < 2
    assert read_packets(out, "audio") == read_packets(whole, "audio")
    packets = [data for path, _ in parts for _, data in read_packets(path, "video")]
    assert [data for _, data in read_packets(out, "video")] == packets
    with av.open(str(out)) as joined, av.open(str(whole)) as alone:
        assert joined.streams.video[0].average_rate == alone.streams.video[0].average_rate
        assert joined.duration == alone.duration
    assert {path.name for path in tmp_path.iterdir()} == {
        "clip.mp4",
        "whole.mp4",
        "joined.mp4",
        "0.mp4",
        "1.mp4",
        "2.mp4",
    }


def test_parts_of_another_size_are_refused_and_nothing_is_left(make_video, tmp_path):
    source = make_video("clip.mp4", num_frames=20)
    (part, time_s), *_ = write_parts(source, tmp_path, [0.0])
    other = make_video("large.mp4", num_frames=10, size_wh=(128, 96))
    (large, _), *_ = write_parts(other, tmp_path / "..", [0.0])
    with pytest.raises(VideoError, match="encoded otherwise"):
        join(source, [(part, time_s), (large, 0.8)], tmp_path / "out.mp4")
    assert not any("out" in path.name for path in tmp_path.iterdir())


def test_a_damaged_part_is_one_line(make_video, tmp_path):
    source = make_video("clip.mp4", num_frames=20)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"none" * 100)
    with pytest.raises(VideoError, match=r"out\.mp4: the video cannot be written"):
        join(source, [(broken, 0.0)], tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_the_size_of_a_part_may_be_given(make_video, tmp_path):
    source = make_video("clip.mp4", num_frames=3)
    out = tmp_path / "out.mp4"
    with open_video(source) as video, VideoWriter(out, video.info, size_wh=(96, 96)) as writer:
        for frame in video:
            writer.write(frame.image, frame.time_s)
    assert read_images(out)[1][0].shape == (96, 96, 3)


@pytest.mark.parametrize("anchor", [None, 0, 1, 2])
def test_frames_are_counted_from_an_anchor(make_video, anchor):
    source = make_video("clip.mp4", num_frames=30)
    with open_video(source, start_s=0.4, end_s=0.8, every=3, anchor=anchor) as video:
        found = [frame.index for frame in video]
    first = 10 if anchor is None else next(i for i in range(10, 30) if (i - anchor) % 3 == 0)
    assert found == list(range(first, 20, 3))
