import os
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from posetrack.build import Pipeline
from posetrack.run.job import Output, run_job
from posetrack.skeleton import COCO_17
from posetrack.video.audio import AudioTrack
from posetrack.video.source import open_video
from posetrack.video.writer import VideoWriter


def rewrite(path: Path, out: Path, *, audio_from: Path | None = None, **part: float) -> list[str]:
    """Read a part of a video and write it with its sound; returns the writer's warnings."""
    with (
        open_video(path, **part) as source,
        VideoWriter(out, source.info, audio_from=str(audio_from or path)) as writer,
    ):
        for frame in source:
            writer.write(frame.image, frame.time_s)
    return writer.warnings


def read_sound(path: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """Codec, times (n,) in seconds on the clock of the video, and samples (n,)."""
    times, samples = [], []
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        for frame in container.decode(stream):
            values = frame.to_ndarray().astype(np.float64)[0]
            times.append(float(frame.pts * stream.time_base) + np.arange(len(values)) / frame.sample_rate)
            samples.append(values)
    return stream.codec_context.codec.canonical_name, np.concatenate(times), np.concatenate(samples)


def tone_of(path: Path) -> tuple[str, float, float]:
    """Codec, and when the tone begins and ends."""
    codec, times, samples = read_sound(path)
    loud = times[np.abs(samples) > 0.3 * np.abs(samples).max()]
    return codec, loud[0], loud[-1]


@pytest.mark.parametrize(
    ("name", "sound", "codec"),
    [
        ("clip.mp4", "aac", "aac"),
        ("clip.ts", "aac", "aac"),
        ("clip.mkv", "aac", "aac"),
        ("clip.mkv", "libmp3lame", "mp3"),
        ("clip.mkv", "libopus", "opus"),
        ("clip.mkv", "flac", "flac"),
        ("clip.mkv", "ac3", "ac3"),
        ("clip.mkv", "mp2", "aac"),
        ("clip.mkv", "pcm_s16le", "aac"),
        ("clip.avi", "pcm_s16le", "aac"),
        ("clip.ts", "mp2", "aac"),
    ],
)
def test_sound_is_carried_over_in_time(make_video, tmp_path: Path, name: str, sound: str, codec: str) -> None:
    path = make_video(name, num_frames=25, sound=sound)
    assert open_video(path).info.has_audio
    assert rewrite(path, tmp_path / "o.mp4") == []
    written, start, end = tone_of(tmp_path / "o.mp4")
    assert written == codec
    assert (start, end) == pytest.approx((0.4, 0.5), abs=0.03)


def test_copied_packets_are_the_same(make_video, tmp_path: Path) -> None:
    path = make_video("clip.mp4", num_frames=25, sound="aac")
    rewrite(path, tmp_path / "o.mp4")
    packets = []
    for file in (path, tmp_path / "o.mp4"):
        with av.open(str(file)) as container:
            packets.append([(p.pts, bytes(p)) for p in container.demux(audio=0) if p.size])
    assert packets[0] == packets[1]


@pytest.mark.parametrize("sound", ["aac", "pcm_s16le"])
@pytest.mark.parametrize(
    ("part", "start"),
    [({"start_s": 0.2}, 0.2), ({"start_s": 0.2, "end_s": 0.8, "every": 3}, 0.2), ({"end_s": 0.6}, 0.4)],
)
def test_sound_of_a_part(make_video, tmp_path: Path, sound: str, part: dict[str, float], start: float) -> None:
    path = make_video("clip.mkv", num_frames=25, sound=sound)
    assert rewrite(path, tmp_path / "o.mp4", **part) == []
    _, tone_start, _ = tone_of(tmp_path / "o.mp4")
    assert tone_start == pytest.approx(start, abs=0.03)
    _, times, _ = read_sound(tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as container:
        video = container.streams.video[0]
        length_s = float(video.duration * video.time_base)
        assert float((video.start_time or 0) * video.time_base) == 0
    assert times[-1] == pytest.approx(length_s, abs=0.06)


def test_sound_of_a_late_video_is_on_its_clock(make_video, tmp_path: Path) -> None:
    """The images begin 0.2 s into the container: the tone at 0.4 s is 0.2 s after the first of them."""
    path = make_video("clip.mkv", num_frames=20, pts=list(range(5, 25)), sound="aac")
    rewrite(path, tmp_path / "o.mp4")
    assert tone_of(tmp_path / "o.mp4")[1] == pytest.approx(0.2, abs=0.03)


def test_no_sound_no_stream(make_video, tmp_path: Path) -> None:
    path = make_video("clip.mp4", num_frames=5)
    assert rewrite(path, tmp_path / "o.mp4") == []
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert len(container.streams) == 1


@pytest.mark.parametrize("data", [None, b"rubbish"])
def test_sound_that_cannot_be_opened_costs_only_the_sound(
    make_video, tmp_path: Path, data: bytes | None
) -> None:
    path = make_video("clip.mp4", num_frames=5)
    other = tmp_path / "other.mp4"
    if data is not None:
        other.write_bytes(data)
    warnings = rewrite(path, tmp_path / "o.mp4", audio_from=other)
    assert len(warnings) == 1
    assert "sound cannot be carried over" in warnings[0]
    with open_video(tmp_path / "o.mp4") as source:
        assert len(list(source)) == 5


@pytest.mark.parametrize(
    "error", [av.error.InvalidDataError(1, "bad"), ValueError("bad"), av.error.OSError(5, "I/O")]
)
def test_sound_that_breaks_on_the_way_costs_only_the_sound(
    make_video, tmp_path: Path, monkeypatch, error: Exception
) -> None:
    path = make_video("clip.mp4", num_frames=25, sound="aac")
    read_until = AudioTrack.read_until

    def break_later(track: AudioTrack, time_s: float, *, last: bool = False):
        yield from read_until(track, time_s, last=last)
        if time_s > 0.5:
            raise error

    monkeypatch.setattr(AudioTrack, "read_until", break_later)
    warnings = rewrite(path, tmp_path / "o.mp4")
    assert len(warnings) == 1
    with open_video(tmp_path / "o.mp4") as source:
        assert len(list(source)) == 25
    assert read_sound(tmp_path / "o.mp4")[1][-1] > 0.4


def test_damaged_sound_packets_are_survived(make_video, tmp_path: Path) -> None:
    path = make_video("clip.mkv", num_frames=25, sound="mp2")
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(audio=0) if p.size][18]  # within the tone: none is like it
        rubbish = b"\xff" * packet.size
    data = path.read_bytes()
    path.write_bytes(data.replace(bytes(packet), rubbish))
    rewrite(path, tmp_path / "o.mp4")
    with open_video(tmp_path / "o.mp4") as source:
        assert len(list(source)) == 25
    assert read_sound(tmp_path / "o.mp4")[1][-1] > 0.8


def test_only_due_sound_is_read(make_video, tmp_path: Path) -> None:
    track = AudioTrack(str(make_video("clip.mp4", num_frames=25, sound="aac")), zero_s=0.0, mode="copy")
    with av.open(str(tmp_path / "o.mp4"), "w") as container:
        track.add_to(container)
        ends = [packet.pts / 48000 for packet in track.read_until(0.25)]
        assert ends[-1] < 0.25
        assert list(track.read_until(0.25)) == []
        assert next(track.read_until(0.5)).pts / 48000 >= 0.25
        track.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_the_sound_of_a_pipe_is_left_out_with_a_line(make_video, tmp_path: Path, caplog) -> None:
    """A pipe cannot be opened again: its sound would take the images' bytes, or wait for ever."""
    content = make_video("clip.mkv", num_frames=8, sound="aac").read_bytes()
    pipe = tmp_path / "pipe.mkv"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
    feeder.start()
    with open_video(pipe) as source:
        assert source.info.has_audio
        assert source.audio_address is None
        run_job(source, Pipeline((), COCO_17), "made", Output(tmp_path / "out"))
    feeder.join(20)
    assert sum("pipe.mkv: its sound" in message for message in caplog.messages) == 1
    with open_video(tmp_path / "out" / "overlay.mp4") as written:
        assert not written.info.has_audio
        assert len(list(written)) == 8


def test_only_a_file_with_sound_has_an_address_of_its_sound(make_video) -> None:
    with open_video(make_video("silent.mp4", num_frames=2)) as source:
        assert source.audio_address is None
    path = make_video("clip.mp4", num_frames=2, sound="aac")
    for address in (str(path), f"file://{path}"):
        with open_video(address) as source:
            assert source.audio_address == address
