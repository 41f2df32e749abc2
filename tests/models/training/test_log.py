import csv
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from models.training.log import CsvLog, TensorBoardLog


class StandIn:
    """Takes what TensorBoard's writer would."""

    made: list["StandIn"] = []  # noqa: RUF012

    def __init__(self, folder, purge_step=None):
        self.folder, self.purge_step = folder, purge_step
        self.scalars = []
        self.is_flushed = False
        self.made.append(self)

    def add_scalar(self, name, value, step):
        self.scalars.append((name, value, step))
        self.is_flushed = False

    def flush(self):
        self.is_flushed = True


@pytest.fixture
def boards(monkeypatch):
    """As if TensorBoard were installed; gives the writers that are made."""
    package = ModuleType("tensorboard")
    package.__spec__ = ModuleSpec("tensorboard", None)
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = StandIn
    monkeypatch.setitem(sys.modules, "tensorboard", package)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(StandIn, "made", [])
    return StandIn.made


def test_tensorboard_gets_every_number(boards, tmp_path):
    board = TensorBoardLog(tmp_path, first_step=7)
    board.write(8, {"loss": 0.5, "AP": None})
    (writer,) = boards
    assert (writer.folder, writer.purge_step) == (str(tmp_path), 7)
    assert writer.scalars == [("loss", 0.5, 8)]
    assert writer.is_flushed
    TensorBoardLog(tmp_path)
    assert boards[1].purge_step is None


def test_training_logs_to_tensorboard_what_it_logs_to_csv(boards, make_trainer, tmp_path):
    make_trainer(evaluate=lambda network, epoch: {"score": 0.25}, evaluate_every_epochs=3).run()
    (writer,) = boards
    assert writer.folder == str(tmp_path / "out" / "tensorboard")
    with (tmp_path / "out" / "train.csv").open(newline="") as file:
        rows = [(float(row["loss"]), int(row["step"])) for row in csv.DictReader(file)]
    losses = [(value, step) for name, value, step in writer.scalars if name == "loss"]
    assert [step for _, step in losses] == [step for _, step in rows]
    assert [value for value, _ in losses] == pytest.approx([value for value, _ in rows], rel=1e-6)
    assert ("score", 0.25, 15) in writer.scalars


def test_tensorboard_itself_reads_the_numbers(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = TensorBoardLog(tmp_path)
    board.write(3, {"loss": 0.5})
    board.write(6, {"loss": 0.25})
    events = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(3, 0.5), (6, 0.25)]


def test_resumed_log_drops_later_rows_and_rows_that_were_cut_off(tmp_path):
    path = tmp_path / "a.csv"
    log = CsvLog(path)
    for step in (2, 4, 6):
        log.write(step, {"loss": step / 10, "AP": None})
    # The power failed while step 48 was written.
    path.write_text(path.read_text() + "4")
    CsvLog(path, first_step=4).write(6, {"loss": 9.0, "AP": 0.5})
    assert path.read_text().splitlines() == ["step,loss,AP", "2,0.2,", "4,0.4,", "6,9,0.5"]
