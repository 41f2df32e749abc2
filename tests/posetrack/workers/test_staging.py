"""Results are staged, checkpointed, and moved when they are whole."""

from pathlib import Path

import pytest

from posetrack.run.job import Output
from posetrack.run.report import RunReport
from posetrack.workers.staging import CHECKPOINT_NAME, Checkpoint, do_staged, move_whole
from posetrack.workers.task import Outcome, Progress, VideoTask

LINES = [b'{"schema": "posetrack/1"}\n', b'{"frame": 0}\n', b'{"frame": 1}\n', b'{"frame": 2}\n']


class MadeWorker:
    """Writes a line for each frame, behind those that are there; may be lost after some."""

    name = "made"

    def __init__(self, lost_after: int | None = None, error: str = "") -> None:
        self.lost_after, self.error = lost_after, error
        self.found = []

    def do(self, task, tell):
        poses = task.output.poses
        done = len(poses.read_bytes().splitlines()) if poses.exists() else 0
        self.found.append((task.output.existing, done))
        for i in range(done, len(LINES)):
            if i == self.lost_after:
                raise MemoryError("all of it")
            with poses.open("ab") as file:
                file.write(LINES[i])
            tell(Progress(task.number, i, 0))
        if self.error:
            return Outcome(task.number, self.name, error=f"{poses}: {self.error}")
        (task.output.folder / "openpose").mkdir()
        (task.output.folder / "openpose" / "0.json").write_text("{}")
        files = (poses, task.output.folder / "openpose")
        return Outcome(task.number, self.name, RunReport("clip", 3, 0, 0, 1.0, 0, files))


def make_task(folder, existing="resume", **options):
    return VideoTask(0, "clip.mp4", "clip.mp4", {}, Output(folder, existing=existing, **options))


def list_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_results_are_moved_and_nothing_else_is_left(tmp_path):
    folder, told = tmp_path / "out" / "clip", []
    outcome = do_staged(MadeWorker(), make_task(folder), told.append)
    assert outcome.report.files == (folder / "poses.jsonl", folder / "openpose")
    assert (folder / "poses.jsonl").read_bytes() == b"".join(LINES)
    assert list_files(folder) == ["openpose/0.json", "poses.jsonl"]
    assert [message.frames for message in told] == [0, 1, 2, 3]


@pytest.mark.parametrize("existing", ["resume", "overwrite"])
def test_another_worker_goes_on_behind_the_last_whole_record(existing, tmp_path):
    folder = tmp_path / "clip"
    if existing == "overwrite":
        folder.mkdir()
        (folder / "poses.jsonl").write_bytes(b"".join(LINES) + b"of an older run\n")
    with pytest.raises(MemoryError):
        do_staged(MadeWorker(lost_after=3), make_task(folder, existing), lambda message: None)
    (saved,) = (folder / CHECKPOINT_NAME).iterdir()
    assert saved.read_bytes() == b"".join(LINES[:3])
    worker = MadeWorker()
    assert do_staged(worker, make_task(folder, existing), lambda message: None).error == ""
    assert worker.found == [("resume", 3)]
    assert (folder / "poses.jsonl").read_bytes() == b"".join(LINES)
    assert list_files(folder) == ["openpose/0.json", "poses.jsonl"]


def test_a_video_that_fails_leaves_what_it_has_for_another_start(tmp_path):
    folder = tmp_path / "clip"
    outcome = do_staged(MadeWorker(error="damaged"), make_task(folder), lambda message: None)
    assert outcome.error == f"{folder / 'poses.jsonl'}: damaged"
    (saved,) = (folder / CHECKPOINT_NAME).iterdir()
    assert saved.read_bytes() == b"".join(LINES)
    assert not (folder / "poses.jsonl").exists()


def test_a_finished_run_is_looked_at_where_it_is(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "poses.jsonl").write_bytes(b"".join(LINES))
    worker = MadeWorker()
    do_staged(worker, make_task(folder, finished_frames=3), lambda message: None)
    assert worker.found == [("resume", 4)]


def test_a_checkpoint_has_whole_records_only(tmp_path):
    path, folder = tmp_path / "poses.jsonl", tmp_path / "saved"
    checkpoint = Checkpoint(path, folder)
    checkpoint.save()
    assert not folder.exists()
    path.write_bytes(LINES[0] + LINES[1][:5])
    checkpoint.save()
    path.write_bytes(LINES[0] + LINES[1] + LINES[2][:4])
    checkpoint.save()
    checkpoint.save()
    (saved,) = folder.iterdir()
    assert saved.read_bytes() == LINES[0] + LINES[1]


def test_a_move_that_fails_leaves_nothing(tmp_path):
    target = tmp_path / "out" / "a"
    with pytest.raises(OSError, match="none"):
        move_whole(tmp_path / "none", target)
    assert list(target.parent.iterdir()) == []
    (tmp_path / "file").write_text("new")
    target.write_text("old")
    move_whole(tmp_path / "file", target)
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["a"]


def test_an_output_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    outcome = do_staged(MadeWorker(), make_task(tmp_path / "file" / "clip"), lambda message: None)
    assert "cannot be written" in outcome.error
    assert Path(outcome.error.partition(":")[0]) == tmp_path / "file" / "clip"
