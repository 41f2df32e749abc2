"""Workers that are processes: the same files as one by one, and lost workers are replaced."""

import multiprocessing
import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from posetrack import Tracker
from posetrack.recipe import read_recipe
from posetrack.run.job import Output
from posetrack.workers.local import LocalRunner, count_cores, share_threads
from posetrack.workers.task import MOST_TRIES, Progress, TrackerSettings, VideoTask

CLIP = str(Path(__file__).parents[3] / "docs" / "media" / "street.mp4")
PARTS = ({"start_s": 3.2, "end_s": 3.6}, {"start_s": 0.0, "end_s": 0.4}, {"start_s": 3.6, "end_s": 4.0})
FILES = ("poses.jsonl", "overlay.mp4", "poses.csv")


@pytest.fixture(scope="module")
def settings():
    return TrackerSettings(read_recipe("fast"))


def make_tasks(folder: Path, parts=PARTS, *, existing="refuse"):
    return [
        VideoTask(i, CLIP, CLIP, part, Output(folder / str(i), ("csv",), existing=existing))
        for i, part in enumerate(parts)
    ]


def run_tasks(runner, tasks, tell=lambda message: None):
    with closing(runner.run(tasks, tell)) as outcomes:
        return sorted(outcomes, key=lambda outcome: outcome.number)


def test_workers_write_the_bytes_of_runs_one_by_one(settings, tmp_path):
    tracker = Tracker("fast")
    for i, part in enumerate(PARTS):
        tracker.run(CLIP, tmp_path / "one" / str(i), formats=["csv"], **part)
    told = []
    outcomes = run_tasks(LocalRunner(settings, 2), make_tasks(tmp_path / "many"), told.append)
    assert [outcome.error for outcome in outcomes] == ["", "", ""]
    assert {outcome.worker for outcome in outcomes} == {"1", "2"}
    assert {message.number for message in told if isinstance(message, Progress)} == {0, 1, 2}
    for i in range(3):
        for name in FILES:
            paths = [tmp_path / how / str(i) / name for how in ("one", "many")]
            assert paths[0].read_bytes() == paths[1].read_bytes(), paths
    assert multiprocessing.active_children() == []


def test_a_killed_worker_is_replaced_by_one_that_goes_on(settings, tmp_path, caplog):
    killed = []

    def kill(message):
        if isinstance(message, Progress) and not killed:
            (child,) = multiprocessing.active_children()
            killed.append((child.pid, message.frames))
            os.kill(child.pid, signal.SIGKILL)

    tasks = make_tasks(tmp_path, [{}])
    (outcome,) = run_tasks(LocalRunner(settings, 1), tasks, kill)
    assert killed
    assert outcome.error == ""
    assert (outcome.report.num_frames, outcome.report.num_restored > 0) == (115, True)
    assert "was killed (SIGKILL, perhaps for its memory); another one goes on" in caplog.text
    assert {path.name for path in (tmp_path / "0").iterdir()} == set(FILES)


def test_a_task_that_loses_every_worker_fails_and_the_others_finish(settings, tmp_path):
    def kill(message):
        if isinstance(message, Progress) and message.number == 0:
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)

    first, second = run_tasks(LocalRunner(settings, 1), make_tasks(tmp_path, [{}, PARTS[0]]), kill)
    assert first.error.startswith(f"{CLIP}: lost {MOST_TRIES} workers, was killed (SIGKILL")
    assert second.error == ""
    assert second.report.num_frames == 10


def test_a_video_that_fails_does_not_end_the_others_and_a_second_run_does_what_is_missing(settings, tmp_path):
    tasks = make_tasks(tmp_path, PARTS[:2], existing="resume")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all" * 100)
    tasks[0] = VideoTask(0, "broken.mp4", str(broken), {}, tasks[0].output)
    failed, done = run_tasks(LocalRunner(settings, 1), tasks)
    assert failed.error.startswith(f"{broken}: not a video")
    assert done.report.num_frames == 10
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in (tmp_path / "1").iterdir()}
    output = Output(tmp_path / "1", ("csv",), existing="resume", finished_frames=10)
    (again,) = run_tasks(LocalRunner(settings, 1), [VideoTask(1, CLIP, CLIP, PARTS[1], output)])
    assert again.report.num_restored == again.report.num_frames == 10
    assert again.report.seconds == 0
    after = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in (tmp_path / "1").iterdir()}
    assert after == before


def test_networks_that_cannot_be_loaded_end_all(tmp_path):
    settings = TrackerSettings(read_recipe("fast"), engine="onnxrumtime")
    (outcome,) = run_tasks(LocalRunner(settings, 1), make_tasks(tmp_path, [{}]))
    assert outcome.is_fatal
    assert "onnxrumtime" in outcome.error
    assert not (tmp_path / "0").exists()


def test_a_task_that_is_begun_again_overwrites_nothing_of_its_own(tmp_path):
    (task,) = make_tasks(tmp_path, [{}], existing="overwrite")
    assert task.begin_again(has_begun=False) is task
    assert task.begin_again(has_begun=True).output.existing == "resume"


@pytest.mark.parametrize("workers", [1, 2, 1000])
def test_cores_are_shared_out(workers, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert share_threads(workers) == max(count_cores() // workers, 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert share_threads(workers) == 3


def test_memory_that_is_too_small_is_named_and_tried_again(settings, tmp_path, caplog, monkeypatch):
    """The process says so before it ends; a task of this process stands in for one of another."""
    from posetrack.workers import local, work

    sent = []

    class Pipe:
        def recv(self):
            return make_tasks(tmp_path, [{}])[0]

        def send(self, message):
            sent.append(message)

    def load(self):
        raise RuntimeError("[enforce fail] can't allocate memory: you tried to allocate 8 bytes")

    ended = []
    monkeypatch.setattr(work.VideoWorker, "_load", load)
    monkeypatch.setattr(local.signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(local.os, "kill", lambda pid, number: ended.append((pid, number)))
    local._serve(Pipe(), settings, 0)
    assert sent == ["ran out of memory"]
    assert ended == [(os.getpid(), signal.SIGKILL)]


def test_an_error_of_loading_ends_all_in_one_line(settings, tmp_path, monkeypatch):
    from posetrack.workers import work

    def load(self):
        raise ImportError("no such name")

    monkeypatch.setattr(work.VideoWorker, "_load", load)
    outcome = work.VideoWorker(settings, "1").do(make_tasks(tmp_path, [{}])[0], lambda message: None)
    assert outcome.is_fatal
    assert outcome.error.startswith(f"{CLIP}: ImportError: no such name (test_local.py, line ")


@pytest.mark.parametrize(
    ("device", "rank", "gpus", "expected"),
    [
        ("auto", 0, 4, "cuda:0"),
        ("auto", 5, 4, "cuda:1"),
        ("cuda", 3, 4, "cuda:3"),
        ("cuda:2", 3, 4, "cuda:2"),
        ("cpu", 3, 4, "cpu"),
        ("auto", 3, 1, "auto"),
        ("auto", 3, 0, "auto"),
    ],
)
def test_each_worker_takes_a_gpu_of_its_own(device, rank, gpus, expected, monkeypatch):
    from posetrack.workers.work import _share_device

    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert _share_device(device, rank) == expected
