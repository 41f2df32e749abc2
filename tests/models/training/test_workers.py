"""Errors of data loading processes are those of their samples."""

import os
import signal

import pytest
from torch.utils.data import Dataset

from models.training.errors import DataError, TrainingError
from models.training.workers import read_batches, read_in_order


class Broken(Dataset):
    """Samples that cannot be read, or whose process is ended."""

    def __init__(self, *, is_killed: bool = False) -> None:
        self.is_killed = is_killed

    def __getitem__(self, key):
        if self.is_killed:
            os.kill(os.getpid(), signal.SIGKILL)
        raise DataError(f"images/{key[1]}.jpg: cannot be read")


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_sample_that_cannot_be_read_is_one_line(num_workers):
    with pytest.raises(DataError) as caught:
        list(read_batches(read_in_order(Broken(), 1, batch_size=1, num_workers=num_workers)))
    assert str(caught.value) == "images/0.jpg: cannot be read"


def test_a_process_that_was_killed_says_what_to_lower():
    with pytest.raises(TrainingError, match=r"process was ended.*lower loop\.num_workers"):
        list(read_batches(read_in_order(Broken(is_killed=True), 1, batch_size=1, num_workers=1)))
