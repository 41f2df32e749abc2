"""Dense poses are saved without loss, whatever happens to the program, and read back by numpy alone."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from posetrack.errors import ResultsError
from posetrack.frame import NO_DENSE, Instances
from posetrack.results.dense_file import DenseWriter, write_final_ids
from posetrack.results.dense_poses import SavedDense, read_dense
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

HEADER = Header("clips/clip.mp4", 640, 480, Fraction(30000, 1001), COCO_17, "densepose")
BOXES = np.array(
    [[10.25, 20.5, 41.9, 70.75], [-5.5, -7.25, 30.125, 9.5], [300, 200, 300.25, 200.5]], np.float32
)
SIZES = [(50, 31), (16, 35), (1, 1)]


def make_people(seed=0):
    """Three people with dense poses, and one without at row 1."""
    rng = np.random.default_rng(seed)
    poses = [rng.integers(0, 25, (*size, 3), np.uint8) for size in SIZES]
    return Instances(
        boxes_xyxy=np.insert(BOXES, 1, [1, 2, 3, 4], axis=0),
        box_scores=[0.9, 0.8, 0.7, 1 / 3],
        track_ids=[4, 5, -1, 2**40],
        dense=(poses[0], NO_DENSE, *poses[1:]),
    )


def write(path, seeds=(0, None, 1), **options):
    """A frame for each seed; nobody in a frame without one."""
    with DenseWriter(path, HEADER, **options) as writer:
        for i, seed in enumerate(seeds, writer.num_frames):
            people = Instances.empty() if seed is None else make_people(seed)
            writer.write(2 * i, i / 3, people, (320, 240) if seed == 1 else None)
    return path


def check(frame, seed):
    if seed is None:
        assert len(frame.instances) == 0
        assert frame.instances.dense == ()
        return
    people, read = make_people(seed)[[0, 2, 3]], frame.instances
    for name in ("boxes_xyxy", "box_scores", "track_ids"):
        np.testing.assert_array_equal(getattr(read, name), getattr(people, name))
    for pose, saved in zip(people.dense, read.dense, strict=True):
        np.testing.assert_array_equal(pose, saved)
    assert read.dense_rows.tolist() == [0, 1, 2]


def test_frames_are_read_as_they_were_written(tmp_path):
    saved = read_dense(write(tmp_path / "new" / "clip.npz"))
    assert saved.header == HEADER
    assert "clips/clip.mp4" in repr(saved)
    for _ in range(2):
        frames = list(saved)
        assert [frame.index for frame in frames] == [0, 2, 4]
        assert [frame.time_s for frame in frames] == [0, 1 / 3, 2 / 3]
        assert [frame.size_wh for frame in frames] == [(640, 480), (640, 480), (320, 240)]
        assert frames[0].is_restored
        assert frames[0].keypoint_names == COCO_17.names
        for frame, seed in zip(frames, (0, None, 1), strict=True):
            check(frame, seed)
    assert saved.read_frame(3) is None
    assert saved.read_frame(99) is None
    assert len(saved.read_frame(2)) == 0
    np.testing.assert_array_equal(saved.read_frame(4).dense[0], make_people(1).dense[0])


def test_writing_says_where_each_person_is(tmp_path):
    with DenseWriter(tmp_path / "clip.npz", HEADER) as writer:
        assert writer.write(0, 0.0, make_people()).tolist() == [0, -1, 1, 2]
        assert writer.write(1, 0.0, replace(make_people(), dense=None)).tolist() == [-1] * 4
        assert writer.write(2, 0.0, Instances.empty()).tolist() == []
        assert writer.num_frames == 0


def test_numpy_alone_reads_it(tmp_path):
    import cv2

    path = write(tmp_path / "clip.npz")
    with np.load(path) as file:
        assert file.files == sorted(file.files[:1]) + sorted(file.files[1:])
        assert json.loads(str(file["header"]))["schema"] == "posetrack-dense/1"
        frame, pngs = file["frame_0000000004"], file["frame_0000000004_png"]
        assert len(file["frame_0000000002"]["people"]) == 0
    assert (frame["frame"], frame["width"], frame["height"]) == (4, 320, 240)
    person = frame["people"][1]
    assert person["track_id"] == -1
    assert [person[name] for name in "xywh"] == [-5, -7, 35, 16]
    png = pngs[person["png_offset"] : person["png_offset"] + person["png_size"]]
    decoded = cv2.imdecode(png, cv2.IMREAD_UNCHANGED)[:, :, ::-1]
    np.testing.assert_array_equal(decoded, make_people(1).dense[2])


def test_numpy_may_write_it_anew(tmp_path):
    """Compressed and in another order: readers go by names."""
    path = write(tmp_path / "clip.npz")
    with np.load(path) as file:
        arrays = {name: file[name] for name in reversed(file.files)}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "other.npz", **arrays)
        for frame, seed in zip(read_dense(tmp_path / "other.npz"), (0, None, 1), strict=True):
            check(frame, seed)
    before = (tmp_path / "other.npz").read_bytes()
    with pytest.raises(ResultsError, match="packed anew; posetrack convert"):
        write_final_ids(tmp_path / "other.npz", np.arange(6))
    with pytest.raises(ResultsError, match="not a file of dense poses as they are written"):
        DenseWriter(tmp_path / "other.npz", HEADER, is_resumed=True)
    assert (tmp_path / "other.npz").read_bytes() == before


def find_ends(path):
    """Where each frame ends in a file, by writing ever more of it."""
    ends = []
    with DenseWriter(path, HEADER) as writer:
        ends.append(path.stat().st_size)
        for i, seed in enumerate((0, None, 1)):
            writer.write(2 * i, i / 3, Instances.empty() if seed is None else make_people(seed))
            ends.append(path.stat().st_size)
    return ends


def test_a_frame_is_in_the_file_when_it_is_written(tmp_path, caplog):
    path = tmp_path / "clip.npz"
    with DenseWriter(path, HEADER) as writer:
        writer.write(0, 0.0, make_people(0))
        check(next(iter(read_dense(path))), 0)
    assert caplog.messages == []


def test_killed_anywhere_whole_frames_are_read_and_the_run_goes_on(tmp_path, caplog):
    path = tmp_path / "clip.npz"
    ends = find_ends(path)
    content = path.read_bytes()
    seeds = (0, None, 1)
    rng = np.random.default_rng(0)
    near = {end + step for end in ends for step in (-1, 0, 1, 3, 4, 20, 30, 60)}
    cuts = sorted({*near, *rng.integers(ends[0], len(content), 40).tolist(), len(content) - 1, len(content)})
    for cut in cuts:
        num_whole = sum(end <= cut for end in ends) - 1
        path.write_bytes(content[:cut])
        caplog.clear()
        if num_whole >= 0:
            frames = list(read_dense(path))
            assert len(frames) == num_whole, cut
            for frame, seed in zip(frames, seeds, strict=False):
                check(frame, seed)
            rest = cut - ends[num_whole]
            assert (len(caplog.messages) == 1) == (rest > 0 and cut < ends[-1] + 4), (cut, caplog.messages)
        with DenseWriter(path, HEADER, is_resumed=True) as writer:
            assert writer.num_frames == max(num_whole, 0), cut
            for i in range(writer.num_frames, 3):
                people = Instances.empty() if seeds[i] is None else make_people(seeds[i])
                writer.write(2 * i, i / 3, people)
        assert path.read_bytes() == content, cut


@pytest.mark.parametrize("cut", [0, 1, 4, 20, 35, 60, 200])
def test_killed_in_the_header_it_begins_again(tmp_path, cut):
    path = write(tmp_path / "clip.npz")
    content = path.read_bytes()
    for torn in (content[:cut], b"\0" * cut):
        path.write_bytes(torn)
        with pytest.raises(ResultsError, match="not a file of dense poses, or damaged"):
            read_dense(path)
        write(path, is_resumed=True)
        assert path.read_bytes() == content


def test_blocks_that_never_reached_the_disk_end_it(tmp_path, caplog):
    path = tmp_path / "clip.npz"
    ends = find_ends(path)
    content = bytearray(path.read_bytes())
    content[ends[2] + 200 : ends[2] + 230] = bytes(30)
    path.write_bytes(content[: ends[3]])
    assert [frame.index for frame in read_dense(path)] == [0, 2]
    assert "cut short behind frame 2; the last" in caplog.text
    with DenseWriter(path, HEADER, is_resumed=True) as writer:
        assert writer.num_frames == 2
    assert "damaged behind frame 2" in caplog.text


def test_resuming_keeps_as_many_frames_as_asked_for(tmp_path):
    path = write(tmp_path / "clip.npz")
    content = path.read_bytes()
    for keep in (0, 1, 2, 3, 9):
        with DenseWriter(path, HEADER, is_resumed=True, keep_frames=keep) as writer:
            assert writer.num_frames == min(keep, 3)
            for i, seed in list(enumerate((0, None, 1)))[writer.num_frames :]:
                people = Instances.empty() if seed is None else make_people(seed)
                writer.write(2 * i, i / 3, people, (320, 240) if seed == 1 else None)
        assert path.read_bytes() == content


def test_a_missing_file_begins_anew_and_others_are_left_alone(tmp_path):
    with DenseWriter(tmp_path / "none.npz", HEADER, is_resumed=True) as writer:
        assert writer.num_frames == 0
    for name, content in (("text.npz", b"my notes"), ("zip.npz", b"PK\3\4 something else")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ResultsError, match="not a file of dense poses"):
            DenseWriter(tmp_path / name, HEADER, is_resumed=True)
        assert (tmp_path / name).read_bytes() == content


def test_final_ids_replace_those_of_frames(tmp_path):
    path = write(tmp_path / "clip.npz")
    before = path.read_bytes()
    for ids in ([1, 2, 3, 4, 5, 6], [8, -1, -1, 9, 9, 9]):
        write_final_ids(path, ids)
        first, nobody, last = read_dense(path)
        assert len(nobody.instances) == 0
        assert last.instances.track_ids.tolist() == ids[3:]
    # The second person was never tracked and stays, the third was left out.
    assert first.instances.track_ids.tolist() == [8, -1]
    assert first.instances.dense_rows.tolist() == [0, 1]
    assert [len(pose) for pose in first.instances.dense] == [50, 16]
    with np.load(path) as file:
        assert file["final_ids"]["track_id"].tolist() == ids
    path.write_bytes(path.read_bytes()[:-30])
    assert len(next(iter(read_dense(path))).instances) == 2, "without its directory too"
    write(path, seeds=(), is_resumed=True)
    assert path.read_bytes() == before, "a run that goes on has none"
    with pytest.raises(ValueError, match=r"expected ids \(6,\)"):
        write_final_ids(path, [1])


def test_wrong_frames_are_refused_in_writing(tmp_path):
    with DenseWriter(tmp_path / "clip.npz", HEADER) as writer:
        writer.write(3, 0.0, make_people())
        with pytest.raises(ValueError, match="frame 3 comes after 3"):
            writer.write(3, 0.1, make_people())
        people = make_people()
        people = people.with_columns(dense=(people.dense[0], NO_DENSE, *[people.dense[0]] * 2))
        with pytest.raises(ValueError, match=r"person 2: .* \(16, 35, 3\) .*, got \(50, 31, 3\)"):
            writer.write(4, 0.1, people)
    assert [frame.index for frame in read_dense(tmp_path / "clip.npz")] == [3]


def test_a_full_disk_leaves_whole_frames(tmp_path, monkeypatch):
    path = tmp_path / "clip.npz"
    writer = DenseWriter(path, HEADER)
    writer.write(0, 0.0, make_people(0))
    real = writer._writer._file

    class Full:
        """Takes 100 bytes, then no more."""

        room = 100

        def __getattr__(self, name):
            return getattr(real, name)

        def write(self, content):
            if not self.room:
                raise OSError(28, "No space left on device")
            written = real.write(content[: self.room])
            self.room -= written
            return written

    writer._writer._file = Full()
    size = path.stat().st_size
    with pytest.raises(ResultsError, match="no space left on device; free some space"):
        writer.write(1, 0.1, make_people(1))
    assert path.stat().st_size == size
    with pytest.raises(ResultsError, match="no space left"):
        writer.close()
    (frame,) = read_dense(path)
    check(frame, 0)


def test_an_error_in_between_keeps_the_frames(tmp_path):
    path = tmp_path / "clip.npz"
    try:
        with DenseWriter(path, HEADER) as writer:
            writer.write(0, 0.0, make_people(0))
            raise KeyError
    except KeyError:
        pass
    with np.load(path) as file:
        assert "frame_0000000000" in file.files


@pytest.fixture
def poses(tmp_path):
    """A `poses.jsonl` with other ids and order than its dense file, and a person who is not in that."""
    dense = write(tmp_path / "dense" / "clip.npz")
    people = make_people(0)[[3, 0, 1]]
    people = people.with_columns(track_ids=[30, 40, 50], dense_rows=[2, 0, -1])
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, replace(HEADER, dense=dense)) as writer:
        writer.write(0, 0.0, people)
        writer.write(2, 0.1, people[[2]])
        writer.write(4, 0.2, Instances.empty())
    return path


def test_dense_poses_of_saved_poses(poses):
    saved = read_dense(poses)
    first, second, third = saved
    people = make_people(0)
    assert first.instances.track_ids.tolist() == [30, 40, 50]
    assert first.instances.dense_rows.tolist() == [2, 0, -1]
    np.testing.assert_array_equal(first.instances.boxes_xyxy[:2], people.boxes_xyxy[[3, 0]], "not rounded")
    for pose, row in zip(first.instances.dense, (3, 0, 1), strict=True):
        np.testing.assert_array_equal(pose, people.dense[row])
    assert [pose.shape for pose in second.instances.dense] == [(0, 0, 3)]
    assert len(third.instances) == 0
    assert saved.read_frame(2).track_ids.tolist() == [50]
    assert saved.read_frame(1) is None
    assert saved.read_frame(5) is None


def test_both_files_may_move_together(poses, tmp_path):
    (tmp_path / "moved").mkdir()
    for name in ("poses.jsonl", "dense"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert len(next(iter(read_dense(tmp_path / "moved" / "poses.jsonl"))).instances) == 3


def test_files_that_do_not_belong_together(poses, tmp_path):
    text = poses.read_text()
    cases = {
        text.replace('"dense": 2', '"dense": 7'): r"people\[0\].dense: 7, but .*clip.npz has 3 people there",
        text.replace('"frame": 0', '"frame": 1'): r"frame 1: not in .*clip.npz; do both files belong together",
        text.replace('"dense": "dense/clip.npz"', '"dense": "no.npz"'): r"its dense poses: .*no\.npz: cannot",
        text.replace('"dense": "dense/clip.npz"', '"other": 1'): "refers to no dense poses; give --dense-out",
    }
    for changed, message in cases.items():
        assert changed != text
        poses.write_text(changed)
        with pytest.raises(ResultsError, match=message) as caught:
            list(read_dense(poses))
        assert "\n" not in str(caught.value)


def test_what_is_no_such_file_is_refused(tmp_path):
    with pytest.raises(ResultsError, match=r"none\.npz: cannot be read: no such file"):
        read_dense(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("text.npz", "other.npz"):
        with pytest.raises(ResultsError, match=f"{name}: not a file of dense poses, or damaged"):
            SavedDense(tmp_path / name)
