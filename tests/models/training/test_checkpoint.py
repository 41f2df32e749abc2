import io
import random

import numpy as np
import pytest
import torch

from models.training.checkpoint import (
    CheckpointFolder,
    get_rng_state,
    read_checkpoint,
    save_to,
    set_rng_state,
    write_checkpoint,
)
from models.training.errors import TrainingError


def test_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    write_checkpoint({"step": 1}, path)

    def fail(content, file):
        file.write(b"half a file")
        raise OSError(28, "disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(TrainingError, match=r"a\.pt: not written \(disk full\); make room"):
        write_checkpoint({"step": 2}, path)
    assert read_checkpoint(path) == {"step": 1}


def test_half_written_file_is_not_taken_for_the_latest(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save({"step": 7}, 7)
    (tmp_path / "checkpoint-00000009.pt.part").write_bytes(b"half")
    assert folder.latest == tmp_path / "checkpoint-00000007.pt"


def test_last_few_and_best_are_kept(tmp_path):
    folder = CheckpointFolder(tmp_path, keep=2)
    assert folder.latest is None
    for step in (1, 2, 3, 10):
        folder.save({"step": step}, step, is_best=step == 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.pt",
        "checkpoint-00000003.pt",
        "checkpoint-00000010.pt",
    ]
    assert read_checkpoint(folder.best)["step"] == 2


@pytest.mark.parametrize(
    "content", [b"", b"root:x:0:0:root:/root:/bin/bash\n", b"\x80\x02]q\x00(K\x01", b"PK\x03\x04"]
)
def test_what_is_no_checkpoint_is_one_line(tmp_path, content):
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"c\.pt: not a checkpoint of ours"):
        read_checkpoint(tmp_path / "c.pt")


class Evil:
    def __reduce__(self):
        return (print, ("owned",))


def test_checkpoints_run_no_code(tmp_path, capsys):
    torch.save({"step": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(TrainingError, match=r"evil.pt: not a checkpoint of ours"):
        read_checkpoint(tmp_path / "evil.pt")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_damaged_checkpoint_is_one_line(tmp_path, content):
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"bad.pt: not a checkpoint") as caught:
        read_checkpoint(tmp_path / "bad.pt")
    assert "\n" not in str(caught.value)


def test_random_generators_go_on_where_they_were(tmp_path):
    def draw():
        return [
            random.random(),
            random.gauss(0, 1),
            np.random.random(),
            np.random.normal(),
            torch.rand(1).item(),
        ]

    draw()
    write_checkpoint({"rng": get_rng_state()}, tmp_path / "a.pt")
    expected = draw()
    draw()
    set_rng_state(read_checkpoint(tmp_path / "a.pt")["rng"])
    assert draw() == expected


class FullDisk(io.BytesIO):
    """A file whose writing fails after some bytes, with the error that it is given."""

    def __init__(self, failure):
        super().__init__()
        self.failure = failure

    def write(self, piece):
        if self.tell() > 1000:
            raise self.failure
        return super().write(piece)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_stops_the_writing_is_raised_and_not_what_torch_makes_of_it(failure):
    with pytest.raises(type(failure)):
        save_to({"weights": torch.zeros(100_000)}, FullDisk(failure))


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path, caplog):
    folder = CheckpointFolder(tmp_path)
    folder.save({"step": 1}, 1)
    path = folder.save({"step": 2}, 2)
    assert folder.read_latest() == {"step": 2}
    path.write_bytes(path.read_bytes()[:300])
    assert folder.read_latest() == {"step": 1}
    (line,) = caplog.messages
    assert line.startswith(f"{path}: not a checkpoint of ours, or damaged")
    assert line.endswith("the one before is taken")
    (tmp_path / "checkpoint-00000001.pt").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"checkpoint-00000001\.pt: not a checkpoint of ours, or damaged"):
        folder.read_latest()
    with pytest.raises(TrainingError, match="no checkpoint"):
        CheckpointFolder(tmp_path / "none").read_latest()
