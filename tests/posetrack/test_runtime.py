import subprocess
import sys

import cv2
import pytest
import torch

from posetrack import runtime
from posetrack.runtime import keep_freed_memory, tune_process

# Asks for 64 MiB and frees it, ten times over, and counts the fresh pages that the kernel had to give.
COUNT_PAGES = """
import resource, sys
import numpy as np
from posetrack.runtime import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(1 << 23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(1 << 23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_pages(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_PAGES, how], capture_output=True, text=True, check=True, timeout=120
    )
    return int(done.stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="the C library is not glibc")
def test_freed_memory_is_kept_for_the_next():
    assert count_pages("keep") < 0.2 * count_pages("leave")


def test_opencv_works_on_one_thread_and_so_does_torch_when_it_only_decodes():
    before = cv2.getNumThreads(), torch.get_num_threads()
    try:
        tune_process(torch_computes=False)
        assert (cv2.getNumThreads(), torch.get_num_threads()) == (1, 1)
        tune_process()
        assert cv2.getNumThreads() == 1
        assert torch.get_num_threads() == runtime._TORCH_THREADS
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])
