"""Errors that say that memory is too small."""

import cv2
import numpy as np
import pytest
import torch

from models.out_of_memory import is_out_of_memory


@pytest.mark.parametrize(
    "work",
    [
        lambda: torch.empty(1 << 60),
        lambda: np.empty(1 << 58),
        lambda: cv2.resize(np.zeros((2, 2, 3), np.uint8), (2**31 - 1, 2**31 - 1)),
    ],
    ids=["torch", "numpy", "cv2"],
)
def test_every_library_says_it_in_its_own_words(work):
    with pytest.raises(Exception) as caught:  # noqa: PT011, each library has its own
        work()
    assert is_out_of_memory(caught.value)


def test_causes_count_and_other_errors_do_not():
    outer = ValueError("not read")
    outer.__cause__ = OSError(12, "Cannot allocate memory")
    assert is_out_of_memory(outer)
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(RuntimeError("sizes differ"))
