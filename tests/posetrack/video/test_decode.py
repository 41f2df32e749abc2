import logging
import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.video.decode import VideoFile
from posetrack.video.source import VideoSource, open_video

FASTSTART = {"movflags": "faststart"}
SHORT_GOP = {"preset": "ultrafast", "g": "5", "bf": "2"}


def times_of(source: VideoSource) -> list[float]:
    with source:
        return [frame.time_s for frame in source]


def test_every_frame_with_index_and_time(make_video, shade) -> None:
    path = make_video("clip.mp4", options={"preset": "medium"})  # B-frames: delayed ones are flushed
    with open_video(path) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(20))
    assert [shade(frame.image) for frame in frames] == list(range(20))
    assert [frame.time_s for frame in frames] == [i / 25 for i in range(20)]
    assert frames[0].image.dtype == np.uint8
    assert frames[0].image.flags.c_contiguous
    assert source.warnings == []
    assert source.num_damaged == 0
    info = source.info
    assert (info.source, info.name, info.kind) == (str(path), "clip", "video")
    assert (info.width, info.height, info.fps, info.num_frames) == (64, 48, 25, 20)
    assert not info.has_audio


def test_uneven_and_fractional_times_are_kept(make_video) -> None:
    pts = [0, 1001, 2002, 5005, 6006, 20020]
    path = make_video("vfr.mp4", num_frames=6, pts=pts, time_base=Fraction(1, 30000), fps=Fraction(30000, 1001))
    assert times_of(open_video(path)) == [p / 30000 for p in pts]


@pytest.mark.parametrize("name", ["late.ts", "late.mkv"])
def test_times_count_from_the_first_frame(make_video, name: str) -> None:
    path = make_video(name, num_frames=5, pts=[50, 51, 52, 53, 54])
    source = open_video(path)
    assert source.info.start_s >= 2.0
    assert times_of(source) == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])


def test_avi_with_reordered_frames(make_video, shade) -> None:
    path = make_video("clip.avi", options={"preset": "medium"})
    with open_video(path) as source:
        frames = list(source)
    assert source.info.fps == 25
    assert [shade(frame.image) for frame in frames] == list(range(20))
    assert [frame.time_s for frame in frames] == pytest.approx([i / 25 for i in range(20)])


def test_raw_stream_without_stamps(make_video) -> None:
    source = open_video(make_video("clip.h264", num_frames=8))
    assert times_of(source) == pytest.approx([i / 25 for i in range(8)])
    assert "time stamps were missing" in source.warnings[0]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.avi"])
@pytest.mark.parametrize(
    ("start_s", "end_s", "every"), [(0.5, None, 1), (0.3, 0.6, 1), (0.0, 0.5, 3), (0.33, None, 4)]
)
def test_a_part_is_the_same_as_in_the_whole(
    make_video, shade, name: str, start_s: float, end_s: float | None, every: int
) -> None:
    path = make_video(name, options=SHORT_GOP)
    with open_video(path) as source:
        whole = [(frame.index, frame.time_s) for frame in source]
    wanted = [f for f in whole if f[1] >= start_s and (end_s is None or f[1] < end_s)][::every]
    with open_video(path, start_s=start_s, end_s=end_s, every=every) as source:
        frames = list(source)
    assert [(frame.index, frame.time_s) for frame in frames] == wanted
    assert [shade(frame.image) for frame in frames] == [index for index, _ in wanted]
    assert abs(source.info.num_frames - len(wanted)) <= 1


def test_start_seeks_instead_of_decoding(make_video, monkeypatch) -> None:
    path = make_video("clip.mp4", options=SHORT_GOP)
    num_decoded = 0
    decode_packet = VideoFile._decode_packet

    def count(source: VideoFile, packet: object) -> list[av.VideoFrame]:
        nonlocal num_decoded
        frames = decode_packet(source, packet)
        num_decoded += len(frames)
        return frames

    monkeypatch.setattr(VideoFile, "_decode_packet", count)
    with open_video(path, start_s=0.64) as source:
        assert [frame.index for frame in source] == [16, 17, 18, 19]
    assert num_decoded < 14


def test_repeated_stamps_are_repaired(tmp_path: Path, make_video) -> None:
    source = make_video(
        "good.mkv",
        num_frames=6,
        codec="mjpeg",
        pix_fmt="yuvj420p",
        time_base=Fraction(1, 1000),
        pts=[0, 40, 80, 120, 160, 200],
    )
    path = tmp_path / "bad.mkv"
    with av.open(str(source)) as reader, av.open(str(path), "w") as writer:
        out = writer.add_stream_from_template(reader.streams.video[0], opaque=True)
        for index, packet in enumerate(p for p in reader.demux(video=0) if p.size):
            packet.stream = out
            packet.pts = packet.dts = 40 if index == 2 else 40 * index
            writer.mux(packet)
    opened = open_video(path)
    times = times_of(opened)
    assert times[:2] == [0.0, 0.04]
    assert 0.04 < times[2] < 0.08
    assert times[3:] == [0.12, 0.16, 0.2]
    assert "1 time stamps" in opened.warnings[0]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("hflip", [False, True])
def test_display_rotation(make_video, rotation: int, hflip: bool) -> None:
    path = make_video("clip.mp4", num_frames=1, rotation=rotation, hflip=hflip)
    with open_video(path) as source:
        image = next(iter(source)).image
    size_wh = (64, 48) if rotation % 180 == 0 else (48, 64)
    assert (source.info.width, source.info.height) == size_wh
    assert image.shape == (size_wh[1], size_wh[0], 3)
    with av.open(str(path)) as container:
        matrix = next(container.decode(video=0)).side_data["DISPLAYMATRIX"] if rotation or hflip else None
    a, b, _, c, d = [1, 0, 0, 0, 1] if matrix is None else np.sign(np.frombuffer(matrix, np.int32)[:5])
    # The middle of the red corner, from the middle of the image, and where the matrix shows it.
    x, y = -3 / 8 * 64, -3 / 8 * 48
    column, row = round(a * x + c * y + size_wh[0] / 2), round(b * x + d * y + size_wh[1] / 2)
    assert image[row, column, 0] > 180
    assert image[row, column, 1] < 80


def test_rotation_is_the_way_that_players_turn(make_video) -> None:
    """PyAV's angle is counter-clockwise: 90 brings the top left corner to the bottom left."""
    with open_video(make_video("clip.mp4", num_frames=1, rotation=90)) as source:
        image = next(iter(source)).image
    with av.open(source.info.source) as container:
        assert next(container.decode(video=0)).rotation == 90
    assert image[-5, 4, 0] > 180
    assert image[-5, 4, 1] < 80


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("grey.mkv", "ffv1", "gray"),
        ("grey10.mkv", "ffv1", "gray10le"),
        ("ten.mkv", "ffv1", "yuv420p10le"),
        ("ten.mp4", "libx264", "yuv420p10le"),
        ("alpha.mkv", "ffv1", "yuva420p"),
        ("full.avi", "mjpeg", "yuvj422p"),
        ("rgb.avi", "png", "rgb24"),
        ("bgra.mkv", "ffv1", "bgra"),
        ("deep.mkv", "ffv1", "rgb48le"),
    ],
)
def test_pixel_formats(make_video, make_image, name: str, codec: str, pix_fmt: str) -> None:
    path = make_video(name, num_frames=2, codec=codec, pix_fmt=pix_fmt)
    with open_video(path) as source:
        images = [frame.image for frame in source]
    assert len(images) == 2
    assert images[1].shape == (48, 64, 3)
    wanted = make_image(1).astype(int)
    inside = (slice(20, None), slice(24, None)) if "gray" in pix_fmt else (slice(None), slice(None))
    assert np.abs(images[1][inside] - wanted[inside]).mean() < 4


@pytest.mark.parametrize("colorspace", [1, 5])
def test_the_matrix_of_the_stream_is_used(make_video, colorspace: int) -> None:
    path = make_video("colour.mp4", num_frames=1, colorspace=colorspace)
    with open_video(path) as source:
        image = next(iter(source)).image
    assert np.abs(image[2:8, 2:10].astype(int) - (230, 20, 20)).max() <= 6


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 5), (63, 47)])
def test_odd_sizes(make_video, size_wh: tuple[int, int]) -> None:
    path = make_video("odd.mkv", num_frames=2, size_wh=size_wh, codec="mpeg4")
    with open_video(path) as source:
        assert [frame.size_wh for frame in source] == [size_wh] * 2


def test_one_frame(make_video) -> None:
    assert times_of(open_video(make_video("one.mp4", num_frames=1))) == [0.0]


def test_a_change_of_size_is_followed_and_told(tmp_path: Path, make_video) -> None:
    parts = [
        make_video("a.ts", num_frames=4),
        make_video("b.ts", num_frames=4, size_wh=(96, 64), pts=[4, 5, 6, 7]),
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(path) as source:
        frames = list(source)
    assert {frame.size_wh for frame in frames} == {(64, 48), (96, 64)}
    assert all(a.time_s < b.time_s for a, b in pairwise(frames))
    assert any("size changes" in warning for warning in source.warnings)


def test_damaged_packets_are_skipped_and_counted(make_video, damage_packet, shade, caplog) -> None:
    path = make_video("clip.mkv", codec="mjpeg", pix_fmt="yuvj420p")
    damage_packet(path, 7)
    with caplog.at_level(logging.WARNING), open_video(path) as source:
        frames = list(source)
    kept = [i for i in range(20) if i != 7]
    assert [shade(frame.image) for frame in frames] == kept
    assert [frame.time_s for frame in frames] == pytest.approx([i / 25 for i in kept])
    assert source.num_damaged == 1
    assert source.warnings == [
        f"{path}: 1 damaged packets; frames there are missing or marred",
        f"{path}: 0.040 s missing at 0.3 s (1 frame)",
    ]
    assert source.warnings[0] in caplog.text


def test_damage_in_h264_does_not_end_the_video(make_video, damage_packet) -> None:
    path = make_video("clip.mp4", options=SHORT_GOP, container_options=FASTSTART)
    damage_packet(path, 7)
    with open_video(path) as source:
        frames = list(source)
    assert len(frames) >= 15
    assert frames[-1].time_s == 19 / 25
    assert source.num_damaged >= 1


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_a_file_cut_short_gives_what_is_there(make_video, shade, name: str) -> None:
    options = {"preset": "ultrafast", "qp": "0", "g": "1"}
    pts = [4 * i for i in range(20)]
    path = make_video(name, pts=pts, options=options, container_options=FASTSTART if "mp4" in name else None)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with open_video(path) as source:
        frames = list(source)
    assert 8 <= len(frames) < 15
    assert [shade(frame.image) for frame in frames] == list(range(len(frames)))
    assert source.warnings[-1].endswith("; the file is incomplete")
    assert len(frames) + source.missing[0].num_frames == 20


def test_an_unfinished_mp4(make_video) -> None:
    path = make_video("clip.mp4", options={"preset": "ultrafast", "qp": "0", "g": "1"})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 10])
    with pytest.raises(VideoError, match=r"clip\.mp4: the recording was not finished.*moov atom missing"):
        open_video(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "the file is empty"), (b"This is a text. " * 50, "not a video"), (bytes(5000), "not a video")],
)
def test_files_that_are_no_video(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    with pytest.raises(VideoError, match=message):
        open_video(path)


def test_a_text_file_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n" * 100)
    with pytest.raises(VideoError, match=r"notes\.txt: .*not a video"):
        open_video(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such file"):
        open_video(tmp_path / "none.mp4")


def test_a_refused_file(make_video, monkeypatch) -> None:
    path = make_video("clip.mp4", num_frames=1)

    def refuse(*args: object, **kwargs: object) -> None:
        raise av.error.PermissionError(13, "Permission denied")

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(VideoError, match="may not be read"):
        open_video(path)


def test_an_address_that_does_not_answer() -> None:
    with pytest.raises(VideoError, match="check the address"):
        open_video("nosuchprotocol://host/clip.mp4")


def _write_sound_only(path: Path, cover: bool) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        cover_stream = None
        if cover:
            cover_stream = container.add_stream("mjpeg", rate=1, width=16, height=16, pix_fmt="yuvj420p")
            cover_stream.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
        if cover_stream is not None:
            image = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8)).reformat(format="yuvj420p")
            image.pts = 0
            container.mux([*cover_stream.encode(image), *cover_stream.encode(None)])


@pytest.mark.parametrize(("cover", "found"), [(False, "audio"), (True, "audio, cover image")])
def test_sound_only(tmp_path: Path, cover: bool, found: str) -> None:
    path = tmp_path / "song.m4a"
    _write_sound_only(path, cover)
    with pytest.raises(VideoError, match=f"song.m4a: no video stream; streams found: {found}$"):
        open_video(path)


def test_names_that_look_like_protocols_or_patterns(make_video) -> None:
    for name in ("a:b.mp4", "100%d.mp4", "[1].mp4", "-x.mp4"):
        assert len(times_of(open_video(make_video(name, num_frames=2)))) == 2


def test_wrong_parts(make_video) -> None:
    path = make_video("clip.mp4")
    with pytest.raises(VideoError, match="every 0"):
        open_video(path, every=0)
    with pytest.raises(VideoError, match="end 1 s is not after start 1 s"):
        open_video(path, start_s=1, end_s=1)
    with pytest.raises(VideoError, match="start -1 s"):
        open_video(path, start_s=-1)
    for start_s in (0.8, 1.5, 1000.0):
        with pytest.raises(VideoError, match=r"no frame between .* and the end; it is 0\.8 s long"):
            open_video(path, start_s=start_s)


def test_a_source_is_read_once_and_closes_any_time(make_video) -> None:
    source = open_video(make_video("clip.mp4"))
    frames = iter(source)
    first = next(frames)
    with pytest.raises(RuntimeError, match="already read"):
        iter(source)
    source.close()
    source.close()
    assert list(frames) == []
    assert first.image.shape == (48, 64, 3)


def test_closed_by_another_thread_while_it_is_read(make_video) -> None:
    source = open_video(make_video("clip.mp4", num_frames=30))
    seen, second = [], threading.Event()

    def read() -> None:
        for frame in source:
            seen.append(frame.index)
            if len(seen) == 2:
                second.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert second.wait(10)
    source.close()
    thread.join(10)
    assert not thread.is_alive()
    assert seen == list(range(len(seen)))
