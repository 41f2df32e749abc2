"""Images that are missing in files: noticed, counted, and their places kept; healthy files have none."""

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from posetrack.video import decode
from posetrack.video.avi import AviIndex
from posetrack.video.missing import MissingImages, add_missing, describe_missing
from posetrack.video.source import VideoSource, open_video

MILLISECONDS = Fraction(1, 1000)
KINDS = {
    "clip.mkv": ("ffv1", "yuv420p"),
    "clip.webm": ("libvpx", "yuv420p"),
    "clip.avi": ("mjpeg", "yuvj420p"),
    "clip.ts": ("libx264", "yuv420p"),
    "clip.flv": ("flv", "yuv420p"),
    "clip.gif": ("gif", "rgb8"),
    "clip.mp4": ("libx264", "yuv420p"),
    "clip.mov": ("mjpeg", "yuvj420p"),
}
INTRA = {
    "libvpx": {"g": "1", "deadline": "realtime", "cpu-used": "8"},
    "libx264": {"g": "1", "preset": "ultrafast"},
    "flv": {"g": "1"},
}
NUM_FRAMES = 100


def read(path: Path, **part: float) -> tuple[VideoSource, list[tuple[int, float]]]:
    with open_video(path, **part) as source:
        return source, [(frame.index, frame.time_s) for frame in source]


def change(path: Path, how: str) -> None:
    data = path.read_bytes()
    a, b = len(data) * 2 // 5, len(data) * 3 // 5
    changed = {"zeroed": data[:a] + bytes(b - a) + data[b:], "removed": data[:a] + data[b:], "cut": data[:b]}
    path.write_bytes(changed[how])


@pytest.fixture
def make_clip(make_video) -> Callable[..., Path]:
    def make(name: str, **options: object) -> Path:
        codec, pix_fmt = KINDS[name]
        muxing = {"movflags": "faststart"} if name.endswith(("mp4", "mov")) else {}
        return make_video(
            name,
            **{
                "num_frames": NUM_FRAMES,
                "codec": codec,
                "pix_fmt": pix_fmt,
                "options": INTRA.get(codec, {}),
                "noise": True,
            }
            | options,
            container_options=muxing,
        )

    return make


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("sound", [None, "aac", "mp2"])
def test_nothing_is_missing_in_healthy_files(make_clip, name: str, sound: str | None) -> None:
    wrong_sound = {
        "clip.gif": ("aac", "mp2"),
        "clip.webm": ("aac", "mp2"),
        "clip.avi": ("aac",),
        "clip.flv": ("mp2",),
    }
    if sound in wrong_sound.get(name, ()):
        pytest.skip("this container has no such sound")
    source, frames = read(make_clip(name, sound=sound))
    assert [index for index, _ in frames] == list(range(NUM_FRAMES))
    assert (source.missing, source.warnings, source.num_damaged) == ([], [], 0)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "clip.gif"])
@pytest.mark.parametrize("how", ["zeroed", "removed", "cut"])
def test_a_hole_is_noticed_and_places_are_kept(make_clip, name: str, how: str) -> None:
    if how == "removed" and name in {"clip.mp4", "clip.mov"}:
        pytest.skip("the index of the file leads nowhere then")
    path = make_clip(name)
    change(path, how)
    source, frames = read(path)
    num_missing = sum(run.num_frames or 0 for run in source.missing)
    assert 5 < len(frames) < 95
    assert all(index == pytest.approx(25 * time_s, abs=0.1) for index, time_s in frames)
    if how == "cut" and name == "clip.ts":  # declares no length
        assert source.missing[-1].num_frames is None
    else:
        assert len(frames) + num_missing == NUM_FRAMES
    assert describe_missing(source.missing) in source.warnings[-1]
    if how != "cut":
        assert frames[-1][0] == NUM_FRAMES - 1
        hole = max(source.missing, key=lambda run: run.num_frames)
        assert (hole.length_s, hole.num_frames) == (
            pytest.approx(hole.num_frames / 25, abs=0.01),
            hole.num_frames,
        )


@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi", "clip.ts", "clip.mp4"])
@pytest.mark.parametrize(("start_s", "every"), [(1.0, 1), (2.0, 1), (3.0, 3)])
def test_a_part_behind_or_around_a_hole_has_the_same_places(
    make_clip, name: str, start_s: float, every: int
) -> None:
    path = make_clip(name)
    change(path, "zeroed")
    _, whole = read(path)
    source, frames = read(path, start_s=start_s, every=every)
    wanted = [frame for frame in whole if frame[1] >= start_s]
    assert frames == [frame for frame in wanted if (frame[0] - wanted[0][0]) % every == 0]
    assert all(run.start_s >= start_s for run in source.missing)
    again = source.reopen()
    assert again is not None
    with again:
        assert [(frame.index, frame.time_s) for frame in again] == frames


def test_a_damaged_gif(make_clip) -> None:
    path = make_clip("clip.gif")
    data = path.read_bytes()
    change(path, "zeroed")
    source, frames = read(path)
    (run,) = source.missing
    assert run.is_estimate
    assert len(frames) + run.num_frames == pytest.approx(NUM_FRAMES, abs=8)
    assert f"about {run.length_s:.1f} s missing" in source.warnings[-1]
    path.write_bytes(data[: len(data) * 7 // 10])
    source, frames = read(path)
    assert source.missing[-1].num_frames is None
    assert source.warnings[-1].endswith("(their number is unknown); the file is incomplete")


@pytest.mark.parametrize("num_cut", [1, 3])
@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4", "clip.avi"])
def test_the_last_frames(make_clip, name: str, num_cut: int) -> None:
    path = make_clip(name)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        position = path.read_bytes().find(bytes(packets[-num_cut]), packets[-num_cut].pos)
    path.write_bytes(path.read_bytes()[:position])
    source, frames = read(path)
    assert len(frames) == NUM_FRAMES - num_cut
    assert source.missing == [
        MissingImages(pytest.approx(4 - num_cut / 25), pytest.approx(num_cut / 25), num_cut)
    ]


def _pause_often(chance: random.Random) -> list[int]:
    return _add_up([40 if i % 30 else chance.randint(500, 3000) for i in range(1, 120)])


def _add_up(gaps: list[int]) -> list[int]:
    return [sum(gaps[:i]) for i in range(len(gaps) + 1)]


VARIABLE = {
    "screen": _pause_often(random.Random(1)),
    "phone": _add_up([random.Random(i).choice([31, 33, 36]) if i % 25 else 67 for i in range(1, 120)]),
    "light": _add_up([33] * 40 + [66] * 40 + [33] * 20),
    "slides": [3000 * i for i in range(12)],
    "still": [0, 100, 200, 2300, 2400, 2500, 4600, 4700],
    "uneven": _add_up([20, 60] * 40),
}


@pytest.mark.parametrize("name", ["clip.mkv", "clip.webm", "clip.mp4", "clip.ts", "clip.gif"])
@pytest.mark.parametrize("kind", VARIABLE)
def test_a_variable_rate_has_no_holes(make_clip, name: str, kind: str) -> None:
    times = VARIABLE[kind]
    source, frames = read(make_clip(name, num_frames=len(times), pts=times, time_base=MILLISECONDS))
    assert [index for index, _ in frames] == list(range(len(times)))
    assert source.missing == []


def test_a_pause_that_an_image_is_declared_to_last_is_no_hole(make_clip) -> None:
    pts = [*range(60), *range(120, 180)]
    assert read(make_clip("clip.mp4", num_frames=120, pts=pts))[0].missing == []
    source, frames = read(make_clip("clip.mkv", num_frames=120, pts=pts))
    assert [index for index, _ in frames] == pts
    assert source.missing == [MissingImages(pytest.approx(2.4), pytest.approx(2.4), 60)]


def test_an_edit_list_counts_the_images_that_it_shows(make_clip, tmp_path: Path) -> None:
    whole, path = make_clip("clip.mp4"), tmp_path / "edited.mp4"
    with av.open(str(whole)) as reader, av.open(str(path), "w") as writer:
        out = writer.add_stream_from_template(reader.streams.video[0])
        first = round(1 / reader.streams.video[0].time_base)
        for packet in reader.demux(video=0):
            if packet.size:
                packet.stream, packet.pts, packet.dts = out, packet.pts - first, packet.dts - first
                writer.mux(packet)
    source, frames = read(path)
    assert source.info.num_frames == len(frames) == NUM_FRAMES - 25
    assert source.missing == []


def test_the_words() -> None:
    run = MissingImages(4.0, 2.6, 39)
    assert str(run) == "2.6 s missing at 4.0 s (39 frames)"
    assert run.clip(5.0, None) == MissingImages(5.0, pytest.approx(1.6), 24)
    assert run.clip(0.0, 4.01) is None
    missing = [MissingImages(float(i), 0.04, 1) for i in range(5)] + [run]
    assert describe_missing(missing).endswith("(39 frames), 3 shorter; 2.8 s in all (44 frames)")


def test_a_long_list_is_summed_up() -> None:
    missing: list[MissingImages] = []
    for i in range(3000):
        add_missing(missing, MissingImages(float(i), 0.5, 2))
    assert len(missing) == 1000
    assert sum(run.num_frames or 0 for run in missing) == 6000


def test_a_seek_that_fails_and_streams_that_appear_later(make_clip, monkeypatch) -> None:
    path = make_clip("clip.mkv")

    class Failing:
        def __init__(self, container: av.container.InputContainer) -> None:
            self._container = container
            self._is_new = True

        def __getattr__(self, name: str) -> object:
            return getattr(self._container, name)

        def seek(self, *args: object, **options: object) -> None:
            raise av.error.PermissionError(1, "Operation not permitted")

        def demux(self, stream: av.VideoStream) -> Iterator[av.Packet]:
            for count, packet in enumerate(self._container.demux(stream)):
                yield packet
                if count == 9 and self._is_new:
                    self._is_new = False
                    raise IndexError("list index out of range")

    open_it = decode.open_container
    monkeypatch.setattr(decode, "open_container", lambda *args, **options: Failing(open_it(*args, **options)))
    source, frames = read(path, start_s=1.0)
    assert [index for index, _ in frames] == list(range(25, NUM_FRAMES))
    assert (source.num_damaged, source.missing) == (0, [])


def test_places_of_an_avi_index() -> None:
    index = AviIndex([(0, 4, 10), (1, 22, 10), (5, 40, 10)], 0)  # 2 to 4 are empty chunks
    assert [index.count_between(*pair) for pair in ((0, 1), (0, 5), (1, 5), (1, 1), (5, 0))] == [0, 1, 0, 0, 0]


def test_a_cut_or_damaged_animated_png_lacks_what_it_declares(make_video) -> None:
    path = make_video("clip.apng", num_frames=20, codec="apng", pix_fmt="rgb24", noise=True)
    assert read(path)[0].missing == []
    data = path.read_bytes()
    middle = len(data) // 2
    for changed in (data[:middle], data[:middle] + bytes(len(data) // 5) + data[middle + len(data) // 5 :]):
        path.write_bytes(changed)
        source, frames = read(path)
        (run,) = source.missing
        assert run.is_estimate
        assert len(frames) + run.num_frames == 20


def test_a_cut_program_stream(make_video) -> None:
    path = make_video("clip.mpg", num_frames=50, codec="mpeg2video", noise=True)
    assert read(path)[0].missing == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10 | 1])
    source, frames = read(path)
    assert source.missing == [MissingImages(pytest.approx(frames[-1][1] + 0.04), None, None)]


def test_a_clock_of_whole_milliseconds_does_not_lengthen_a_hole(make_clip) -> None:
    pts = [round(i * 100 / 3) for i in [*range(60), *range(300, 360)]]
    source, frames = read(make_clip("clip.mkv", num_frames=120, pts=pts, time_base=MILLISECONDS))
    assert source.missing[0].num_frames == 240
    assert frames[-1][0] == 359
